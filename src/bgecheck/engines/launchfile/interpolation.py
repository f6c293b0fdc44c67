"""Reads `${NAME:-default}` as shells and compose write it, defaults with variables of their own among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_NAME = re.compile(r"[A-Za-z_]\w*")
_OPERATOR = re.compile(r":?[-=?+]")
_DEEP = 20


class Reference(NamedTuple):
    """A variable as it is written."""

    name: str
    end: int
    """Where the text goes on behind it."""
    operator: str = ""
    word: str = ""
    """What stands behind the operator."""


def reference(text: str, at: int, end: int | None = None) -> Reference | None:
    """The variable that the `$` at a place stands for; None where none does."""
    end = len(text) if end is None else end
    if not text.startswith("${", at):
        name = _NAME.match(text, at + 1, end)
        return Reference(name[0], name.end()) if name else None
    name = _NAME.match(text, at + 2, end)
    closing = _closing(text, at + 2, end)
    if name is None or closing is None:
        return None
    if name.end() == closing:
        return Reference(name[0], closing + 1)
    operator = _OPERATOR.match(text, name.end(), closing)
    return Reference(name[0], closing + 1, operator[0], text[operator.end() : closing]) if operator else None


def _closing(text: str, at: int, end: int) -> int | None:
    """The brace that closes the one before a place."""
    depth = 1
    for place in range(at, end):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place
    return None


def value_of(one: Reference, variables: Mapping[str, str], deep: int = 0) -> tuple[str, bool] | None:
    """What a variable stands for, and whether part of that is not known; None where it is not known at all."""
    value = variables.get(one.name)
    is_set = value is not None and (value != "" or not one.operator.startswith(":"))
    kind = one.operator[-1:]
    if kind == "+":
        return interpolated(one.word, variables, deep + 1) if is_set else None if value is None else ("", False)
    if is_set and value is not None:
        return value, "$" in value
    return interpolated(one.word.strip("\"'"), variables, deep + 1) if kind in ("-", "=") and kind else None


def interpolated(text: str, variables: Mapping[str, str], deep: int = 0) -> tuple[str, bool]:
    """A text with its variables replaced, `$$` by one `$`, and whether it holds one that is not known."""
    parts, at, unknown = "", 0, False
    while at < len(text):
        if text[at] != "$" or deep > _DEEP:
            parts, at = parts + text[at], at + 1
        elif text.startswith("$$", at):
            parts, at = parts + "$", at + 2
        elif (one := reference(text, at)) and (value := value_of(one, variables, deep)) is not None:
            parts, at, unknown = parts + value[0], one.end, unknown or value[1]
        else:
            end = one.end if one else at + 1
            parts, at, unknown = parts + text[at:end], end, unknown or one is not None
    return parts, unknown
