"""Looks for many literals at once: in one pass with `ahocorasick_rs`, literal by literal where it is not installed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

_WORTHWHILE = 2**18
"""Bytes that are searched before the library is loaded; of a short log it would not be worth while."""


class Literals:
    """Some literals to look for, none of which is empty or holds a line feed."""

    def __init__(self, literals: Iterable[str], encodings: Sequence[str] = ("utf-8",)) -> None:
        self._texts, self._encodings = tuple(dict.fromkeys(literals)), encodings
        self._left = _WORTHWHILE

    @cached_property
    def _written(self) -> dict[bytes, str]:
        """Each literal in each encoding. A codec takes as long to load as a short log to read, and most need none."""
        return {text.encode(name): text for text in self._texts for name in self._encodings}

    @cached_property
    def _literals(self) -> tuple[bytes, ...]:
        return tuple(self._written)

    @cached_property
    def _ascii(self) -> tuple[bytes, ...]:
        """The literals that can stand in lines of ASCII."""
        return tuple(text.encode() for text in self._texts if text.isascii())

    def holding(self, lines: Collection[bytes]) -> set[bytes]:
        """Those of some lines, given without their line feeds, that hold at least one literal."""
        together = b"\n".join(lines)
        if automaton := self._loaded(len(together)):
            return set(_around(together, automaton))
        literals = self._ascii if together.isascii() else self._literals
        there = [literal for literal in literals if literal in together]
        return {line for line in lines if any(literal in line for literal in there)} if there else set()

    def among(self, text: str) -> Collection[str]:
        """The literals that a text holds."""
        if automaton := self._loaded(len(text)):
            matches = automaton.find_matches_as_indexes(text.encode("utf-8", "surrogatepass"), overlapping=True)
            return {self._written[self._literals[number]] for number, _, _ in matches}
        return [literal for literal in self._texts if literal in text]

    def _loaded(self, size: int) -> BytesAhoCorasick | None:
        """The library's machine, once enough was searched for it."""
        self._left -= size
        return _machine(self._literals) if self._left < 0 else None


@lru_cache(maxsize=8)
def _machine(literals: tuple[bytes, ...]) -> BytesAhoCorasick | None:
    """All literals as one machine; None where the library is not installed."""
    try:
        from ahocorasick_rs import BytesAhoCorasick, Implementation
    except ImportError:
        return None
    return BytesAhoCorasick(literals, implementation=Implementation.DFA)


def _around(together: bytes, automaton: BytesAhoCorasick) -> Iterator[bytes]:
    """The lines around what was found. No literal crosses a line feed, so none hides one of another line."""
    end = -1
    for _, start, _ in automaton.find_matches_as_indexes(together):
        if start > end:
            newline = together.find(b"\n", start)
            end = len(together) if newline < 0 else newline
            yield together[together.rfind(b"\n", 0, start) + 1 : end]
