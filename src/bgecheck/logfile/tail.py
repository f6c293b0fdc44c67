"""A log that is still being written: what was added since the last look, to a file whatever rotates it, or a pipe."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

from bgecheck.logfile.lines import LINE_LIMIT, Block
from bgecheck.logfile.reading import newest_start

_CHUNK = 2**18
_BEHIND = 128 * 2**20
"""Bytes of a longer log before its newest start that are not looked at."""
_LEAD = 64 * 1024


class Tail:
    """Follows one path: a file that is not there yet, grows, is cut short, or gives way to another of its name.

    `start` is what stands in the first line of a session, from which on a long file is read.
    """

    def __init__(self, path: str, start: bytes) -> None:
        self._path = path
        self._start = start
        self._file: int | None = None
        self._offset = 0
        self._carry = b""

    @property
    def ended(self) -> bool:
        """Whether nothing can be added any more."""
        return False

    def added(self) -> Iterator[Block]:
        """Whole lines written since the last call; a line that has no end yet is kept for the next."""
        if self._file is None and not self._open():
            return
        yield from self._rest()
        if self._replaced():
            if self._carry:
                yield Block(None, self._carry + b"\n")
            self.close()
            if self._open():
                yield from self._rest()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._carry = None, b""

    def _open(self) -> bool:
        try:
            self._file = os.open(self._path, os.O_RDONLY)
        except OSError:
            return False
        self._offset = 0
        size = os.fstat(self._file).st_size
        if size > _BEHIND:
            with open(self._path, "rb") as file:
                newest = newest_start(file, self._start, size)
            self._offset = max(0, (size - _BEHIND if newest is None else newest) - _LEAD)
        return True

    def _rest(self) -> Iterator[Block]:
        assert self._file is not None
        if os.fstat(self._file).st_size < self._offset:
            # Cut short in place, as `copytruncate` does.
            self._offset, self._carry = 0, b""
        while True:
            os.lseek(self._file, self._offset, os.SEEK_SET)
            chunk = os.read(self._file, _CHUNK)
            if not chunk:
                return
            self._offset += len(chunk)
            lines, end, rest = (self._carry + chunk).rpartition(b"\n")
            self._carry = rest[:LINE_LIMIT]
            if end:
                yield Block(None, lines + end)

    def _replaced(self) -> bool:
        """Whether the path names another file now; a path that names none is waited for."""
        assert self._file is not None
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except OSError:
            return False


class PipeTail:
    """Follows a pipe by its number, until it ends."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._carry = b""
        self._last = time.monotonic()
        self.ended = False
        """Whether its writer has closed it."""

    @property
    def silent(self) -> float | None:
        """Seconds since something came; None once it has ended, for how long ago that was written is not known."""
        return None if self.ended else time.monotonic() - self._last

    def added(self) -> Iterator[Block]:
        """Whole lines that came since the last call; a line that has no end yet is kept for the next."""
        while not self.ended and select.select([self._number], [], [], 0)[0]:
            chunk = os.read(self._number, _CHUNK)
            self.ended = not chunk
            self._last = time.monotonic()
            lines, end, rest = (self._carry + (chunk or b"\n" * bool(self._carry))).rpartition(b"\n")
            self._carry = rest[:LINE_LIMIT]
            if end:
                yield Block(None, lines + end)

    def close(self) -> None:
        """Nothing: who opened the pipe closes it."""
