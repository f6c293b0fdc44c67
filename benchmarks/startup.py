"""Start-up: `--version` against `python -c pass`, `--help` against the help of a Typer program that says hello.

usage: startup.py [ROUNDS]        exit status 1 when a bound is exceeded
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from measured import Budget, bgecheck, interleaved, ratio, report

HELLO = Path(__file__).with_name("hello_typer.py")
VERSION, HELP = 2.5, 1.5


def budgets(rounds: int) -> Iterator[Budget]:
    """Both ratios, from one run."""
    runs = interleaved(
        {
            "python -c pass": [sys.executable, "-c", "pass"],
            "--version": [*bgecheck(), "--version"],
            "hello --help": [sys.executable, str(HELLO), "--help"],
            "--help": [*bgecheck(), "--help"],
        },
        rounds,
    )
    yield ratio("--version", runs, "--version", "python -c pass", VERSION)
    yield ratio("--help", runs, "--help", "hello --help", HELP)


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    sys.exit(report(lambda: budgets(times)))
