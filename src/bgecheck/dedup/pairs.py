"""Pairs of texts with a label, as a CSV file: whether one of the two may go because of the other."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple, NoReturn

from bgecheck.model import BadInput, Text, clean
from bgecheck.textfile.encoding import encoding_of
from bgecheck.textfile.lines import decoded
from bgecheck.textfile.opening import opened

COLUMNS = ("text_a", "text_b", "label")
MOST = 200_000
"""Pairs of a file; a threshold is known to three digits by some hundreds."""

_SAME = frozenset({"1", "1.0", "true", "yes", "y", "t", "duplicate", "dup", "same", "是", "重复", "相同"})
_OTHER = frozenset({"0", "0.0", "false", "no", "n", "f", "distinct", "different", "否", "不重复", "不同", "不是"})


class LabelledPair(NamedTuple):
    """Two texts; `same` tells whether they count as duplicates, None where nobody has said so yet."""

    text_a: str
    text_b: str
    same: bool | None


def read_pairs(path: str) -> list[LabelledPair]:
    """The pairs of a CSV file with the columns `text_a`, `text_b`, `label` (1 or 0, yes or no). Raises `BadInput`."""
    with opened(path) as file:
        lines = decoded(file, path, encoding_of(file, path))
        pairs = list(_pairs(path, csv.reader(lines, strict=True)))
    if not pairs:
        _refuse(path, Text("there is no pair in it", "里面没有文本对"))
    return pairs


def _pairs(path: str, rows: Iterator[list[str]]) -> Iterator[LabelledPair]:
    places: Sequence[int] = ()
    try:
        for number, row in enumerate(rows, 1):
            if not any(cell.strip() for cell in row):
                continue
            if not places:
                places = _places(path, [cell.strip() for cell in row])
            elif number > MOST:
                _refuse(path, Text(f"more than {MOST:,} pairs", f"超过 {MOST:,} 对"))
            else:
                yield _pair(path, number, row, places)
    except csv.Error as error:
        why = clean(str(error), 80)
        _refuse(path, Text(f"not a CSV file: {why}", f"不是合法的 CSV：{why}"))


def _places(path: str, head: Sequence[str]) -> list[int]:
    missing = [name for name in COLUMNS if name not in head]
    if missing:
        columns = clean(", ".join(head), 200)
        _refuse(
            path,
            Text(f"has no column {missing[0]}; it has: {columns}", f"没有列 {missing[0]}；现有：{columns}"),
        )
    return [head.index(name) for name in COLUMNS]


def _pair(path: str, number: int, row: Sequence[str], places: Sequence[int]) -> LabelledPair:
    if len(row) <= max(places):
        _refuse(path, Text(f"row {number} has {len(row)} columns", f"第 {number} 行只有 {len(row)} 列"))
    text_a, text_b, label = (row[place] for place in places)
    if not text_a.strip() or not text_b.strip():
        _refuse(path, Text(f"row {number} has a blank text", f"第 {number} 行有空白文本"))
    return LabelledPair(text_a, text_b, _label(path, number, label.strip().lower()))


def _label(path: str, number: int, label: str) -> bool | None:
    if label in _SAME or label in _OTHER:
        return label in _SAME
    if label:
        shown = clean(label, 40)
        _refuse(path, Text(f"row {number} has the label {shown!r}", f"第 {number} 行的 label 是 {shown!r}"))
    return None


def _refuse(path: str, reason: Text) -> NoReturn:
    raise BadInput(
        f"--calibrate {path}",
        reason,
        Text(
            "write CSV with the columns text_a,text_b,label; the label is 1 (duplicates) or 0",
            "请写成 CSV，列为 text_a,text_b,label；label 为 1（重复）或 0（不重复）",
        ),
    )


def write_pairs(path: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Write pairs without labels; never over a file that is there. Raises `OSError`."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((text_a, text_b, "") for text_a, text_b in pairs)
    # With a byte order mark: spreadsheets would take Chinese for another encoding.
    with open(path, "x", encoding="utf-8-sig", newline="") as file:
        file.write(content.getvalue())
