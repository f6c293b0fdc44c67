"""The shortest reading of a log: whether its newest session became ready, and whether it has ended since."""

from __future__ import annotations

from typing import Literal

from bgecheck.logfile.reading import BEGINNING, ending

State = Literal["ready", "starting", "ended"]

READY = "The server is fired up and ready to roll!"
_ENDS = (
    b"Received sigquit",
    b"SIGQUIT received",
    b"SIGTERM received",
    b"Received SIGTERM",
    b"Finished server process",
    b"while attempting to bind on address",
    b"Gracefully exiting",
)
_LAST = 32 * 2**20
"""Bytes at the end of a log that are read: more than a day of requests."""


def state(path: str, until: int | None = None) -> State | None:
    """What the newest start in the last 32 MiB came to; None where no start is found there, or nothing can be read."""
    text = ending(path, until, _LAST)
    begin = text.rfind(BEGINNING)
    if begin < 0:
        return None
    if any(text.find(mark, begin) >= 0 for mark in _ENDS):
        return "ended"
    return "ready" if text.find(READY.encode(), begin) >= 0 else "starting"
