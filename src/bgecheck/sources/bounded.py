"""Runs a program with limits of time, of memory, and of what it may print."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

_STEP = 0.02
"""Seconds between two looks: a client takes some 10 MB in this time from a server of the same machine."""


def bounded(
    command: Sequence[str], environment: Mapping[str, str], seconds: float, output: int, memory: int
) -> subprocess.CompletedProcess[bytes] | None:
    """What a program printed, and its exit status; None where it held more `memory` or printed more `output`, in bytes.

    Raises `subprocess.TimeoutExpired` after `seconds`, and `OSError` where it cannot be started. Whatever the program
    has started ends with it.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = [_Reader(process.stdout, output), _Reader(process.stderr, output)]
        try:
            if not _ended(process, told, seconds, memory):
                return None
        finally:
            _end(process)
            for reader in told:
                reader.join(1.0)  # a pipe stays open where something has left the session with it
    return subprocess.CompletedProcess(command, process.returncode, *(bytes(reader.got) for reader in told))


class _Reader(threading.Thread):
    """Reads what a program prints, up to a limit."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        super().__init__(name="printed", daemon=True)
        self.got = bytearray()
        self.full = False
        self._stream, self._limit = stream, limit
        self.start()

    def run(self) -> None:
        while not self.full and (more := os.read(self._stream.fileno(), 65536)):
            self.got += more
            self.full = len(self.got) > self._limit


def _ended(process: subprocess.Popen[bytes], told: Sequence[_Reader], seconds: float, memory: int) -> bool:
    """Whether a program came to its end by itself, and within its limits."""
    ends = time.monotonic() + seconds
    while process.poll() is None or any(reader.is_alive() for reader in told):
        if any(reader.full for reader in told) or _held(process.pid) > memory:
            return False
        if time.monotonic() >= ends:
            raise subprocess.TimeoutExpired(process.args, seconds)
        time.sleep(_STEP)
    return not any(reader.full for reader in told)


def _held(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where it cannot be seen."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with what it has started."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
