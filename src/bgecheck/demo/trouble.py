"""Trouble that comes and goes, for those who send many requests: some are refused as busy, some cut off."""

from __future__ import annotations

import os
import random
import threading
from typing import Literal

VARIABLE = "BGECHECK_DEMO_TROUBLE"
"""`busy=0.02 reset=0.01 wrong-after=500`: shares of the embeddings requests, and texts after which vectors are wrong.

A variable, so that none but sglang's options are on the command line.
"""

Kind = Literal["busy", "reset"]


class Trouble:
    """What happens to the next request, by chance that is the same in each run; safe to use from several threads."""

    def __init__(self, given: str) -> None:
        shares = dict(part.split("=", 1) for part in given.split())
        self._busy, self._reset = float(shares.get("busy", 0)), float(shares.get("reset", 0))
        self._wrong_after = int(shares["wrong-after"]) if "wrong-after" in shares else None
        self._random = random.Random(given)
        self._texts = 0
        self._lock = threading.Lock()

    def next(self) -> Kind | None:
        """What happens to a request instead of an answer; None for nothing."""
        with self._lock:
            drawn = self._random.random()
        if drawn < self._busy:
            return "busy"
        return "reset" if drawn < self._busy + self._reset else None

    def spoils(self, texts: int) -> bool:
        """Whether the vectors of so many more texts are wrong."""
        with self._lock:
            self._texts += texts
            return self._wrong_after is not None and self._texts > self._wrong_after


def from_environment() -> Trouble:
    """The trouble that the variable names, none where it is not set."""
    return Trouble(os.environ.get(VARIABLE, ""))
