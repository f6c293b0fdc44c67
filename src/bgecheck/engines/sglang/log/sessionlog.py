"""Reads a log once: its newest session, the older ones, and where its lines came from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from bgecheck.engines.sglang.log import causes  # noqa: F401  # declares the patterns
from bgecheck.engines.sglang.log.follower import Follower
from bgecheck.engines.sglang.log.session import Session
from bgecheck.engines.sglang.log.since import Since, clock
from bgecheck.engines.sglang.serverargs import START
from bgecheck.logfile.reading import WHOLE, Origin, ending, read


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLog:
    """One log that was read to its end."""

    origin: Origin
    session: Session
    """The newest start of the server."""
    older: int = 0
    """Earlier sessions that sglang wrote."""
    past: tuple[Session, ...] = ()
    """The last of them, the oldest first."""
    since: Since | None = None
    """From when on the log is judged; None judges all of the newest session."""


def read_log(
    path: str,
    *,
    until: int | None = None,
    whole: int = WHOLE,
    seconds: float | None = None,
    since: datetime | timedelta | None = None,
) -> SessionLog:
    """The sessions of a log, of which the first `until` bytes are read, as `logfile.reading.read` bounds them.

    With `since` the newest session keeps only what went wrong from then on. Raises `Unavailable`.
    """
    origin, blocks = read(path, START, until, whole, seconds)
    begin = None if since is None else Since(_moment(since, path, origin))
    follower = Follower().follow(blocks) if begin is None else begin.follow(Follower(), blocks)
    return SessionLog(
        origin=origin, session=follower.session, older=follower.older, past=tuple(follower.past), since=begin
    )


def _moment(since: datetime | timedelta, path: str, origin: Origin) -> datetime:
    """From when on a log is judged, by its own clock."""
    if isinstance(since, datetime):
        return since
    # By way of seconds since the epoch: between two wall-clock times of one zone summer time may have begun or ended.
    now = float(int(time.time()))
    written = None if origin.age is None else datetime.fromtimestamp(now - round(origin.age))
    ahead = timedelta() if written is None else clock(ending(path), written)
    return datetime.fromtimestamp(now - since.total_seconds()) + ahead
