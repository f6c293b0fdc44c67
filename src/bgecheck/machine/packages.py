"""Which version of a package an interpreter has: by the folders beside it, without starting it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from glob import escape, iglob

_LIBRARIES = (
    *("lib/python3*/site-packages", "lib/python3*/dist-packages", "lib64/python3*/site-packages"),
    "Lib/site-packages",
)


def prefix(interpreter: str) -> str:
    """The folder of the environment that an interpreter, or a script of it, belongs to."""
    return os.path.dirname(os.path.dirname(os.path.abspath(interpreter)))


def libraries(root: str) -> Iterator[str]:
    """Where the packages of an environment may be."""
    for library in _LIBRARIES:
        yield from sorted(iglob(f"{escape(root)}/{library}"))


def version_of(package: str, interpreter: str) -> str | None:
    """The version of a package of the Python at that path; None where none is found beside it."""
    for folder in libraries(prefix(interpreter)):
        for path in iglob(f"{escape(folder)}/{package}-*.dist-info"):
            if match := re.fullmatch(rf"{re.escape(package)}-([\w.+!]+)\.dist-info", os.path.basename(path)):
                return match[1]
    return None
