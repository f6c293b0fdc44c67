"""Runs a command as a process of its own and tells its exit status, its wall-clock seconds and the memory it held."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# Linux counts what a process held before it became another program (getrusage(2), ru_maxrss is kept over execve):
# a child of a large process would be told that one's size. So a small one starts it.
_LAUNCHER = """
import json, os, sys, time
began = time.monotonic()
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
seconds = time.monotonic() - began
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), seconds, used.ru_maxrss], file)
"""


class Measured(NamedTuple):
    """What a run left behind; `memory` is its peak of resident memory in MiB."""

    code: int
    output: bytes
    errors: bytes
    seconds: float
    memory: float


def measured(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None, quiet: bool = False
) -> Measured:
    """Run `command`, whose first word is a path; `quiet` throws away what it prints. Needs a POSIX system."""
    stream = subprocess.DEVNULL if quiet else subprocess.PIPE
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "told")
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(told), *command]
        done = subprocess.run(launcher, stdout=stream, stderr=stream, env=env, cwd=cwd, check=True)
        code, seconds, peak = json.loads(told.read_text())
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return Measured(code, done.stdout or b"", done.stderr or b"", seconds, peak / scale)
