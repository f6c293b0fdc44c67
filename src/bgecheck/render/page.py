"""A page of lines in styles: Rich colours it for a terminal; elsewhere it is plain text, without loading Rich."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDEST = 100
"""Columns beyond which lines are hard to read."""

PLAIN_WIDTH = 80
"""Columns where no terminal tells how many it has."""

Part = tuple[str, str]
"""A piece of a line and its Rich style; `""` is the terminal's own."""


class Page:
    """Lines that were told so far. Every string is taken as it is: no markup, no emoji, no highlighting."""

    def __init__(self, terminal: bool) -> None:
        self._console = _console() if terminal else None
        self._lines: list[str] = []
        self.width = min(self._console.width, WIDEST) if self._console else PLAIN_WIDTH

    def line(self, *parts: Part | str) -> None:
        """One line; it is never wrapped here, since what is copied from it must stay whole."""
        if self._console is None:
            self._lines.append("".join(part if isinstance(part, str) else part[0] for part in parts).rstrip())
            return
        from rich.text import Text

        self._console.print(Text.assemble(*parts), soft_wrap=True)

    def text(self) -> str:
        """All lines."""
        if self._console is None:
            return "\n".join(self._lines) + "\n"
        file = self._console.file
        assert isinstance(file, io.StringIO)
        return file.getvalue()


def _console() -> Console:
    from rich.console import Console

    return Console(
        file=io.StringIO(),
        force_terminal=True,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
