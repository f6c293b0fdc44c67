"""How stored vectors lie to those that the server makes of the same texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from bgecheck.checks.likeness import SAME_INDEX
from bgecheck.checks.store.served import Remade, Served
from bgecheck.knowledge.vectors import cosine
from bgecheck.stores.stored import Row, Stored

FEWEST_ZEROS = 8
"""Components that are zero at the end of every stored vector, from which on it is no chance: of a model none is."""

Fit = Literal["same", "padded", "short", "cut", "several", "other"]


def lengths(stored: Stored) -> tuple[int, ...]:
    """The different lengths of the sample, shortest first."""
    return tuple(sorted({len(row.vector) for row in stored.rows}))


def real_dims(stored: Stored) -> int:
    """Components up to the last one that is not zero in any vector of the sample."""
    return max((_last(row.vector) for row in stored.rows), default=0)


def _last(vector: Sequence[float]) -> int:
    return next((n for n in range(len(vector), 0, -1) if vector[n - 1] != 0.0), 0)


def fit(stored: Stored, dims: int) -> Fit:
    """How the stored vectors' length goes with the server's.

    `padded` have zeros behind as many components as the server's have; `short` are as long as the server's, and
    zero behind fewer; `cut` are shorter than the server's.
    """
    held = lengths(stored)
    if len(held) > 1:
        return "several"
    (length,), real = held, real_dims(stored)
    if length == dims:
        return "short" if length - real >= FEWEST_ZEROS else "same"
    if length > dims:
        return "padded" if real <= dims and length - dims >= FEWEST_ZEROS else "other"
    return "cut"


def comparable(stored: Stored, dims: int) -> bool:
    """Whether a stored vector and one of the server have components in common that may be compared."""
    return fit(stored, dims) in ("same", "padded", "cut", "several")


def has_direction(row: Row) -> bool:
    """Whether a stored vector can be compared at all: it is finite, and not zero."""
    return any(row.vector) and all(map(math.isfinite, row.vector))


def likeness(row: Row, vector: Sequence[float]) -> float:
    """The cosine of the components that both have; NaN where one of them is zero or not finite."""
    shared = min(len(row.vector), len(vector))
    return cosine(row.vector[:shared], vector[:shared])


def cosines(served: Served, remade: Remade) -> tuple[float, ...]:
    """Of each compared row its cosine with the vector of its own text."""
    return tuple(likeness(row, vector) for row, vector in zip(served.compared, remade.vectors, strict=True))


def is_all_alike(served: Served) -> bool:
    """Whether one way of asking gives every compared vector again."""
    return any(all(map(SAME_INDEX.admits, cosines(served, remade))) for remade in served.remade)


def best(served: Served) -> Remade:
    """The way of asking that gives most of the vectors again; of equals the first, which is without an instruction."""

    def rank(remade: Remade) -> tuple[int, float]:
        values = [value for value in cosines(served, remade) if math.isfinite(value)]
        return sum(map(SAME_INDEX.admits, values)), round(sum(values), 3)

    return max(served.remade, key=rank)


def own_is_nearest(served: Served, remade: Remade) -> tuple[bool, ...]:
    """Of each compared row, whether of all texts of the sample its own is the nearest to the stored vector.

    By chance it is that for one row of as many as there are; in one space, even where texts were changed, for most.
    """
    nearest = []
    for row, own in zip(served.compared, remade.vectors, strict=True):
        value = likeness(row, own)
        others = [likeness(row, vector) for vector in remade.vectors if vector != own]
        nearest.append(math.isfinite(value) and all(value > other for other in others if math.isfinite(other)))
    return tuple(nearest)


class Pair(NamedTuple):
    """Two stored vectors of the sample."""

    cosine: float
    distance: float
    """Euclidean, not squared."""


def sample_pair(stored: Stored) -> Pair | None:
    """The first vector and the next one that is another; None where there is none."""
    first = stored.rows[0].vector
    for row in stored.rows[1:]:
        value = cosine(first, row.vector)
        if math.isfinite(value) and value < SAME_INDEX.value:
            return Pair(value, math.dist(first, row.vector))
    return None
