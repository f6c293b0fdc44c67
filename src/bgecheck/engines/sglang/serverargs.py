"""The arguments that a server wrote into its log when it started."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from bgecheck.logfile.reading import newest_start
from bgecheck.model import Text, Unavailable

_LONGEST = 256 * 1024
"""Bytes that are read of the line: sglang 0.5.23 writes about 20 KB."""

_WALKED = 256 * 2**20
"""Bytes at the end of a log in which the newest start is looked for."""

_PAIR = re.compile(r"""(?:[({,] ?)'?(\w{1,60})'?[=:] ?(?:'([^'\\]{0,2000})'|"([^"\\]{0,2000})"|(-?[\w.+-]{1,40}))""")
_NAMED: Mapping[str, Any] = {"None": None, "True": True, "False": False}


def logged_arguments(path: str) -> dict[str, Any]:
    """Strings, numbers and booleans of `server_args=` of the newest start. Raises `Unavailable` where there is none.

    `ServerArgs(name='value', ...)` up to 0.5.x, a dictionary in newer releases; both are Python's own spelling.
    """
    try:
        with open(path, "rb") as file:
            end = os.fstat(file.fileno()).st_size
            start = newest_start(file, end) if end <= _WALKED else None
            file.seek(start or 0)
            line = file.read(_LONGEST).split(b"\n", 1)[0] if start is not None else b""
    except OSError as error:
        raise Unavailable(Text(f"{path}: {error.strerror}", f"{path}：{error.strerror}"), looked=False) from error
    arguments = {
        m[1]: _value(m[2] if m[2] is not None else m[3], m[4]) for m in _PAIR.finditer(line.decode("utf-8", "replace"))
    }
    if not arguments:
        raise Unavailable(Text(f"{path} names no arguments", f"{path} 里没有启动参数"), looked=False)
    return arguments


def _value(quoted: str | None, bare: str) -> Any:
    if quoted is not None:
        return quoted
    if bare in _NAMED:
        return _NAMED[bare]
    if re.fullmatch(r"-?\d{1,18}", bare):
        return int(bare)
    return float(bare) if re.fullmatch(r"-?\d+\.\d+(?:e-?\d+)?", bare) else bare
