"""Reads YAML with the places of its nodes: keys behind anchors and merges, and the words of commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bgecheck.engines.launchfile.shell import commands
from bgecheck.engines.launchfile.units import line_end
from bgecheck.engines.launchfile.words import UnclosedQuote
from bgecheck.engines.planned import Spelling, Word
from bgecheck.model import BadInput, Text, clean

MOST = 200
"""Services or containers of one file."""
DEEP = 50
_NO_STRINGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool"))

Replacing = Callable[[str], tuple[str, bool]]
"""A value with its variables replaced, and whether it holds one that is not known."""


class File:
    """A file of YAML with the places of its nodes."""

    def __init__(self, text: str, path: str) -> None:
        self.text, self.path = text, path
        self.lines = [0, *(m.end() for m in re.finditer("\n", text))]

    def documents(self) -> list[Any]:
        """The root node of each document. Raises `BadInput`."""
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            return [node for node in yaml.compose_all(self.text, Loader=loader) if node is not None]
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            why = clean(str(getattr(error, "problem", None) or "not YAML"), 100)
            at = f"line {mark.line + 1}: " if mark else ""
            raise self.bad(Text(f"{at}{why}", f"{at.replace('line', '行')}{why}")) from error
        except RecursionError as error:
            raise self.bad(Text("it is nested too deep", "嵌套太深")) from error

    def bad(self, why: Text) -> BadInput:
        """That the file cannot be read, and why."""
        return BadInput(
            f"--file {self.path}",
            Text(f"it cannot be read as YAML ({why.en})", f"无法按 YAML 解析（{why.zh}）"),
            Text("correct it there, or give the command behind --", "先改正，或把启动命令写在 -- 后面"),
        )

    def at(self, mark: Any) -> int:
        """The place of a mark, whose own index counts bytes in one loader and characters in the other."""
        line = min(mark.line, len(self.lines) - 1)
        place: int = self.lines[line] + mark.column
        return min(place, len(self.text))

    def span(self, node: Any) -> tuple[int, int]:
        """Where a node stands, without the blanks behind it."""
        start, end = self.at(node.start_mark), self.at(node.end_mark)
        while end > start and self.text[end - 1] in " \t\r\n":
            end -= 1
        return start, end

    def raw(self, node: Any) -> tuple[int, int, bool] | None:
        """Where a scalar's text stands as it is, and whether its line breaks are blanks; None for one with escapes."""
        start, end = self.span(node)
        if node.style in ("|", ">"):
            begins = self.text.find("\n", start, end)
            return None if begins < 0 else (begins + 1, end, node.style == ">")
        if node.style in ("'", '"'):
            inner = self.text[start + 1 : end - 1]
            plain = "\n" not in inner and ("\\" not in inner if node.style == '"' else "''" not in inner)
            return (start + 1, end - 1, True) if plain else None
        return start, end, True


def pairs(node: Any) -> dict[str, tuple[Any, Any]]:
    """Key node and value node by key; what `<<` merges is weaker."""
    return _merged(node, {}, 0)


def _merged(node: Any, read: dict[int, dict[str, tuple[Any, Any]]], deep: int) -> dict[str, tuple[Any, Any]]:
    """The same, each node read once however often it is merged."""
    if node is None or node.id != "mapping" or deep > DEEP:
        return {}
    if id(node) in read:
        return read[id(node)]
    read[id(node)] = {}
    merged: dict[str, tuple[Any, Any]] = {}
    own: dict[str, tuple[Any, Any]] = {}
    for key, value in node.value:
        if key.id != "scalar":
            continue
        if key.value == "<<":
            for one in value.value if value.id == "sequence" else [value]:
                merged = {**_merged(one, read, deep + 1), **merged}
        else:
            own[key.value] = (key, value)
    read[id(node)] = {**merged, **own}
    return read[id(node)]


def node_at(node: Any, *names: str) -> Any:
    """The node below these keys; None where one is missing."""
    for name in names:
        node = pairs(node).get(name, (None, None))[1]
        if node is None:
            return None
    return node


def scalar(node: Any) -> str | None:
    """The text of a node that is one."""
    return node.value if node is not None and node.id == "scalar" else None


def items(node: Any) -> Sequence[Any]:
    """The nodes of a list."""
    return tuple(node.value[:MOST]) if node is not None and node.id == "sequence" else ()


def line_of(file: File, words: Sequence[Word]) -> int:
    """The line on which a command begins."""
    return file.text.count("\n", 0, words[0].start) + 1 if words else 1


def block_of(file: File, key: Any, node: Any) -> tuple[int, int]:
    """The whole lines of a key and its value; of a value that stands elsewhere, behind an anchor, those alone."""
    start, end = file.span(node)
    if key.start_mark.line <= node.start_mark.line and not _between(file, key, start):
        start = file.at(key.start_mark)
    return file.text.rfind("\n", 0, start) + 1, line_end(file.text, end)


def _between(file: File, key: Any, start: int) -> bool:
    """Whether another key stands between a key and its value, which then is not written there."""
    return re.search(r"^\s*[\w.-]+:", file.text[file.at(key.end_mark) + 1 : start].strip(), re.MULTILINE) is not None


def words_of(file: File, node: Any, variables: Mapping[str, str], replacing: Replacing) -> list[Word]:
    """The words of a command or of arguments, as a list or as one string, in which `variables` are replaced."""
    if node.id == "scalar":
        return _of_string(file, node, variables)
    words = []
    for item in items(node):
        if item.id == "scalar":
            start, end = file.span(item)
            value, is_open = replacing(item.value)
            spelling = Spelling.JSON if node.flow_style else Spelling.ITEM
            words.append(Word(value, start, end, spelling, is_open, item.tag in _NO_STRINGS and not item.style))
    return words


def _of_string(file: File, node: Any, variables: Mapping[str, str]) -> list[Word]:
    raw = file.raw(node)
    place = (0, len(node.value), True) if raw is None else raw
    text = node.value if raw is None else file.text
    try:
        read = commands(text, place[0], place[1], variables=variables, folded=True, comments=False, operators=False)
    except UnclosedQuote:
        raise file.bad(Text("a quote without an end", "引号没有配对")) from None
    words = [word for one in read for word in one.words()]
    if raw is not None:
        return words
    start, end = file.span(node)
    return [word._replace(start=start, end=end, spelling=Spelling.STRING) for word in words]
