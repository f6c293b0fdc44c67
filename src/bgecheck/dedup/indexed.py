"""Approximate comparison: an index of faiss names candidates among the kept texts, and exact cosines judge them.

What it can get wrong goes one way: a pair may be missed. A text that is dropped has an exact cosine above the threshold
to one that is kept, as in the exact rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgecheck.dedup.blockwise import Given, Held, Kept, Sources
from bgecheck.dedup.cosine import Indexes, Singles, directions, error_of_singles, similarities
from bgecheck.dedup.greedy import DROPPED, Block
from bgecheck.model import BadInput, Text

_AT_ONCE = 8192
"""Pairs whose cosines are computed together: 128 MB of 1024 dims."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How an index is built and asked: more of each finds more and takes longer (HNSW; Malkov and Yashunin, 2016)."""

    candidates: int = 16
    """Kept texts that are verified for each text."""
    links: int = 32
    """Neighbours of a vector in the graph (M)."""
    building: int = 80
    """Vectors that are looked at where one is put in (efConstruction)."""
    searching: int = 128
    """Vectors that are looked at where one is searched (efSearch)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """Some blocks of kept texts with their index, as faiss writes it."""

    kept: Sequence[Kept]
    index: NDArray[np.uint8]


def required() -> Any:
    """The module faiss. Raises `BadInput` where it is not installed."""
    try:
        import faiss
    except ImportError:
        raise BadInput(
            "approximate",
            Text("it needs faiss, which is not installed", "需要 faiss，但没有安装"),
            Text("install it: pip install 'bgecheck[approximate]'", "安装：pip install 'bgecheck[approximate]'"),
        ) from None
    return faiss


def indexed(kept: Sequence[Kept], search: Search) -> Indexed:
    """An index of some blocks of kept texts. Raises `BadInput` where faiss is not installed."""
    faiss = required()
    index = faiss.IndexHNSWFlat(kept[0].rows.shape[1], search.links, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = search.building
    for part in kept:
        if len(part.indexes):
            index.add(_units(part.rows))
    return Indexed(kept=kept, index=faiss.serialize_index(index))


def searched(rows: Given, start: int, against: Indexed, threshold: float, search: Search) -> Held:
    """A block against an index of kept texts that stand before it; as `held`, but it can miss some."""
    faiss = required()
    block = Block(rows.astype(np.float64), start)
    index = faiss.deserialize_index(against.index)
    index.hnsw.efSearch = max(search.searching, search.candidates)
    numbers = np.concatenate([part.indexes for part in against.kept])
    if len(block.open) and len(numbers):
        products, places = index.search(block.units_open(), min(search.candidates, len(numbers)))
        products[places < 0] = -2.0  # a place that the search left empty
        _judge(block, products, numbers[np.maximum(places, 0)], Sources(against.kept, rows.shape[1]), threshold)
    return Held(records=block.records, highest=block.highest)


def _judge(block: Block, products: Singles, others: Indexes, sources: Sources, threshold: float) -> None:
    """Drop the texts that exceed the threshold with one of their candidates; `others` has these by their indexes."""
    nearest = products.argmax(axis=1)
    places = np.arange(len(products))
    wanted = products > threshold - error_of_singles(sources.dims)
    wanted[places, nearest] |= products[places, nearest] > -2.0  # the nearest one is recorded in any case
    exact = np.full(products.shape, -2.0)
    pairs = np.argwhere(wanted)
    for begin in range(0, len(pairs), _AT_ONCE):
        position, column = pairs[begin : begin + _AT_ONCE].T
        left, right = block.rows[block.open[position]], sources.take(others[position, column])
        exact[position, column] = similarities(left, right, threshold)
    for position, row in enumerate(block.open):
        column = int(nearest[position])
        exceeding = np.flatnonzero(exact[position] > threshold)
        if len(exceeding):
            column = int(exceeding[others[position, exceeding].argmin()])
            block.records["outcome"][row] = DROPPED
        if exact[position, column] > -2.0:
            block.records["other"][row] = others[position, column]
            block.records["similarity"][row] = exact[position, column]
            block.highest[row] = products[position, nearest[position]]


def _units(rows: Given) -> Singles:
    return directions(rows.astype(np.float64))[0].astype(np.float32)
