"""Finds how many requests in flight a server works best with: one more while it pays, half as many when it is busy.

The rule for latency is that of TCP Vegas (Brakmo and Peterson, 1995): the requests that wait at the server are those
in flight times the share by which an answer takes longer than the fastest one did.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

FEW_WAITING, MANY_WAITING = 3.0, 6.0
"""Requests that wait at the server: below the first one more is sent at a time, above the second fewer are."""

OVERHEAD = 64
"""Tokens' worth of time that a request takes by itself, so that short ones do not look slow."""

LOOK_ANEW = 500
"""Answers after which the fastest one is forgotten, and seen anew with half the requests: servers and texts change."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
"""Seconds after a server was busy or failed; doubled each time, with jitter."""

MOST_ASKED_FOR = 120.0
"""Seconds of a Retry-After that are waited; longer ones are cut to it."""


class Pace:
    """The limit of one server. Not safe to use from several threads at once: the caller holds a lock."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic, seed: int | None = None) -> None:
        self.most = max(1, most)
        self.limit = 1.0
        self.in_flight = 0
        self.resumes = 0.0
        """When requests may be sent again, by the clock."""
        self._clock = clock
        self._random = random.Random(seed)  # jitter only
        self._fastest = 0.0
        self._answers = 0
        self._cut = 0.0
        self._trouble = 0

    def is_free(self) -> bool:
        """Whether one more request may be sent now."""
        return self.in_flight < int(self.limit) and self._clock() >= self.resumes

    def wait(self) -> float:
        """Seconds until requests may be sent again; 0 where they may."""
        return max(0.0, self.resumes - self._clock())

    def answered(self, seconds: float, tokens: int) -> None:
        """A request of so many tokens was answered after `seconds`, beside `in_flight` others that count itself."""
        self._trouble = 0
        cost = seconds / (tokens + OVERHEAD)
        self._answers += 1
        if self._answers % LOOK_ANEW == 0:
            self._fastest, self.limit = 0.0, max(1.0, self.limit / 2)
        self._fastest = min(self._fastest or cost, cost)
        waiting = self.limit * (1 - self._fastest / cost) if cost else 0.0
        if waiting < FEW_WAITING:
            if self.in_flight + 1 >= int(self.limit):  # a limit that is not used says nothing
                self.limit = min(float(self.most), self.limit + 1 / self.limit)
        elif waiting > MANY_WAITING and self._clock() - self._cut > seconds:
            self._cut = self._clock()
            self.limit = max(1.0, self.limit * 0.9)

    def troubled(self, seconds: float, retry_after: float | None = None) -> None:
        """The server was busy, late or gone after `seconds`: half the requests, once for all that were in flight."""
        now = self._clock()
        if now - self._cut > seconds:
            self._cut = now
            self._trouble += 1
            self.limit = max(1.0, self.limit / 2)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._trouble - 1, 10)) * self._random.uniform(0.5, 1.0)
        if retry_after is not None:
            pause = min(MOST_ASKED_FOR, retry_after) + self._random.uniform(0.0, 0.25)
        self.resumes = max(self.resumes, now + pause)
