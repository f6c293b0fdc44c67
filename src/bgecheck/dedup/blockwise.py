"""The rule of `greedy` in pieces that run in different places: a block against what was kept before it, then by itself.

Each function takes all it needs and changes nothing, so that it can be done again where a machine was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgecheck.dedup.cosine import Doubles, Indexes, Singles, directions
from bgecheck.dedup.greedy import KEPT, WIDE, Block, Records, Rule

Given = NDArray[np.generic]
"""Vectors as they were given, shape (texts, dims), of any numbers that float64 holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The vectors of a block that were kept, and the indexes of their texts, ascending."""

    rows: Given
    indexes: Indexes


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What came of a block that was held against some of the texts kept before it."""

    records: Records
    highest: Singles
    """The highest product of each text with one of them, shape (texts,); below -1 where there is none."""


class Sources:
    """The vectors of several blocks, by the indexes of their texts; blocks and indexes ascend."""

    def __init__(self, parts: Sequence[Kept], dims: int) -> None:
        self.dims = dims
        self._parts = parts
        self._indexes = np.concatenate([part.indexes for part in parts]) if parts else np.empty(0, np.int64)
        self._begins = np.cumsum([0] + [len(part.indexes) for part in parts])

    def take(self, indexes: Indexes) -> Doubles:
        """The vectors of some texts, shape (len(indexes), dims)."""
        places = np.searchsorted(self._indexes, indexes)
        owners = np.searchsorted(self._begins, places, side="right") - 1
        rows: Doubles = np.empty((len(indexes), self.dims))
        for owner in np.unique(owners):
            mine = owners == owner
            rows[mine] = self._parts[owner].rows[places[mine] - self._begins[owner]]
        return rows


def held(rows: Given, start: int, kept: Sequence[Kept], threshold: float) -> Held:
    """A block, whose first text has the index `start`, against some blocks of kept texts that stand before it."""
    block = Block(rows.astype(np.float64), start)
    rule = Rule(Sources(kept, rows.shape[1]), threshold)
    for part in kept:
        _hold_against(rule, block, part)
    rule.set_similarities(block)
    return Held(records=block.records, highest=block.highest)


def decided(rows: Given, start: int, earlier: Sequence[Held], last: Sequence[Kept], threshold: float) -> Records:
    """What becomes of a block that was held against all kept texts before it: `earlier`, in their order, but `last`."""
    block = Block(rows.astype(np.float64), start)
    for one in earlier:
        block.take_over(one.records, one.highest)
    itself = Kept(rows=rows, indexes=np.arange(start, start + len(rows)))
    rule = Rule(Sources([*last, itself], rows.shape[1]), threshold)
    for part in last:
        _hold_against(rule, block, part)
    rule.hold_against_each_other(block)
    rule.set_similarities(block, int(last[0].indexes[0]) if last else start)
    return block.records


def kept_of(rows: Given, start: int, records: Records) -> Kept:
    """The texts of a decided block that later ones are held against."""
    places = np.flatnonzero(records["outcome"] == KEPT)
    return Kept(rows=rows[places], indexes=places + start)


def _hold_against(rule: Rule, block: Block, part: Kept) -> None:
    for begin in range(0, len(part.indexes), WIDE):
        if len(block.open):
            units = directions(part.rows[begin : begin + WIDE].astype(np.float64))[0].astype(np.float32)
            rule.hold_against(block, units, part.indexes[begin : begin + WIDE])
