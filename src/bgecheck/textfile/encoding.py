"""Tells in which encoding a file of texts is written, from all of it, and finds the line that is in another."""

from __future__ import annotations

import codecs
import unicodedata
from dataclasses import dataclass, field
from shlex import quote
from typing import BinaryIO, NoReturn

from bgecheck.model import Text, clean
from bgecheck.textfile.refusal import refuse, refuse_bytes

BLOCK = 2**20
"""Bytes that are looked at together."""

LONGEST_LINE = 16 * 2**20
"""Bytes of one line; the longest text that any embedding model reads has some 100 kB."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as the mark of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_SHOWN = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 (BOM)",
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
    "gb18030": "GB18030/GBK",
}

_OTHERS = (
    (b"\x1f\x8b", "gzip", "gzip -dc"),
    (b"BZh", "bzip2", "bzip2 -dc"),
    (b"\xfd7zXZ\0", "xz", "xz -dc"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -dc"),
    (b"PK\x03\x04", "zip", "unzip -p"),
)
"""How packed files begin (an .xlsx is a zip), and what prints what is in them."""

_LEAST_CHINESE = 0.5
"""Share of the characters beyond ASCII that are common Chinese ones in a file that is written in GB18030 or GBK.

Simplified Chinese has over 0.95, traditional in GBK some 0.6; Big5, Shift-JIS and Latin-1, which can often be read as
GB18030 without an error, stay below 0.4.
"""

_CHINESE = (("\u4e00", "\u9fff"), ("\u3000", "\u303f"), ("\uff00", "\uffef"))
"""Characters, their punctuation, and full-width forms."""

_SAMPLE = 4096
"""Characters beyond ASCII that are looked at for it."""


def shown(encoding: str) -> str:
    """The name of an encoding as people write it."""
    return _SHOWN.get(encoding, encoding)


def encoding_of(file: BinaryIO, name: str) -> str:
    """The codec of a file, `utf-8`, `utf-8-sig`, `utf-16`, `utf-32` or `gb18030`, which all of it was read with.

    A UTF-8 line with characters of three bytes is hardly ever GB18030 by chance, so a file with both kinds of lines is
    in two encodings. Raises `BadInput` for such a file, a binary one, and one in none of these encodings.
    """
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    _refuse_packed(head, name)
    marked = next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
    if marked in ("utf-16", "utf-32"):
        _read_through(file, name, marked)
        return marked
    lines = _Lines(name, marked is not None)
    while block := file.read(BLOCK):
        block += file.readline(LONGEST_LINE)
        lines.look_at(block)
    return lines.encoding()


def _refuse_packed(head: bytes, name: str) -> None:
    kind, command = next(((kind, command) for mark, kind, command in _OTHERS if head.startswith(mark)), (None, ""))
    if kind:
        refuse(
            name,
            Text(f"is packed with {kind}", f"是 {kind} 压缩文件"),
            Text(f"unpack it: {command} {quote(name)} > texts.txt", f"先解压：{command} {quote(name)} > texts.txt"),
        )


def _read_through(file: BinaryIO, name: str, codec: str) -> None:
    decoder = codecs.getincrementaldecoder(codec)()
    done, line = 0, 1
    while block := file.read(BLOCK):
        try:
            line += decoder.decode(block).count("\n")
        except UnicodeDecodeError as error:
            _refuse_damaged(name, codec, line, done + error.start)
        done += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        _refuse_damaged(name, codec, line, done)


def _refuse_damaged(name: str, codec: str, line: int, byte: int) -> None:
    refuse(
        name,
        Text(
            f"begins with the mark of {shown(codec)}, and cannot be read as such at byte {byte + 1}, near line {line}",
            f"开头是 {shown(codec)} 的 BOM，但第 {byte + 1} 字节（第 {line} 行附近）不是合法的 {shown(codec)}",
        ),
        Text("write the file anew, in UTF-8", "重新导出为 UTF-8"),
    )


@dataclass(slots=True)
class _Lines:
    """What the lines so far say of the encoding, in an encoding whose line ends are those of ASCII."""

    name: str
    marked: bool
    line: int = 1
    byte: int = 0
    """Where the next block begins: its line from 1, its byte from 0."""
    utf8: tuple[int, int] | None = None
    """Line and byte of the first that can be nothing but UTF-8."""
    other: tuple[int, int] | None = None
    """Of the first that is not UTF-8."""
    sample: list[str] = field(default_factory=list)
    """Characters beyond ASCII of lines that are not UTF-8, read as GB18030."""

    def look_at(self, block: bytes) -> None:
        """Go on with whole lines."""
        if (at := block.find(0)) >= 0:
            self._refuse_binary(block, at)
        if len(block) > LONGEST_LINE:
            refuse_long_line(self.name, self.line + block.count(b"\n"))
        if not block.isascii() and not self._is_utf8(block):
            self._one_by_one(block)
        self.line += block.count(b"\n")
        self.byte += len(block)
        if self.other and (self.utf8 or self.marked):
            self._refuse_two()

    def _is_utf8(self, block: bytes) -> bool:
        if self.other is not None:
            return False
        try:
            text = block.decode("utf-8")
        except UnicodeDecodeError:
            return False
        if self.utf8 is None and max(text) > "\u07ff":
            self._note(block)
        return True

    def _note(self, block: bytes) -> None:
        """Keep the place of the first line of UTF-8 that has a character of three bytes or four."""
        at = self.byte
        for number, line in enumerate(block.split(b"\n"), self.line):
            if max(line.decode("utf-8"), default="") > "\u07ff":
                self.utf8 = number, at
                return
            at += len(line) + 1

    def _one_by_one(self, block: bytes) -> None:
        at = self.byte
        for number, line in enumerate(block.split(b"\n"), self.line):
            if not line.isascii():
                self._judge(line, number, at)
            at += len(line) + 1

    def _judge(self, line: bytes, number: int, at: int) -> None:
        try:
            text = line.decode("utf-8")
            if self.utf8 is None and max(text) > "\u07ff":
                self.utf8 = number, at
            return
        except UnicodeDecodeError as error:
            self.other = self.other or (number, at + error.start)
        try:
            text = line.decode("gb18030")
        except UnicodeDecodeError as error:
            self._refuse_neither(number, at + error.start)
        if len(self.sample) < _SAMPLE:
            self.sample += [character for character in text if character > "\x7f"]

    def encoding(self) -> str:
        """The codec that reads every line."""
        if self.other is None:
            return "utf-8-sig" if self.marked else "utf-8"
        if sum(map(_is_common, self.sample)) < _LEAST_CHINESE * len(self.sample):
            self._refuse_neither(*self.other)
        return "gb18030"

    def _refuse_binary(self, block: bytes, at: int) -> None:
        line = self.line + block.count(b"\n", 0, at)
        refuse(
            self.name,
            Text(
                f"is binary, or UTF-16 without its mark: a zero byte at byte {self.byte + at + 1}, line {line}",
                f"是二进制文件，或没有 BOM 的 UTF-16：第 {self.byte + at + 1} 字节（第 {line} 行）是零字节",
            ),
            Text(
                f"give a file of texts: txt, CSV, JSONL or Parquet; of UTF-16: {self._from_utf16()}",
                f"请给文本文件：txt、CSV、JSONL 或 Parquet；UTF-16 先转换：{self._from_utf16()}",
            ),
        )

    def _from_utf16(self) -> str:
        return f"iconv -f UTF-16LE -t UTF-8 {quote(clean(self.name, 200))} > utf8.txt"

    def _refuse_two(self) -> None:
        line, byte = self.other or (0, 0)
        before = self.utf8[0] if self.utf8 else 1
        refuse_bytes(
            self.name,
            Text(
                f"is in two encodings, or damaged: line {before} is UTF-8, line {line} (byte {byte + 1}) is not",
                f"混有两种编码，或已损坏：第 {before} 行是 UTF-8，第 {line} 行（第 {byte + 1} 字节）不是",
            ),
            line,
        )

    def _refuse_neither(self, line: int, byte: int) -> None:
        if self.utf8 or self.marked:
            self._refuse_two()
        refuse_bytes(
            self.name,
            Text(
                f"line {line} (byte {byte + 1}) is neither UTF-8 nor GB18030/GBK",
                f"第 {line} 行（第 {byte + 1} 字节）既不是 UTF-8 也不是 GB18030/GBK",
            ),
            line,
        )


def refuse_long_line(name: str, line: int) -> NoReturn:
    """Raise `BadInput` for a line that is no text for a model."""
    most = LONGEST_LINE // 2**20
    refuse(
        name,
        Text(f"line {line} is longer than {most} MiB", f"第 {line} 行超过 {most} MiB"),
        Text("give one text a line", "每行一条文本"),
    )


def _is_common(character: str) -> bool:
    """Whether a character is a Chinese one or a mark of GB 2312, of which nearly all Chinese text is made."""
    if not any(first <= character <= last for first, last in _CHINESE):
        return unicodedata.category(character) in ("Pi", "Pf")  # quotation marks
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True
