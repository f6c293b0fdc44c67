"""The SHA-256 of a large file, at the speed of the disk, with progress and an end in sight."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

_BUFFER = 4 * 2**20
"""Bytes that are read at once: one buffer for the whole file, and hashlib lets other threads run meanwhile."""


def sha256_of(path: str, step: Callable[[int], None] = lambda done: None) -> str:
    """The SHA-256 in hexadecimal digits; `step` is told the bytes that are done, and may raise to end it."""
    digest, buffer, done = hashlib.sha256(), memoryview(bytearray(_BUFFER)), 0
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            done += count
            step(done)
    return digest.hexdigest()
