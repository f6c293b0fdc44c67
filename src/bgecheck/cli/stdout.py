"""Writes to stdout whatever its encoding can show."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from bgecheck.model import BadInput


def to_stdout(text: str, encoding: str | None = None) -> None:
    """Write text, in the encoding of stdout unless another is given; a reader who has gone (`| head`) is no error.

    Raises `BadInput` where stdout is closed or full.
    """
    require_stdout()
    if not text.endswith("\n"):
        text += "\n"
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode(encoding or sys.stdout.encoding or "utf-8", "replace"))
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)
    except OSError as error:
        discard(sys.stdout)
        raise unwritable(error) from error


def require_stdout() -> None:
    """Raise `BadInput` where stdout is closed."""
    if sys.stdout is None:
        raise unwritable(OSError())


def unwritable(error: OSError) -> BadInput:
    """The refusal for a stdout that is closed, or whose disk is full."""
    from bgecheck.model import BadInput, Text, reason_of

    why = reason_of(error)
    return BadInput(
        "stdout",
        Text(f"cannot be written ({why.en})", f"无法写入（{why.zh}）")
        if error.strerror
        else Text("it is closed", "已被关闭"),
        Text(
            "send it to a terminal, a pipe, or a file on a disk with free space",
            "请输出到终端、管道，或有剩余空间的磁盘文件",
        ),
    )


def discard(stream: TextIO) -> None:
    """Drop what a stream could not deliver: the interpreter would try again when it exits, and complain."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
