"""The share of GPU memory that sglang may use (`--mem-fraction-static`): what a log shows of it, and what to try next."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from bgecheck.engines.sglang.footprint import MOST
from bgecheck.engines.sglang.log.session import Session

STEP = 0.05
"""By how much a share is changed at a time: enough to matter on every card, too little to starve the pool."""

ROOM = 0.02
"""What a share has to be above the weights', so that a pool of any size fits."""

FOR_AN_ENCODER = 0.3
"""Enough for an encoder of this size on an empty card: its pool holds one batch and keeps nothing."""

_NEEDED = re.compile(r"Raise --mem-fraction-static above (\d+\.\d+)")
"""What 0.5.23 computes itself."""

_SHORT = re.compile(
    r"Tried to allocate (?P<tried>[\d.]+) (?P<unit>[MG])iB.*?of which (?P<free>[\d.]+) (?P<free_unit>[MG])iB is free"
)
"""What torch says was wanted and was there."""


def gib(number: str, unit: str) -> float:
    """A size as torch writes it, in GiB."""
    return float(number) / (1 if unit == "G" else 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """GPU memory of a session; shares are of what was free before the weights were loaded."""

    share: float | None
    """The share in force."""
    weights: float | None
    """The share that the weights alone take; a smaller one cannot start (model_runner.py, 0.4.6 to 0.5.23)."""
    lacking: float = 0.0
    """The share that was wanted and not there, where torch ran out of memory."""

    def lower(self) -> float | None:
        """The next smaller share to try; None where the weights leave no room for one, or none is known."""
        if self.share is None:
            return None
        share = round(self.share - STEP, 3)
        if self.lacking > STEP:
            share = math.floor((self.share - self.lacking) * 100) / 100
        return share if share >= (self.weights or 0.0) + ROOM and share > 0 else None

    def higher(self, encoder: bool) -> float | None:
        """The next larger share to try; None where the weights do not fit beside any pool, or nothing is known."""
        candidates = [
            value for value in (self.share and self.share + STEP, self.weights and self.weights + STEP) if value
        ]
        if not candidates and not encoder:
            return None
        share = math.ceil(max(*candidates, FOR_AN_ENCODER if encoder else 0.0, 0.0) * 100 - 1e-6) / 100
        return share if share <= MOST else None


def memory(session: Session, text: str = "") -> Memory:
    """What a session shows of its memory; `text` is the line that complains of it."""
    before, after = session.free.get("begin"), session.free.get("end")
    weights = 1 - after / before if before and after is not None and after <= before else None
    if needed := _NEEDED.search(text):
        weights = float(needed[1])
    share = _share(session.argument("mem_fraction_static"))
    return Memory(share=share, weights=weights, lacking=_lacking(text) / before if before else 0.0)


def _lacking(text: str) -> float:
    """GiB that torch wanted and did not find."""
    match = _SHORT.search(text)
    return max(0.0, gib(match["tried"], match["unit"]) - gib(match["free"], match["free_unit"])) if match else 0.0


def _share(argument: str | None) -> float | None:
    try:
        share = float(argument or "")
    except ValueError:
        return None
    return share if 0 < share < 1 else None
