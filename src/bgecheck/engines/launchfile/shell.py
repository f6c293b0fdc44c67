"""Reads shell text into its simple commands: words with their places, and the variables that the text itself sets.

Loops whose rounds are known are gone through round by round, functions at their calls (`flow.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bgecheck.engines.launchfile.arithmetic import integer
from bgecheck.engines.launchfile.expansion import braced, counted
from bgecheck.engines.launchfile.flow import Flow
from bgecheck.engines.launchfile.words import BLANK, ENDS, Piece, UnclosedQuote, WordReader
from bgecheck.engines.planned import CUT, Placeholders, Spelling, Word

_KEYWORDS = frozenset(("if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "coproc"))
"""Words behind which a command may begin."""
_SETS = frozenset(("export", "readonly", "declare", "local", "typeset"))
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?=)")
_FUNCTION = re.compile(r"(?:function[ \t]+([\w.-]+)[ \t]*(?:\([ \t]*\))?|([\w.-]+)[ \t]*\([ \t]*\))\s*\{(?=\s)")
_EACH = re.compile(r"[ \t]+([A-Za-z_]\w*)[ \t]*(?:\r?\n[ \t]*)?(in\b)?")
_COUNTED = re.compile(
    r"[ \t]*\(\([ \t]*(\w+)[ \t]*=([^;()]+);[ \t]*\1[ \t]*(<=?)([^;]+);[ \t]*"
    r"(?:\1\+\+|\+\+\1|\1[ \t]*\+=([^()]+))[ \t]*\)\)"
)
_ANY_COUNT = re.compile(r"[ \t]*\(\([ \t]*(\w+)?[^;()]*;[^;]*;[^\n]*?\)\)")
_STEP = re.compile(r"\(\([ \t]*(?:(\w+)(?:\+\+|--)|(?:\+\+|--)(\w+)|(\w+)[ \t]*[-+*/%]?=[^=][^\n]*?)[ \t]*\)\)")
_REDIRECTION = re.compile(r"(?:\d*|&)(?:>>|>\||>&|<&|<<<|<>|>|<)&?")
_CUT = re.compile(r"\\[ \t]+(?=\r?\n)")
_HERE = re.compile(r"\d*<<(-?)[ \t]*(['\"]?)([\w.-]+)\2")
VENV, CONDA = "VIRTUAL_ENV", "CONDA_DEFAULT_ENV"
"""Variables of an environment that is activated: of venv its folder, of conda its name."""
_CONDA = frozenset(("conda", "mamba", "micromamba"))
_MOST_WORDS, _LONGEST_VALUE = 5000, 20_000


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


class Document(NamedTuple):
    """A text that stands in a script for another program to read (`<<EOF`)."""

    start: int
    end: int
    command: tuple[str, ...]
    """Which gets it, with the files that it writes."""
    variables: Mapping[str, str]
    """Those that are replaced in it."""


Sourced = Callable[[str], Mapping[str, str]]
"""The variables that a file sets, which a script reads by `source`."""


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
    doubled: bool = False,
    splits: bool = True,
) -> list[Command]:
    """The simple commands of a text or a part of it, in their order. Raises `UnclosedQuote`.

    `variables` are those that are set before; with `folded` a line break is a blank, as where no shell reads it.
    With `past_cuts` a line that ends with a backslash and blanks goes on in the next one, as it was meant, and the word
    `CUT` stands there. Without `operators` all is one command. `placeholders` are what the program that reads the text
    replaces by itself, and `remarks` is a pattern of how a line begins that it leaves out of a continued command. With
    `doubled` a variable of the shell may stand as `$$NAME`, as compose and systemd want it. Without `splits` a value in
    braces is one word, as for systemd.
    """
    reader = _Reader(text, start, len(text) if end is None else end, variables or {})
    reader.folded, reader.comments, reader.operators, reader.past_cuts = folded, comments, operators, past_cuts
    reader.placeholders, reader.remarks = placeholders, re.compile(remarks) if remarks else None
    reader.doubled, reader.splits_braced = doubled, splits
    return reader.read()


def script(
    text: str, variables: Mapping[str, str], sourced: Sourced | None
) -> tuple[list[Command], tuple[Document, ...]]:
    """The commands of a script, and the texts that stand in it for other programs. Raises `UnclosedQuote`.

    `sourced` gives the variables of a file that it reads by `source`.
    """
    reader = _Reader(text, 0, len(text), variables)
    reader.past_cuts, reader.sourced = True, sourced
    return reader.read(), tuple(reader.documents)


class _Reader(WordReader):
    """One pass over a text."""

    folded = False
    comments = True
    past_cuts = False

    def __init__(self, text: str, start: int, end: int, variables: Mapping[str, str]) -> None:
        super().__init__(text, start, end, variables)
        self.flow = Flow(self.state)
        self.call: tuple[str, tuple[str, ...] | None, Mapping[str, str]] | None = None
        self.perhaps = False
        """Whether the command that is read now runs only by what the one before comes to."""
        self.documents: list[Document] = []
        self.sourced: Sourced | None = None
        self.exported: dict[str, str] = {}
        self.here: list[tuple[str, bool, bool]] = []
        self.written_to: list[str] = []
        """Files that the command which is read now writes to."""
        self.last: tuple[str, ...] = ()
        self.all: list[Command] = []
        self.pieces: list[Piece] = []

    def read(self) -> list[Command]:
        while True:
            while self.at < self.end and len(self.pieces) < _MOST_WORDS:
                self._step()
            self._finish()
            if self._enter():
                continue
            body = self.flow.uncalled(self.end)
            if body is None:
                return self.all
            self.at = body

    def _enter(self) -> bool:
        """Go on in the function that the last command calls."""
        call, self.call = self.call, None
        body = self.flow.call(*call, self.at) if call else None
        self.at = self.at if body is None else body
        return body is not None

    def _step(self) -> None:
        char = self.text[self.at]
        if char in BLANK or (char == "\n" and self.folded):
            self.at += 1
        elif self.text.startswith(("\\\n", "\\\r\n"), self.at):
            self._next_line()
        elif self.past_cuts and self.pieces and (cut := _CUT.match(self.text, self.at, self.end)):
            self.pieces.append(Piece((CUT,), self.at, cut.end(), False, False))
            self._next_line()
        elif char == "#" and self.comments:
            self._skip_line()
        elif self.operators and (here := _HERE.match(self.text, self.at, self.end)):
            self.here.append((here[3], bool(here[1]), bool(here[2])))
            self.at = here.end()
        elif self.operators and (sent := _REDIRECTION.match(self.text, self.at, self.end)):
            self.at = sent.end()
            self._skip_blanks()
            target = self._word().values
            self.written_to += target if ">" in sent[0] and not sent[0].endswith("&") else ()
        elif self.operators and not self.pieces and char == "(" and (step := _STEP.match(self.text, self.at, self.end)):
            self.at = step.end()
            self._count(step)
        elif self.operators and char in ENDS:
            self._end_command()
            if char == "\n":
                self._skip_here_documents()
            self._enter()
        elif char == "\n":
            self.at += 1
        else:
            self._begin_word()

    def _count(self, step: re.Match[str]) -> None:
        """`((PORT++))` or `let PORT++`: one more where the number is known."""
        name = step[1] or step[2] or step[3]
        value = integer(f"{name} {'-' if '--' in step[0] else '+'} 1", self.state.plain)
        if step[3] or value is None:
            self.state.forget(name)
        else:
            self.state.plain[name] = str(value)

    def _end_command(self) -> None:
        """End a command at the operator that stands here."""
        begins = not self.pieces
        self._finish()
        sign = self.text[self.at : self.at + 2]
        self.perhaps = sign in ("&&", "||")
        if sign == ";;":
            self.flow.next_branch(is_case=True)
        elif sign[0] == "(" and begins:
            self.flow.subshell()
        elif sign[0] == ")":
            self.flow.end_subshell()
        self.at += 2 if sign in ("&&", "||", ";;") else 1

    def _begin_word(self) -> None:
        if self.operators and not self.pieces and (function := _FUNCTION.match(self.text, self.at, self.end)):
            self.at = function.end()
            self.flow.define(function[1] or function[2], self.at)
            return
        array = re.compile(r"([A-Za-z_]\w*)(\+?)=\(").match(self.text, self.at, self.end) if self.operators else None
        if array and not self._named_program():
            self.at = array.end()
            self._array(array[1], bool(array[2]))
            return
        piece = self._word()
        may_be_keyword = piece.bare and not self.pieces and self.operators and piece.values[:1]
        if may_be_keyword and self._keyword(piece.values[0]):
            return
        self.pieces.append(piece)

    def _keyword(self, word: str) -> bool:
        """Follow a word of the shell itself; whether it is no word of a command."""
        if word in ("for", "select"):
            return self._loop_head(word == "select")
        if word in ("while", "until"):
            self.flow.loop(None, None)
        elif word == "do":
            self.flow.body(self.at)
        elif word in ("if", "case"):
            self.flow.branch(is_case=word == "case")
        elif word in ("else", "elif"):
            self.flow.next_branch(is_case=False, is_last=word == "else")
        elif word in ("fi", "esac"):
            self.flow.end_branches(is_case=word == "esac")
        elif word == "{":
            self.flow.group()
        elif word in ("done", "}"):
            at = self.flow.done(self.at) if word == "done" else self.flow.close(self.at)
            self.at = self.at if at is None else at
            return at is not None
        return word in _KEYWORDS

    def _loop_head(self, chosen: bool) -> bool:
        """The variable of a loop and its values; whether one begins here."""
        if head := _COUNTED.match(self.text, self.at, self.end):
            self.at = head.end()
            self.flow.loop(head[1], self._numbers(head))
            return True
        if head := _ANY_COUNT.match(self.text, self.at, self.end):
            self.at = head.end()
            self.flow.loop(head[1], None)
            return True
        head = _EACH.match(self.text, self.at, self.end)
        if head is None:
            return False
        self.at = head.end()
        values = self._items() if head[2] else self.state.arguments
        self.flow.loop(head[1], None if chosen else values)
        return True

    def _numbers(self, head: re.Match[str]) -> tuple[str, ...] | None:
        first, last, step = (integer(text or "1", self.state.plain) for text in (head[2], head[4], head[5]))
        if first is None or last is None or step is None or step < 1:
            return None
        return tuple(map(str, range(first, last + (head[3] == "<="), step)[:_MOST_WORDS]))

    def _items(self) -> tuple[str, ...] | None:
        """The words up to the end of a command, with braces expanded; None where one is not known."""
        values: list[str] = []
        unknown = False
        while self.at < self.end and self.text[self.at] not in "\n;":
            if self.text[self.at] in BLANK:
                self.at += 1
            elif self.text.startswith(("\\\n", "\\\r\n"), self.at):
                self.at = self.text.index("\n", self.at) + 1
            else:
                begin, piece = self.at, self._word()
                numbers = counted(self.text[begin : self.at], self.state.plain) if piece.open else None
                unknown = unknown or (piece.open and numbers is None)
                values += numbers or (braced(piece.values[0]) if piece.bare and piece.values else piece.values)
        return None if unknown else tuple(values)

    def _named_program(self) -> bool:
        values = [v for piece in self.pieces for v in piece.values]
        sets = next((v in _SETS for v in values if not _ASSIGNMENT.match(v)), True)
        return not sets or any(not _ASSIGNMENT.match(v) and v not in _SETS and v[:1] != "-" for v in values)

    def _array(self, name: str, adds: bool) -> None:
        items: list[str] = list(self.state.arrays.get(name, ())) if adds else []
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
        self.state.arrays[name] = tuple(items)

    def _skip_here_documents(self) -> None:
        for mark, indented, quoted in self.here:
            tabs = r"\t*" if indented else ""
            end = re.compile(rf"^{tabs}{re.escape(mark)}\r?$", re.MULTILINE)
            if match := end.search(self.text, self.at, self.end):  # else it was no document, but a number shifted
                variables = {} if quoted else dict(self.state.plain)
                if not self.flow.defining:
                    self.documents.append(Document(self.at, match.start(), self.last, variables))
                self.at = match.end()
        self.here.clear()

    def _finish(self) -> None:
        """End a command: what it sets is kept for those behind it."""
        pieces, self.pieces = self.pieces, []
        written_to, self.written_to = self.written_to, []
        if not pieces:
            return
        self.last = (*(v for piece in pieces for v in piece.values), *written_to)
        assigned: dict[str, str] = {}
        first = 0
        while first < len(pieces) and self.operators and (setting := _assignment(pieces[first])):
            assigned[setting[0]] = self._joined(*setting)
            first += 1
        name = pieces[first].values[0] if first < len(pieces) and pieces[first].values else ""
        if first == len(pieces):
            self._keep(assigned, exports=False)
        elif name in _SETS and self.operators:
            self._set(name, pieces[first + 1 :])
        elif not self.operators or not self._follow(name, pieces[first + 1 :], assigned):
            self._add(pieces[first:], assigned, pieces[0].start)

    def _add(self, pieces: Sequence[Piece], assigned: Mapping[str, str], start: int) -> None:
        if not self.flow.defining:
            exported = dict(self.exported)
            self.all.append(Command(pieces=tuple(pieces), assigned=assigned, exported=exported, start=start))

    def _set(self, name: str, pieces: Sequence[Piece]) -> None:
        """`export`, `local` and their kin."""
        switches = [v for piece in pieces for v in piece.values[:1] if v[:1] == "-"]
        exports = name == "export" or any("x" in switch for switch in switches)
        later = [setting for piece in pieces if (setting := _assignment(piece))]
        self._keep({name: self._joined(name, sign, value) for name, sign, value in later}, exports)
        names = [v for p in pieces for v in p.values if v in self.state.plain]
        self.exported |= {name: self.state.plain[name] for name in names if exports}

    def _follow(self, name: str, pieces: Sequence[Piece], assigned: Mapping[str, str]) -> bool:
        """Do what a command of the shell itself does, or call a function; whether the command is done with."""
        values = tuple(v for piece in pieces for v in piece.values)
        if name in self.flow.bodies:
            unknown = any(piece.open and piece.values in (("$@",), ("$*",)) for piece in pieces)
            self.call = (name, None if unknown else values, assigned)
            return True
        if name == "eval":
            return self._eval(pieces)
        if name == "set" and values[:1] == ("--",):
            self.state.arguments = values[1:]
        elif name == "shift" and self.state.arguments is not None:
            self.state.arguments = self.state.arguments[int(values[0]) if values and values[0].isdigit() else 1 :]
        elif name in ("read", "mapfile", "readarray", "printf", "getopts", "unset"):
            self._unset(name, values)
        elif name == "let":
            for step in values:
                if match := _STEP.match(f"(({step}))"):
                    self._count(match)
        elif name in ("source", ".") and values:
            self._source(values[0])
        elif name in _CONDA and values[:1] == ("activate",):
            self._keep({CONDA: values[-1]}, exports=True)
        elif name in ("exit", "return"):
            self.flow.leave()
        return False

    def _unset(self, name: str, values: Sequence[str]) -> None:
        """Variables get a value that is not known, or none."""
        given = values[1:2] if name == "printf" and values[:1] == ("-v",) else () if name == "printf" else values
        for variable in (one for one in given if one.isidentifier()):
            self.state.forget(variable)
            if name == "unset":
                self.state.plain.pop(variable)

    def _source(self, path: str) -> None:
        """Read the variables of a file; of one that activates an environment, which that is."""
        if os.path.basename(path) == "activate":
            folder = os.path.dirname(os.path.dirname(path))
            self._keep({VENV: folder} if folder else {CONDA: path}, exports=True)
        elif self.sourced is not None:
            self._keep(self.sourced(path), exports=False)

    def _eval(self, pieces: Sequence[Piece]) -> bool:
        """The commands of a text that the shell reads once more; each stands where that text does."""
        text = " ".join(v for piece in pieces for v in piece.values)
        try:
            inner = commands(text, variables=self.state.plain) if text else []
        except UnclosedQuote:
            return False
        for one in inner:
            words, unknown = tuple(v for p in one.pieces for v in p.values), any(p.open for p in one.pieces)
            whole = Piece(words, pieces[0].start, pieces[-1].end, unknown, False)
            self._add((whole,), one.assigned, pieces[0].start)
        return bool(inner)

    def _joined(self, name: str, sign: str, value: str) -> str:
        before = self.state.plain.get(name, "") if sign == "+=" else ""
        return (before + value)[:_LONGEST_VALUE]

    def _keep(self, assigned: Mapping[str, str], exports: bool) -> None:
        for name, value in assigned.items():
            if self.perhaps:
                self.flow.may_set(name, value)
            else:
                self.state.plain[name] = value
        self.exported |= {n: v for n, v in assigned.items() if exports or n in self.exported}


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
