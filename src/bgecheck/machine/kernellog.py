"""The door to the kernel's log: what the NVIDIA driver has reported there since the machine was started."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from bgecheck.model import clean

_PLACE = "/dev/kmsg"
_RECORD, _RECORDS = 8192, 100_000
_XID = re.compile(r"NVRM: Xid \(PCI:([0-9a-fA-F:.]{1,20})\): (\d{1,4})")

OF_THE_HARDWARE = frozenset({48, 61, 62, 64, 74, 79, 92, 94, 95, 119, 120, 140})
"""Xid numbers that the card or its bus causes, by NVIDIA's own list; 13, 31, 43 and 45 are those of a program."""


class Xid(NamedTuple):
    """One kind of error that the driver has reported of a card."""

    bus: str
    number: int
    times: int


def xids(place: str = _PLACE) -> tuple[Xid, ...] | None:
    """The errors of the hardware by card and number; None where the log cannot be read."""
    counts: dict[tuple[str, int], int] = {}
    try:
        log = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        for _ in range(_RECORDS):
            record = _next(log)
            if not record:
                break
            for bus, number in _XID.findall(record):
                if int(number) in OF_THE_HARDWARE:
                    counts[clean(bus, 20), int(number)] = counts.get((clean(bus, 20), int(number)), 0) + 1
    finally:
        os.close(log)
    return tuple(Xid(bus, number, count) for (bus, number), count in sorted(counts.items()))


def _next(log: int) -> str:
    """The next record; empty at the end of the log, and where it may not be read."""
    try:
        return os.read(log, _RECORD).decode("utf-8", "replace")
    except BrokenPipeError:  # this record was overwritten meanwhile
        return " "
    except OSError:
        return ""
