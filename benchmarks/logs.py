"""`bgecheck logs` against ripgrep with the same literals, on a log made for it; and the walk to a newest session.

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
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from measured import Budget, PeerMissing, bgecheck, interleaved, report, seconds

from bgecheck.checks.logs import AREA
from bgecheck.engines.sglang.log.marks import EVENTS
from bgecheck.engines.sglang.log.rules import PATTERNS
from bgecheck.engines.sglang.serverargs import START as BEGINNING
from bgecheck.logfile.reading import newest_start

PLAIN, FAST = 0.7, 0.9
"""Throughput as a share of ripgrep's, at least: as installed, and with the extra `fast`."""
MEMORY = 64.0
"""MB of resident memory, at most."""
WALK = 100.0
"""Milliseconds for each 32 MiB that are walked back, at most."""
ERRORS = 0.002
"""Share of lines that tell of something wrong."""
WITHOUT_FAST = "import sys; sys.modules['ahocorasick_rs'] = None; from bgecheck.__main__ import main; main()"
"""The program as it is where the extra `fast` is not installed: a module that is None cannot be imported."""

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


def lines(seed: int) -> Iterator[str]:
    """Lines of a serving server: batches, answered requests, health checks, and a share of what goes wrong."""
    rnd = random.Random(seed)
    for number in itertools.count():
        when, kind = stamp(number), rnd.random()
        client = f"10.0.{rnd.randint(0, 9)}.{rnd.randint(2, 250)}:{rnd.randint(32768, 60999)}"
        if kind < ERRORS:
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


def make(path: Path, mib: int) -> None:
    """A log of one session. 32 different MiB are repeated: neither program remembers what it read so long ago."""
    piece = bytearray()
    for line in lines(7):
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


def throughput(log: Path, words: Path, rounds: int) -> Iterator[Budget]:
    """Throughput as a share of ripgrep's, and memory, without and with the extra. Raises `PeerMissing`."""
    rg = shutil.which("rg")
    if rg is None:
        raise PeerMissing("ripgrep (rg) is not installed, so there is nothing to compare the throughput with")
    call = ["logs", str(log), "--output", "json", "--lang", "en"]
    bounds = {"logs": PLAIN, "logs, with fast": FAST}
    commands = {
        "rg": [rg, "--count", "--fixed-strings", "--file", str(words), str(log)],
        "logs": [sys.executable, "-c", WITHOUT_FAST, *call],
        "logs, with fast": [*bgecheck(), *call],
    }
    if find_spec("ahocorasick_rs") is None:
        print("the extra `fast` is not installed, and not measured", file=sys.stderr)
        del bounds["logs, with fast"], commands["logs, with fast"]
    runs = interleaved(commands, rounds)
    size = log.stat().st_size / 1e6
    for name, bound in bounds.items():
        share = seconds(runs["rg"]) / seconds(runs[name])
        detail = f"{size / seconds(runs[name]):.0f} MB/s, rg {size / seconds(runs['rg']):.0f} MB/s"
        yield Budget(title=name, figure=share, bound=bound, unit="of rg", at_least=True, detail=detail)
        memory = max(run.memory for run in runs[name]) * 1.048576
        yield Budget(title=f"{name}: memory", figure=memory, bound=MEMORY, unit="MB")


def walk(log: Path) -> Budget:
    """Milliseconds for each 32 MiB of the walk from the end of a log to the start of its newest session."""
    end, times = log.stat().st_size, []
    with log.open("rb") as file:
        for _ in range(3):
            began = time.perf_counter()
            assert newest_start(file, BEGINNING, end) is not None
            times.append(time.perf_counter() - began)
    each = statistics.median(times) * 1000 / (end / 2**25)
    return Budget(title="newest session, each 32 MiB", figure=each, bound=WALK, unit="ms")


def budgets(mib: int, rounds: int) -> Iterator[Budget]:
    """The walk, then the throughput, on one log of `mib` MiB."""
    with tempfile.TemporaryDirectory() as folder:
        log, words = Path(folder, "sglang.log"), Path(folder, "literals")
        words.write_text("\n".join(literals()) + "\n", encoding="utf-8")
        make(log, mib)
        yield walk(log)
        yield from throughput(log, words, rounds)


if __name__ == "__main__":
    size_in_mib, times = (int(given) for given in (*sys.argv[1:3], *("1024", "3")[len(sys.argv) - 1 :]))
    sys.exit(report(lambda: budgets(size_in_mib, times)))
