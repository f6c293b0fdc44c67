"""Goes on reading the log of a server that runs, and says what came up since the look before."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from bgecheck.engines.sglang.log import causes  # noqa: F401  # declares the patterns
from bgecheck.engines.sglang.log.diagnosis import State, diagnose
from bgecheck.engines.sglang.log.follower import Follower
from bgecheck.engines.sglang.log.session import Hit
from bgecheck.engines.sglang.metrics import queued
from bgecheck.engines.sglang.serverargs import START
from bgecheck.logfile.tail import Tail


class News(NamedTuple):
    """What a look at a log brought."""

    causes: tuple[Hit, ...]
    """Causes that were not there at the look before."""
    state: State
    answered: int
    """Requests that the newest session has answered since it was first looked at."""
    queued: int | None
    """Requests that waited at the last batch that was written since the look before."""


class WatchedLog:
    """One log, whatever rotates it. What went wrong in it before the first look is left behind."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._tail = Tail(path, START)
        self._follower = Follower()
        self._known: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._read()
        self._follower.forget()
        # What its settings alone show stays a cause of the session: it did not come up while it was watched.
        self._known = set(self._diagnosed()[1])

    def look(self) -> News:
        """What came up since the look before. A cause is told once, whichever start of the server it comes up in."""
        waiting = self._read()
        state, hits = self._diagnosed()
        new = tuple(hit for name, hit in hits.items() if name not in self._known)
        self._known |= set(hits)
        return News(new, state, sum(self._follower.session.requests.values()), waiting)

    @property
    def encoder(self) -> str | None:
        """The bidirectional encoder that the newest session runs."""
        return self._follower.session.encoder

    def close(self) -> None:
        """Let go of the file."""
        self._tail.close()

    def _read(self) -> int | None:
        waiting = None
        for block in self._tail.added():
            self._follower.take(block)
            last = queued(block.data)
            waiting = waiting if last is None else last
        return waiting

    def _diagnosed(self) -> tuple[State, dict[str, Hit]]:
        diagnosis = diagnose(self._follower.session, 0.0, datetime.now())
        return diagnosis.state, dict(diagnosis.causes)
