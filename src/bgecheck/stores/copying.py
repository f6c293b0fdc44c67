"""A copy of a local store, which is opened in its place: the libraries write on opening, and lock what they open."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress

from bgecheck.stores.stored import StoreError

LARGEST = 4 * 2**30
"""Bytes that are copied at most: some 500,000 vectors of 1024 numbers."""

_LOCKS = (".lock", "LOCK")
"""Files that Qdrant and Milvus Lite lock while they have a folder open."""

_JOURNALS = ("-journal", "-wal")
"""Ends of the files that SQLite has while a transaction is under way, or not yet moved into the database."""


def copied(path: str, into: str) -> str:
    """The path of a copy within the folder `into`, with the same name.

    Raises `StoreError` where another program has the store open or writes it meanwhile, where it is too large for a
    copy, and where it cannot be read.
    """
    try:
        before = _state(path)
        _require_room(before, into)
        _require_unlocked(path)
        copy = os.path.join(into, os.path.basename(path.rstrip("/")) or "store")
        if os.path.isdir(path):
            shutil.copytree(path, copy, ignore=lambda folder, names: [name for name in names if name in _LOCKS])
        else:
            shutil.copyfile(path, copy)
        if _state(path) != before:
            raise StoreError("locked", os.path.basename(path.rstrip("/")))
    except (OSError, shutil.Error) as error:
        raise StoreError("failed", str(getattr(error, "strerror", None) or error)) from error
    return copy


def _state(path: str) -> dict[str, tuple[int, int]]:
    """Size and time of the last change of every file."""
    state = {}
    for name in _files(path):
        status = os.stat(name)
        state[name] = (status.st_size, status.st_mtime_ns)
    return state


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    for folder, _, names in os.walk(path):
        for name in names:
            if os.path.isfile(os.path.join(folder, name)):
                yield os.path.join(folder, name)


def _require_room(state: dict[str, tuple[int, int]], into: str) -> None:
    size = sum(one for one, _ in state.values())
    free = shutil.disk_usage(into).free
    if size > LARGEST or size > free // 2:
        raise StoreError("too-large", f"{size / 2**30:.1f} GiB > {min(LARGEST, free // 2) / 2**30:.1f} GiB")


def _require_unlocked(path: str) -> None:
    """Raise `StoreError` where another program has the store open; a shared lock on a file changes nothing in it."""
    if not os.path.isdir(path):
        return
    for name in _LOCKS:
        with suppress(FileNotFoundError):
            _require_free(os.path.join(path, name))
    for name in os.listdir(path):
        if name.endswith(_JOURNALS) and os.path.getsize(os.path.join(path, name)):
            raise StoreError("locked", name)


def _require_free(path: str) -> None:
    import fcntl

    number = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK):
            raise StoreError("locked", os.path.basename(path)) from error
        raise
    finally:
        os.close(number)
