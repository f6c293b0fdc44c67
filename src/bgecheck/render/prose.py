"""Wraps sentences of either language within their column, and long commands at their options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.measure import Measurement
    from rich.text import Text

_ATOMS = re.compile(r"<[^<>\s]{1,16}>|[<>]=? \S+|[!-\u2e7f]+|\S|\s")
"""What a line may be broken between: Chinese characters, words, a comparison with its number, a `<name>`: all whole.

U+2E80 is where the East Asian scripts begin.
"""

ID_ATOMS = re.compile(r"[^.\s-]+[.-]?|\s")
"""What an id may be broken between, where a column is too narrow for it: after a dot or a hyphen."""

_WORDS = re.compile(r"""(?:[^\s"'\\]|"(?:[^"\\]|\\.)*"|'[^']*'|\\.)+""")
"""The words of a shell command; quotes hold whatever they enclose."""

_NOT_FIRST = frozenset("，。；：、？！）】》”’")
"""Punctuation that no line of Chinese begins with."""

_NOT_LAST = "（【《“‘"
"""Punctuation that no line of Chinese ends with."""

_PART_OF_WORD = re.compile(r"[!-\u2e7f]+$")
_BEFORE_ELLIPSIS = " ,;:，；：、（("


class Prose:
    """Paragraphs as a Rich renderable, wrapped between Chinese characters too: Rich wraps at spaces only."""

    def __init__(
        self,
        paragraphs: str | Iterable[str],
        style: str = "",
        *,
        most: int | None = None,
        atoms: re.Pattern[str] = _ATOMS,
    ) -> None:
        self._paragraphs = [paragraphs] if isinstance(paragraphs, str) else list(paragraphs)
        self._style = style
        self._atoms = atoms
        self._most = most
        """Lines at most; a longer text ends in an ellipsis."""

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        widest = max((columns(text) for text in self._paragraphs), default=0)
        return Measurement(min(8, widest), widest).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        lines = [line for text in self._paragraphs for line in wrapped(text, options.max_width, self._atoms)]
        if self._most is not None and len(lines) > self._most:
            lines = [*lines[: self._most - 1], shortened(" ".join(lines[self._most - 1 :]), options.max_width)]
        for line in lines:
            yield Text(line, style=self._style, no_wrap=True, overflow="crop")


def columns(text: str) -> int:
    """Columns that a text takes on a terminal, where Chinese characters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def wrapped(text: str, width: int, atoms: re.Pattern[str] = _ATOMS) -> list[str]:
    """`text` in lines of at most `width` columns, broken between `atoms`; one that is longer than a line is cut."""
    lines, line, used = [], "", 0
    pieces = [piece for atom in atoms.findall(text) for piece in _cut(atom, width)]
    for position, atom in enumerate(pieces):
        cells = columns(atom)
        following = pieces[position + 1] if position + 1 < len(pieces) else ""
        # Punctuation must not begin a line: what it follows goes to the next line with it.
        hanging = columns(following) if following in _NOT_FIRST else 0
        if line and used + cells + hanging > width and atom not in _NOT_FIRST:
            kept = line.rstrip(_NOT_LAST)
            opened = line[len(kept) :] if kept and columns(line[len(kept) :]) + cells <= width else ""
            lines.append(line.removesuffix(opened).rstrip())
            line, used = opened, columns(opened)
        elif line and used + cells > width:
            lines.append(line.rstrip())
            line, used = "", 0
        if line or not atom.isspace():
            line, used = line + atom, used + cells
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def breaks(text: str, width: int) -> list[int]:
    """Where `wrapped` begins the second line of a text, and those below it."""
    begins, end = [], 0
    for line in wrapped(text, width):
        begins.append(text.index(line, end))
        end = begins[-1] + len(line)
    return begins[1:]


def shortened(text: str, width: int) -> str:
    """The beginning of a text that fits into `width` columns, cut between words, with an ellipsis."""
    if columns(text) <= width:
        return text
    from rich.cells import set_cell_size

    kept = set_cell_size(text, max(0, width - 4))
    if not text[len(kept.rstrip()) :].startswith(" "):
        kept = _PART_OF_WORD.sub("", kept) or kept
    return kept.rstrip(_BEFORE_ELLIPSIS) + " ..."


def _cut(atom: str, width: int) -> list[str]:
    """A word in pieces of at most `width` columns."""
    if columns(atom) <= width:
        return [atom]
    from rich.cells import chop_cells

    return chop_cells(atom, width)


def folded(command: str, width: int) -> list[str]:
    """A command over several lines, continued by backslashes; quotes are kept whole.

    It is broken before options and pipes, and between other words only where the part between two of those is longer
    than a line. A line is longer than `width` where a single word is.
    """
    words = _WORDS.findall(command)
    # A comment ends with its line, whatever it ends in.
    plain = "\n" not in command and " ".join(words) == command and not any(word.startswith("#") for word in words)
    if columns(command) <= width or not plain:
        return [command]
    lines = [""]
    for piece in _pieces(words):
        whole = " ".join(piece)
        for part in [whole] if columns(whole) + 4 <= width else piece:
            if not lines[-1] or columns(lines[-1]) + columns(part) + 3 <= width:
                lines[-1] += f" {part}" if lines[-1] else part
            else:
                lines[-1] += " \\"
                lines.append(f"  {part}")
    return lines


def _pieces(words: Iterable[str]) -> list[list[str]]:
    """The words of a command in groups that rather stay on one line: an option with its value, a program of a pipe."""
    pieces: list[list[str]] = []
    for word in words:
        if pieces and not re.match("-[A-Za-z-]|[|]{1,2}$|&&$", word):
            pieces[-1].append(word)
        else:
            pieces.append([word])
    return pieces
