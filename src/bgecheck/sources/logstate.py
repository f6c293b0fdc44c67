"""The shortest reading of a log: whether its newest session became ready, and whether it has ended since."""

from __future__ import annotations

import os
from typing import Literal

State = Literal["ready", "starting", "ended"]

_START = b"server_args="
_READY = b"The server is fired up and ready to roll!"
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
    try:
        with open(path, "rb") as file:
            end = os.fstat(file.fileno()).st_size if until is None else until
            file.seek(max(0, end - _LAST))
            text = file.read(min(end, _LAST))
    except (OSError, ValueError):
        return None
    begin = text.rfind(_START)
    if begin < 0:
        return None
    if any(text.find(mark, begin) >= 0 for mark in _ENDS):
        return "ended"
    return "ready" if text.find(_READY, begin) >= 0 else "starting"
