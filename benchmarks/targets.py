"""200 targets, of which 5 refuse and 5 never answer: the time over the deadline of one, and the peak memory.

usage: targets.py [TARGETS] [DEADLINE] [OPTION...]       exit status 1 when a bound is exceeded
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil
from measured import bgecheck

DEAD = 10
OVER_SECONDS, MEMORY_MB = 2.0, 250.0


def dead(stack: ExitStack, count: int) -> list[str]:
    """Addresses at which nothing listens, and as many at which a program listens and never answers."""
    sockets = [socket.socket() for _ in range(count)]
    for number, one in enumerate(sockets):
        one.bind(("127.0.0.1", 0))
        stack.callback(one.close)
        if number % 2:
            one.listen(64)
    return [f"http://127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def peak(process: subprocess.Popen[bytes]) -> float:
    """The most memory, in MB, that a process and those that it starts hold, until it ends."""
    most = 0.0
    while process.poll() is None:
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            most = max(most, sum(member.memory_info().rss for member in family) / 2**20)
        except psutil.Error:
            continue
        time.sleep(0.05)
    return most


def measured(targets: int, deadline: float, options: Sequence[str]) -> bool:
    """One run, printed; whether it is within the bounds and has the right verdict of every target."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stub = [sys.executable, str(Path(__file__).with_name("stub_servers.py")), str(targets - DEAD)]
        process = stack.enter_context(subprocess.Popen(stub, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert process.stdout is not None
        silent = dead(stack, DEAD)
        urls = process.stdout.readline().split()
        for number, url in enumerate(silent):
            urls.insert(number * (targets // DEAD), url)
        table = '[[target]]\nname = "t{}"\nurl = "{}"\nmodel = "bge-base-zh-v1.5"\n'
        lines = [table.format(number, url) for number, url in enumerate(urls)]
        (folder / "bgecheck.toml").write_text("\n".join(lines))
        command = [*bgecheck(), "doctor", "--deadline", f"{deadline:g}s", "-o", "json=report.json", *options]
        began = time.monotonic()
        run = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        memory, seconds = peak(run), time.monotonic() - began
        reports = json.loads((folder / "report.json").read_text())["reports"]
    wrong = [one for one in reports if (one["verdict"] == "fail") != any(url in one["target"]["url"] for url in silent)]
    unjudged = sum(report["verdict"] == "inconclusive" for report in reports)
    print(f"{targets} targets, {DEAD} dead: {seconds:.1f} s (at most {deadline + OVER_SECONDS:g})")
    print(f"peak memory: {memory:.0f} MB (at most {MEMORY_MB:g})")
    print(f"wrong verdicts: {len(wrong)}; not judged in time: {unjudged}")
    return seconds <= deadline + OVER_SECONDS and memory <= MEMORY_MB and not wrong


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    sys.exit(0 if measured(number, limit, sys.argv[3:]) else 1)
