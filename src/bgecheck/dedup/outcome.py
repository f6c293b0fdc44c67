"""What came of it: which texts are kept, for which the others were dropped, and the pairs that are close to call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgecheck.dedup.cosine import Doubles, Indexes, directions
from bgecheck.dedup.greedy import APART, BLANK, DROPPED, KEPT, RECORD, Records
from bgecheck.dedup.vectors import Vectors

BINS = 100
"""Of a histogram of similarities, from -1 to 1: 0.02 each."""
_SAMPLE = 512
"""Texts drawn at random, whose 130,816 pairs show how similar unrelated texts are."""
_FEWEST = 50
"""Texts of which the pairs say something of texts at large: 1,225 pairs."""
_CLOSE = 0.1
"""How far from the threshold a pair may be that is close to call."""
_SEED = 20240917
"""Of that draw, so that a run can be repeated to the byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two texts by their numbers, from 0, and the cosine of their vectors."""

    text: int
    other: int
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A kept text, and the pairs of those that were dropped for it, in the order of the texts."""

    kept: int
    dropped: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrelated:
    """Cosines of pairs of different texts drawn at random; nearly all of them mean different things."""

    pairs: int
    histogram: NDArray[np.int64]
    """Shape (BINS,)."""
    median: float
    high: float
    """Which one pair in a hundred exceeds."""
    above: float
    """Share of the pairs that exceed the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The records of all texts, in their order."""

    texts: Sequence[str]
    records: Records
    threshold: float
    copies: int
    """Texts that stand letter by letter before, and so have its vector; they were not compared."""
    unrelated: Unrelated | None
    """None where there are too few texts."""

    @property
    def kept(self) -> list[int]:
        """The numbers of the texts that stay, those that could not be compared among them."""
        return self._those(KEPT, APART)

    @property
    def apart(self) -> list[int]:
        """The numbers of those whose vector has no direction: kept, and compared with none."""
        return self._those(APART)

    @property
    def blank(self) -> list[int]:
        """The numbers of the records that hold no text, which are left out."""
        return self._those(BLANK)

    @property
    def dropped(self) -> list[Pair]:
        """Each dropped text with its representative."""
        return [self._pair(number) for number in np.flatnonzero(self.records["outcome"] == DROPPED)]

    def groups(self) -> list[Group]:
        """The kept texts in their order, each with what was dropped for it."""
        members: dict[int, list[Pair]] = {number: [] for number in self.kept}
        for pair in self.dropped:
            members[pair.other].append(pair)
        return [Group(kept=kept, dropped=tuple(pairs)) for kept, pairs in members.items()]

    def closest(self, most: int) -> tuple[list[Pair], list[Pair]]:
        """The pairs nearest to the threshold: those that were just dropped, and those that were just kept."""
        return self._nearest(DROPPED, most), self._nearest(KEPT, most)

    def histogram(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many texts were dropped and kept at which similarity to their representative or nearest kept text."""
        dropped, kept = (self.records["similarity"][self._compared(outcome)] for outcome in (DROPPED, KEPT))
        return binned(dropped), binned(kept)

    def _those(self, *outcomes: int) -> list[int]:
        numbers: list[int] = np.flatnonzero(np.isin(self.records["outcome"], outcomes)).tolist()
        return numbers

    def _compared(self, outcome: int) -> Indexes:
        return np.flatnonzero((self.records["outcome"] == outcome) & (self.records["other"] >= 0))

    def _nearest(self, outcome: int, most: int) -> list[Pair]:
        numbers = self._compared(outcome)
        away = np.abs(self.records["similarity"][numbers] - self.threshold)
        numbers, away = numbers[away <= _CLOSE], away[away <= _CLOSE]
        return [self._pair(number) for number in numbers[np.argsort(away, kind="stable")[:most]]]

    def _pair(self, number: int | np.int64) -> Pair:
        record = self.records[int(number)]
        return Pair(text=int(number), other=int(record["other"]), similarity=float(record["similarity"]))


def binned(similarities: Doubles) -> NDArray[np.int64]:
    """How many similarities lie in each bin, shape (BINS,); the last holds 1 too."""
    counts: NDArray[np.int64] = np.histogram(similarities, BINS, (-1.0, 1.0))[0]
    return counts


def firsts(texts: Sequence[str]) -> tuple[Indexes, Indexes]:
    """The numbers of the texts that stand letter by letter before none, and for each text the place of its first there.

    Blank texts are in neither: their place is -1.
    """
    places: dict[str, int] = {}
    numbers: list[int] = []
    place_of = np.full(len(texts), -1, np.int64)
    for number, text in enumerate(texts):
        if text.strip():
            place = places.setdefault(text, len(places))
            if place == len(numbers):
                numbers.append(number)
            place_of[number] = place
    return np.array(numbers, np.int64), place_of


def spread(records: Records, numbers: Indexes, place_of: Indexes, threshold: float) -> Records:
    """The records of all texts from those of the first of each: a copy is dropped for its first, or with it.

    The similarity of a copy to its first is 1; where that does not exceed the threshold, the copy is kept.
    """
    first = records.copy()
    paired = first["other"] >= 0
    first["other"][paired] = numbers[first["other"][paired]]
    every: Records = np.empty(len(place_of), RECORD)
    every["outcome"], every["other"], every["similarity"] = BLANK, -1, np.nan
    given = place_of >= 0
    every[given] = first[place_of[given]]
    copies = given.copy()
    copies[numbers] = False
    staying = np.flatnonzero(copies & (every["outcome"] != DROPPED))
    every["outcome"][staying] = DROPPED if threshold < 1.0 else KEPT
    every["other"][staying] = numbers[place_of[staying]]
    every["similarity"][staying] = 1.0
    return every


def unrelated(vectors: Vectors, threshold: float) -> Unrelated | None:
    """The cosines of all pairs of some texts that are drawn at random; None where too few have a direction."""
    rng = np.random.default_rng(_SEED)
    sample = np.sort(rng.choice(len(vectors), min(len(vectors), _SAMPLE), replace=False))
    units, usable = directions(vectors.take(sample))
    singles = units[usable].astype(np.float32)
    if len(singles) < _FEWEST:
        return None
    cosines = (singles @ singles.T)[np.triu_indices(len(singles), 1)].astype(np.float64).clip(-1.0, 1.0)
    return Unrelated(
        pairs=len(cosines),
        histogram=binned(cosines),
        median=float(np.median(cosines)),
        high=float(np.quantile(cosines, 0.99)),
        above=float(np.mean(cosines > threshold)),
    )
