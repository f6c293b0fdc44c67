"""Reads one column of a CSV or TSV file, whose first row names the columns; a quoted text may have several lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from bgecheck.model import Text
from bgecheck.textfile.columns import chosen
from bgecheck.textfile.encoding import LONGEST_LINE
from bgecheck.textfile.lines import decoded
from bgecheck.textfile.record import Record
from bgecheck.textfile.refusal import refuse

_DELIMITERS = (",", "\t", ";")

_CHINESE = {"unexpected end of data": "引号没有闭合", "',' expected after '\"'": "引号之后不是逗号"}
"""What Python's reader says of a damaged row."""


def column(file: BinaryIO, name: str, encoding: str, wanted: str | None) -> str:
    """The column that holds the texts. Raises `BadInput` where it is not there."""
    return chosen(name, _header(file, name, encoding)[1], wanted)


def records(file: BinaryIO, name: str, encoding: str, wanted: str) -> Iterator[Record]:
    """The texts of a column; blank lines between the rows are none. Raises `BadInput` for what is no CSV."""
    delimiter, header = _header(file, name, encoding)
    at = header.index(wanted)
    rows = _rows(file, name, encoding, delimiter)
    next(rows)
    for number, (line, row) in enumerate(rows):
        if any(row[len(header) :]):
            _refuse_row(name, line, len(row), len(header), delimiter)
        if at < len(row):
            yield Record(number, line, row[at])
        else:
            yield Record(number, line, "", "no-value")


def _header(file: BinaryIO, name: str, encoding: str) -> tuple[str, list[str]]:
    """What parts the columns, and their names: of comma, tab and semicolon the one that the first line has most of."""
    lines = decoded(file, name, encoding)
    first = next((line for line in lines if line.strip()), "")
    lines.close()  # type: ignore[attr-defined]  # a generator
    delimiter = max(_DELIMITERS, key=first.count)
    _, row = next(_rows(file, name, encoding, delimiter), (0, []))
    return delimiter, [cell.strip() for cell in row]


def _refuse_row(name: str, line: int, cells: int, columns: int, delimiter: str) -> NoReturn:
    """Refuse a row with more cells than there are columns: most often a text that holds the delimiter, without quotes.

    It would be cut at its first comma, or another cell be taken for it.
    """
    shown = {"\t": Text("tab", "制表符"), ";": Text("semicolon", "分号")}.get(delimiter, Text("comma", "逗号"))
    refuse(
        name,
        Text(
            f"the row that begins on line {line} has {cells} cells, and the first row names {columns}",
            f"从第 {line} 行开始的一行有 {cells} 格，而第一行只有 {columns} 个列名",
        ),
        Text(
            f"put a text that holds a {shown.en} in quotes; a file without columns, of a text a line, is a .txt",
            f"含{shown.zh}的文本要整体加引号；如果本来就不分列，改成每行一条的 .txt",
        ),
    )


def _rows(file: BinaryIO, name: str, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold anything, each with the line on which it begins."""
    csv.field_size_limit(LONGEST_LINE)
    reader = csv.reader(decoded(file, name, encoding), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            refuse(
                name,
                Text(
                    f"the row that begins on line {line} is not CSV: {error}",
                    f"从第 {line} 行开始的一行不是合法的 CSV：{_CHINESE.get(str(error), error)}",
                ),
                Text(
                    'put a text with quotes or line breaks in quotes, and write a quote in it twice: "say ""yes"""',
                    '含引号或换行的文本要整体加引号，其中的引号写两次："说 ""好"""',
                ),
            )
        if row is None:
            return
        if row:
            yield line, row
