"""Runs a program with limits of time, of memory, and of what it may print."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import IO

import psutil  # here, not in the watching thread: two threads that import it at once may wait for each other for good

_STEP = 0.02
"""Seconds between two looks: a client takes some 10 MB in this time from a server of the same machine."""


def bounded(
    command: Sequence[str], environment: Mapping[str, str], seconds: float, output: int, memory: int
) -> subprocess.CompletedProcess[bytes] | None:
    """What a program printed, and its exit status; None where it held more `memory` or printed more `output`, in bytes.

    Raises `subprocess.TimeoutExpired` after `seconds`, and `OSError` where it cannot be started. Whatever the program
    has started ends with it.
    """
    with closing(Program(command, environment, output, memory)) as program:
        return program.wait(seconds)


class Program:
    """A program that runs beside its starter, in a session of its own, and is killed beyond its limits.

    `output` and `memory` are in bytes. With `reads` it gets a pipe as its standard input, which stays open until
    `close`, or until the starter ends in whatever way. Raises `OSError` where it cannot be started.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], output: int, memory: int, *, reads: bool = False
    ) -> None:
        self._memory = memory
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [_Reader(self._process.stdout, output), _Reader(self._process.stderr, output)]
        self._to_write: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._ended = threading.Event()
        self._exceeded = False
        self._threads = [threading.Thread(target=self._watch, name="watch-program", daemon=True)]
        if self._process.stdin is not None:
            self._threads.append(
                threading.Thread(target=self._write, args=(self._process.stdin,), name="write-program", daemon=True)
            )
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its session."""
        return self._process.pid

    @property
    def printed(self) -> bytes:
        """What it has written to its standard output so far."""
        return bytes(self._readers[0].got)

    def send(self, data: bytes) -> None:
        """Write to its standard input without waiting for it to read; what it does not read is lost."""
        self._to_write.put(data)

    def wait(self, seconds: float) -> subprocess.CompletedProcess[bytes] | None:
        """What it printed, once it has ended by itself; None where it went beyond a limit.

        Raises `subprocess.TimeoutExpired` after `seconds`; it then still runs.
        """
        if not self._ended.wait(seconds):
            raise subprocess.TimeoutExpired(self._process.args, seconds)
        if self._exceeded:
            return None
        output, errors = (bytes(reader.got) for reader in self._readers)
        return subprocess.CompletedProcess(self._process.args, self._process.returncode, output, errors)

    def close(self) -> None:
        """End it with what it has started, and close its pipes; a second time changes nothing."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._to_write.put(None)
        _end(self._process)
        self._process.wait()
        for thread in (*self._readers, *self._threads):
            thread.join(1.0)  # a pipe stays open where something has left the session with it
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _watch(self) -> None:
        try:
            self._exceeded = not self._ends_within_limits()
        finally:
            self._ended.set()

    def _ends_within_limits(self) -> bool:
        while not self._closed.is_set():
            if any(reader.full for reader in self._readers) or _held(self._process.pid) > self._memory:
                _end(self._process)
                return False
            if reading := next((reader for reader in self._readers if reader.is_alive()), None):
                reading.join(_STEP)
            elif self._process.poll() is None:
                time.sleep(_STEP)
            else:
                break
        return not any(reader.full for reader in self._readers)

    def _write(self, pipe: IO[bytes]) -> None:
        with suppress(OSError):  # it has ended, and its exit status tells why
            while (data := self._to_write.get()) is not None:
                pipe.write(data)
                pipe.flush()


class _Reader(threading.Thread):
    """Reads what a program prints, up to a limit."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        super().__init__(name="read-program", daemon=True)
        self.got = bytearray()
        self.full = False
        self._stream, self._limit = stream, limit
        self.start()

    def run(self) -> None:
        while not self.full and (more := os.read(self._stream.fileno(), 65536)):
            self.got += more
            self.full = len(self.got) > self._limit


def _held(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where it cannot be seen."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with what it has started."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
