"""What a collector is given: the target, the deadline, and the doors that several areas share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

from bgecheck.machine.files import size
from bgecheck.machine.processes import Table
from bgecheck.model import Target
from bgecheck.model.deadline import Deadline
from bgecheck.run.settings import Settings

if TYPE_CHECKING:
    from bgecheck.engines.server import Server
    from bgecheck.http.openai_client import OpenAIClient


@dataclass(eq=False, repr=False)
class Context:
    """One run against one target. Doors open lazily, once, and are shared between collectors."""

    target: Target
    deadline: Deadline
    settings: Settings = field(default_factory=Settings)
    openai: OpenAIClient | None = None
    """The process that makes one call with the openai package, started beforehand; None where it is not wanted."""
    log_size: int | None = None
    """Bytes that the log had before the first request of this run, whose own traces are not to be judged."""
    _lock: RLock = field(default_factory=RLock, repr=False)

    def __post_init__(self) -> None:
        if self.log_size is None and self.target.log:
            self.log_size = size(self.target.log)

    def server(self) -> Server:
        """The HTTP door to the target, opened at first use."""
        with self._lock:
            return self._server

    def processes(self) -> Table:
        """The process table, taken at first use."""
        with self._lock:
            return self._processes

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
    def _server(self) -> Server:
        from bgecheck.engines.server import Server

        return Server(self.target, self.deadline, self.settings.timeout)
