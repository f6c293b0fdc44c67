"""How a screen is drawn: its language, width and characters, and the Rich console that draws it."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bgecheck.model import Language, Status, Words, say

if TYPE_CHECKING:
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table

NARROWEST, WIDEST = 40, 120
"""Columns below which a table cannot be read, and beyond which its lines are hard to follow."""

PIPE_WIDTH = 100
"""Columns where no terminal has a width and COLUMNS is not set."""

_MARKS = {
    Status.PASS: ("✓", "ok", "green"),
    Status.WARN: ("!", "!", "yellow"),
    Status.FAIL: ("✗", "X", "bold red"),
    Status.SKIP: ("–", "-", "dim"),
    Status.ERROR: ("?", "?", "magenta"),
}
"""For each status its mark, the mark in plain characters, and its style."""

_WITHOUT_BARS = "\n".join((" -- ", "    ", " -- ", "    ", " -- ", " -- ", "    ", " -- ", ""))
"""The lines of a table as Rich takes them: top, head, below the head, body, between rows, foot and its line, bottom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Where a report is shown, and how."""

    language: Language
    width: int
    """Columns."""
    verbose: bool = False
    terminal: bool = False
    """Whether colours and control sequences may be written."""
    unicode: bool = False
    """Whether marks and lines may be drawn with characters beyond ASCII."""
    plugin: bool = False
    """Whether a monitoring system reads it, for which `|` begins numbers."""

    def say(self, words: Words) -> str:
        """Words in the language of the screen."""
        return say(words, self.language)

    def mark(self, status: Status) -> str:
        """The mark of a status."""
        return _MARKS[status][0 if self.unicode else 1]

    @property
    def colon(self) -> str:
        """What stands between a name and its value."""
        return "：" if self.language == "zh" else ": "

    @property
    def separator(self) -> str:
        """What stands between facts of one line."""
        if self.plugin and not self.unicode:
            return "，" if self.language == "zh" else ", "
        return " · " if self.unicode else " | "

    @property
    def box(self) -> Box:
        """The lines of a table."""
        from rich import box

        if self.plugin and not self.unicode:
            return box.Box(_WITHOUT_BARS, ascii=True)
        return box.SQUARE if self.unicode else box.ASCII2

    def console(self) -> Console:
        """A console that writes into memory: no markup, no emoji, no highlighting of what it is given."""
        from rich.console import Console

        return Console(
            file=io.StringIO(),
            width=self.width,
            force_terminal=True if self.terminal else None,  # None: FORCE_COLOR decides
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
        )

    def table(self, *, head: bool = False, lines: bool = False) -> Table:
        """An empty table as wide as the screen; `lines` separate its rows."""
        from rich.table import Table

        return Table(
            box=self.box, show_header=head, header_style="bold", show_lines=lines, expand=True, border_style="dim"
        )


def screen(language: Language, *, verbose: bool, terminal: bool, encoding: str, plugin: bool = False) -> Screen:
    """The screen for a terminal, or for a pipe or file in `encoding`.

    Where the encoding has no Chinese, the report is in English: question marks help nobody.
    """
    dumb = os.environ.get("TERM", "") in ("dumb", "unknown")
    return Screen(
        language=language if _encodes("中", encoding) else "en",
        width=max(NARROWEST, min(WIDEST, _terminal_width() if terminal else _pipe_width())),
        verbose=verbose,
        terminal=terminal,
        unicode=terminal and not dumb and _encodes("✓✗–·│", encoding),
        plugin=plugin,
    )


def drawn(console: Console) -> str:
    """What was drawn on a console of `Screen.console`, without spaces at the ends of lines."""
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip(' ')}\n" for line in console.file.getvalue().splitlines())


def style_of(status: Status) -> str:
    """The Rich style of a status."""
    return _MARKS[status][2]


def _terminal_width() -> int:
    from rich.console import Console

    return Console(force_terminal=True).width


def _pipe_width() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isascii() and columns.isdigit() else PIPE_WIDTH


def _encodes(sample: str, encoding: str) -> bool:
    try:
        sample.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
