"""Refuses outputs that would be written over what is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bgecheck.model import BadInput, Text

_READ = ("input", "reference", "log", "file", "files", "saved", "vectors", "calibrate", "config")
"""Parameters of commands that name files which are read."""


def require_apart(given: str, path: str, *inputs: str | None) -> None:
    """Refuse an output that would be written over what is read. Raises `BadInput`, which names what was `given`."""
    for one in inputs:
        with suppress(OSError):
            if one is not None and os.path.samefile(one, path):
                raise BadInput(
                    given,
                    Text(f"{path} is read in this run, and would be lost", f"{path} 是本次运行的输入，会被覆盖"),
                    Text("name another file", "换一个文件名"),
                )


def reports_apart(ctx: Any) -> None:
    """Raise `BadInput` for a report that would be written over a file which the command line names to be read."""
    given = [ctx.params.get(name) for name in _READ]
    read = [one for value in given for one in (value if isinstance(value, list | tuple) else [value]) if one]
    for item in ctx.params.get("output") or ():
        path = item.partition("=")[2] if isinstance(item, str) else ""
        if path:
            require_apart(f"-o {item}", path, *map(str, read))


def is_read(path: str | None, words: Sequence[str]) -> bool:
    """Whether a command line that was refused names the file of a report a second time, as one to be read."""
    times = 0
    for word in words if path is not None else ():
        with suppress(OSError, ValueError):
            times += os.path.samefile(word.rpartition("=")[2], str(path))
    return times > 1
