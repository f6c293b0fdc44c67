"""The door to the machine's memory: how much of it can be had."""

from __future__ import annotations


def available() -> tuple[int, int]:
    """Bytes that can be had without swapping, and all there are."""
    import psutil

    memory = psutil.virtual_memory()
    return memory.available, memory.total
