"""Finds and reads the file; what cannot be read is one line with its place."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bgecheck.cli.configfile.places import Path, Place, places
from bgecheck.model import BadInput, Text, clean, reason_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LONGEST = 2**20
"""Bytes; 200 targets with all their keys take some 100 kB."""

_WRITE = Text("bgecheck config init writes one to start from", "用 bgecheck config init 生成一份")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file that was read: its data, and where each key stands."""

    path: str
    data: Mapping[str, Any]
    places: Mapping[Path, Place]

    @property
    def folder(self) -> str:
        """Where the relative paths of the file start."""
        return os.path.dirname(os.path.abspath(self.path))

    def at(self, path: Path) -> str:
        """The place of a key, or of the nearest that is there above it, as editors understand it."""
        while path and path not in self.places:
            path = path[:-1]
        place = self.places.get(path, Place(1, 1))
        return f"{self.path}:{place.line}:{place.column}"


def read(path: str) -> TomlFile:
    """The file at a path. Raises `BadInput`."""
    text = _text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(path, text, str(error)) from None
    except RecursionError:
        raise _refused(path, "it is nested too deep", "嵌套过深") from None
    return TomlFile(path, data, places(text.replace("\r\n", "\n")))


def _text(path: str) -> str:
    if os.path.isdir(path):
        raise _refused(path, "it is a folder", "它是一个目录")
    try:
        with open(path, "rb") as file:
            content = file.read(_LONGEST + 1)
    except FileNotFoundError:
        raise _refused(path, "there is no such file", "没有这个文件") from None
    except (OSError, ValueError) as error:
        why = reason_of(error)
        raise _refused(path, f"it cannot be read ({why.en})", f"无法读取（{why.zh}）") from None
    if len(content) > _LONGEST:
        raise _refused(path, "it is longer than 1 MiB", "超过 1 MiB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(
            f"{path}:{line}",
            Text("it is not UTF-8", "不是 UTF-8 编码"),
            Text("convert it: iconv -f GB18030 -t UTF-8", "先转换编码：iconv -f GB18030 -t UTF-8"),
        ) from None


def _refused(path: str, en: str, zh: str) -> BadInput:
    return BadInput(path, Text(en, zh), _WRITE)


_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def _broken(path: str, text: str, message: str) -> BadInput:
    """What the parser says, which has English only, with its place."""
    match = _PLACE.search(message)
    why = clean(message[: match.start()] if match else message, 200)
    line, column = match.groups() if match else (None, None)
    if line is None:
        rows = text.split("\n")
        line, column = str(len(rows)), str(len(rows[-1]) + 1)
    return BadInput(
        f"{path}:{line}:{column}",
        Text(f"it is no TOML: {why}", f"不是合法的 TOML：{why}"),
        Text("mend this line; text stands in quotes", "请修正这一行；文本要加引号"),
    )
