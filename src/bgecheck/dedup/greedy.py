"""The rule: in their order, a text is kept unless its cosine to one that was kept before exceeds the threshold.

A nested loop over vectors, done in blocks. The block's unit vectors in float32 are multiplied with those that are kept
so far, and then with each other. A product that is farther from the threshold than float32 can be wrong decides; the
others are computed again from the vectors as they stand (`cosine.similarities`). So what is kept is what a loop with
exact cosines keeps, whatever the sizes of the blocks, the library that multiplies and its threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bgecheck.dedup.cosine import Doubles, Indexes, Singles, directions, error_of_singles, similarities
from bgecheck.dedup.vectors import Vectors

KEPT, DROPPED, APART, BLANK = 0, 1, 2, 3
"""What becomes of a text. One whose vector has no direction (zeros, NaN, infinity) is kept and compared with none; a
blank one, which no server embeds, is left out.
"""

RECORD = np.dtype([("outcome", "i1"), ("other", "<i8"), ("similarity", "<f8")])
"""What is decided of a text: the outcome, another text by its index, and the cosine of the two.

Of a dropped text the other is its representative: the first kept one, in the order of the texts, whose cosine exceeds
the threshold, as the loop finds it. Of a kept one it is the nearest of those kept before (-1 and NaN: there is none).
"""

Records = NDArray[np.void]
"""Of `RECORD`, shape (texts,)."""

BLOCK = 512
"""Texts that are decided together."""
WIDE = 4096
"""Kept vectors that one product takes: 8 MiB of products beside a block."""
_NONE = -2.0
"""Below every product: of a pair that does not count."""
_AT_ONCE = 256
"""Pairs in doubt that are computed together in float64."""


@dataclass(slots=True)
class _Part:
    """Kept unit vectors with the indexes of their texts; filled from the front."""

    units: Singles
    indexes: Indexes
    filled: int = 0


class _Kept:
    """The unit vectors that were kept so far, in parts of `WIDE`: growing copies nothing."""

    def __init__(self, dims: int, most: int) -> None:
        self._dims, self._wide = dims, max(1, min(WIDE, most))
        self._parts: list[_Part] = []

    def add(self, units: Singles, indexes: Indexes) -> None:
        begin = 0
        while begin < len(indexes):
            if not self._parts or self._parts[-1].filled == self._wide:
                self._parts.append(
                    _Part(np.empty((self._wide, self._dims), np.float32), np.empty(self._wide, np.int64))
                )
            part = self._parts[-1]
            taken = min(self._wide - part.filled, len(indexes) - begin)
            part.units[part.filled : part.filled + taken] = units[begin : begin + taken]
            part.indexes[part.filled : part.filled + taken] = indexes[begin : begin + taken]
            part.filled += taken
            begin += taken

    def __iter__(self) -> Iterator[tuple[Singles, Indexes]]:
        for part in self._parts:
            yield part.units[: part.filled], part.indexes[: part.filled]


def decisions(
    vectors: Vectors, threshold: float, *, decided: Records | None = None, block: int = BLOCK
) -> Iterator[Records]:
    """What becomes of the texts, a block after the other, from the first that is not in `decided`.

    `threshold` lies in [-1, 1]. Memory: the kept vectors in float32, and some 60 MiB.
    """
    done = np.empty(0, RECORD) if decided is None else decided
    rule = _InOrder(vectors, threshold)
    rule.take_up(done)
    for start in range(len(done), len(vectors), block):
        yield rule.decide(start, min(start + block, len(vectors)))


class _InOrder:
    """The blocks one after the other, and the unit vectors that were kept so far."""

    def __init__(self, vectors: Vectors, threshold: float) -> None:
        self._vectors = vectors
        self._rule = Rule(vectors, threshold)
        self._kept = _Kept(vectors.dims, len(vectors))

    def take_up(self, decided: Records) -> None:
        """Go on after texts that were decided before."""
        kept = np.flatnonzero(decided["outcome"] == KEPT)
        for start in range(0, len(kept), BLOCK):
            indexes = kept[start : start + BLOCK]
            self._kept.add(directions(self._vectors.take(indexes))[0].astype(np.float32), indexes)
            self._vectors.release()

    def decide(self, start: int, stop: int) -> Records:
        """What becomes of the texts from `start` up to `stop`, which follow those that were decided."""
        block = Block(self._vectors.between(start, stop), start)
        for kept, indexes in self._kept:
            if len(block.open):
                self._rule.hold_against(block, kept, indexes)
        self._rule.hold_against_each_other(block)
        self._kept.add(block.units_open(), block.open + start)
        self._rule.set_similarities(block)
        self._vectors.release()
        return block.records


class Rows(Protocol):
    """Vectors as they stand, by the indexes of their texts."""

    @property
    def dims(self) -> int:
        """Components of a vector."""
        ...

    def take(self, indexes: Indexes) -> Doubles:
        """The vectors of some texts, shape (len(indexes), dims)."""
        ...


class Rule:
    """The threshold that the texts of a block are held against; `rows` has those that they are compared with."""

    def __init__(self, rows: Rows, threshold: float) -> None:
        self._rows, self._threshold = rows, threshold
        error = error_of_singles(rows.dims)
        # A comparison with an array of float32 is made in float32: these are rounded away from the threshold.
        self._low = np.nextafter(np.float32(threshold - error), np.float32(-np.inf))
        self._high = np.nextafter(np.float32(threshold + error), np.float32(np.inf))
        self._products = np.empty(0, np.float32)

    def hold_against(self, block: Block, kept: Singles, indexes: Indexes) -> None:
        """Drop those of a block that exceed the threshold with one of a part of the kept ones."""
        products = self._multiplied(block.units_open(), kept)
        highest = block.approach(products, indexes)
        for position in np.flatnonzero(highest > self._low):
            row = int(block.open[position])
            block.drop(row, self._first(block.rows[row], products[position], indexes))
        block.close_dropped()

    def hold_against_each_other(self, block: Block) -> None:
        """Decide those that no text of before has dropped, in their order, against those of the block."""
        open_rows, outcomes = block.open, block.records["outcome"]
        products = self._multiplied(block.units_open(), block.units_open())
        # Only what stands before a text in the order counts: the triangle below the diagonal.
        products[np.triu_indices(len(products))] = _NONE
        for position in np.flatnonzero((products > self._low).any(axis=1)):
            row = int(open_rows[position])
            products[position, outcomes[open_rows] == DROPPED] = _NONE
            block.drop(row, self._first(block.rows[row], products[position], open_rows + block.start))
        if not len(open_rows):
            return
        remaining = outcomes[open_rows] == KEPT
        block.close_dropped()
        block.approach(products[np.ix_(remaining, remaining)], block.open + block.start)

    def _multiplied(self, left: Singles, right: Singles) -> Singles:
        """The products of all pairs, in memory that is used again: new pages cost as much as a pass over them."""
        size = len(left) * len(right)
        if size > len(self._products):
            self._products = np.empty(size, np.float32)
        products = self._products[:size].reshape(len(left), len(right))
        np.matmul(left, right.T, out=products)
        return products

    def _first(self, row: Doubles, products: Singles, indexes: Indexes) -> int | None:
        """The first text, of those with these indexes, whose cosine to the row exceeds the threshold."""
        candidates = np.flatnonzero(products > self._low)
        sure = candidates[products[candidates] > self._high][:1]
        doubtful = candidates[candidates < sure[0]] if len(sure) else candidates
        for begin in range(0, len(doubtful), _AT_ONCE):
            some = indexes[doubtful[begin : begin + _AT_ONCE]]
            others = self._rows.take(some)
            exceeds = similarities(np.broadcast_to(row, others.shape), others, self._threshold) > self._threshold
            if exceeds.any():
                return int(some[exceeds.argmax()])
        return int(indexes[sure[0]]) if len(sure) else None

    def set_similarities(self, block: Block, since: int = 0) -> None:
        """The cosines of the records from the vectors as they stand, on the side of the threshold that is decided.

        Those whose other text stands before `since` have theirs already.
        """
        paired = np.flatnonzero(block.records["other"] >= since)
        others = self._rows.take(block.records["other"][paired])
        block.records["similarity"][paired] = similarities(block.rows[paired], others, self._threshold)


class Block:
    """The texts that are decided together: their vectors, what is decided of them, and which are still open."""

    def __init__(self, rows: Doubles, start: int) -> None:
        units, usable = directions(rows)
        self.rows, self.start = rows, start
        self.open: Indexes = np.flatnonzero(usable)
        self.records = np.empty(len(rows), RECORD)
        self.records["outcome"] = np.where(usable, KEPT, APART)
        self.records["other"], self.records["similarity"] = -1, np.nan
        self._units = units.astype(np.float32)
        self._open_units = self._units if usable.all() else self._units[self.open]
        self.highest = np.full(len(rows), _NONE, np.float32)

    def units_open(self) -> Singles:
        """The unit vectors of those that are open."""
        return self._open_units

    def approach(self, products: Singles, indexes: Indexes) -> Singles:
        """Note for those that are open the nearest text of these, where none was nearer; their highest products."""
        columns = products.argmax(axis=1)
        highest: Singles = products[np.arange(len(products)), columns]
        nearer = highest > self.highest[self.open]
        rows = self.open[nearer]
        self.highest[rows] = highest[nearer]
        self.records["other"][rows] = indexes[columns[nearer]]
        return highest

    def take_over(self, records: Records, highest: Singles) -> None:
        """Take what came of this block where it was held against other texts than here, all of them before those here.

        Of several such results the first one, in the order of the texts that it is of, has to be taken first.
        """
        theirs = records["outcome"][self.open] == DROPPED
        taken = self.open[theirs | (highest[self.open] > self.highest[self.open])]
        self.records[taken] = records[taken]
        self.highest[taken] = highest[taken]
        self.close_dropped()

    def drop(self, row: int, representative: int | None) -> None:
        """Drop a text for its representative; one that has none stays."""
        if representative is not None:
            self.records["outcome"][row], self.records["other"][row] = DROPPED, representative

    def close_dropped(self) -> None:
        """Go on without those that were dropped."""
        remaining = self.records["outcome"][self.open] == KEPT
        if not remaining.all():
            self.open, self._open_units = self.open[remaining], self._open_units[remaining]
