"""Whether a server became slower while it was watched, and what its latency follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Literal, NamedTuple

from bgecheck.model.expected import AtLeast, AtMost
from bgecheck.watching.history import Facts
from bgecheck.watching.trend import rank_correlation

FEWEST = AtLeast(20, "samples", "a quarter of them has the middle and the quartiles of five")
SLOWER = AtMost(1.5, "times as long", "below it clients do not notice; a GPU that throttles halves its clock")
BY = AtMost(0.005, "s", "a tiny text takes some 5 ms on a GPU, of which the network may be half")
FOLLOWS = AtLeast(0.7, "", "Spearman's correlation with the temperature or the clock: half of the order is explained")
WARMER = AtLeast(5.0, "degrees", "what the load of a minute does to a card")
CLOCK_LOST = AtLeast(0.1, "of the clock", "boost clocks move by less")
THROTTLED = AtLeast(0.2, "of the samples", "one in five is no accident")

Why = Literal["heat", "load", "unknown"]


class Slowdown(NamedTuple):
    """Latencies in seconds: the medians of the first and the last quarter, and the most of the first."""

    slower: bool | None
    """None: too few samples."""
    first: float = 0.0
    last: float = 0.0
    why: Why = "unknown"
    correlation: float | None = None
    """With what it follows."""
    samples: int = 0


def slowdown(facts: Facts) -> Slowdown:
    """The latency of the last quarter beside that of the first, quartiles apart so that noise is no slow-down."""
    latencies = [value for value in facts.series("latency").values if not math.isnan(value)]
    if not FEWEST.admits(len(latencies)):
        return Slowdown(None, samples=len(latencies))
    quarter = len(latencies) // 4
    first, last = latencies[:quarter], latencies[-quarter:]
    before, after = median(first), median(last)
    apart = quantiles(last, n=4)[0] > quantiles(first, n=4)[2]
    slower = not SLOWER.admits(after / before if before > 0 else 1.0) and not BY.admits(after - before) and apart
    if not slower:
        return Slowdown(False, before, after, samples=len(latencies))
    why, correlation = _why(facts)
    return Slowdown(True, before, after, why, correlation, len(latencies))


def _why(facts: Facts) -> tuple[Why, float | None]:
    latency = facts.series("latency").values
    for name, sign in (("temperature", 1), ("clock", -1), ("load", 1)):
        other = facts.series(name).values
        alike = rank_correlation(latency, other)
        if alike is None or not FOLLOWS.admits(sign * alike) or not _moves(name, other):
            continue
        return ("load" if name == "load" else "heat"), alike
    if facts.tally.temperatures and THROTTLED.admits(facts.tally.throttled / facts.tally.temperatures):
        return "heat", None
    return "unknown", None


def _moves(name: str, values: Sequence[float]) -> bool:
    """Whether what the latency follows moved by an amount that matters."""
    ordered = sorted(value for value in values if not math.isnan(value))
    low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
    if name == "temperature":
        return WARMER.admits(high - low)
    if name == "clock":
        return high > 0 and CLOCK_LOST.admits((high - low) / high)
    return high > low
