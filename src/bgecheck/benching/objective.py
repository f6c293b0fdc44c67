"""What a setting has to hold: `p99=200ms`, `p50<=50ms`, `throughput>=500`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bgecheck.benching.measured import Result
from bgecheck.model import BadInput, Text

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
"""Latencies that can be asked for, each with the share of the requests that it covers."""

_UNITS = {"ms": 0.001, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Objective:
    """A bound of one figure: seconds at most for a latency, texts a second at least for the throughput."""

    name: str
    bound: float

    @property
    def is_latency(self) -> bool:
        """Whether it bounds a latency."""
        return self.name in SHARES

    def figure(self, result: Result) -> float:
        """What a setting has of it."""
        return result.quantile(SHARES[self.name]) if self.is_latency else result.rate

    def holds(self, result: Result) -> bool:
        """Whether a setting meets it."""
        figure = self.figure(result)
        return figure <= self.bound if self.is_latency else figure >= self.bound

    def distance(self, result: Result) -> float:
        """How many times a setting misses it by: 1 or less where it is met."""
        figure = self.figure(result)
        if self.is_latency:
            return figure / self.bound
        return self.bound / figure if figure > 0 else float("inf")

    def __str__(self) -> str:
        if self.is_latency:
            return f"{self.name} <= {self.bound * 1000:g} ms"
        return f"{self.name} >= {self.bound:g}"


def objectives(given: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives as they are written, several in one with commas. Raises `BadInput`."""
    made = tuple(_objective(part) for item in given for part in item.split(","))
    for number, one in enumerate(made):
        if any(one.name == other.name for other in made[:number]):
            raise BadInput(f"--slo {one.name}", Text("it is given twice", "重复给出"), Text("give it once", "只给一次"))
    return made


def _objective(given: str) -> Objective:
    match = re.fullmatch(r"\s*(p50|p90|p99)\s*(?:<=|<|=)\s*(\d{1,7}(?:\.\d{1,3})?)\s*(ms|s)\s*", given, re.IGNORECASE)
    if match and float(match[2]) > 0:
        return Objective(match[1].lower(), float(match[2]) * _UNITS[match[3].lower()])
    match = re.fullmatch(r"\s*(throughput)\s*(?:>=|>|=)\s*(\d{1,9}(?:\.\d{1,3})?)\s*(?:/s)?\s*", given, re.IGNORECASE)
    if match and float(match[2]) > 0:
        return Objective("throughput", float(match[2]))
    raise BadInput(
        f"--slo {given}" if given.strip() else f"--slo {given!r}",
        Text("not an objective", "不是可用的目标"),
        Text(
            "write p50, p90 or p99 with a duration, as p99=200ms, or throughput>=500 (texts a second)",
            "写 p50、p90、p99 加时长，如 p99=200ms，或 throughput>=500（条/秒）",
        ),
    )


def meets(result: Result, wanted: Sequence[Objective]) -> bool:
    """Whether a setting is usable and meets all of them."""
    return result.is_usable and all(one.holds(result) for one in wanted)
