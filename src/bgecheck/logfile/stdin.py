"""Whether a log comes through standard input although it was not named, as in `kubectl logs pod | bgecheck logs`."""

from __future__ import annotations

import os
import stat
import sys
from typing import Literal

PATIENCE = 5.0
"""Seconds for the first bytes of a pipe. Under ssh, CI and service managers it may be one that never says anything."""


def arriving(seconds: float = PATIENCE) -> Literal["log", "empty", "silent", "none"]:
    """What stands at standard input: a `log`, a pipe or file that is `empty` or for so long `silent`, or `none`.

    A terminal, a device and a closed one are none, and so is a file of which something was read already: the list
    over which a shell loops. Nothing is taken from it.
    """
    try:
        number = sys.stdin.fileno()
        mode = os.fstat(number).st_mode
        if stat.S_ISREG(mode):
            return _of_file(number)
        # Windows cannot wait for a pipe.
        if os.name != "nt" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            return _of_pipe(number, seconds)
    except (OSError, ValueError, AttributeError):  # closed, or None
        pass
    return "none"


def _of_file(number: int) -> Literal["log", "empty", "none"]:
    if os.lseek(number, 0, os.SEEK_CUR):
        return "none"
    return "log" if os.fstat(number).st_size else "empty"


def _of_pipe(number: int, seconds: float) -> Literal["log", "empty", "silent"]:
    import fcntl
    import select
    import termios

    if not select.select([number], [], [], seconds)[0]:
        return "silent"
    waiting = fcntl.ioctl(number, termios.FIONREAD, bytes(4))
    return "log" if any(waiting) else "empty"
