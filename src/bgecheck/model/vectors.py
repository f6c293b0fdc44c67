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


def cosine(a: Vector, b: Vector) -> float:
    """Cosine similarity in [-1, 1]; NaN when lengths differ, a vector is zero, or a component is not finite."""
    squared = _dot(a, a)
    return _cosine(a, squared, b, squared if a == b else _dot(b, b))


def closest_pair(vectors: Sequence[Vector]) -> float:
    """The highest cosine of any two of the vectors; NaN where there are not two."""
    squares = [_dot(vector, vector) for vector in vectors]
    pairs = combinations(zip(vectors, squares, strict=True), 2)
    return max((_cosine(a, aa, b, bb) for (a, aa), (b, bb) in pairs), default=math.nan)


def _cosine(a: Vector, a_squared: float, b: Vector, b_squared: float) -> float:
    if len(a) != len(b) or not a:
        return math.nan
    lengths = a_squared * b_squared
    # Where a component is not finite, or products over- or underflow, the product of the squared lengths tells.
    if not 1e-100 < lengths < 1e100:
        return _careful_cosine(a, b)
    return 1.0 if a == b else max(-1.0, min(1.0, _dot(a, b) / math.sqrt(lengths)))


def _dot(a: Vector, b: Vector) -> float:
    """The inner product; 1024 additions of doubles lose less than 1e-12 of it."""
    product: float = sum(map(mul, a, b))
    return product


def _careful_cosine(a: Vector, b: Vector) -> float:
    if not all(map(math.isfinite, a)) or not all(map(math.isfinite, b)):
        return math.nan
    a, b = _scaled(a), _scaled(b)
    length = norm(a) * norm(b)
    return max(-1.0, min(1.0, math.fsum(map(mul, a, b)) / length)) if length else math.nan


def _scaled(a: Vector) -> Vector:
    """The same direction with components up to 1, so that no product over- or underflows."""
    most = max(map(abs, a))
    return [x / most for x in a] if most else a
