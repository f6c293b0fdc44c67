"""`bgecheck logs` against ripgrep with the same literals, on logs made for it; and the walk to a newest session.

usage: logs.py [MIB [ROUNDS]]        exit status 1 when a bound is exceeded, 2 where there is no ripgrep
"""

from __future__ import annotations

import itertools
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from measured import measured
from rounds import ENVIRONMENT, program

from bgecheck.checks.logs import AREA
from bgecheck.checks.logs.marks import EVENTS
from bgecheck.checks.logs.rules import PATTERNS
from bgecheck.sources.logread import newest_start

REALISTIC, ERRORS = 0.9, 0.3
"""Throughput as a share of ripgrep's, at least."""
MEMORY = 64.0
"""MB of resident memory, at most."""
WALK = 100.0
"""Milliseconds for each 32 MiB that are walked back, at most."""

START = """[2026-11-02 22:10:05] server_args=ServerArgs(model_path='/srv/models/Qwen3-Embedding-0.6B', port=30000, \
is_embedding=True, disable_radix_cache=True, mem_fraction_static=0.3, chunked_prefill_size=-1)
[2026-11-02 22:10:11] Init torch distributed begin.
[2026-11-02 22:10:12] Load weight begin. avail mem=22.48 GB
[2026-11-02 22:10:14] Load weight end. type=Qwen3ForCausalLM, dtype=torch.float16, avail mem=21.30 GB, \
mem usage=1.18 GB.
[2026-11-02 22:10:15] INFO:     Started server process [1307]
[2026-11-02 22:10:16] INFO:     127.0.0.1:50120 - "POST /encode HTTP/1.1" 200 OK
[2026-11-02 22:10:16] The server is fired up and ready to roll!
"""
TRACEBACK = """Traceback (most recent call last):
  File "/opt/venv/lib/python3.12/site-packages/uvicorn/protocols/http/h11_impl.py", line {n}, in run_asgi
    result = await app(self.scope, self.receive, self.send)
  File "/opt/venv/lib/python3.12/site-packages/sglang/srt/entrypoints/http_server.py", line 742, in embeddings
    return await raw_request.app.state.handler.handle_request(request, raw_request)
json.decoder.JSONDecodeError: Expecting value: line 1 column {n} (char {n})"""


