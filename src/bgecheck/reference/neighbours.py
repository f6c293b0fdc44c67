"""Whether two sets of vectors of the same texts find the same neighbours."""

from __future__ import annotations

from collections.abc import Sequence

FEWEST_TEXTS = 6
"""Of fewer, lists of neighbours have nothing to tell apart."""

_TIE = 1e-3
"""Cosines this close change places between fp16 and bf16: bf16 is off by up to 9e-4 (random BERT-large)."""


def overlap(before: Sequence[Sequence[float]], now: Sequence[Sequence[float]], k: int) -> float:
    """The share of each text's `k` nearest others that stay its nearest, averaged over the texts, from 0 to 1.

    A neighbour that leaves the list counts as one that stays where the new vectors put it within `_TIE` of the last
    that is on it. Shapes are (texts, dimensions), the dimensions may differ; `k` is less than the number of texts.
    """
    import numpy as np

    old, new = _cosines(before), _cosines(now)
    stay = 0
    for i in range(len(old)):
        nearest = np.argsort(-old[i], kind="stable")[:k]
        last = np.sort(new[i])[-k]
        stay += int(np.count_nonzero(new[i, nearest] >= last - _TIE))
    return stay / (k * len(old))


def _cosines(vectors: Sequence[Sequence[float]]):  # type: ignore[no-untyped-def]  # numpy is loaded where it is used
    """The matrix of cosine similarities; a text is no neighbour of itself."""
    import numpy as np

    matrix = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    units = matrix / np.where(lengths > 0, lengths, 1.0)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2.0)
    return cosines
