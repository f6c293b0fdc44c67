"""Runs commands as processes of their own, in turn, and sets their time and memory beside a bound."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

# Linux counts what a process held before it became another program (getrusage(2), ru_maxrss is kept over execve):
# a child of a large process would be given that one's size. So a small one starts it.
_LAUNCHER = """
import json, os, sys, time
began = time.monotonic()
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
seconds = time.monotonic() - began
with open(sys.argv[1], "w") as file:
    cpu = used.ru_utime + used.ru_stime
    json.dump([os.waitstatus_to_exitcode(status), seconds, used.ru_maxrss, cpu], file)
"""

# A user's Python keeps what it has compiled; without that, every run would be timed compiling this program. The
# servers are on this machine, and a proxy would be asked for them.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name != "PYTHONDONTWRITEBYTECODE" and not name.lower().endswith("_proxy") and not name.startswith("BGECHECK_")
}


class Measured(NamedTuple):
    """What a run left behind; `memory` is its peak of resident memory in MiB, `cpu` its seconds on all cores."""

    code: int
    output: bytes
    errors: bytes
    seconds: float
    memory: float
    cpu: float


class Failed(Exception):
    """A measured command did not exit with 0, so its time means nothing."""


class PeerMissing(Exception):
    """What a figure is to be compared with is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A figure and its bound, both in `unit`; a ratio has none."""

    title: str
    figure: float
    bound: float
    unit: str = ""
    at_least: bool = False
    detail: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure is within its bound."""
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound


def measured(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None, quiet: bool = False
) -> Measured:
    """Run `command`, whose first word is a path; `quiet` throws away what it prints. Needs a POSIX system."""
    stream = subprocess.DEVNULL if quiet else subprocess.PIPE
    with tempfile.TemporaryDirectory() as folder:
        usage = Path(folder, "usage.json")
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(usage), *command]
        done = subprocess.run(launcher, stdout=stream, stderr=stream, env=env, cwd=cwd, check=True)
        code, seconds, peak, cpu = json.loads(usage.read_text())
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return Measured(code, done.stdout or b"", done.stderr or b"", seconds, peak / scale, cpu)


def bgecheck() -> list[str]:
    """The program as a user calls it, where it is installed beside this Python."""
    script = Path(sys.executable).with_name("bgecheck")
    return [str(script)] if script.exists() else [sys.executable, "-m", "bgecheck"]


def interleaved(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Measured]]:
    """`rounds` runs of each command after one that is not counted, by turns, so that a drift in speed is fair to all.

    Raises `Failed` for a command that does not exit with 0.
    """
    runs: dict[str, list[Measured]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            run = measured(command, env=ENVIRONMENT)
            if run.code:
                words = (run.errors or run.output).decode(errors="replace").strip()[-2000:]
                raise Failed(f"{name} ended with exit status {run.code}, so there is nothing to compare:\n{words}")
            if number:
                runs[name].append(run)
    return runs


def seconds(runs: Iterable[Measured]) -> float:
    """The median of their wall-clock seconds."""
    return statistics.median(run.seconds for run in runs)


def ratio(title: str, runs: Mapping[str, Sequence[Measured]], name: str, peer: str, bound: float) -> Budget:
    """How many times as long as its peer a command takes, at most `bound`."""
    ours, theirs = seconds(runs[name]), seconds(runs[peer])
    detail = f"{ours * 1000:.0f} ms, {peer} {theirs * 1000:.0f} ms"
    return Budget(title=title, figure=ours / theirs, bound=bound, unit="x", detail=detail)


def report(budgets: Callable[[], Iterable[Budget]]) -> int:
    """Print each budget as it is measured. Exit status: 1 over a bound or not to be measured, 2 without the peer."""
    over = False
    try:
        for budget in budgets():
            over |= not budget.met
            limit = "at least" if budget.at_least else "at most"
            print(
                f"{budget.title:38} {budget.figure:8.2f} {budget.unit:5} {limit:8} {budget.bound:g}".ljust(70),
                "ok  " if budget.met else "OVER",
                f"  {budget.detail}" if budget.detail else "",
                flush=True,
            )
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    except PeerMissing as error:
        print(error, file=sys.stderr)
        return 1 if over else 2
    return 1 if over else 0
