"""Which files a log consists of and which part of them is read: compressed, rotated, from a pipe, from the end."""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from bgecheck.logfile import packed
from bgecheck.logfile.lines import STDIN, Block, blocks
from bgecheck.logfile.packed import LONGEST_MARK, Readable
from bgecheck.model import Text, Unavailable, reason_of

WHOLE = 2 * 2**30
"""Bytes of a file that are read whole; of a longer one the newest session, at most so much of its end."""

START_LIMIT = 2 * 2**20
"""Bytes that are read of a start whose session is too long: a start writes at most some 100 KB."""

COUNT_LIMIT = 4 * 2**30
"""Bytes that are gone through only to number the lines behind them; with more, numbers count from behind them."""

STREAM_LIMIT = 16 * 2**30
"""Bytes that are read of a pipe, or unpacked: a few KB of gzip can hold gigabytes of nothing."""

ROTATED = 20
"""Older files of a rotated set that are looked into for the beginning of the newest session."""

PIPE = "stdin"
"""The name of a log that comes through standard input."""

_WALK = 2**20
_LEAD = 64 * 1024
"""Bytes before a start that are read with it: what a start writes before its arguments."""
_ROTATION = re.compile(r"(?:\.\d{1,4}|[-_.]\d{4}-?\d\d-?\d\d[-_T.:\d]*)$")


class Part(NamedTuple):
    """A stretch of one file, read as part of a log."""

    name: str
    start: int
    """Offset of its first byte."""
    end: int | None
    """Offset behind its last byte; None reads to the end."""
    line: int
    """Number of its first line in the file."""


@dataclass(eq=False, repr=False)
class Origin:
    """Where a log came from."""

    name: str
    age: float | None = None
    """Seconds since it was last written; None for standard input."""
    skipped: int = 0
    """Bytes at its beginning that were not read."""
    numbered: bool = True
    """Whether line numbers count from the file's beginning, not from behind what was skipped."""
    cut: bool = False
    """Whether reading ended before the log did."""
    broken: bool = False
    """Whether that is because its newest file is an archive that breaks off."""
    marks: list[tuple[int, str, int]] = field(default_factory=list)
    """For each part: the number that its first line has in the whole log, its file, and its number in that file."""

    def is_cut(self, broken: bool) -> None:
        """Take note that reading ended before the log did."""
        self.cut, self.broken = True, broken

    def place(self, number: int) -> tuple[str, int]:
        """The file and line that a line of the whole log has."""
        for first, name, line in reversed(self.marks):
            if number >= first:
                return name, number - first + line
        return self.name, number


def read(
    path: str, start: bytes, until: int | None = None, whole: int = WHOLE, seconds: float | None = None
) -> tuple[Origin, Iterator[Block]]:
    """Where a log came from and its lines in blocks; of a file only the first `until` bytes.

    `start` is what stands in the first line that a session writes, and in no other.

    Of a file longer than `whole` bytes the newest session comes, and of one whose session is longer its start and
    its end. Where a file of a rotated set holds no start, the older file that does comes before it. A pipe is
    read for at most `seconds`. Raises `Unavailable`.
    """
    if path == STDIN:
        origin = Origin(PIPE)
        return origin, _streamed(origin, _Pipe(sys.stdin.buffer, seconds))
    try:
        return _opened(path, start, until, whole, seconds)
    except (OSError, ValueError) as error:
        why = reason_of(error)
        raise Unavailable(Text(f"{path} cannot be read: {why.en}", f"无法读取 {path}：{why.zh}")) from error


def _opened(
    path: str, start: bytes, until: int | None, whole: int, seconds: float | None
) -> tuple[Origin, Iterator[Block]]:
    status = os.stat(path)
    origin = Origin(path, max(0.0, time.time() - status.st_mtime))
    if not stat.S_ISREG(status.st_mode):
        return origin, _streamed(origin, _Pipe(open(path, "rb", buffering=0), seconds))  # its end closes it
    end = status.st_size if until is None else min(until, status.st_size)
    parts = _parts(path, start, end, whole, origin)
    if len(parts) == 1 and parts[0].start == 0 and (older := _older(path, start, end)):
        parts = [*older, *parts]
    return origin, _chained(origin, parts)


