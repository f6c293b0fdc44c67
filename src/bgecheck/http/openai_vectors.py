"""Compares the vector that openai decoded with the one that the server wrote as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bgecheck.knowledge.vectors import norm
from bgecheck.model.expected import AtMost

NORM_RATIO = AtMost(2.0, "", "bytes of float32 in another order or type give norms that are off by powers of ten")


@dataclass(frozen=True, slots=True, kw_only=True)
class Misread:
    """How a decoded vector cannot be the one that the server wrote: its dimension, or its norm."""

    kind: Literal["dimension", "numbers"]
    decoded: float
    wanted: float

    def values(self) -> dict[str, str]:
        """Both numbers as a message shows them."""
        form = ".0f" if self.kind == "dimension" else ".4g"
        return {"found": f"{self.decoded:{form}}", "wanted": f"{self.wanted:{form}}"}


def misread(decoded: Sequence[float], written: Sequence[float] | None) -> Misread | None:
    """How `decoded` differs from `written`; None where it may be the same, or there is nothing to compare with.

    Directions are not compared: a server with a broken prefix cache answers another vector each time.
    """
    if written is None:
        return None
    if len(decoded) != len(written):
        return Misread(kind="dimension", decoded=len(decoded), wanted=len(written))
    length, wanted = norm(decoded), norm(written)
    if not math.isfinite(wanted) or wanted == 0:
        return None
    ratio = max(length / wanted, wanted / length) if math.isfinite(length) and length else math.inf
    return None if NORM_RATIO.admits(ratio) else Misread(kind="numbers", decoded=length, wanted=wanted)


def first_numbers(vector: Sequence[float]) -> list[float]:
    """The first five numbers, as the guide's template prints them."""
    return [round(x, 4) if math.isfinite(x) else x for x in vector[:5]]
