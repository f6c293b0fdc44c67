"""How long ago a log was last written: by its file, or where that is a copy by its time stamps."""

from __future__ import annotations

import os
import time
from datetime import datetime

from bgecheck.engines.sglang.log.diagnosis import ANY_ZONE
from bgecheck.engines.sglang.log.follower import backwards
from bgecheck.engines.sglang.log.since import stamped
from bgecheck.logfile.reading import ending
from bgecheck.model import Text

HOUR, DAY = 3600.0, 86400.0
OLD = DAY
"""Seconds after which a log says nothing of what keeps a server from running now: it was not started since."""


def age_of(written: float | None, last: datetime | None, now: datetime) -> float | None:
    """Seconds since a log was written, of whose file it is known for `written` seconds; None where neither is known.

    A file that was copied is younger than its last stamp, by more than clocks of two time zones differ.
    """
    gap = (now - last).total_seconds() if last is not None else 0.0
    by_stamp = gap if gap > ANY_ZONE else None
    return max((age for age in (written, by_stamp) if age is not None), default=None)


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
