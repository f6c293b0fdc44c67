"""The processes of this machine at one moment, as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Process(NamedTuple):
    """One entry of the process table; `created` is in seconds since the epoch, 0 where it is not shown."""

    pid: int
    parent: int
    name: str
    argv: tuple[str, ...]
    created: float
    stopped: bool = False
    """Stopped by a signal (state T), as by Ctrl-Z or a paused container: it holds its ports and does nothing."""


class Ended(NamedTuple):
    """A process that has ended while it was waited for."""

    pid: int
    status: int | None = None
    """Its exit code, or the negative number of the signal that ended it; None where only its starter gets it."""


class Start(NamedTuple):
    """The process that was given or launched, which is to be the server or to start it."""

    pid: int
    created: float
    """In seconds since the epoch, by the clock of the process table; 0 where it is not shown."""
    launched: bool
    """Whether this program has started it."""
    mark: str = ""
    """What this program has put into its environment, and so into that of all that it starts."""
    handed_over: bool = False
    """Whether it has ended in order, and the server may run on without it."""


@dataclass(frozen=True, slots=True, repr=False)
class ProcessTable:
    """All processes that may be looked at, by pid."""

    processes: Mapping[int, Process]

    def ancestors(self, pid: int) -> Iterator[Process]:
        """The parent, its parent, and so on."""
        visited = {pid}
        process = self.processes.get(pid)
        while process and process.parent not in visited and process.parent in self.processes:
            process = self.processes[process.parent]
            visited.add(process.pid)
            yield process

    def descendants(self, pid: int) -> tuple[int, ...]:
        """Children, their children, and so on, sorted."""
        return tuple(sorted(p for p in self.processes if any(a.pid == pid for a in self.ancestors(p))))
