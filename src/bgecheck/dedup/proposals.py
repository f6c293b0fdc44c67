"""Pairs of texts that are worth a label: most of them near the threshold, some from farther away."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bgecheck.dedup.cosine import Indexes, Singles, directions
from bgecheck.dedup.vectors import Vectors

PAIRS = 80
"""Some 40 minutes of a reader, of whom a pair takes half a minute."""

_OFFSETS = (-0.20, -0.12, -0.07, -0.04, -0.02, 0.0, 0.02, 0.04, 0.07)
"""Where bands of similarity begin, from the threshold; from each as many pairs, and those near it are narrow."""
_TEXTS = 2048
"""Texts that are held against all others; of more, so many are drawn at random."""
_OFTEN = 3
"""Pairs in which a text may stand."""
_BLOCK = 1024
_SEED = 20240917
"""Of what is drawn, so that the same texts give the same pairs."""


def proposed(vectors: Vectors, threshold: float, count: int = PAIRS) -> list[tuple[int, int]]:
    """Up to `count` pairs of texts by number, in random order: the same number from each band of similarity.

    Where a band has fewer pairs, the others make up for them. No text stands in more than three pairs: a hundred forms
    of one sentence would teach nothing more.
    """
    rng = np.random.default_rng(_SEED)
    sample = np.sort(rng.choice(len(vectors), min(len(vectors), _TEXTS), replace=False))
    bands = [_Band(low + threshold, high + threshold) for low, high in pairwise((*_OFFSETS, 4.0))]
    units = directions(vectors.take(sample))[0].astype(np.float32)
    sampled = np.zeros(len(vectors), bool)
    sampled[sample] = True
    for start in range(0, len(vectors), _BLOCK):
        stop = min(start + _BLOCK, len(vectors))
        others, usable = directions(vectors.between(start, stop))
        products = units @ others.astype(np.float32).T
        # Of two texts that are both drawn the pair counts once, and none with itself or with what has no direction.
        products[(np.arange(start, stop) <= sample[:, None]) & sampled[start:stop]] = -2.0
        products[:, ~usable] = -2.0
        for band in bands:
            band.draw(products, sample, start, 4 * count, rng)
        vectors.release()
    chosen = _shared_out([band.pairs for band in sorted(bands, key=lambda band: abs(band.middle - threshold))], count)
    rng.shuffle(chosen)
    return chosen


class _Band:
    """A fair sample of the pairs whose similarity lies between two bounds."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self._drawn: list[tuple[float, int, int]] = []

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    @property
    def pairs(self) -> list[tuple[int, int]]:
        return [(a, b) for _, a, b in self._drawn]

    def draw(self, products: Singles, sample: Indexes, start: int, most: int, rng: np.random.Generator) -> None:
        """Go on with the products of the sample and a block of texts: each pair draws a number, and the lowest stay."""
        rows, columns = np.nonzero((products > self.low) & (products <= self.high))
        numbers = rng.random(len(rows))
        lowest = np.argsort(numbers)[:most]
        pairs = zip(numbers[lowest], sample[rows[lowest]], columns[lowest] + start, strict=True)
        self._drawn += [(float(number), int(a), int(b)) for number, a, b in pairs]
        self._drawn.sort()
        del self._drawn[most:]


def _shared_out(bands: list[list[tuple[int, int]]], count: int) -> list[tuple[int, int]]:
    """A pair from each band in turn, until there are enough or none is left."""
    chosen: list[tuple[int, int]] = []
    often: dict[int, int] = {}
    queues = [list(reversed(band)) for band in bands]
    while len(chosen) < count and any(queues):
        for queue in queues:
            while queue and len(chosen) < count:
                a, b = queue.pop()
                if max(often.get(a, 0), often.get(b, 0)) < _OFTEN:
                    chosen.append((a, b))
                    often[a], often[b] = often.get(a, 0) + 1, often.get(b, 0) + 1
                    break
    return chosen
