"""How long ago a log was last written: by the time of its last line, or where that may be another zone's by its file."""

from __future__ import annotations

import os
import time
from datetime import datetime

from bgecheck.engines.sglang.log.above import backwards
from bgecheck.engines.sglang.log.diagnosis import ANY_ZONE
from bgecheck.engines.sglang.log.since import stamped
from bgecheck.logfile.reading import ending
from bgecheck.model import Text

HOUR, DAY = 3600.0, 86400.0
OLD = DAY
"""Seconds after which a log says nothing of what keeps a server from running now: it was not started since."""


def age_of(written: float | None, last: datetime | None, now: datetime) -> float | None:
    """Seconds since a log was written, of whose file it is known for `written` seconds; None where neither is known.

    A file that was copied is younger than its last line, and one that was unpacked or set back may be older: by more
    than clocks of two time zones differ. A line of the future tells nothing.
    """
    gap = (now - last).total_seconds() if last is not None else None
    if gap is None or gap < -ANY_ZONE:
        return written
    if gap > ANY_ZONE:
        return gap
    return max(gap, 0.0) if written is not None and written > gap + ANY_ZONE else written


def age_of_file(path: str) -> float | None:
    """The same of a file, whose last lines are read for it; None where it cannot be read."""
    try:
        written = max(0.0, time.time() - os.stat(path).st_mtime)
    except OSError:
        return None
    last = next((when for raw in backwards(ending(path)) if (when := stamped(raw))), None)
    return age_of(written, last, datetime.now())


def ago(seconds: float) -> Text:
    """An age of an hour or more in words."""
    number, en, zh = (seconds / HOUR, "hour", "小时") if seconds < 2 * DAY else (seconds / DAY, "day", "天")
    whole = int(number)
    return Text(f"{whole} {en}{'s' * (whole != 1)} ago", f"{whole} {zh}前")
