"""Opens a file of texts, or standard input, which is kept on disk for as long as it is read."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import BinaryIO

from bgecheck.model import BadInput, Text, reason_of
from bgecheck.textfile.refusal import refuse

_BLOCK = 2**20

STDIN = "-"


def opened(path: str) -> BinaryIO:
    """A file that can be read from its beginning again; standard input is copied to a temporary one. Raises `BadInput`.

    What is read twice (once for its encoding, once for its texts) cannot be a pipe.
    """
    try:
        file = _copied() if path == STDIN else _regular(path)
    except OSError as error:
        why = reason_of(error)
        refuse(path, Text(f"cannot be read: {why.en}", f"无法读取：{why.zh}"), _NAME_ONE)
    if not file.seek(0, os.SEEK_END):
        file.close()
        refuse(path, Text("is empty", "是空的"), _NAME_ONE)
    file.seek(0)
    return file


_NAME_ONE = Text(
    "name a file of texts: txt (one a line), .csv, .jsonl or .parquet; - is standard input",
    "请给文本文件：txt（每行一条）、.csv、.jsonl 或 .parquet；- 表示标准输入",
)


def _regular(path: str) -> BinaryIO:
    if os.path.isdir(path):
        refuse(path, Text("is a folder", "是目录"), _NAME_ONE)
    if not os.path.exists(path):
        refuse(path, Text("there is no such file", "没有这个文件"), _NAME_ONE)
    if not os.path.isfile(path):  # a named pipe, /dev/stdin, <(command)
        with open(path, "rb") as stream:
            return _spooled(stream)
    return open(path, "rb")


def _copied() -> BinaryIO:
    if sys.stdin is None:
        refuse(STDIN, Text("standard input is closed", "标准输入已关闭"), _NAME_ONE)
    if sys.stdin.isatty():
        refuse(STDIN, Text("standard input is a terminal", "标准输入是终端"), _NAME_ONE)
    return _spooled(sys.stdin.buffer)


def _spooled(stream: BinaryIO) -> BinaryIO:
    kept: BinaryIO = tempfile.TemporaryFile(prefix="bgecheck-")  # noqa: SIM115
    try:
        while block := stream.read(_BLOCK):
            kept.write(block)
        kept.flush()
    except OSError as error:
        kept.close()
        why = reason_of(error)
        folder = tempfile.gettempdir()
        raise BadInput(
            STDIN,
            Text(f"cannot be kept in {folder}: {why.en}", f"无法暂存到 {folder}：{why.zh}"),
            Text("make room there, or name another folder with TMPDIR", "清理空间，或用 TMPDIR 指定其他目录"),
        ) from error
    return kept
