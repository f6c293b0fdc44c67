"""How long the texts of a load are: `64` (the median in tokens), `64:400` (and the 95th percentile), `16-256`."""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

from bgecheck.model import BadInput, Text

SPREAD = 3.0
"""The 95th percentile over the median, where only the median is given."""

SHORTEST, LONGEST = 4, 8192
"""Tokens."""

_AT_95 = 1.6449
"""Standard deviations from the median of a normal distribution to its 95th percentile."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """A distribution of lengths in tokens: log-normal from its median and 95th percentile, or even between two."""

    low: float
    """The median, or the shortest."""
    high: float
    """The 95th percentile, or the longest."""
    is_even: bool = False

    def draw(self, rng: random.Random) -> int:
        """One length."""
        if self.is_even:
            return rng.randint(int(self.low), int(self.high))
        spread = math.log(self.high / self.low) / _AT_95
        return max(SHORTEST, round(self.low * math.exp(rng.gauss(0.0, spread))))

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g}" if self.is_even else f"{self.low:g}:{self.high:g}"


def lengths(given: str) -> Lengths:
    """A distribution as it is written. Raises `BadInput`."""
    match = re.fullmatch(r"\s*(\d{1,5})(?:\s*([:-])\s*(\d{1,5}))?\s*", given)
    low = int(match[1]) if match else 0
    high = int(match[3]) if match and match[3] else min(low * SPREAD, LONGEST)
    if match is None or not SHORTEST <= low <= high <= LONGEST:
        raise BadInput(
            f"--lengths {given}",
            Text(f"no lengths between {SHORTEST} and {LONGEST} tokens", f"不是 {SHORTEST} 到 {LONGEST} token 的长度"),
            Text(
                "write the median as 64, with the 95th percentile as 64:400, or a range as 16-256",
                "写中位数 64，或中位数与 95 分位 64:400，或范围 16-256",
            ),
        )
    return Lengths(low, high, match[2] == "-")
