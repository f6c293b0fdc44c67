"""The slots of one server: how many requests all workers of a cluster may have in flight to it, each slot leased."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

LEASE = 15.0
"""Seconds for which a slot is held without a sign of life: those of a worker that was killed come free after it."""

BEAT = 2.0
"""Seconds after which a worker says again which slots it holds."""

SETTLING = 3 * BEAT
"""Seconds for which a table that was lost and begun anew gives no slot: until all who hold one have said so."""


class Slots:
    """Who may send. Not safe to use from several threads at once; every call may be repeated and does the same."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, anew: bool = False) -> None:
        """`anew` where an earlier table was lost, whose leases nobody here knows."""
        self._clock = clock
        self._opens = clock() + (SETTLING if anew else 0.0)
        self._ends: dict[str, float] = {}
        self.most: int | None = None
        """Slots that there are: the fewest that anyone has learned from the server."""
        self.peak = 0
        """The most that were ever taken at once."""
        self.given = 0
        """How often a slot was given."""

    @property
    def taken(self) -> int:
        """Slots that are leased now."""
        now = self._clock()
        self._ends = {lease: ends for lease, ends in self._ends.items() if ends > now}
        return len(self._ends)

    def take(self, lease: str, most: int) -> bool:
        """Whether there was a slot for a lease of this name, by one who has learned that the server takes `most`."""
        self.most = most if self.most is None else min(self.most, most)
        if self.taken >= self.most and lease not in self._ends:
            return False
        if self._clock() < self._opens:
            return False
        self.given += lease not in self._ends
        self.renew([lease])
        return True

    def renew(self, leases: Iterable[str]) -> None:
        """Hold on to slots; those of which nothing is known are from before the table was lost, and are held too."""
        ends = self._clock() + LEASE
        self._ends.update((lease, ends) for lease in leases)
        self.peak = max(self.peak, self.taken)

    def give_back(self, lease: str) -> None:
        """Free a slot, where it is held."""
        self._ends.pop(lease, None)
