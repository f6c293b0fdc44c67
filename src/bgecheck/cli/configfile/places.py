"""Tells line and column of every key and array item of a TOML text, which the parser of Python does not."""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Path = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and numbers of items."""


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


def places(text: str) -> dict[Path, Place]:
    """The place of each key, table and array item of a text that the parser has accepted."""
    scanner = _Scanner(text)
    scanner.document()
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    located, line = {}, 0
    for path, offset in sorted(scanner.offsets.items(), key=lambda item: item[1]):
        while line + 1 < len(starts) and starts[line + 1] <= offset:
            line += 1
        located[path] = Place(line + 1, offset - starts[line] + 1)
    return located


_BLANK = re.compile(r"[ \t]*")
_BETWEEN = re.compile(r"(?:\s|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""{1,3}(?!")' r"|'''.*?'''{1,3}(?!')" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)
"""A string of any of the four kinds; one of several lines may end in up to two quotes of its own."""
_PART = re.compile(r"[\w-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'", re.ASCII)
_SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]*|[^\s,\]}#]+")


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counts: dict[Path, int] = {}
        """How many tables each array of tables has so far."""
        self.offsets: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        self._skip(_BETWEEN)
        while self._at < len(self._text):
            if self._takes("[["):
                table = self._header(array=True)
                self._at += 2
            elif self._takes("["):
                table = self._header(array=False)
                self._at += 1
            else:
                self._pair(table)
            self._skip(_BETWEEN)

    def _header(self, *, array: bool) -> Path:
        """The table that a header opens; the tables above it may be arrays, of which the last one is meant."""
        parts = self._key()
        path: Path = ()
        for part, offset in parts[:-1]:
            path = self._within((*path, part), offset)
        last, offset = parts[-1]
        path = (*path, last)
        if array:
            number = self._counts.get(path, 0)
            self._counts[path] = number + 1
            self.offsets.setdefault(path, offset)
            path = (*path, number)
        self.offsets.setdefault(path, offset)
        return path

    def _within(self, path: Path, offset: int) -> Path:
        self.offsets.setdefault(path, offset)
        return (*path, self._counts[path] - 1) if path in self._counts else path

    def _pair(self, table: Path) -> None:
        path = table
        for part, offset in self._key():
            path = (*path, part)
            self.offsets.setdefault(path, offset)
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(path)

    def _key(self) -> list[tuple[str, int]]:
        """The parts of a dotted key with their offsets; what stands behind it is next."""
        parts = []
        while True:
            self._skip(_BLANK)
            match = _PART.match(self._text, self._at)
            assert match is not None, "the parser has accepted it"
            parts.append((_plain(match[0]), self._at))
            self._at = match.end()
            self._skip(_BLANK)
            if not self._takes("."):
                return parts

    def _value(self, path: Path) -> None:
        if self._takes("["):
            self._items(path)
        elif self._takes("{"):
            self._skip(_BETWEEN)
            while not self._takes("}"):
                self._pair(path)
                self._comma()
        else:
            match = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            assert match is not None, "the parser has accepted it"
            self._at = match.end()

    def _items(self, path: Path) -> None:
        number = 0
        self._skip(_BETWEEN)
        while not self._takes("]"):
            item = (*path, number)
            self.offsets[item] = self._at
            self._value(item)
            number += 1
            self._comma()

    def _comma(self) -> None:
        self._skip(_BETWEEN)
        if self._takes(","):
            self._skip(_BETWEEN)

    def _takes(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _skip(self, what: re.Pattern[str]) -> None:
        match = what.match(self._text, self._at)
        assert match is not None, "it may be empty"
        self._at = match.end()


def _plain(part: str) -> str:
    """A part of a key without its quotes."""
    return part if part[0] not in "\"'" else next(iter(tomllib.loads(f"{part} = 0")))
