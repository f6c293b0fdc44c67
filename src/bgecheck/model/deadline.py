"""The end of a run, from which every call takes its time-out."""

from __future__ import annotations

import time

from bgecheck.model import Text, Unavailable

ONE_WAIT = 0.5
"""Seconds that the main thread waits at once where nothing else ends its wait. Python answers a signal between two of
its own instructions, so that one which comes just before the system call would be answered when the wait is over."""


class Deadline:
    """A moment that no wait may outlast."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._ends - time.monotonic())

    def timeout(self, at_most: float) -> float:
        """Seconds that one call may take: `at_most`, or what is left. Raises `Unavailable` when nothing is."""
        left = self.remaining()
        if left <= 0:
            raise deadline_exceeded()
        return min(at_most, left)


DEADLINE_EXCEEDED = Text("deadline exceeded (--deadline)", "已到本次运行的时限（--deadline）")


def deadline_exceeded() -> Unavailable:
    """What to raise where no time is left."""
    return Unavailable(DEADLINE_EXCEEDED)