def ending(path: str, until: int | None = None, most: int = _LEAD) -> bytes:
    """The last whole lines of a file, at most so many bytes; none of a pipe or of what is packed."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as file:
            if packed.packing(file.read(LONGEST_MARK)):
                return b""
            end = os.fstat(file.fileno()).st_size if until is None else until
            begin = max(0, end - most)
            file.seek(begin)
            text = file.read(end - begin)
    except (OSError, ValueError):
        return b""
    return text.partition(b"\n")[2] if begin else text


def _parts(path: str, start: bytes, end: int, whole: int, origin: Origin) -> list[Part]:
    """The stretches of one file that are read."""
    if end <= whole:
        return [Part(path, 0, end, 1)]
    with open(path, "rb") as file:
        if packed.packing(file.read(LONGEST_MARK)):
            return [Part(path, 0, None, 1)]
        newest = newest_start(file, start, end)
        # An even offset, or UTF-16 would be read out of step.
        begin = 0 if newest is None else max(0, newest - _LEAD) & ~1
        tail = max(begin, end - whole) & ~1
        origin.skipped, origin.numbered = tail, tail <= COUNT_LIMIT
        places = sorted({_line_start(file, begin), _line_start(file, tail)})
        if newest is None:
            places = places[-1:]
        numbers = _numbers(file, places) if origin.numbered else [1] * len(places)
    if len(places) == 1:
        origin.skipped = places[0]
        return [Part(path, places[0], end, numbers[0])]
    head_end = min(places[1], places[0] + _LEAD + START_LIMIT)
    origin.skipped = places[1] - (head_end - places[0])
    return [Part(path, places[0], head_end, numbers[0]), Part(path, places[1], end, numbers[1])]


def newest_start(file: BinaryIO, start: bytes, end: int) -> int | None:
    """Offset of the last `start` among the first `end` bytes, walking backwards."""
    overlap = len(start) - 1
    while end > 0:
        begin = max(0, end - _WALK)
        file.seek(begin)
        place = file.read(min(_WALK + overlap, end - begin + overlap)).rfind(start)
        if place >= 0:
            return begin + place
        end = begin
    return None


def _line_start(file: BinaryIO, offset: int) -> int:
    """Offset of the first line that begins at or behind `offset`; `offset` itself where no line ends soon."""
    if offset == 0:
        return 0
    file.seek(offset - 1)
    around = file.read(_LEAD)
    if (newline := around.find(b"\n")) < 0:
        return offset
    # The second half of a line feed in UTF-16 belongs to it.
    return offset + newline + (around[newline + 1 : newline + 2] == b"\0")


def _numbers(file: BinaryIO, places: Sequence[int]) -> list[int]:
    """The line numbers of ascending offsets."""
    numbers, line, offset = [], 1, 0
    file.seek(0)
    for place in places:
        while offset < place and (chunk := file.read(min(_WALK, place - offset))):
            line += chunk.count(b"\n")
            offset += len(chunk)
        numbers.append(line)
    return numbers


def _older(path: str, start: bytes, end: int) -> list[Part]:
    """The files of a rotated set from the one with the newest start to the one before `path`; mostly none."""
    older = _rotated(path)
    if not older or _has_start(path, start, end):
        return []
    chain: list[Part] = []
    for name in older[:ROTATED]:
        chain.insert(0, Part(name, 0, None, 1))
        try:
            if _has_start(name, start, None):
                return chain
        except (OSError, Unavailable):
            return []
    return []


def _has_start(path: str, start: bytes, end: int | None) -> bool:
    with open(path, "rb") as file:
        head = file.read(_WALK)
        if kind := packed.packing(head):
            file.seek(0)
            return _unpacked_has_start(kind, file, start)
        size = os.fstat(file.fileno()).st_size if end is None else end
        return start in head[:size] or newest_start(file, start, size) is not None


def _unpacked_has_start(kind: str, file: BinaryIO, start: bytes) -> bool:
    with closing(packed.unpacked(kind, file, WHOLE)) as stream:
        carry = b""
        while chunk := stream.read(_WALK):
            if start in carry + chunk:
                return True
            carry = chunk[-len(start) :]
        return False


def _rotated(path: str) -> list[str]:
    """The older files of the set that a file belongs to, the newest first: `.1` before `.2`, a late day first."""
    folder, name = os.path.split(path)
    stem = _ROTATION.sub("", packed.plain_name(name))
    own = _rank(name, stem)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return []
    ranked = [(rank, other) for other in names if other != name and (rank := _rank(other, stem)) is not None]
    older = sorted((r, n) for r, n in ranked if own is not None and r > own)
    paths = (os.path.join(folder, n) for _, n in older)
    return [n for n in paths if os.path.isfile(n)]


def _rank(name: str, stem: str) -> tuple[int, float] | None:
    """How old a file of a set is: the stem itself first, then by number or day; None for a file of no set."""
    plain = packed.plain_name(name)
    if plain == stem:
        return (0, 0)
    if not plain.startswith(stem) or not (suffix := _ROTATION.fullmatch(plain[len(stem) :])):
        return None
    digits = re.sub(r"\D", "", suffix[0])
    return (1, float(digits)) if len(digits) <= 4 else (1, -float(digits.ljust(14, "0")[:14]))


def logs_of(paths: Sequence[str]) -> list[tuple[str, ...]]:
    """The logs that files make up, in the order given: each its files from the newest to the oldest.

    Files of one rotated set are one log, and a file that is given twice counts once.
    """
    sets: dict[tuple[str, str], dict[str, tuple[int, float]]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        stem = _ROTATION.sub("", packed.plain_name(name))
        rank = _rank(name, stem)
        assert rank is not None, "a name is of the set that it was made of"
        sets.setdefault((os.path.realpath(folder), stem), {}).setdefault(os.path.normpath(path), rank)
    return [tuple(sorted(files, key=lambda path: files[path])) for files in sets.values()]


def _chained(origin: Origin, parts: Sequence[Part]) -> Iterator[Block]:
    """The blocks of several stretches, numbered through."""
    first = 0
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        first = first or part.line
        origin.marks.append((first, part.name, part.line))
        lines = 0
        with open(part.name, "rb") as file:
            for block in blocks(_stream(file, part, origin), first):
                # Counting costs as much as reading does; numbers go on by themselves within a file.
                lines += block.data.count(b"\n") if following else 0
                yield block
        first = first + lines if following and following.name != part.name else 0


def _stream(file: BinaryIO, part: Part, origin: Origin) -> Readable:
    origin.broken = False
    if part.start == 0 and (kind := packed.packing(file.read(LONGEST_MARK))):
        file.seek(0)
        return packed.unpacked(kind, file, STREAM_LIMIT, origin.is_cut)
    file.seek(part.start)
    return file if part.end is None else _Cut(file, part.end - part.start)


def _streamed(origin: Origin, pipe: _Pipe) -> Iterator[Block]:
    pipe.origin = origin
    kind = packed.packing(pipe.peek(LONGEST_MARK))
    yield from blocks(packed.unpacked(kind, pipe, STREAM_LIMIT, origin.is_cut) if kind else pipe)


class _Cut:
    """A file that ends after so many more bytes."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        got = self._file.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(got)
        return got


