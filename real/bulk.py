"""Proves `embed --input FILE`: 100,000 texts through faults and kills, and 5,000 through the true sglang.

usage: bulk.py [TEXTS [TRUE_TEXTS]]        (after setup.sh; 0 leaves a part out; exit status 0 when both hold)

First part: the demo server is busy (503) for 2 % of the requests and cuts 1 % off; of every thousand texts one is blank
and one is too long; the run is killed with SIGKILL three times at random moments and resumed. What comes out must be,
byte for byte, what a healthy server gives without an interruption.

Second part: the true sglang on CPU, the model that setup.sh makes, in fp32. Each vector of the file is compared with
the one that the same text has alone.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
from prove import RIGHT, free_port, launch_line, started

TROUBLE = "busy=0.02 reset=0.01"
KILLS = 3
SAME = 0.99999
"""Cosine of a text in a batch and alone, in fp32: sums of another order differ in the seventh digit."""

WORDS = (
    *("密码", "登录", "账号", "软件", "打不开", "程序", "启动", "失败", "怎么办", "如何", "重置", "修改", "忘记"),
    *("天气", "今天", "公园", "散步", "发票", "退款", "服务", "订单", " price ", " order ", " login ", " reset "),
)


def texts(count: int, most: int = 12) -> Iterator[str]:
    """Different texts; of every thousand one is blank, and one longer than the model reads."""
    chance = random.Random(20260)
    for number in range(count):
        if number % 1000 == 500:
            yield "   "
        elif number % 1000 == 700:
            yield "很长的文本" * 150
        else:
            yield f"{number} " + "".join(chance.choice(WORDS) for _ in range(chance.randint(1, most)))


def bgecheck(*words: str) -> list[str]:
    """The command line of the tool."""
    return [sys.executable, "-m", "bgecheck", "embed", *words]


@contextmanager
def demo(trouble: str = "") -> Iterator[str]:
    """The demo server, rightly started; its URL."""
    port = free_port()
    line = [sys.executable, "-m", "bgecheck.demo.server", "--port", str(port), "--is-embedding"]
    line += ["--disable-radix-cache", "--chunked-prefill-size", "-1"]
    environment = {**os.environ, "BGECHECK_DEMO_TROUBLE": trouble}
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, env=environment)
    try:
        until_ready(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def until_ready(port: int, process: subprocess.Popen[bytes], seconds: float = 240) -> None:
    """Wait until a server embeds."""
    ends = time.monotonic() + seconds
    while not embeds(port):
        if time.monotonic() > ends or process.poll() is not None:
            raise SystemExit("the server did not start")
        time.sleep(0.5)


def embeds(port: int) -> bool:
    """Whether a server answers a text with a vector."""
    body = json.dumps({"input": ["你好"], "model": "bge-large-zh-v1.5"}).encode()
    request = Request(f"http://127.0.0.1:{port}/v1/embeddings", body, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=10) as answer:
            return bool(json.load(answer)["data"])
    except OSError:
        return False


def last_line(line: list[str]) -> str:
    """Run to the end; the summary."""
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"exit {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout.strip()


def through_faults(count: int, folder: Path) -> bool:
    """The first part."""
    source, clean, faulty = folder / "texts.txt", folder / "clean.npy", folder / "faulty.npy"
    source.write_text("".join(f"{text}\n" for text in texts(count)), encoding="utf-8")
    with demo() as url:
        began = time.monotonic()
        print("clean:", last_line(bgecheck("--url", url, "--input", str(source), "--to", str(clean))), flush=True)
        seconds = time.monotonic() - began
    with demo(TROUBLE) as url:
        line = bgecheck("--url", url, "--input", str(source), "--to", str(faulty), "--resume")
        chance = random.Random()
        for _ in range(KILLS):
            process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(4 + chance.random() * seconds / KILLS)
            process.send_signal(signal.SIGKILL)
            late = process.wait() != -signal.SIGKILL
            print(f"killed{' too late' * late}: {how_far(faulty)}", flush=True)
        print("with faults:", last_line(line), flush=True)
    same = clean.read_bytes() == faulty.read_bytes()
    rejected = [Path(f"{path}.rejected.jsonl").read_bytes() for path in (clean, faulty)]
    print(f"the same bytes: {same}; the same rejected texts: {rejected[0] == rejected[1]}", flush=True)
    return same and rejected[0] == rejected[1] and complete(clean, rejected[0], count)


def how_far(out: Path) -> str:
    """The last whole line of the journal."""
    lines = (out.parent / f"{out.name}.part/journal.jsonl").read_bytes().splitlines()
    return f"{json.loads(lines[-1]).get('records', 0)} records are kept"


def complete(path: Path, rejected: bytes, count: int) -> bool:
    """Whether there is a row for each text, without numbers exactly where a text was rejected."""
    vectors = np.load(path, mmap_mode="r")
    missing = np.flatnonzero(np.isnan(vectors[:, 0])).tolist()
    named = [json.loads(line)["number"] for line in rejected.splitlines()]
    planted = [number for number in range(count) if number % 1000 in (500, 700)]
    print(f"{len(vectors)} rows, {len(missing)} without a vector, {len(planted)} planted", flush=True)
    return len(vectors) == count and missing == named == planted


def through_sglang(count: int, folder: Path) -> bool:
    """The second part: the file's vectors beside those of each text alone."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    source, out = folder / "true.txt", folder / "true.npy"
    some = [text for text in texts(count, most=6) if text.strip()][:count]
    source.write_text("".join(f"{text}\n" for text in some), encoding="utf-8")
    with started(launch_line(port, *RIGHT, "--dtype", "float32"), folder / "sglang.log") as process:
        until_ready(port, process)
        skip = ["--skip", "embed.semantic,embed.golden"]  # of random weights
        print("sglang:", last_line(bgecheck("--url", url, "--input", str(source), "--to", str(out), *skip)), flush=True)
        vectors = np.load(out)
        cosines = [beside(url, text, vector) for text, vector in zip(some, vectors, strict=True)]
    compared = [cosine for cosine in cosines if cosine is not None]
    print(f"{len(compared)} texts alone and in the file: lowest cosine {min(compared):.8f}", flush=True)
    with_vector = int((~np.isnan(vectors[:, 0])).sum())
    return min(compared) >= SAME and len(compared) == with_vector and len(vectors) == len(some)


def beside(url: str, text: str, vector: Any) -> float | None:
    """Cosine of a vector and of the same text's alone; None where the text is refused and has none."""
    body = json.dumps({"input": [text], "model": "bge-large-zh-v1.5", "encoding_format": "float"}).encode()
    request = Request(f"{url}/v1/embeddings", body, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=60) as answer:
            alone = np.array(json.load(answer)["data"][0]["embedding"], np.float64)
    except OSError:
        return None if np.isnan(vector[0]) else -1.0
    wide = vector.astype(np.float64)
    return float(alone @ wide / np.linalg.norm(alone) / np.linalg.norm(wide))


def main() -> int:
    """Both parts; 0 when what was asked for holds."""
    counts = [int(word) for word in sys.argv[1:]]
    faulty, true = [*counts, *(100_000, 5_000)[len(counts) :]]
    with tempfile.TemporaryDirectory() as name:
        holds = [through_faults(faulty, Path(name))] if faulty else []
        holds += [through_sglang(true, Path(name))] if true else []
    print("holds" if all(holds) else "DOES NOT HOLD")
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
