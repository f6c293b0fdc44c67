"""The door to files: bounded reads of text."""

from __future__ import annotations

import os

from bgecheck.model import Text, Unavailable


def read_text(path: str, limit: int) -> str:
    """The first `limit` bytes of a file as text. Raises `Unavailable` when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Unavailable(Text(f"{path} cannot be read: {why}", f"无法读取 {path}：{why}")) from error


def size(path: str) -> int | None:
    """Bytes that a regular file has now; None for anything else."""
    try:
        return os.path.getsize(path) if os.path.isfile(path) else None
    except OSError:
        return None
