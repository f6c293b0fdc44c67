"""Which version of a package an interpreter has: by the folders beside it, without starting it."""

from __future__ import annotations

import os
import re
from glob import escape, iglob


def version_of(package: str, interpreter: str) -> str | None:
    """The version of a package of the Python at that path; None where none is found beside it."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(interpreter)))
    for library in ("lib/python3*/site-packages", "lib/python3*/dist-packages", "Lib/site-packages"):
        for path in iglob(f"{escape(root)}/{library}/{package}-*.dist-info"):
            if match := re.fullmatch(rf"{re.escape(package)}-([\w.+!]+)\.dist-info", os.path.basename(path)):
                return match[1]
    return None
