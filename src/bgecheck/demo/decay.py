"""What goes wrong with the demo server over time, for `watch` to find: a leak, heat, other vectors."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

DECAYS = "BGECHECK_DEMO_DECAYS"
"""`leak:MIB` for each text, `heat:SECONDS` that a text comes to take longer, `vectors:N` other ones after N texts.

No option, so that none but sglang's are on the command line.
"""

_WARMS_UP = 120.0
"""Texts after which two thirds of the heat are there."""


class Decay:
    """A server that does not decay."""

    def age(self, texts: int) -> None:
        """So many texts more."""

    def of(self, state: list[float]) -> list[float]:
        """What the server makes of a vector."""
        return state


class Leak(Decay):
    """Keeps memory that it has written to, as a list that is never emptied."""

    def __init__(self, mib: float) -> None:
        self._size = int(mib * 2**20)
        self._kept: list[bytes] = []

    def age(self, texts: int) -> None:
        """Take as much for each text."""
        self._kept += [b"\x01" * self._size for _ in range(texts)]


class Heat(Decay):
    """Becomes slower and stays so, as a card that has become warm and lowers its clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._texts = 0

    def age(self, texts: int) -> None:
        """Take longer by what the texts so far have warmed it up."""
        self._texts += texts
        time.sleep(self._seconds * (1 - math.exp(-self._texts / _WARMS_UP)))


class OtherVectors(Decay):
    """Gives other vectors of the same length after so many texts, as with other weights."""

    def __init__(self, after: float) -> None:
        self._left = after

    def age(self, texts: int) -> None:
        """So many texts nearer to it."""
        self._left -= texts

    def of(self, state: list[float]) -> list[float]:
        """The same numbers in another order, once the time has come."""
        return state if self._left > 0 else _turned(state)


def _turned(state: Sequence[float]) -> list[float]:
    return [*state[1:], *state[:1]]


_KINDS = {"leak": Leak, "heat": Heat, "vectors": OtherVectors}


def decay_of(words: str) -> Decay:
    """What a variable asks for; nothing where it is empty. Raises `KeyError` and `ValueError` for what is none."""
    if not words:
        return Decay()
    name, _, amount = words.partition(":")
    return _KINDS[name](float(amount))
