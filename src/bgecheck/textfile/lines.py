"""Reads a file line by line in its encoding: each line is a text, a blank one too, so that rows keep their numbers."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from bgecheck.model import Text
from bgecheck.textfile.encoding import LONGEST_LINE, refuse_long_line, shown
from bgecheck.textfile.record import Record
from bgecheck.textfile.refusal import refuse_bytes


def records(file: BinaryIO, name: str, encoding: str) -> Iterator[Record]:
    """The lines without their ends, which are those of Unix or Windows. Raises `BadInput`."""
    for number, line in enumerate(decoded(file, name, encoding)):
        yield Record(number, number + 1, line.removesuffix("\n").removesuffix("\r"))


def decoded(file: BinaryIO, name: str, encoding: str) -> Iterator[str]:
    """The lines with their ends. Raises `BadInput` for one that is too long, or cannot be read any more."""
    if encoding in ("utf-16", "utf-32"):
        yield from _wide(file, name, encoding)
        return
    file.seek(len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0)
    codec, number = encoding.removesuffix("-sig"), 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            refuse_long_line(name, number)
        try:
            yield line.decode(codec)
        except UnicodeDecodeError as error:  # it was whole when it was opened
            words = Text(
                f"line {number} is not {shown(encoding)} any more: the file changes while it is read ({error.reason})",
                f"第 {number} 行不再是 {shown(encoding)}：文件在读取过程中被改动（{error.reason}）",
            )
            refuse_bytes(name, words, number)


def _wide(file: BinaryIO, name: str, encoding: str) -> Iterator[str]:
    file.seek(0)
    stream = io.TextIOWrapper(file, encoding=encoding, newline="\n")
    try:
        number = 0
        while line := stream.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                refuse_long_line(name, number)
            yield line
    finally:
        stream.detach()  # else it would close the file
