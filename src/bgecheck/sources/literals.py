"""Finds the lines that hold one of many literals: in one pass with `ahocorasick_rs`, literal by literal without it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

_WORTHWHILE = 2**18
"""Bytes of lines after which the library is loaded: that takes as long as to search so much without it."""


class Literals:
    """Some literals to look for, none of which is empty or holds a line feed."""

    def __init__(self, literals: Iterable[bytes]) -> None:
        self._literals = tuple(dict.fromkeys(literals))
        self._left = _WORTHWHILE

    def holding(self, lines: Collection[bytes]) -> set[bytes]:
        """Those of some lines, given without their line feeds, that hold at least one literal."""
        together = b"\n".join(lines)
        self._left -= len(together)
        if self._left < 0 and self._automaton is not None:
            return set(_around(together, self._automaton))
        there = [literal for literal in self._literals if literal in together]
        return {line for line in lines if any(literal in line for literal in there)} if there else set()

    @cached_property
    def _automaton(self) -> BytesAhoCorasick | None:
        """All literals as one machine; None where the library is not installed."""
        try:
            from ahocorasick_rs import BytesAhoCorasick, MatchKind
        except ImportError:
            return None
        # Of literals that begin at one place any will do, and this kind of match is found the fastest.
        return BytesAhoCorasick(self._literals, matchkind=MatchKind.LeftmostFirst)


def _around(together: bytes, automaton: BytesAhoCorasick) -> Iterator[bytes]:
    """The lines around what was found. No literal crosses a line feed, so none hides one of another line."""
    end = -1
    for _, start, _ in automaton.find_matches_as_indexes(together):
        if start > end:
            found = together.find(b"\n", start)
            end = len(together) if found < 0 else found
            yield together[together.rfind(b"\n", 0, start) + 1 : end]
