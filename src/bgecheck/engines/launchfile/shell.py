"""Reads shell text into its simple commands: words with their places, and the variables that the text itself sets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bgecheck.engines.launchfile.interpolation import Reference, reference, value_of
from bgecheck.engines.planned import CUT, Placeholders, Spelling, Word

_BLANK = " \t\r"
_ENDS = "\n;&|()"
_KEYWORDS = frozenset(("if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "coproc"))
"""Words behind which a command may begin."""
_SETS = frozenset(("export", "readonly", "declare", "local", "typeset"))
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?=)")
_ARRAY = re.compile(r"\$\{([A-Za-z_]\w*)\[[@*]\]\}")
_ARGUMENT = re.compile(r"\$\{\d+(?::?[-=]([^{}]*))?\}")
_REDIRECTION = re.compile(r"(?:\d*|&)(?:>>|>\||>&|<&|<<<|<>|>|<)&?")
_CUT = re.compile(r"\\[ \t]+(?=\r?\n)")
_LINE_END = re.compile(r"\r?\n")
_HERE = re.compile(r"\d*<<(-?)[ \t]*(['\"]?)([\w.-]+)\2")
_MOST_WORDS, _LONGEST_VALUE = 5000, 20_000


class UnclosedQuote(ValueError):
    """A quote that has no end."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class Piece(NamedTuple):
    """What one word of the text stands for: more than one word where a variable holds several."""

    values: tuple[str, ...]
    start: int
    end: int
    open: bool
    """Whether it holds what is not known here."""
    bare: bool
    """Whether it is written without quotes, escapes or variables, so that it may be a keyword or an assignment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One simple command."""

    pieces: tuple[Piece, ...]
    assigned: Mapping[str, str] = field(default_factory=dict)
    """The variables that stand before it."""
    exported: Mapping[str, str] = field(default_factory=dict)
    """Those that the text has set for what it starts by then."""
    start: int = 0

    def words(self, spelling: Spelling = Spelling.SHELL) -> tuple[Word, ...]:
        """Its words with their places; those of one variable stand in one place."""
        return tuple(
            Word(v, p.start, p.end, spelling, p.open and (len(p.values) == 1 or "$" in v or "`" in v))
            for p in self.pieces
            for v in p.values
        )


def commands(
    text: str,
    start: int = 0,
    end: int | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    folded: bool = False,
    comments: bool = True,
    operators: bool = True,
    placeholders: Placeholders | None = None,
    remarks: str = "",
    past_cuts: bool = False,
) -> list[Command]:
    """The simple commands of a text or a part of it, in their order. Raises `UnclosedQuote`.

    `variables` are those that are set before; with `folded` a line break is a blank, as where no shell reads it.
    With `past_cuts` a line that ends with a backslash and blanks goes on in the next one, as it was meant, and the word
    `CUT` stands there. Without `operators` all is one command. `placeholders` are what the program that reads the text
    replaces by itself, and `remarks` is a pattern of how a line begins that it leaves out of a continued command.
    """
    reader = _Reader(text, start, len(text) if end is None else end, variables or {})
    reader.folded, reader.comments, reader.operators, reader.past_cuts = folded, comments, operators, past_cuts
    reader.placeholders, reader.remarks = placeholders, re.compile(remarks) if remarks else None
    return reader.read()


