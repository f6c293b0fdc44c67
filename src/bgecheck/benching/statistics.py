"""The arithmetic of a measurement, without clock or network: quantiles, the knee, random arrivals, resampling."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WITHIN = 0.05
"""A setting this near to the best throughput is as good: what is left is noise, and paid for in latency."""

RESAMPLES = 2000
"""With which the ends of an interval of 95 % differ by some tenth of its width from run to run."""


def quantile(ascending: Sequence[float], share: float) -> float:
    """The least value that `share` of the values do not exceed (nearest rank); infinite where there is none.

    It is a value that was measured: with fewer than 100 the 99th of a hundred is the largest.
    """
    if not ascending:
        return math.inf
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


class Point(NamedTuple):
    """A setting on the curve: what it costs (texts in flight) and what it gives (texts a second)."""

    cost: float
    rate: float


def knee(points: Sequence[Point], within: float = WITHIN) -> int | None:
    """The place of the cheapest point whose rate is at most `within` below the best; of equal cost the fastest.

    None where there is no point.
    """
    if not points:
        return None
    enough = (1 - within) * max(point.rate for point in points)
    good = [place for place, point in enumerate(points) if point.rate >= enough]
    return min(good, key=lambda place: (points[place].cost, -points[place].rate))


def arrivals(rate: float, seconds: float, rng: random.Random) -> list[float]:
    """The moments, in seconds from 0, at which requests are due in an open loop: a Poisson process of `rate` a second.

    Gaps are exponential, so that requests come in bunches as those of independent users do.
    """
    moments: list[float] = []
    moment = rng.expovariate(rate)
    while moment < seconds:
        moments.append(moment)
        moment += rng.expovariate(rate)
    return moments


class Interval(NamedTuple):
    """A ratio new to old, with the ends of its interval of 95 %."""

    ratio: float
    low: float
    high: float


def rate_ratio(old: NDArray[np.float64], new: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Resampled ratios of two rates, from parts (rows: texts, seconds) drawn with replacement; shape `RESAMPLES`.

    The bootstrap of Efron (1979), for a ratio of sums: each part weighs as long as it took.
    """
    return _rates(new, rng) / _rates(old, rng)


def _rates(parts: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    drawn = parts[rng.integers(0, len(parts), (RESAMPLES, len(parts)))].sum(axis=1)
    rates: NDArray[np.float64] = drawn[:, 0] / drawn[:, 1]
    return rates


def quantile_ratio(
    old: Sequence[float], new: Sequence[float], share: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Resampled ratios of one quantile of two samples; shape `RESAMPLES`."""
    return _quantiles(new, share, rng) / _quantiles(old, share, rng)


def _quantiles(values: Sequence[float], share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """The quantile of `RESAMPLES` resamples, by rank: the rank-th smallest of n draws lies at a beta-distributed place.

    It gives what drawing n values again and again gives, without sorting them each time (Efron, 1979, section 3).
    """
    import numpy as np

    ascending = np.sort(np.asarray(values, np.float64))
    count = len(ascending)
    rank = max(1, math.ceil(share * count))
    places = rng.beta(rank, count - rank + 1, RESAMPLES)
    made: NDArray[np.float64] = ascending[np.minimum((places * count).astype(np.int64), count - 1)]
    return made


def interval(point: float, resampled: NDArray[np.float64]) -> Interval:
    """The ratio with the 2.5th and 97.5th of a hundred resampled ones."""
    import numpy as np

    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(point, min(float(low), point), max(float(high), point))


def overall(points: Sequence[float], resampled: Sequence[NDArray[np.float64]], rng: np.random.Generator) -> Interval:
    """The geometric mean of the ratios of several pairs; from three on the pairs are drawn anew as well.

    So a change of one setting alone does not pass for one of the server.
    """
    import numpy as np

    logs = np.log(np.stack(resampled))
    count = len(logs)
    if count >= 3:
        drawn = rng.integers(0, count, (count, RESAMPLES))
        logs = np.take_along_axis(logs, drawn, axis=0)
    return interval(float(np.exp(np.mean(np.log(points)))), np.exp(logs.mean(axis=0)))
