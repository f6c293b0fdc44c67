"""The door to the machine's memory: how much of it can be had."""

from __future__ import annotations

from glob import glob


def available() -> tuple[int, int]:
    """Bytes that can be had without swapping, and all there are."""
    import psutil

    memory = psutil.virtual_memory()
    return memory.available, memory.total


def nodes() -> int:
    """How many memories of their own the processors of this machine have (NUMA)."""
    return len(glob("/sys/devices/system/node/node[0-9]*")) or 1
