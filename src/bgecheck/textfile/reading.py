"""Reads the texts of a file in constant memory: one a line, a column of CSV, a field of JSONL, a column of Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from shlex import quote
from typing import BinaryIO, Literal

from bgecheck.model import Text
from bgecheck.textfile import csvfile, jsonl, lines, parquet
from bgecheck.textfile.encoding import encoding_of
from bgecheck.textfile.opening import STDIN, opened
from bgecheck.textfile.record import Record
from bgecheck.textfile.refusal import refuse

Form = Literal["lines", "csv", "tsv", "jsonl", "parquet"]

_ENDINGS: dict[str, Form] = {
    ".txt": "lines",
    ".text": "lines",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}

_BLOCK = 2**20


@dataclass(frozen=True)
class Texts:
    """The texts of a file, as often as they are asked for, from the first; `close` it in the end.

    One iteration at a time: they share the file. Iterating raises `BadInput` at a line that is none of its form, so
    `count`, which reads all of it, is asked for before anything costly begins.
    """

    path: str
    form: Form
    column: str | None
    """The column or field that holds the texts; None where each line is one."""
    encoding: str | None
    """The codec; None for Parquet, which has its own."""
    file: BinaryIO

    def __iter__(self) -> Iterator[Record]:
        match self.form:
            case "lines":
                return lines.records(self.file, self.path, self.encoding or "utf-8")
            case "csv" | "tsv":
                return csvfile.records(self.file, self.path, self.encoding or "utf-8", self.column or "")
            case "jsonl":
                return jsonl.records(self.file, self.path, self.encoding or "utf-8", self.column)
            case "parquet":
                return parquet.records(self.file, self.path, self.column or "")

    @cached_property
    def count(self) -> int:
        """Records in the file. Raises `BadInput` where one cannot be read, or there is none."""
        count = parquet.count(self.file, self.path) if self.form == "parquet" else sum(1 for _ in self)
        if not count:
            refuse(
                self.path, Text("there is no text in it", "里面没有文本"), Text("give a file of texts", "换一个文件")
            )
        return count

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of its bytes."""
        made = sha256()
        self.file.seek(0)
        while block := self.file.read(_BLOCK):
            made.update(block)
        return made.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __enter__(self) -> Texts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_texts(path: str, column: str | None = None) -> Texts:
    """The texts of a file, whose form its ending tells, else its beginning; `-` is standard input. Raises `BadInput`.

    Without a column it is `text`, or the only one. A file without an ending that is known is JSONL where it begins with
    a brace, CSV where a column is named, else one text a line.
    """
    file = opened(path)
    try:
        form = _form(path, file, column)
        if form == "parquet":
            return Texts(path, form, parquet.column(file, path, column), None, file)
        encoding = encoding_of(file, path)
        if form == "lines":
            _require_no_column(path, column)
            return Texts(path, form, None, encoding, file)
        if form == "jsonl":
            return Texts(path, form, jsonl.field(file, path, encoding, column), encoding, file)
        return Texts(path, form, csvfile.column(file, path, encoding, column), encoding, file)
    except BaseException:
        file.close()
        raise


def _form(path: str, file: BinaryIO, column: str | None) -> Form:
    ending = os.path.splitext(path)[1].lower() if path != STDIN else ""
    if ending == ".json":
        command = f"jq -c '.[]' {quote(path)} > texts.jsonl"
        refuse(
            path,
            Text("is one JSON document, of which no part can be read by itself", "是单个 JSON 文档，无法逐条读取"),
            Text(f"write one object a line: {command}", f"改成每行一个对象：{command}"),
        )
    head = file.read(64)
    file.seek(0)
    if head.startswith(parquet.MARK):
        return "parquet"
    if form := _ENDINGS.get(ending):
        return form
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return "jsonl"
    return "csv" if column is not None else "lines"


def _require_no_column(path: str, column: str | None) -> None:
    if column is not None:
        refuse(
            path,
            Text(f"each of its lines is a text, so there is no column {column}", f"每行就是一条文本，没有列 {column}"),
            Text(
                "leave out --column, or give a .csv, .jsonl or .parquet", "去掉 --column，或换成 .csv、.jsonl、.parquet"
            ),
        )
