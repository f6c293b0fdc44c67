"""What shells make of a value that is known: `${DIR%/}`, `${NAME##*/}`, `${NAME,,}`, `{0..3}`, `$(seq 0 3)`."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence

_TRIMMED = re.compile(r"\$\{([A-Za-z_]\w*)(%%?|##?)([^{}$`]*)\}")
_CASED = re.compile(r"\$\{([A-Za-z_]\w*)(,,|\^\^)\}")
_ELEMENT = re.compile(r"\$\{([A-Za-z_]\w*)\[([^\]{}]+)\]\}")
_INDICES = re.compile(r"\$\{!([A-Za-z_]\w*)\[[@*]\]\}")
_COUNT = re.compile(r"\$\{#([A-Za-z_]\w*)\[[@*]\]\}")
_SEQUENCE = re.compile(r"(?:\$\(|`)[ \t]*seq[ \t]+([^()`]+?)[ \t]*(?:\)|`)")
_BRACES = re.compile(r"([^{}$]*)\{([^{}]*)\}([^{}$]*)")
_RANGE = re.compile(r"(-?\d{1,6})\.\.(-?\d{1,6})")
_LONGEST_RANGE = 1000


def changed(text: str, at: int, end: int, variables: Mapping[str, str]) -> tuple[str, int] | None:
    """The value of a variable as it is changed by its braces, and where these end; None where that is not known."""
    match = _TRIMMED.match(text, at, end) or _CASED.match(text, at, end)
    value = variables.get(match[1]) if match else None
    if match is None or value is None or "$" in value or "`" in value:
        return None
    kind = match[2]
    if kind in (",,", "^^"):
        return (value.lower() if kind == ",," else value.upper()), match.end()
    return _trimmed(value, kind, match[3]), match.end()


def _trimmed(value: str, kind: str, pattern: str) -> str:
    """Without the shortest or the longest part at its end (`%`) or begin (`#`) that a pattern matches."""
    places = range(len(value) + 1)
    from_end = kind[0] == "%"
    parts = [(value[:n], value[n:]) if from_end else (value[n:], value[:n]) for n in places]
    left = [kept for kept, gone in parts if fnmatch.fnmatchcase(gone, pattern)]
    return value if not left else max(left, key=len) if len(kind) == 1 else min(left, key=len)


def element(text: str, at: int, end: int, arrays: Mapping[str, tuple[str, ...]]) -> tuple[str, str, int] | None:
    """Array and index of `${A[1]}`, and where it ends; None where no array that is known stands here."""
    match = _ELEMENT.match(text, at, end)
    return (match[1], match[2].strip("\"'"), match.end()) if match and match[1] in arrays else None


def at_index(items: Sequence[str], index: str) -> str | None:
    """The item of an array with an index, or with a key where it has keys (`[large]=/m/large`)."""
    if any(item.startswith("[") for item in items):
        return next((item.partition("]=")[2] for item in reversed(items) if item.startswith(f"[{index}]=")), None)
    return items[int(index)] if index.isdigit() and int(index) < len(items) else None


def indices(text: str, at: int, end: int, arrays: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, ...], int] | None:
    """What `${!A[@]}` or `${#A[@]}` stands for, and where it ends."""
    match = _INDICES.match(text, at, end) or _COUNT.match(text, at, end)
    if match is None or match[1] not in arrays:
        return None
    items = arrays[match[1]]
    if any("$" in item or "`" in item for item in items):
        return None
    if match.re is _COUNT:
        return (str(len(items)),), match.end()
    keyed = [item[1:].partition("]=")[0] for item in items if item.startswith("[")]
    return tuple(keyed or map(str, range(len(items)))), match.end()


def counted(text: str, variables: Mapping[str, str]) -> tuple[str, ...] | None:
    """The numbers of `$(seq 30000 30003)`; None for another command, or one whose numbers are not known."""
    match = _SEQUENCE.fullmatch(text)
    words = re.sub(r"\$\{?(\w+)\}?", lambda m: variables.get(m[1], m[0]), match[1]).split() if match else []
    if not words or not all(re.fullmatch(r"-?\d{1,9}", word) for word in words):
        return None
    numbers = [int(word) for word in words]
    first, step, last = {1: (1, 1, numbers[-1]), 2: (numbers[0], 1, numbers[-1])}.get(len(numbers), (0, 0, 0))
    if len(numbers) == 3:
        first, step, last = numbers
    return _range(first, last, step) if step else None


def braced(word: str) -> tuple[str, ...]:
    """The words of `bge-{0..3}` or `{a,b}`, else the word itself."""
    match = _BRACES.fullmatch(word)
    if match is None:
        return (word,)
    if span := _RANGE.fullmatch(match[2]):
        first, last = int(span[1]), int(span[2])
        middle = _range(first, last, 1 if last >= first else -1) or ()
    else:
        middle = tuple(match[2].split(",")) if "," in match[2] else ()
    return tuple(f"{match[1]}{each}{match[3]}" for each in middle) or (word,)


def _range(first: int, last: int, step: int) -> tuple[str, ...] | None:
    numbers = range(first, last + (1 if step > 0 else -1), step)
    return tuple(map(str, numbers)) if 0 < len(numbers) <= _LONGEST_RANGE else None
