"""Reads one field of JSONL: an object a line, or a string."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from bgecheck.model import Text, clean
from bgecheck.textfile.columns import chosen
from bgecheck.textfile.lines import decoded
from bgecheck.textfile.record import Problem, Record
from bgecheck.textfile.refusal import look_at, refuse


def field(file: BinaryIO, name: str, encoding: str, wanted: str | None) -> str | None:
    """The field that holds the texts, by the first object; None where the lines are strings. Raises `BadInput`."""
    first = next(iter(_values(file, name, encoding)), None)
    if first is None or (isinstance(first[1], str) and wanted is None):
        return None
    if not isinstance(first[1], dict):
        refuse(
            name,
            Text(f"line {first[0]} is no JSON object", f"第 {first[0]} 行不是 JSON 对象"),
            Text('write one object a line: {"text": "..."}', '每行写一个对象：{"text": "..."}'),
        )
    strings = [key for key, value in first[1].items() if isinstance(value, str)]
    return chosen(name, strings if wanted is None and len(strings) == 1 else list(first[1]), wanted)


def records(file: BinaryIO, name: str, encoding: str, wanted: str | None) -> Iterator[Record]:
    """The texts of a field; blank lines between the objects are none. Raises `BadInput` for what is no JSON."""
    for number, (line, value) in enumerate(_values(file, name, encoding)):
        given = value if wanted is None else value.get(wanted) if isinstance(value, dict) else None
        yield _record(number, line, given)


def _record(number: int, line: int, given: Any) -> Record:
    problem: Problem | None = None
    if given is None:
        problem = "no-value"
    elif not isinstance(given, str):
        problem = "not-a-string"
    elif not given.isascii() and not _is_whole(given):
        problem = "half-character"
    return Record(number, line, "" if problem else given, problem)


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _values(file: BinaryIO, name: str, encoding: str) -> Iterator[tuple[int, Any]]:
    import orjson

    for number, line in enumerate(decoded(file, name, encoding), 1):
        if not line.strip():
            continue
        try:
            yield number, orjson.loads(line)
        except orjson.JSONDecodeError:
            yield number, _leniently(line, name, number)


def _leniently(line: str, name: str, number: int) -> Any:
    """NaN beside the text, and half of a surrogate pair in it, which Python's own reader takes."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        why = clean(getattr(error, "msg", str(error)), 80)
        column = f"（第 {error.colno} 个字符处）" if isinstance(error, json.JSONDecodeError) else ""
        refuse(
            name,
            Text(f"line {number} is not JSON: {why}", f"第 {number} 行不是 JSON{column}"),
            Text(f"look at it: {look_at(name, number)}", f"看一下这一行：{look_at(name, number)}"),
        )
