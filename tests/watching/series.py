"""Planted series: histories as a server of a known kind would leave them, at any length and without waiting."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from bgecheck.watching.history import Facts, History
from bgecheck.watching.sample import Sample, Watched

MIB = 2**20
HOUR = 3600.0
FREE = 20 * 1024 * MIB
WATCHED = Watched(url="http://127.0.0.1:30000/v1", model="bge-large-zh-v1.5", encoder=True, log="sglang.log")

Curve = Callable[[float], float]
"""From hours since the beginning to MiB."""


def history(hours: float, curve: Curve | None = None, *, every: float = 15.0, **more: Any) -> History:
    """Samples of some hours; `more` gives further fields of a sample, as values or as functions of the hour."""
    taken = History(WATCHED)
    noise = random.Random(7)
    for turn in range(int(hours * HOUR / every) + 1):
        hour = turn * every / HOUR
        fields: dict[str, Any] = {"latency": 0.02 + noise.gauss(0, 0.001), "canary": 0.02, "cosine": 1.0}
        fields |= {"pid": 100, "ram_free": FREE}
        if curve is not None:
            fields["rss"] = int((curve(hour) + noise.gauss(0, 2)) * MIB)
        fields |= {name: value(hour) if callable(value) else value for name, value in more.items()}
        taken.take(Sample(at=1.8e9 + turn * every, elapsed=turn * every, **fields))
    return taken


def facts(hours: float, curve: Curve | None = None, **more: Any) -> Facts:
    return history(hours, curve, **more).facts()


def leak(rate: float) -> Curve:
    """So many MiB an hour on top of 4 GiB."""
    return lambda hour: 4096 + rate * hour


def reserved(hour: float) -> float:
    """sglang's way: little at the start, all it will ever take within the first minutes, then flat."""
    return 600 + 3500 * (1 - math.exp(-hour * 60))


def step(at: float, size: float) -> Curve:
    return lambda hour: 4096 + (size if hour >= at else 0.0)


def sawtooth(period: float, size: float) -> Curve:
    """Grows, and is given back at once, as by a collector."""
    return lambda hour: 4096 + size * ((hour / period) % 1.0)


def daily(size: float, phase: float = 0.0) -> Curve:
    """Follows the load of a day."""
    return lambda hour: 4096 + size * math.sin(2 * math.pi * (hour / 24 + phase))
