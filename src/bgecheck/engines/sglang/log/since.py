"""Finds the place in a log from which on it is to be judged, by the time stamps that its lines have."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

from bgecheck.engines.sglang.log import marks
from bgecheck.engines.sglang.log.above import backwards
from bgecheck.engines.sglang.log.follower import Follower
from bgecheck.logfile.lines import Block, Unwrapper

_ZONE = timedelta(minutes=15)
"""Clocks of two time zones differ by a multiple of this."""
_FARTHEST = timedelta(hours=26)
"""The most by which they differ."""
_SLACK = timedelta(minutes=3)
"""Seconds that may lie between the last time stamp and the last write."""


_CLOCKS = 8
"""Last lines of a block of which the latest stamp counts: two clocks may write in turn, UTC and local time."""


class Since:
    """A moment, and what a log told of it. `follow` before the rest is read."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment
        """By the clock that writes the log."""
        self.line: int | None = None
        """The first line that was written then or later; None without one."""
        self.last: datetime | None = None
        """The last time stamp; None where no line has one."""

    def follow(self, follower: Follower, blocks: Iterable[Block]) -> Follower:
        """Take all blocks of a log; of what came before the moment only the state of the server is kept."""
        number = 1
        for block in blocks:
            number = block.first or number
            at = self._begins(block.data) if self.line is None else None
            if at is None:
                follower.take(block)
            else:
                head = block.data[:at]
                self.line = number + head.count(b"\n")
                if head:
                    follower.take(Block(block.first, head))
                follower.forget()
                follower.take(Block(self.line, block.data[at:]))
            number += block.data.count(b"\n")
        follower.finish()
        return follower

    def _begins(self, data: bytes) -> int | None:
        """Offset of the first line of that moment or later; None when all of a block is older or without a stamp."""
        last = max(islice(filter(None, map(stamped, backwards(data))), _CLOCKS), default=None)
        if last is None:
            return None
        self.last = last
        if last < self.moment:
            return None
        at = 0
        for raw in data.split(b"\n"):
            if (when := stamped(raw)) and when >= self.moment:
                return at
            at += len(raw) + 1
        return None


def stamped(raw: bytes) -> datetime | None:
    """The time that sglang wrote at the beginning of a line."""
    if b"-" not in raw[:200]:
        return None
    match = next((m for _, text in Unwrapper().texts(0, raw) if (m := marks.STAMP.match(text))), None)
    try:
        return datetime.strptime(match[1].replace("T", " "), "%Y-%m-%d %H:%M:%S") if match else None
    except ValueError:
        return None


def clock(ending: bytes, written: datetime) -> timedelta:
    """By how much the clock of a log is ahead of ours: most containers write UTC.

    `ending` are its last lines, `written` is when the file was last written, by our clock. What is no difference of
    time zones, as of a file that was copied, counts as none.
    """
    last = next((when for raw in backwards(ending) if (when := stamped(raw))), None)
    if last is None or abs(last - written) > _FARTHEST:
        return timedelta()
    ahead = round((last - written) / _ZONE) * _ZONE
    return ahead if abs(last - written - ahead) <= _SLACK else timedelta()
