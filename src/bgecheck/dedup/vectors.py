"""The vectors that are compared: rows of a matrix in memory or mapped from a file, given out as float64."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from bgecheck.dedup.cosine import Doubles, Indexes
from bgecheck.reference.mapped import Tensor, release

_BLOCK = 1024
"""Rows that are read together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """One vector for each of several texts; `rows` names those of the matrix, in the order of the texts."""

    tensor: Tensor
    """Shape (rows, dims): floats of any width, or whole numbers."""
    rows: Indexes | None = None
    """None where the texts have the rows of the matrix one by one."""
    file: NDArray[np.uint8] | None = field(default=None, repr=False)
    """The bytes of the mapped file, whose pages are given back once they are read."""

    def __len__(self) -> int:
        return len(self.tensor.raw) if self.rows is None else len(self.rows)

    @property
    def dims(self) -> int:
        """Components of a vector."""
        return int(self.tensor.raw.shape[1])

    def take(self, indexes: Indexes) -> Doubles:
        """The vectors of some texts, shape (len(indexes), dims)."""
        return self._rows(indexes if self.rows is None else self.rows[indexes])

    def between(self, start: int, stop: int) -> Doubles:
        """The vectors of the texts from `start` up to `stop`."""
        if self.rows is not None:
            return self._rows(self.rows[start:stop])
        part = Tensor(self.tensor.raw[start:stop], self.tensor.bfloat16)
        doubles: Doubles = (part.floats() if part.bfloat16 else part.raw).astype(np.float64)
        return doubles

    def _rows(self, rows: Indexes) -> Doubles:
        if self.tensor.bfloat16:
            return self.tensor.floats(rows).astype(np.float64)
        doubles: Doubles = self.tensor.raw[rows].astype(np.float64)
        return doubles

    def chosen(self, rows: Indexes) -> Vectors:
        """The vectors of some of the texts, as of a list of its own."""
        mine = rows if self.rows is None else self.rows[rows]
        return Vectors(tensor=self.tensor, rows=mine, file=self.file)

    def digest(self) -> str:
        """The SHA-256 of the numbers, in the order of the texts."""
        made = sha256()
        for start in range(0, len(self), _BLOCK):
            made.update(np.ascontiguousarray(self.between(start, start + _BLOCK)).data)
        return made.hexdigest()

    def release(self) -> None:
        """Give back the memory of what was read of a mapped file."""
        if self.file is not None:
            release(self.file)


def vectors_of(matrix: NDArray[np.generic]) -> Vectors:
    """The rows of an array in memory as vectors."""
    return Vectors(tensor=Tensor(matrix))
