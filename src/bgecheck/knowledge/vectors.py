"""Vector arithmetic of the rows: length, finiteness and cosine similarity of embeddings as they came."""

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
    """Whether every component is finite."""
    return all(map(math.isfinite, a))


def cosine(a: Vector, b: Vector) -> float:
    """Cosine similarity in [-1, 1]; NaN when lengths differ, a vector is zero, or a component is not finite."""
    return closest_pair((a, b))


def closest_pair(vectors: Sequence[Vector]) -> float:
    """The highest cosine of any two of the vectors.

    NaN where there are not two, or one of them cannot be compared: of another length, zero, or not finite.
    """
    units = [unit for vector in vectors if (unit := _unit(vector))]
    if len(units) < max(2, len(vectors)) or len(set(map(len, units))) > 1:
        return math.nan
    highest: float = max(sum(map(mul, a, b)) for a, b in combinations(units, 2))
    return max(-1.0, min(1.0, highest))


def _unit(a: Vector) -> list[float] | None:
    """A vector divided by its length, in two steps so that no square over- or underflows; None for one without."""
    if not a or not is_finite(a) or not (most := max(map(abs, a))):
        return None
    scaled = [x / most for x in a]
    length = norm(scaled)
    return [x / length for x in scaled]
