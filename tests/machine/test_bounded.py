"""A program that is run for its answer: within a time, a memory and a length, and with all that it started."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bgecheck.machine.bounded import bounded

MIB = 2**20


def run(code: str, seconds: float = 10.0, output: int = MIB, memory: int = 400 * MIB) -> object:
    return bounded([sys.executable, "-S", "-c", code], os.environ, seconds, output, memory)


def test_what_a_program_says_comes_back() -> None:
    """Both streams and the exit status."""
    done = run("import sys; print('a'); print('b', file=sys.stderr); sys.exit(3)")
    assert isinstance(done, subprocess.CompletedProcess)
    assert (done.returncode, done.stdout.split(), done.stderr.split()) == (3, [b"a"], [b"b"])


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("while True: print('x' * 10000)", id="prints without an end"),
        pytest.param("import sys\nwhile True: sys.stderr.write('x' * 10000)", id="complains without an end"),
        pytest.param("import time\nheld = b'x' * 600 * 2**20\ntime.sleep(20)", id="takes too much memory"),
    ],
)
def test_a_program_without_bounds_is_ended(code: str) -> None:
    """Long before its time is over."""
    started = time.monotonic()
    assert run(code) is None
    assert time.monotonic() - started < 8


@pytest.mark.skipif(os.name == "nt", reason="starts a shell")
def test_what_a_program_started_ends_with_it() -> None:
    """A shell that is killed leaves its child behind, which keeps the pipe open."""
    started = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        bounded(["/bin/sh", "-c", "sleep 30; true"], os.environ, 0.3, MIB, 400 * MIB)
    assert time.monotonic() - started < 5