class _Reader:
    """One pass over a text."""

    folded = False
    comments = True
    operators = True
    past_cuts = False
    placeholders: Placeholders | None = None
    remarks: re.Pattern[str] | None = None

    def __init__(self, text: str, start: int, end: int, variables: Mapping[str, str]) -> None:
        self.text, self.at, self.end = text, start, end
        self.plain: dict[str, str] = dict(variables)
        self.arrays: dict[str, tuple[str, ...]] = {}
        self.exported: dict[str, str] = {}
        self.here: list[tuple[str, bool]] = []
        self.all: list[Command] = []
        self.pieces: list[Piece] = []

    def read(self) -> list[Command]:
        while self.at < self.end and len(self.pieces) < _MOST_WORDS:
            self._step()
        self._finish()
        return self.all

    def _step(self) -> None:
        char = self.text[self.at]
        if char in _BLANK or (char == "\n" and self.folded):
            self.at += 1
        elif self.text.startswith(("\\\n", "\\\r\n"), self.at):
            self._next_line()
        elif self.past_cuts and self.pieces and (cut := _CUT.match(self.text, self.at, self.end)):
            self.pieces.append(Piece((CUT,), self.at, cut.end(), False, False))
            self._next_line()
        elif char == "#" and self.comments:
            self._skip_line()
        elif self.operators and (here := _HERE.match(self.text, self.at, self.end)):
            self.here.append((here[3], bool(here[1])))
            self.at = here.end()
        elif self.operators and (sent := _REDIRECTION.match(self.text, self.at, self.end)):
            self.at = sent.end()
            self._skip_blanks()
            self._word()
        elif self.operators and char in _ENDS:
            self._finish()
            self.at += 1
            if char == "\n":
                self._skip_here_documents()
        elif char == "\n":
            self.at += 1
        else:
            self._begin_word()

    def _begin_word(self) -> None:
        array = re.compile(r"([A-Za-z_]\w*)(\+?)=\(").match(self.text, self.at, self.end) if self.operators else None
        if array and not self._named_program():
            self.at = array.end()
            self._array(array[1], bool(array[2]))
            return
        piece = self._word()
        if piece.bare and not self.pieces and self.operators and piece.values[:1] and piece.values[0] in _KEYWORDS:
            return
        self.pieces.append(piece)

    def _named_program(self) -> bool:
        return any(not _ASSIGNMENT.match(v) and v not in _SETS for p in self.pieces for v in p.values)

    def _array(self, name: str, adds: bool) -> None:
        items: list[str] = list(self.arrays.get(name, ())) if adds else []
        while self.at < self.end and self.text[self.at] != ")":
            if self.text[self.at] in " \t\r\n":
                self.at += 1
            elif self.text.startswith(("\\\n", "\\\r\n"), self.at):
                self.at = self.text.index("\n", self.at) + 1
            elif self.text[self.at] == "#":
                self._skip_line()
            else:
                items += self._word().values
        self.at += 1
        self.arrays[name] = tuple(items)

    def _skip_line(self) -> None:
        after = self.text.find("\n", self.at, self.end)
        self.at = self.end if after < 0 else after

    def _next_line(self) -> None:
        """Go on behind the end of this line, past the lines that are remarks."""
        self.at = self.text.index("\n", self.at) + 1
        while self.remarks and self.at < self.end and self.remarks.match(self.text, self.at, self.end):
            after = self.text.find("\n", self.at, self.end)
            self.at = self.end if after < 0 else after + 1

    def _skip_blanks(self) -> None:
        while self.at < self.end and self.text[self.at] in _BLANK:
            self.at += 1

    def _skip_here_documents(self) -> None:
        for mark, indented in self.here:
            tabs = r"\t*" if indented else ""
            end = re.compile(rf"^{tabs}{re.escape(mark)}\r?$", re.MULTILINE)
            if match := end.search(self.text, self.at, self.end):  # else it was no document, but a number shifted
                self.at = match.end()
        self.here.clear()

    def _word(self) -> Piece:
        """The word that begins here."""
        begin, parts, is_open, bare, quoted = self.at, [""], False, True, False
        while self.at < self.end:
            char = self.text[self.at]
            if char in _BLANK or char == "\n" or (self.operators and char in _ENDS + "<>"):
                break
            if self.placeholders and (place := self.placeholders.pattern.match(self.text, self.at, self.end)):
                value, unknown = self.placeholders.value(place)
                parts[-1] += value
                is_open, bare, self.at = is_open or unknown, False, place.end()
            elif char == "\\":
                self.at += 1
                bare = False
                if _LINE_END.match(self.text, self.at, self.end):
                    self._next_line()
                else:
                    parts[-1] += self.text[self.at : self.at + 1]
                    self.at += 1
            elif char == "'":
                closing = self.text.find("'", self.at + 1, self.end)
                if closing < 0:
                    raise UnclosedQuote(self.at)
                parts[-1] += self.text[self.at + 1 : closing]
                self.at, bare, quoted = closing + 1, False, True
            elif char == '"':
                inner, unknown = self._double_quoted()
                bare, quoted, is_open = False, True, is_open or unknown
                parts = [*parts[:-1], parts[-1] + inner[0], *inner[1:]] if inner else parts
                if not inner and not any(parts):
                    parts, quoted = [], False
            elif char == "$" or (char == "`" and self.operators):
                split, unknown = self._expanded()
                bare, is_open = False, is_open or unknown
                parts = [*parts[:-1], parts[-1] + split[0], *split[1:]] if split else parts
            else:
                parts[-1] += char
                self.at += 1
            if not parts:
                parts = [""] if self.at < self.end and self.text[self.at] not in _BLANK + "\n" else parts
                if not parts:
                    break
        if self.at == begin:
            self.at += 1  # an operator that stands where none can
        empty = not bare and not quoted and parts == [""]
        self.at = min(self.at, self.end)
        return Piece(() if empty or not parts else tuple(parts), begin, self.at, is_open, bare)

    def _double_quoted(self) -> tuple[tuple[str, ...], bool]:
        """What a pair of double quotes holds; several words where it is a whole array."""
        begin = self.at
        self.at += 1
        whole = re.compile(r'\$\{(\w+)\[@\]\}"').match(self.text, self.at, self.end)
        if whole and whole[1] in self.arrays:
            self.at = whole.end()
            return self.arrays[whole[1]], _holds_unknown(self.arrays[whole[1]])
        value, is_open = "", bool(whole) or self.text.startswith('$@"', self.at)
        while self.at < self.end:
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return (value,), is_open
            if self.placeholders and (place := self.placeholders.pattern.match(self.text, self.at, self.end)):
                replaced, unknown = self.placeholders.value(place)
                value += replaced
                is_open, self.at = is_open or unknown, place.end()
            elif char == "\\" and self.text[self.at + 1 : self.at + 2] in ('"', "\\", "$", "`", "\n"):
                value += self.text[self.at + 1].strip("\n")
                self.at += 2
            elif char == "$" or (char == "`" and self.operators):
                inner, unknown = self._expanded(splits=False)
                value += " ".join(inner)
                is_open = is_open or unknown
            else:
                value += char
                self.at += 1
        raise UnclosedQuote(begin)

    def _expanded(self, splits: bool = True) -> tuple[tuple[str, ...], bool]:
        """What a `$` or a back quote stands for, as words, and whether it is not known here."""
        begin = self.at
        if self.text[begin] == "`" or self.text.startswith("$(", begin):
            return (self._substituted(),), True
        if self.text.startswith("$'", begin) and splits:
            closing = self.text.find("'", begin + 2, self.end)
            if closing < 0:
                raise UnclosedQuote(begin)
            self.at = closing + 1
            return (self.text[begin + 2 : closing],), False
        if array := _ARRAY.match(self.text, begin, self.end):
            self.at = array.end()
            values = self.arrays.get(array[1])
            return (array[0],) if values is None else values, values is None or _holds_unknown(values)
        if argument := _ARGUMENT.match(self.text, begin, self.end):
            self.at = argument.end()
            default = argument[1]
            return (argument[0],) if default is None else self._split(default.strip("\"'"), splits), default is None
        if name := reference(self.text, begin, self.end):
            self.at = name.end
            return self._of_variable(name, self.text[begin : name.end], splits)
        if self.text.startswith("${", begin):
            closing = self.text.find("}", begin, self.end)
            self.at = self.end if closing < 0 else closing + 1
            return (self.text[begin : self.at],), True
        self.at += 1
        if self.at < self.end and self.text[self.at] in "@*#?0123456789!$-":
            self.at += 1
            return (self.text[begin : self.at],), True
        return ("$",), False

    def _of_variable(self, name: Reference, typed: str, splits: bool) -> tuple[tuple[str, ...], bool]:
        value = value_of(name, self.plain)
        if value is None:
            return (typed,), True
        if name.operator.endswith("="):
            self.plain[name.name] = value[0]
        return self._split(value[0], splits), value[1]

    def _split(self, value: str, splits: bool) -> tuple[str, ...]:
        return tuple(value.split()) if splits else (value,)

    def _substituted(self) -> str:
        """The text of a command whose output stands here."""
        begin, depth = self.at, 0
        if self.text[begin] == "`":
            closing = self.text.find("`", begin + 1, self.end)
            self.at = self.end if closing < 0 else closing + 1
            return self.text[begin : self.at]
        self.at += 1
        while self.at < self.end:
            depth += {"(": 1, ")": -1}.get(self.text[self.at], 0)
            self.at += 1
            if not depth:
                break
        return self.text[begin : self.at]

    def _finish(self) -> None:
        """End a command: what it sets is kept for those behind it."""
        pieces, self.pieces = self.pieces, []
        if not pieces:
            return
        assigned: dict[str, str] = {}
        first = 0
        while first < len(pieces) and self.operators and (setting := _assignment(pieces[first])):
            assigned[setting[0]] = self._joined(*setting)
            first += 1
        if first == len(pieces):
            self._keep(assigned, exports=False)
        elif pieces[first].values[:1] and pieces[first].values[0] in _SETS and self.operators:
            switches = [v for piece in pieces[first:] for v in piece.values[:1] if v[:1] == "-"]
            exports = pieces[first].values[0] == "export" or any("x" in switch for switch in switches)
            later = [setting for piece in pieces[first + 1 :] if (setting := _assignment(piece))]
            self._keep({name: self._joined(name, sign, value) for name, sign, value in later}, exports)
            names = [v for p in pieces[first + 1 :] for v in p.values if v in self.plain]
            self.exported |= {name: self.plain[name] for name in names if exports}
        else:
            self.all.append(
                Command(
                    pieces=tuple(pieces[first:]),
                    assigned=assigned,
                    exported=dict(self.exported),
                    start=pieces[0].start,
                )
            )

    def _joined(self, name: str, sign: str, value: str) -> str:
        before = self.plain.get(name, "") if sign == "+=" else ""
        return (before + value)[:_LONGEST_VALUE]

    def _keep(self, assigned: Mapping[str, str], exports: bool) -> None:
        self.plain |= assigned
        self.exported |= {n: v for n, v in assigned.items() if exports or n in self.exported}


def _holds_unknown(values: Sequence[str]) -> bool:
    return any("$" in value or "`" in value for value in values)


def _assignment(piece: Piece) -> tuple[str, str, str] | None:
    """Name, sign and value of a word that sets a variable."""
    if len(piece.values) > 1:
        joined = " ".join(piece.values)
    elif piece.values:
        joined = piece.values[0]
    else:
        return None
    match = _ASSIGNMENT.match(joined)
    return (match[1], match[2], joined[match.end() :]) if match else None
