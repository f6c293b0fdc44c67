"""A server that is started by this program: its output goes to a file, its end is known exactly."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

MARK = "_BGECHECK_LAUNCHED_BY"
"""A variable by which a server is known that runs on behind a command that has ended: its pid, and when it began."""

_STEP = 0.05
"""Seconds between two looks while it is being ended."""


class Child:
    """A command in a session and process group of its own, which outlives this program.

    It writes into a file by itself, so that nothing breaks when nobody reads any more. Raises `OSError` where the
    command cannot be started or the file cannot be written.
    """

    def __init__(self, command: Sequence[str], log: str) -> None:
        self.command = tuple(command)
        self.log = log
        self.mark = f"{os.getpid()}-{time.time_ns()}"
        number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self.log_begin = os.fstat(number).st_size
            """Bytes that the file had before."""
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=number,
                stderr=number,
                start_new_session=True,
                env={**os.environ, MARK: self.mark},
            )
        finally:
            os.close(number)
        self.created = _created(self._process.pid)
        """When it began, by the clock of the process table; 0 where that is not shown."""

    @property
    def pid(self) -> int:
        """Its process, which leads its group."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def left(self) -> bool:
        """Whether something of its process group still runs; what has ended and was not asked for counts not."""
        return self._process.poll() is None or bool(_members(self.pid))

    def hand_on(self, number: int) -> None:
        """Send a signal to its whole group."""
        with suppress(OSError):
            os.killpg(self.pid, number)

    def end(self, patience: float) -> None:
        """Ask its group to end, and make it end after so many seconds."""
        self.hand_on(signal.SIGTERM)
        ends = time.monotonic() + patience
        while self.left and time.monotonic() < ends:
            time.sleep(_STEP)
        if self.left:
            self.hand_on(signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)


def _created(pid: int) -> float:
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except (psutil.Error, OSError):
        return 0.0


def _members(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    import psutil

    members = []
    for process in psutil.process_iter(["status"]):
        with suppress(OSError):
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
    return members
