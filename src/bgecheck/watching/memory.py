"""Whether memory leaks: grows on and on, other than by a reservation, a pattern or the load."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Literal, NamedTuple

from bgecheck.model.expected import AtLeast, AtMost
from bgecheck.watching.history import Segment
from bgecheck.watching.trend import (
    Points,
    Trend,
    is_a_line,
    largest_fall,
    rank_correlation,
    seconds_needed,
    theil_sen,
)

MIB = 2**20
HOUR = 3600.0
DAY = 24 * HOUR

SETTLING = 0.1
"""Share of the time that is left out at its beginning: sglang reserves at its start and at its first batches."""

FEWEST = AtLeast(30, "samples", "below it the interval by ranks of a noisy series is as wide as the series is high")
SHORTEST = AtLeast(300.0, "s", "allocators take what they keep at the first requests of a server")
GROWTH = AtLeast(16 * MIB, "bytes", "sixteen arenas of CPython's allocator, which takes and gives back 1 MiB at a time")
SHARE = AtLeast(0.01, "of the level", "what an allocator rounds up to")
FALLS = AtLeast(3.0, "times the largest fall", "a leak gives nothing back; a daily pattern or a collector does")
STILL = AtLeast(0.5, "of the slope", "in the second half of the time; what saturates grows by less there")
FOLLOWS = AtLeast(0.8, "", "Spearman's correlation with the load, which rises as well")
LASTS = AtLeast(30 * DAY, "s", "until memory is full: a month, in which a server is started anew for other reasons")
SLOWEST = AtMost(8 * MIB / HOUR, "bytes/s", "a leak that is smaller takes 5 days for 1 GiB")

Kind = Literal["leak", "load", "flat", "too-little", "nothing"]


class Growth(NamedTuple):
    """How the memory of one start of the server went on; `free` in bytes, None where it is not known."""

    kind: Kind
    trend: Trend | None = None
    level: float = 0.0
    grown: float = 0.0
    """Bytes by the slope over the time."""
    free: float | None = None
    needed: float = 0.0
    """Seconds after which more could be said."""
    largest_fall: float = 0.0
    load_known: bool = False
    last: float = 0.0
    """Bytes at the end, by the median of the last points."""

    @property
    def until_full(self) -> tuple[float, float, float | None] | None:
        """Seconds until the free memory is used up: by the slope, at the earliest, and at the latest (None: never)."""
        if self.trend is None or self.free is None or self.trend.slope <= 0:
            return None
        latest = self.free / self.trend.lower if self.trend.lower > 0 else None
        return self.free / self.trend.slope, self.free / self.trend.upper, latest


def growth(segment: Segment, used: str, free: str) -> Growth:
    """How a column of a segment goes on, judged without its first part."""
    settled = segment.points(used).part(SETTLING)
    left = segment.points(free)
    room = left.values[-1] if left.values else None
    if not settled.values:
        return Growth("nothing", free=room)
    trend = theil_sen(settled)
    level = median(settled.values)
    if trend is None or not FEWEST.admits(len(settled.values)) or not SHORTEST.admits(settled.seconds):
        return Growth("too-little", trend, level, free=room, needed=_least_seconds(segment, settled))
    fall = largest_fall(_smoothed(settled.values))
    kind, needed, has_load = _kind(segment, used, settled, trend, level, fall, room)
    grown = trend.slope * trend.seconds
    return Growth(kind, trend, level, grown, room, needed, fall, has_load, _smoothed(settled.values)[-1])


def _least_seconds(segment: Segment, settled: Points) -> float:
    """For how long one has to look before anything is said."""
    whole = segment.times[-1] - segment.times[0] if len(segment.times) > 1 else 0.0
    spacing = whole / (len(segment.times) - 1) if len(segment.times) > 1 else 0.0
    return max(SHORTEST.value, FEWEST.value * spacing) / (1 - SETTLING)


def _kind(
    segment: Segment, used: str, settled: Points, trend: Trend, level: float, fall: float, room: float | None
) -> tuple[Kind, float, bool]:
    """What it is; the seconds after which more could be said; and whether the load is has_load."""
    smallest = max(SLOWEST.value, (room or 0.0) / LASTS.value)
    if _grows_on(settled, trend, level, fall):
        follows, has_load = _follows_the_load(segment, used, settled)
        return ("load" if follows else "leak"), 0.0, has_load
    if trend.upper <= smallest or trend.half_width <= smallest:
        return "flat", 0.0, False
    return "too-little", seconds_needed(trend, smallest) / (1 - SETTLING), False


def _grows_on(settled: Points, trend: Trend, level: float, fall: float) -> bool:
    """Whether it grows, by more than an allocator's rounding, to the end, along a line, and gives nothing back."""
    grown = trend.slope * trend.seconds
    if trend.lower <= 0 or not (GROWTH.admits(grown) and SHARE.admits(grown / max(level, 1.0))):
        return False
    if fall > 0 and not FALLS.admits(grown / fall):
        return False
    later = theil_sen(settled.part(0.5))
    if later is None or later.lower <= 0 or not STILL.admits(later.slope / trend.slope):
        return False
    return is_a_line(settled, trend.slope)


def _follows_the_load(segment: Segment, used: str, settled: Points) -> tuple[bool, bool]:
    """Whether memory grows as the load does; and whether the load is known. Where it is steady it explains nothing."""
    load = segment.points("load").part(SETTLING)
    rising = theil_sen(load)
    if rising is None or len(load.values) < len(settled.values) / 2:
        return False, False
    first, last = load.part(0.0, 0.25), load.part(0.75)
    if rising.lower <= 0 or median(last.values) < 1.5 * median(first.values):
        return False, True
    alike = rank_correlation(segment.columns[used], segment.columns["load"])
    return alike is not None and FOLLOWS.admits(alike), True


def _smoothed(values: Sequence[float]) -> list[float]:
    """Medians of neighbours, so that the fall of a single sample counts for nothing."""
    size = max(3, len(values) // 60)
    return [median(values[at : at + size]) for at in range(0, len(values), size)]