def stamp(number: int) -> str:
    """A time stamp: one second for every forty lines."""
    return time.strftime("[%Y-%m-%d %H:%M:%S]", time.gmtime(1_793_657_420 + number // 40))


def lines(seed: int, errors: float) -> Iterator[str]:
    """Lines of a serving server: batches, answered requests, health checks, and a share of what goes wrong."""
    rnd = random.Random(seed)
    for number in itertools.count():
        when, kind = stamp(number), rnd.random()
        client = f"10.0.{rnd.randint(0, 9)}.{rnd.randint(2, 250)}:{rnd.randint(32768, 60999)}"
        if kind < errors:
            yield rnd.choice(
                (
                    f'{when} INFO:     {client} - "POST /v1/embeddings HTTP/1.1" 400 Bad Request',
                    f"{when} The input ({rnd.randint(513, 9000)} tokens) is longer than "
                    "the model's context length (512 tokens).",
                    f'{when} INFO:     {client} - "GET /metrics HTTP/1.1" 404 Not Found',
                    TRACEBACK.format(n=rnd.randint(1, 9999)),
                )
            )
        elif kind < 0.48:
            yield (
                f"{when} Prefill batch, #new-seq: {rnd.randint(1, 32)}, #new-token: {rnd.randint(8, 16000)}, "
                f"#cached-token: 0, token usage: 0.00, #running-req: 0, #queue-req: {rnd.randint(0, 40)}, "
                f"input throughput (token/s): {rnd.uniform(100, 99999):.2f}"
            )
        elif kind < 0.95:
            yield f'{when} INFO:     {client} - "POST /v1/embeddings HTTP/1.1" 200 OK'
        else:
            yield f'{when} INFO:     127.0.0.1:{rnd.randint(32768, 60999)} - "GET /health HTTP/1.1" 200 OK'


def make(path: Path, mib: int, errors: float) -> None:
    """A log of one session. 32 different MiB are repeated: neither program remembers what it read so long ago."""
    piece = bytearray()
    for line in lines(7, errors):
        piece += line.encode() + b"\n"
        if len(piece) >= min(mib, 32) * 2**20:
            break
    with path.open("wb") as file:
        file.write(START.encode())
        for _ in range(max(1, mib // 32)):
            file.write(piece)


def literals() -> list[str]:
    """What is looked for: every literal of every rule, every turn of a session, and requests that were refused."""
    assert AREA.checks
    return list(dict.fromkeys([*(p.needle for p in PATTERNS), *EVENTS, 'HTTP/1.1" 4', 'HTTP/1.1" 5', "Error: "]))


def compare(log: Path, words: Path, rounds: int, bound: float) -> bool:
    """Print what both programs took for one log; whether a bound is exceeded."""
    commands = {
        "rg": ["rg", "--count", "--fixed-strings", "--file", str(words), str(log)],
        "bgecheck": [*program(), "logs", str(log), "--output", "json", "--lang", "en"],
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            ran = measured([str(shutil.which(command[0])), *command[1:]], env=ENVIRONMENT, quiet=True)
            if number:
                taken[name].append((ran.seconds, ran.memory * 1.048576))
    wall = {name: statistics.median(seconds for seconds, _ in results) for name, results in taken.items()}
    memory = max(mb for _, mb in taken["bgecheck"])
    mapped = max(mb for _, mb in taken["rg"])
    size = log.stat().st_size / 1e6
    ratio = wall["rg"] / wall["bgecheck"]
    for name, seconds in wall.items():
        print(f"  {name:9} {seconds:6.2f} s  {size / seconds:6.0f} MB/s")
    print(f"  ratio     {ratio:6.2f}       at least {bound}")
    print(f"  memory    {memory:6.1f} MB    at most {MEMORY:.0f} (rg maps the file: {mapped:.0f})")
    return ratio < bound or memory > MEMORY


def walk(log: Path) -> bool:
    """Print what walking from the end of a log to the start of its newest session takes for each 32 MiB."""
    end, times = log.stat().st_size, []
    with log.open("rb") as file:
        for _ in range(3):
            began = time.perf_counter()
            assert newest_start(file, end) is not None
            times.append(time.perf_counter() - began)
    each = statistics.median(times) * 1000 / (end / 2**25)
    print(f"  {each:6.1f} ms for each 32 MiB    at most {WALK:.0f}")
    return each > WALK


def main() -> int:
    """Print every ratio beside its bound."""
    mib, rounds = (int(given) for given in (*sys.argv[1:3], *("1024", "3")[len(sys.argv) - 1 :]))
    if shutil.which("rg") is None:
        print("no ripgrep (rg) is installed, so there is nothing to compare with", file=sys.stderr)
        return 2
    steps: list[tuple[str, float, Callable[[Path], bool]]] = []
    with tempfile.TemporaryDirectory() as folder:
        log, words = Path(folder, "sglang.log"), Path(folder, "literals")
        words.write_text("\n".join(literals()) + "\n", encoding="utf-8")
        steps = [
            (
                f"{mib} MiB of a serving server, one line in 500 an error",
                0.002,
                lambda p: compare(p, words, rounds, REALISTIC),
            ),
            (f"{mib} MiB, every second line an error", 0.5, lambda p: compare(p, words, rounds, ERRORS)),
        ]
        over = 0
        for title, errors, step in steps:
            make(log, mib, errors)
            print(title)
            over += step(log)
        print(f"walking back through a session of {mib} MiB (real text; a longer one takes as long for each MiB)")
        over += walk(log)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
