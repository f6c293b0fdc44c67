"""Reads files of variables as compose takes them: `NAME=value` a line, in quotes or not."""

from __future__ import annotations

import os
import re

LARGEST = 64 * 1024
"""Characters that are read of one: it has some dozens of lines."""

_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*"""
    r"""(?:'([^'\n]*)'|"([^"\n]*)"|([^\n]*?))[ \t]*(?:[ \t]#[^\n]*)?$""",
    re.MULTILINE,
)


def variables_in(path: str) -> dict[str, str]:
    """The variables of a file; none of one that cannot be read, or is no regular file."""
    try:
        if not os.path.isfile(path):
            return {}
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            text = file.read(LARGEST)
    except OSError:
        return {}
    return {match[1]: match[2] or match[3] or match[4] or "" for match in _LINE.finditer(text)}
