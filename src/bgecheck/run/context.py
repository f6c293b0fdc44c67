"""What a collector is given: the target, the deadline, and the doors that several areas share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from os.path import isfile
from threading import RLock
from typing import TYPE_CHECKING

from bgecheck.machine.files import size
from bgecheck.machine.processes import Table
from bgecheck.model import Target, Unavailable
from bgecheck.model.deadline import Deadline

if TYPE_CHECKING:
    from bgecheck.engines.server import Server
    from bgecheck.engines.sglang.log.session import Session
    from bgecheck.engines.sglang.log.sessionlog import SessionLog
    from bgecheck.http.openai_client import OpenAIClient
    from bgecheck.reference.recorded import Recorded

LOG_BESIDE = 128 * 2**20
"""Bytes that are read of the log of a running server, whose other areas are waited for too."""
_LOG_TIME = 0.9
"""Share of what is left of the deadline for which a pipe is read."""


@dataclass(eq=False, repr=False)
class Context:
    """One run against one target. Doors open lazily, once, and are shared between collectors."""

    target: Target
    deadline: Deadline
    timeout: float = 10.0
    """Seconds that one request may take."""
    quick: bool = False
    """Only what costs next to nothing was asked for."""
    full: bool = False
    """What burdens a server, a burst of requests for instance, was asked for too."""
    texts: tuple[str, ...] = ()
    """Texts that the user asked to embed."""
    recorded: Recorded | None = None
    """Vectors recorded elsewhere, to compare with."""
    against: Target | None = None
    """Another server to compare with."""
    proves: bool = False
    """A comparison with the model's own weights was asked for, though the run is quick."""
    since: datetime | timedelta | None = None
    """From when on a log is judged, by its own clock, or for how long up to now."""
    openai: OpenAIClient | None = None
    """The process that makes one call with the openai package, started beforehand; None where it is not wanted."""
    smoke: bool = False
    """Whether that call is the first of the `embed` area, with the user's texts; else it is a row of `probe`."""
    log_size: int | None = None
    """Bytes that the log had before the first request of this run, whose own traces are not to be judged."""
    _lock: RLock = field(default_factory=RLock, repr=False)
    _log_lock: RLock = field(default_factory=RLock, repr=False)
    """Of its own: reading a long log takes seconds, for which nobody waits who asks the server."""

    def __post_init__(self) -> None:
        if self.log_size is None and self.target.log:
            self.log_size = size(self.target.log)

    @property
    def compares(self) -> bool:
        """Whether vectors are to be compared with a reference."""
        return self.proves or not self.quick or self.recorded is not None or self.against is not None

    def server(self) -> Server:
        """The HTTP door to the target, opened at first use."""
        with self._lock:
            return self._server

    def processes(self) -> Table:
        """The process table, taken at first use."""
        with self._lock:
            return self._processes

    def session_log(self) -> SessionLog:
        """The sessions of the target's log, read once at first use. Raises `Unavailable`."""
        with self._log_lock:
            return self._session_log

    def logged_session(self) -> Session | None:
        """The newest session of the log where it is a readable file: a pipe is left to the `logs` area."""
        if self.target.log is None or not isfile(self.target.log):
            return None
        try:
            return self.session_log().session
        except Unavailable:
            return None

    def close(self) -> None:
        """Close the doors that were opened, and end the process of openai."""
        if self.openai is not None:
            self.openai.close()
        with self._lock:
            if "_server" in self.__dict__:
                self._server.close()

    @cached_property
    def _processes(self) -> Table:
        return Table.now()

    @cached_property
    def _session_log(self) -> SessionLog:
        from bgecheck.engines.sglang.log.sessionlog import read_log
        from bgecheck.logfile.reading import WHOLE

        assert self.target.log is not None
        return read_log(
            self.target.log,
            until=self.log_size,
            whole=LOG_BESIDE if self.target.url else WHOLE,
            seconds=_LOG_TIME * self.deadline.remaining(),
            since=self.since,
        )

    @cached_property
    def _server(self) -> Server:
        from bgecheck.engines.server import Server

        return Server(self.target, self.deadline, self.timeout)
