"""When the newest session of a log began, by this machine's clock, and whether another has begun since."""

from __future__ import annotations

import os
from datetime import datetime

from bgecheck.engines.sglang.log.session import Session
from bgecheck.engines.sglang.log.since import clock
from bgecheck.engines.sglang.serverargs import START
from bgecheck.logfile.reading import ending

_READ = 4 * 2**20
"""Bytes in which a start is looked for: it begins with its first lines."""


def begun(path: str, session: Session) -> float | None:
    """Seconds since the epoch of a session's first time stamp; None where it has none, or the file cannot be read."""
    try:
        first = datetime.fromisoformat(session.first_stamp)
        written = datetime.fromtimestamp(os.stat(path).st_mtime)
    except (ValueError, OSError):
        return None
    return (first - clock(ending(path), written)).timestamp()


def begun_since(path: str, size: int) -> bool:
    """Whether a session has begun behind the first `size` bytes of a log, or in a file that has taken its place."""
    try:
        with open(path, "rb") as file:
            whole = file.seek(0, os.SEEK_END)
            file.seek(size if whole >= size else 0)
            return START in file.read(_READ)
    except OSError:
        return False
