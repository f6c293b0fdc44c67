"""The little vector arithmetic that the cheap rows need, without loading numpy for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

Vector = Sequence[float]


def norm(a: Vector) -> float:
    """The Euclidean length; infinite or NaN when a component is, never an overflow."""
    return math.hypot(*a)


def cosine(a: Vector, b: Vector) -> float:
    """Cosine similarity in [-1, 1]; NaN when lengths differ, a vector is zero, or a component is not finite."""
    if len(a) != len(b) or not a:
        return math.nan
    if not all(map(math.isfinite, a)) or not all(map(math.isfinite, b)):
        return math.nan
    a, b = _scaled(a), _scaled(b)
    length = norm(a) * norm(b)
    return max(-1.0, min(1.0, math.fsum(map(mul, a, b)) / length)) if length else math.nan


def _scaled(a: Vector) -> Vector:
    """The same direction with components up to 1, so that no product over- or underflows."""
    most = max(map(abs, a))
    return [x / most for x in a] if most else a
