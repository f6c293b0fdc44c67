"""Whether the vectors that a load brings are right: a fast wrong answer is a failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bgecheck.bulk import control

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Wrong = Literal["dimension", "not-finite", "norm", "control"]
"""Another dimension; NaN or infinite; a length that is zero, or not 1 where it was; another vector of a known text."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What right vectors have: the dimension and length of the control text's, and its very direction."""

    expected: NDArray[np.float32]
    """Of the control text alone, as it was at the beginning."""

    def wrong(self, rows: NDArray[np.float32], place: int | None) -> tuple[Wrong | None, float]:
        """What is wrong with an answer (n, dims), and the control text's cosine; it stands at `place`, if at all."""
        import numpy as np

        if rows.shape[1] != len(self.expected):
            return "dimension", 1.0
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        if not np.isfinite(lengths).all():
            return "not-finite", 1.0
        off = float(np.abs(lengths - 1).max())
        if not lengths.all() or (control.is_unit(self.expected) and not control.UNIT.admits(off)):
            return "norm", 1.0
        if place is None:
            return None, 1.0
        cosine = control.cosine(rows[place], self.expected)
        return (None if control.SAME.admits(cosine) else "control"), cosine
