"""What a collector is given: the target, the deadline, and the doors that several areas share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

from bgecheck.machine.files import size
from bgecheck.model import Target, Text, Unavailable
from bgecheck.model.deadline import Deadline
from bgecheck.model.processes import ProcessTable
from bgecheck.run.machine import Machine
from bgecheck.run.settings import Settings

if TYPE_CHECKING:
    from bgecheck.engines.planned import Planned
    from bgecheck.engines.server import Server
    from bgecheck.engines.sglang.log.session import Session
    from bgecheck.engines.sglang.log.sessionlog import SessionLog
    from bgecheck.http.openai_client import OpenAIClient
    from bgecheck.machine.gpus import Gpus

LOG_BESIDE = 128 * 2**20
"""Bytes that are read of the log of a running server, whose other areas are waited for too."""
LOG_SHARED = 2**30
"""Bytes of the longest log whose session other areas wait for: walking back through it takes 100 ms for each 32 MiB."""
_LOG_TIME = 0.9
"""Share of what is left of the deadline for which a pipe is read."""


@dataclass(eq=False, repr=False)
class Context:
    """One run against one target. Doors open lazily, once, and are shared between collectors."""

    target: Target
    deadline: Deadline
    settings: Settings = field(default_factory=Settings)
    openai: OpenAIClient | Unavailable | None = None
    """The process that makes one call with the openai package, started beforehand; None where it is not wanted."""
    log: SessionLog | None = None
    """The target's log where it was read already, as of a pipe that was followed."""
    log_size: int | None = None
    """Bytes that the log had before the first request of this run, whose own traces are not to be judged."""
    _lock: RLock = field(default_factory=RLock, repr=False)
    _log_lock: RLock = field(default_factory=RLock, repr=False)
    """Of its own: reading a long log takes seconds, for which nobody waits who asks the server."""

    _machine: Machine = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._machine = self.settings.machine or Machine()
        if self.log_size is None and self.target.log:
            self.log_size = size(self.target.log)

    @property
    def planned(self) -> Planned | None:
        """What is to be launched; None where a running server is looked at, and where no launch command was given."""
        return self.settings.planned

    def server(self) -> Server:
        """The HTTP door to the target, opened at first use."""
        with self._lock:
            return self._server

    def asked_server(self) -> Server | None:
        """The HTTP door to the target where it was opened."""
        with self._lock:
            return self._server if "_server" in self.__dict__ else None

    def processes(self) -> ProcessTable:
        """The process table that the target was found in, else one taken at first use."""
        return self.target.processes or self._machine.processes()

    def gpus(self) -> Gpus:
        """What the driver shows of the GPUs, asked once. Raises `Unavailable`."""
        return self._machine.gpus()

    def session_log(self) -> SessionLog:
        """The sessions of the target's log, read once at first use. Raises `Unavailable`."""
        with self._log_lock:
            return self.log or self._session_log

    def logged_session(self) -> Session | None:
        """The newest session of the log, for other areas than `logs`.

        None for a pipe, for a file so long that the walk back to its newest start would hold them up, and for the
        log of another server.
        """
        length = size(self.target.log) if self.target.log else None
        if length is None or length > LOG_SHARED:
            return None
        try:
            return None if self.log_of_another() else self.session_log().session
        except Unavailable:
            return None

    def log_of_another(self) -> Text | None:
        """Why the log is not that of the server that is looked at; None where it may be. Raises `Unavailable`."""
        from bgecheck.engines.sglang.log.whose import of_another

        assert self.target.log is not None
        return of_another(self.session_log(), self.target.log, self.target.server)

    def close(self) -> None:
        """Close the doors that were opened, and end the process of openai."""
        if self.openai is not None and not isinstance(self.openai, Unavailable):
            self.openai.close()
        with self._lock:
            if "_server" in self.__dict__:
                self._server.close()

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
            since=self.settings.since,
        )

    @cached_property
    def _server(self) -> Server:
        from bgecheck.engines.server import Server
        from bgecheck.engines.sglang.pages import PAGES

        return Server(self.target, self.deadline, self.settings.timeout, PAGES)
