"""Times commands as whole processes, in turn, so that a machine whose speed drifts is unfair to none."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# A user's Python keeps what it has compiled; without that, every run would be timed compiling this program.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def program() -> list[str]:
    """The program as a user calls it, where it is installed beside this Python."""
    script = Path(sys.executable).with_name("bgecheck")
    return [str(script)] if script.exists() else [sys.executable, "-m", "bgecheck"]


def seconds(command: Sequence[str]) -> float:
    """Wall-clock seconds of one run."""
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=False, env=ENVIRONMENT)
    return time.perf_counter() - began


def medians(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, float]:
    """The median of each command over `rounds`, after one that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            took = seconds(command)
            if number:
                times[name].append(took)
    return {name: statistics.median(taken) for name, taken in times.items()}
