"""The little vector arithmetic that the cheap rows need, without loading numpy for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

Vector = Sequence[float]


def dot(a: Vector, b: Vector) -> float:
    """The inner product of two vectors of the same length."""
    return math.fsum(map(mul, a, b))


def norm(a: Vector) -> float:
    """The Euclidean length."""
    return math.sqrt(dot(a, a))


def cosine(a: Vector, b: Vector) -> float:
    """Cosine similarity in [-1, 1]; NaN when lengths differ, a vector is zero, or a component is not finite."""
    if len(a) != len(b) or not a:
        return math.nan
    if not all(map(math.isfinite, a)) or not all(map(math.isfinite, b)):
        return math.nan
    length = norm(a) * norm(b)
    return max(-1.0, min(1.0, dot(a, b) / length)) if length else math.nan
