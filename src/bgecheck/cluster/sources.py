"""The vectors that are compared, in blocks that tasks read: from a file that all nodes see, or of a Ray dataset."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bgecheck.cluster.required import required
from bgecheck.dedup.blockwise import Given, Kept
from bgecheck.dedup.cosine import Indexes
from bgecheck.model import BadInput, Text

BLOCK = 4096
"""Texts that are decided together: 16 MB of 1024 dims in float32."""


class Source(Protocol):
    """Vectors in order, and where blocks of them end."""

    def bounds(self, begin: int, end: int | None = None) -> Sequence[tuple[int, int]]:
        """The first text of each block, and the one behind its last, from the text `begin` up to `end` or to the last.

        Raises `BadInput` where one of them is the middle of a block.
        """
        ...

    def block(self, start: int, stop: int) -> Any:
        """The reference of a block's vectors, of the type `Given`."""
        ...

    def kept(self, indexes: Indexes) -> Any:
        """The reference of the vectors of some texts, of the type `Kept`."""
        ...


class FileSource:
    """The rows of a .npy on storage that every node mounts at the same path."""

    def __init__(self, path: str, rows: Indexes | None = None, *, block: int = BLOCK) -> None:
        """`rows` names those of the matrix that count, in the order of the texts; all where it is None."""
        self._path, self._rows, self._block = path, rows, block
        self._count = len(np.load(path, mmap_mode="r")) if rows is None else len(rows)
        self._read = required().remote(_read).options(max_retries=-1, num_cpus=1)

    def bounds(self, begin: int, end: int | None = None) -> Sequence[tuple[int, int]]:
        """Blocks of `block` texts, from wherever the first begins."""
        last = self._count if end is None else end
        return [(start, min(start + self._block, last)) for start in range(begin, last, self._block)]

    def block(self, start: int, stop: int) -> Any:
        """The reference of a block's vectors."""
        return self._read.remote(self._path, np.arange(start, stop) if self._rows is None else self._rows[start:stop])

    def kept(self, indexes: Indexes) -> Any:
        """The reference of the vectors of some texts."""
        rows = indexes if self._rows is None else self._rows[indexes]
        return self._read.remote(self._path, rows, indexes)


class DatasetSource:
    """The blocks of a dataset whose column of vectors was put in order."""

    def __init__(self, blocks: Sequence[Any], counts: Sequence[int]) -> None:
        """`blocks` are references of arrays, shape (count, dims)."""
        ends = np.cumsum([0, *counts]).tolist()
        self._blocks = dict(zip(ends, blocks, strict=False))
        self._bounds = [(start, stop) for start, stop in pairwise(ends) if stop > start]
        self._take = required().remote(_take).options(max_retries=-1, num_cpus=1)

    def bounds(self, begin: int, end: int | None = None) -> Sequence[tuple[int, int]]:
        """The dataset's own blocks. Raises `BadInput` where `begin` or `end` is within one."""
        edges = {0, *(stop for _, stop in self._bounds)}
        last = max(edges) if end is None else end
        for edge in (begin, last):
            if edge not in edges:
                raise BadInput(
                    "decided",
                    Text(f"{edge} texts, and no block ends there", f"{edge} 条，而没有一块在那里结束"),
                    Text("begin anew", "重新开始"),
                )
        return [(start, stop) for start, stop in self._bounds if begin <= start and stop <= last]

    def block(self, start: int, stop: int) -> Any:
        """The reference of a block's vectors."""
        return self._blocks[start]

    def kept(self, indexes: Indexes) -> Any:
        """The reference of the vectors of some texts, all of one block."""
        start = next(start for start, stop in self._bounds if start <= indexes[0] < stop)
        return self._take.remote(self._blocks[start], indexes - start, indexes)


def _read(path: str, rows: Indexes, indexes: Indexes | None = None) -> Given | Kept:
    """Rows of a matrix in a file, as `Kept` where the indexes of their texts are given."""
    taken: NDArray[np.generic] = np.load(path, mmap_mode="r")[rows]
    return taken if indexes is None else Kept(rows=taken, indexes=indexes)


def _take(block: Given, places: Indexes, indexes: Indexes) -> Kept:
    return Kept(rows=block[places], indexes=indexes)
