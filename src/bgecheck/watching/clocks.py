"""The clocks of a watch: one that nobody sets, one that goes on while the machine sleeps, and the one of the wall."""

from __future__ import annotations

import time
from typing import NamedTuple

from bgecheck.model.deadline import ONE_WAIT

SLEPT = 2.0
"""Seconds by which clocks must come apart before the machine is said to have slept, or its clock to have been set: a
clock that is disciplined by NTP is slewed by less than 1 ms a second."""


class Moment(NamedTuple):
    """One reading of all clocks, in seconds."""

    running: float
    """Stands still while the machine sleeps; nobody sets it."""
    existing: float | None
    """The same, going on in sleep; None where a system has no such clock."""
    wall: float
    """Since the epoch; may be set."""


class Passed(NamedTuple):
    """What passed between two moments."""

    seconds: float
    asleep: float
    clock_set: float
    """Seconds by which the clock of the wall was set, forward or back."""


class Clock:
    """The clocks of this machine."""

    def now(self) -> Moment:
        """All clocks at once."""
        existing = getattr(time, "CLOCK_BOOTTIME", None)
        return Moment(time.monotonic(), None if existing is None else time.clock_gettime(existing), time.time())

    def sleep(self, seconds: float) -> None:
        """Wait; a signal of the user ends it with its exception."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, ONE_WAIT))


def passed(before: Moment, after: Moment) -> Passed:
    """What passed between two moments: time, sleep, and a change of the clock.

    Without a clock that goes on in sleep (macOS, Windows) a wall clock that is ahead is taken for sleep.
    """
    seconds, by_wall = after.running - before.running, after.wall - before.wall
    if before.existing is not None and after.existing is not None:
        whole = after.existing - before.existing
        asleep, clock_set = whole - seconds, by_wall - whole
    else:
        asleep, clock_set = max(0.0, by_wall - seconds), min(0.0, by_wall - seconds)
    return Passed(max(0.0, seconds), asleep if asleep >= SLEPT else 0.0, clock_set if abs(clock_set) >= SLEPT else 0.0)
