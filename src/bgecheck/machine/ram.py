"""The door to the machine's memory: how much of it can be had, and how much some processes hold."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from glob import glob


def available() -> tuple[int, int]:
    """Bytes that can be had without swapping, and all there are."""
    import psutil

    memory = psutil.virtual_memory()
    return memory.available, memory.total


def nodes() -> int:
    """How many memories of their own the processors of this machine have (NUMA)."""
    return len(glob("/sys/devices/system/node/node[0-9]*")) or 1


def resident(pids: Sequence[int]) -> int | None:
    """Bytes of main memory that processes hold together; None where none of them can be seen."""
    import psutil

    held = []
    for pid in pids:
        with suppress(psutil.Error):
            held.append(psutil.Process(pid).memory_info().rss)
    return sum(held) if held else None
