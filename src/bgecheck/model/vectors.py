"""The little vector arithmetic that the cheap rows need, without loading numpy for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from operator import mul

Vector = Sequence[float]


def norm(a: Vector) -> float:
    """The Euclidean length; infinite or NaN when a component is, never an overflow."""
    return math.hypot(*a)


def is_finite(a: Vector) -> bool:
    """Whether every component is finite; their sum tells it where it is."""
    return math.isfinite(sum(a)) or all(map(math.isfinite, a))


def cosine(a: Vector, b: Vector) -> float:
    """Cosine similarity in [-1, 1]; NaN when lengths differ, a vector is zero, or a component is not finite."""
    return _cosine(a, norm(a), b, norm(b))


def closest_pair(vectors: Sequence[Vector]) -> float:
    """The highest cosine of any two of the vectors; NaN where there are not two."""
    pairs = combinations([(vector, norm(vector)) for vector in vectors], 2)
    return max((_cosine(a, length, b, other) for (a, length), (b, other) in pairs), default=math.nan)


def _cosine(a: Vector, a_length: float, b: Vector, b_length: float) -> float:
    """By the law of cosines: C computes lengths and distance, and no digit is lost where the vectors are close."""
    if len(a) != len(b) or not a:
        return math.nan
    # Where a component is not finite, or squares over- or underflow, the lengths tell.
    if not 1e-50 < a_length < 1e50 or not 1e-3 < a_length / (b_length or math.inf) < 1e3:
        return _careful_cosine(a, b)
    apart = math.dist(a, b)
    both = (a_length * a_length + b_length * b_length - apart * apart) / (2 * a_length * b_length)
    return max(-1.0, min(1.0, both))


def _careful_cosine(a: Vector, b: Vector) -> float:
    if not is_finite(a) or not is_finite(b):
        return math.nan
    a, b = _scaled(a), _scaled(b)
    length = norm(a) * norm(b)
    return max(-1.0, min(1.0, math.fsum(map(mul, a, b)) / length)) if length else math.nan


def _scaled(a: Vector) -> Vector:
    """The same direction with components up to 1, so that no product over- or underflows."""
    most = max(map(abs, a))
    return [x / most for x in a] if most else a
