"""The refusals of files that hold no texts: each names the file, what was seen and a command that mends it."""

from __future__ import annotations

from shlex import quote
from typing import NoReturn

from bgecheck.model import BadInput, Text, clean


def refuse(name: str, reason: Text, remedy: Text) -> NoReturn:
    """Raise `BadInput` for a file."""
    raise BadInput(clean(name, 200), reason, remedy)


def look_at(name: str, line: int) -> str:
    """The command that shows a line of a file."""
    return f"sed -n {line}p {quote(clean(name, 200))}"


def refuse_bytes(name: str, reason: Text, line: int) -> NoReturn:
    """Raise `BadInput` for a line that cannot be read in the encoding of the file."""
    shown = quote(clean(name, 200))
    remedy = Text(
        f"look at it: {look_at(name, line)} | od -c | head; convert a whole file to UTF-8: "
        f"iconv -f GB18030 -t UTF-8 {shown} > utf8.txt",
        f"先看这一行：{look_at(name, line)} | od -c | head；整个文件转成 UTF-8："
        f"iconv -f GB18030 -t UTF-8 {shown} > utf8.txt",
    )
    refuse(name, reason, remedy)
