"""The lines above one that is looked at: of its own block, and the last of the blocks before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from bgecheck.engines.sglang.log.session import RECENT


class Above(NamedTuple):
    """Lines that are not yet known as context, and whether others stand between them and those that are."""

    lines: list[bytes]
    passed: bool


class Window:
    """Where the context of a log's lines stands while its blocks go by; most of it is never asked for."""

    def __init__(self) -> None:
        self.at = -1
        """Index of the last line of the block that is known as context."""
        self._earlier: list[bytes] = []
        """Lines of earlier blocks that are not yet known as context, unless `_behind` holds them."""
        self._behind = b""
        """A block whose last lines are not yet known as context."""
        self._broken = False
        """Whether more such lines were passed over than are kept."""

    def begin(self) -> None:
        """Begin a block, of which no line is known."""
        self.at = -1

    def above(self, raws: Sequence[bytes], index: int, depth: int) -> Above:
        """At most `depth` lines above one of the block that are not yet known."""
        lines = list(raws[max(self.at + 1, index - depth) : index])
        if self.at >= 0 or index >= depth:
            return Above(lines, self.at + 1 < index - depth)
        earlier = self._lines()
        return Above([*earlier[index - depth :], *lines], self._broken or len(earlier) > depth - index)

    def end(self, data: bytes, lines: int) -> None:
        """End a block of so many lines, whose last ones are the context of the next."""
        left = lines - 1 - self.at
        kept = min(left, RECENT)
        if self.at >= 0:
            self._earlier, self._broken, self._behind = [], False, b""
        if kept == RECENT:
            self._broken = self._broken or left > RECENT or bool(self._earlier or self._behind)
            self._earlier, self._behind = [], data
        elif kept:
            above = [*self._lines(), *reversed([*islice(backwards(data), kept)])]
            self._broken = self._broken or len(above) > RECENT
            self._earlier = above[-RECENT:]

    def _lines(self) -> list[bytes]:
        if self._behind:
            self._earlier = [*islice(backwards(self._behind), RECENT)][::-1]
            self._behind = b""
        return self._earlier


def backwards(data: bytes) -> Iterator[bytes]:
    """The lines of a block from its last to its first; of a long block only the last ones are wanted."""
    end = len(data) - data.endswith(b"\n")
    while end >= 0:
        at = data.rfind(b"\n", 0, end)
        yield data[at + 1 : end]
        end = at
