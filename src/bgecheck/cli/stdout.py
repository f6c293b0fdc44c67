"""Writes to stdout whatever its encoding can show."""

from __future__ import annotations

import os
import sys


def to_stdout(text: str) -> None:
    """Write text whatever the encoding of stdout can show; a closed pipe is no error of ours."""
    if not text.endswith("\n"):
        text += "\n"
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough (`| head`); the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
