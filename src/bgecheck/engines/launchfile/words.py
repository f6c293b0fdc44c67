"""Reads the words of shell text: quotes, escapes, and what its variables stand for where that is known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bgecheck.engines.launchfile.arithmetic import integer
from bgecheck.engines.launchfile.expansion import at_index, changed, element, indices
from bgecheck.engines.launchfile.flow import State
from bgecheck.engines.launchfile.interpolation import Reference, interpolated, reference, value_of
from bgecheck.engines.planned import Placeholders

BLANK = " \t\r"
ENDS = "\n;&|()"
_ARRAY = re.compile(r"\$\{([A-Za-z_]\w*)\[[@*]\]\}")
_ARGUMENT = re.compile(r"\$\{(\d+)(?::?[-=]([^{}]*))?\}")
_LINE_END = re.compile(r"\r?\n")


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


class WordReader:
    """Reads the words of a text one by one."""

    operators = True
    placeholders: Placeholders | None = None
    remarks: re.Pattern[str] | None = None
    doubled = False
    """Whether `$$NAME` stands for a variable of the shell."""
    splits_braced = True
    """Whether the value of `${NAME}` is split at its blanks."""

    def __init__(self, text: str, start: int, end: int, variables: Mapping[str, str]) -> None:
        self.text, self.at, self.end = text, start, end
        self.state = State(plain=dict(variables))

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
        while self.at < self.end and self.text[self.at] in BLANK:
            self.at += 1

    def _word(self) -> Piece:
        """The word that begins here."""
        begin, parts, is_open, bare, quoted = self.at, [""], False, True, False
        while self.at < self.end:
            char = self.text[self.at]
            if char in BLANK or char == "\n" or (self.operators and char in ENDS + "<>"):
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
                parts = [""] if self.at < self.end and self.text[self.at] not in BLANK + "\n" else parts
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
        if whole and whole[1] in self.state.arrays:
            self.at = whole.end()
            return self.state.arrays[whole[1]], _holds_unknown(self.state.arrays[whole[1]])
        if self.text.startswith('$@"', self.at) and self.state.arguments is not None:
            self.at += 3
            return self.state.arguments, _holds_unknown(self.state.arguments)
        if (keys := indices(self.text, self.at, self.end, self.state.arrays)) and self.text.startswith('"', keys[1]):
            self.at = keys[1] + 1
            return keys[0], False
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
        if self.doubled and self.text.startswith("$$", self.at):
            self.at += 1
        begin = self.at
        if self.text[begin] == "`" or self.text.startswith("$(", begin):
            return self._output()
        if self.text.startswith("$'", begin) and splits:
            closing = self.text.find("'", begin + 2, self.end)
            if closing < 0:
                raise UnclosedQuote(begin)
            self.at = closing + 1
            return (self.text[begin + 2 : closing],), False
        if array := _ARRAY.match(self.text, begin, self.end):
            self.at = array.end()
            values = self.state.arrays.get(array[1])
            return (array[0],) if values is None else values, values is None or _holds_unknown(values)
        if argument := _ARGUMENT.match(self.text, begin, self.end):
            self.at = argument.end()
            return self._argument(argument[0], int(argument[1]), argument[2], splits)
        if (one := element(self.text, begin, self.end, self.state.arrays)) and (item := self._element(*one[:2])):
            self.at = one[2]
            return self._split(item, splits), _holds_unknown((item,))
        if all_of_them := indices(self.text, begin, self.end, self.state.arrays):
            self.at = all_of_them[1]
            return all_of_them[0], False
        if value := changed(self.text, begin, self.end, self.state.plain):
            self.at = value[1]
            return self._split(value[0], splits), False
        if name := reference(self.text, begin, self.end):
            self.at = name.end
            whole = not self.splits_braced and self.text.startswith("${", begin)
            return self._of_variable(name, self.text[begin : name.end], splits and not whole)
        if self.text.startswith("${", begin):
            closing = self.text.find("}", begin, self.end)
            self.at = self.end if closing < 0 else closing + 1
            return (self.text[begin : self.at],), True
        self.at += 1
        if self.at < self.end and self.text[self.at] in "@*#?0123456789!$-":
            self.at += 1
            sign = self.text[self.at - 1]
            if sign in "@*" and self.state.arguments is not None:
                return self.state.arguments, _holds_unknown(self.state.arguments)
            if sign in "123456789":
                return self._argument(self.text[begin : self.at], int(sign), None, splits)
            return (self.text[begin : self.at],), True
        return ("$",), False

    def _argument(self, typed: str, number: int, default: str | None, splits: bool) -> tuple[tuple[str, ...], bool]:
        """One of those that a function or `set --` was given; of a script's own they are not known."""
        arguments = self.state.arguments
        if arguments is not None and 0 < number <= len(arguments):
            return self._split(arguments[number - 1], splits), _holds_unknown(arguments[number - 1 : number])
        if default is not None:
            value, unknown = interpolated(default.strip("\"'"), self.state.plain)
            return self._split(value, splits), unknown
        return ((typed,), True) if arguments is None else ((), False)

    def _element(self, array: str, index: str) -> str | None:
        plain = self.state.plain
        items, key = self.state.arrays[array], re.sub(r"\$\{?(\w+)\}?", lambda m: plain.get(m[1], m[0]), index)
        number = integer(key, plain)
        return at_index(items, key) or (None if number is None else at_index(items, str(number)))

    def _output(self) -> tuple[tuple[str, ...], bool]:
        """What a command that stands here writes: not known, but for arithmetic."""
        typed = self._substituted()
        number = integer(typed[3:-2], self.state.plain) if typed.startswith("$((") and typed.endswith("))") else None
        return ((typed,), True) if number is None else ((str(number),), False)

    def _of_variable(self, name: Reference, typed: str, splits: bool) -> tuple[tuple[str, ...], bool]:
        value = value_of(name, self.state.plain)
        if value is None:
            return (typed,), True
        if name.operator.endswith("="):
            self.state.plain[name.name] = value[0]
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


def _holds_unknown(values: Sequence[str]) -> bool:
    return any("$" in value or "`" in value for value in values)
