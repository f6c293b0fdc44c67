"""Runs bgecheck against the true vLLM on CPU with a trained model that pools the mean: right is told as right.

usage: right_vllm.py        (after setup_vllm.sh; minutes; exit status 0 when every scene is told rightly)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from prove import end, free_port

HERE = Path(__file__).resolve().parent
VLLM = HERE / ".venv-vllm/bin/vllm"
MODEL = HERE / "models/all-MiniLM-L6-v2"
START = 300.0
"""Seconds that a start may take; 60 on an idle machine of two cores."""


@contextmanager
def started(port: int, *options: str) -> Iterator[str]:
    """The server, once it lists its model."""
    log = HERE / "logs/vllm.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(VLLM), "serve", str(MODEL), "--host", "127.0.0.1", "--port", str(port), *options],
            env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        for _ in range(int(START)):
            if process.poll() is not None:
                raise SystemExit(f"vLLM has ended: see {log}")
            try:
                urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5).read()
                break
            except OSError:
                time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def called(*words: str) -> tuple[int, dict[str, Any]]:
    """Run the tool; its exit status and its report."""
    line = [sys.executable, "-m", "bgecheck", *words, "--timeout", "60s", "--deadline", "240s", "-o", "json"]
    done = subprocess.run(line, capture_output=True, timeout=300)
    return done.returncode, json.loads(done.stdout)


def main() -> int:
    """What doctor, embed and probe make of a server whose vectors are right."""
    wrong = 0
    with started(free_port(), "--runner", "pooling") as url:
        folder = ["--model-path", str(MODEL)]
        for name, words in (
            ("doctor", ["doctor", "--url", url, *folder]),
            ("embed", ["embed", "how to reset a password", "how is the weather", "--url", url, *folder]),
            ("probe", ["probe", "--url", url, "--expect-dim", "384"]),
        ):
            code, report = called(*words)
            failed = [f["id"] for f in report["findings"] if f["status"] == "fail"]
            warned = [f["id"] for f in report["findings"] if f["status"] == "warn"]
            reference = next((f for f in report["findings"] if f["id"] == "embed.reference"), None)
            proved = reference is None or reference["status"] == "pass"
            good = not failed and (proved or name == "probe")
            wrong += not good
            recipe = reference["values"].get("recipe") if reference else None
            verdict = "ok   " if good else "WRONG"
            print(f"{verdict} vLLM, {name}: exit {code}, failed {failed}, warned {warned}, {recipe}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
