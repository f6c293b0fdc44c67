"""How a series of numbers goes on: a robust slope with its interval, and the shapes that are no trend."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from statistics import median
from typing import NamedTuple

AT_MOST = 240
"""Points that a slope is computed from: some 28,000 pairs, which take 20 ms."""

Z_95 = 1.959964
"""The normal quantile that leaves 95 % between itself and its negative."""

_MOST_ALIKE = 0.95
"""Correlation of neighbours beyond which it is no longer counted: it is an estimate of few points."""


class Points(NamedTuple):
    """Values at times in seconds, in the order of time."""

    times: Sequence[float]
    values: Sequence[float]

    @property
    def seconds(self) -> float:
        """From the first to the last."""
        return self.times[-1] - self.times[0] if self.times else 0.0

    def part(self, begin: float, end: float = 1.0) -> Points:
        """The points between two shares of the time."""
        if not self.times:
            return self
        first, last = (self.times[0] + share * self.seconds for share in (begin, end))
        kept = [(t, v) for t, v in zip(self.times, self.values, strict=True) if first <= t <= last]
        return Points([t for t, _ in kept], [v for _, v in kept])


class Trend(NamedTuple):
    """A slope in units per second, between the bounds of its 95 % interval."""

    slope: float
    lower: float
    upper: float
    seconds: float
    """For how long it was looked at."""
    points: int

    @property
    def half_width(self) -> float:
        """How far the bounds lie from their middle."""
        return (self.upper - self.lower) / 2


def downsampled(points: Points, at_most: int = AT_MOST) -> Points:
    """At most so many points, each the median of as many neighbours."""
    count = len(points.times)
    if count <= at_most:
        return points
    size = math.ceil(count / at_most)
    starts = range(0, count, size)
    return Points(
        [median(points.times[start : start + size]) for start in starts],
        [median(points.values[start : start + size]) for start in starts],
    )


def theil_sen(points: Points) -> Trend | None:
    """The median of the slopes between all pairs of points, with Sen's interval by ranks; None for fewer than three.

    Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968): of the N slopes in their
    order the bounds are those at (N - C) / 2 and (N + C) / 2 with C = z sqrt(var S). The variance is that of Kendall's
    S with ties, and grows by (1 + r) / (1 - r) where neighbours are alike (their correlation r, after the slope is
    taken off): without it, memory that moves in steps or with the load would look surer than it is.
    """
    few = downsampled(points)
    slopes = sorted(_slopes(few))
    if len(few.times) < 3 or not slopes:
        return None
    slope = median(slopes)
    spread = Z_95 * math.sqrt(_variance(few.values) * _inflation(few, slope))
    low, high = (len(slopes) - spread) / 2, (len(slopes) + spread) / 2
    last = len(slopes) - 1
    lower, upper = slopes[max(0, math.floor(low))], slopes[min(last, math.ceil(high))]
    return Trend(slope, lower, upper, points.seconds, len(points.times))


def _slopes(points: Points) -> Iterator[float]:
    times, values = points
    for i, (t, v) in enumerate(zip(times, values, strict=True)):
        for later, value in zip(times[i + 1 :], values[i + 1 :], strict=True):
            if later > t:
                yield (value - v) / (later - t)


def _variance(values: Sequence[float]) -> float:
    """The variance of Kendall's S for as many values, with the correction for equal ones."""
    count = len(values)
    equal: dict[float, int] = {}
    for value in values:
        equal[value] = equal.get(value, 0) + 1
    ties = sum(t * (t - 1) * (2 * t + 5) for t in equal.values())
    return max(0.0, (count * (count - 1) * (2 * count + 5) - ties) / 18)


def _inflation(points: Points, slope: float) -> float:
    """How much more the variance is because neighbours are alike."""
    rest = [v - slope * t for t, v in zip(points.times, points.values, strict=True)]
    middle = sum(rest) / len(rest)
    off = [value - middle for value in rest]
    whole = sum(value * value for value in off)
    if whole <= 0:
        return 1.0
    alike = sum(a * b for a, b in pairwise(off)) / whole
    kept = min(_MOST_ALIKE, max(0.0, alike))
    return (1 + kept) / (1 - kept)


def largest_fall(values: Sequence[float]) -> float:
    """The most that a value lies below one before it; 0 where none does."""
    return max((high - value for high, value in zip(accumulate(values, max), values, strict=True)), default=0.0)


def is_a_line(points: Points, slope: float) -> bool:
    """Whether a straight line describes points better than levels with one or two steps between them.

    Compared are the squares of what is left. Two steps follow three levels, so that a reservation at the first batches
    and a second one later are no line; a stair of many steps is.
    """
    few = downsampled(points, 120)
    line = [v - slope * t for t, v in zip(few.times, few.values, strict=True)]
    middle = median(line)
    return sum((value - middle) ** 2 for value in line) < _left_by_steps(few.values)


def _left_by_steps(values: Sequence[float]) -> float:
    """The least sum of squares that three levels leave, wherever the two steps between them are."""
    base = values[0] if values else 0.0
    sums = [0.0, *accumulate(value - base for value in values)]
    squares = [0.0, *accumulate((value - base) ** 2 for value in values)]
    count = len(values)

    def left(begin: int, end: int) -> float:
        total = sums[end] - sums[begin]
        return squares[end] - squares[begin] - (total * total / (end - begin) if end > begin else 0.0)

    return min(
        (
            left(0, first) + left(first, second) + left(second, count)
            for first in range(count)
            for second in range(first, count)
        ),
        default=0.0,
    )


def rank_correlation(some: Sequence[float], others: Sequence[float]) -> float | None:
    """Spearman's correlation of two series of the same times, NaN left out; None for fewer than ten or a flat one."""
    both = [(a, b) for a, b in zip(some, others, strict=True) if not (math.isnan(a) or math.isnan(b))]
    if len(both) < 10:
        return None
    first, second = (_ranks([pair[side] for pair in both]) for side in (0, 1))
    middle = (len(both) - 1) / 2
    x, y = [r - middle for r in first], [r - middle for r in second]
    size = math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))
    return sum(a * b for a, b in zip(x, y, strict=True)) / size if size > 0 else None


def _ranks(values: Sequence[float]) -> list[float]:
    """The place of each value in their order; equal ones share the middle of their places."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = (start + end) / 2
        start = end + 1
    return ranks


def seconds_needed(trend: Trend, slope: float) -> float:
    """For how long one has to look until the interval is as narrow as `slope` on each side.

    With samples at a steady rate the interval of a slope narrows with the time to the power of 3/2.
    """
    if trend.half_width <= slope:
        return trend.seconds
    return float(trend.seconds * (trend.half_width / slope) ** (2 / 3))