class _Pipe:
    """A pipe that is read for so long and so far, and no further."""

    def __init__(self, stream: Readable, seconds: float | None) -> None:
        self.origin: Origin | None = None
        self._stream = stream
        self._ends = None if seconds is None else time.monotonic() + seconds
        self._left = STREAM_LIMIT
        self._head = b""

    def peek(self, size: int) -> bytes:
        """The first bytes, which the next read returns too."""
        while len(self._head) < size and (got := self._next(_WALK)):
            self._head += got
        return self._head[:size]

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none when the pipe, the time or the limit has ended."""
        if self._head:
            got, self._head = self._head[:size], self._head[size:] if size >= 0 else b""
            return got
        return self._next(size if size >= 0 else _WALK)

    def _next(self, size: int) -> bytes:
        if self._left <= 0 or not self._ready():
            if self.origin is not None:
                self.origin.cut = True
            return b""
        # `read1` returns what is there; `read` would wait for a whole chunk.
        got = getattr(self._stream, "read1", self._stream.read)(min(size, self._left))
        self._left -= len(got)
        return got

    def _number(self) -> int:
        """The file descriptor of the stream. Raises `OSError` where it has none."""
        descriptor = getattr(self._stream, "fileno", None)
        if descriptor is None:
            raise OSError("no descriptor")
        return int(descriptor())

    def _ready(self) -> bool:
        """Wait for bytes, as long as there is time; a stream that cannot be waited for is simply read."""
        if self._ends is None or os.name == "nt":
            return True
        import select

        try:
            readable, _, _ = select.select([self._number()], [], [], max(0.0, self._ends - time.monotonic()))
        except (OSError, ValueError):
            return True
        return bool(readable)
