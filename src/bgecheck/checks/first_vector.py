"""The first vector of a smoke test in numbers, as its screen shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstVector:
    """What the first text became; numbers that are not finite stand as their names."""

    count: int
    """Vectors of the answer, one a text."""
    dims: int
    norm: float
    first: tuple[float | str, ...]
    """Its first numbers."""
    tokens: int | None
    """Of all texts, as the server counts them."""
    ms: float
    """Milliseconds of the call."""
    dtype: str | None
    """The dtype that the bits of the numbers show."""
    openai: str | None
    """The version of the openai package that made the call; None where it was called without."""
    cosines: tuple[tuple[int, int, float], ...] = ()
    """Of several texts: for each two of them their numbers, counted from 1, and their cosine; of a few texts only."""
