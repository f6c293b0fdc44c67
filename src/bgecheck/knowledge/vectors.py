"""Vector arithmetic of the rows: length, finiteness and cosine similarity of embeddings as they came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

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
    import numpy as np

    if len(vectors) < 2 or len({len(vector) for vector in vectors}) > 1 or not vectors[0]:
        return math.nan
    units = _units(np.asarray(vectors, np.float64))
    cosines = (units @ units.T)[np.triu_indices(len(vectors), 1)]
    return float(np.clip(cosines.max(), -1.0, 1.0))


def _units(rows: Any) -> Any:
    """Each row divided by its length; NaN for a row that is zero or not finite. No square over- or underflows."""
    import numpy as np

    with np.errstate(all="ignore"):
        rows = rows / np.abs(rows).max(axis=1, keepdims=True)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
