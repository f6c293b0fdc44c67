"""The door to log files: lines as text, however the log was written, wrapped and encoded, in constant memory."""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, Protocol

from bgecheck.model import BadInput, Text, Unavailable

LINE_LIMIT = 64 * 1024
"""Bytes of one line that are kept: the longest that matters, sglang's `server_args=`, has about 20 KB."""

READ_LIMIT = 128 * 2**20
"""Bytes that are read of one log; of a longer one the last so many."""

START_LIMIT = 2 * 2**20
"""Bytes that are read of a start that lies before the end of a long log: a start writes at most some 100 KB."""

COUNT_LIMIT = 4 * 2**30
"""Bytes that are gone through only to number the lines behind them; with more, numbers count from behind them."""

_CHUNK = 2**20
_STDIN = "-"
_BLANK = b"\0 \t\r\n"


class Readable(Protocol):
    """Anything that bytes can be read from, piece by piece."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class Origin(NamedTuple):
    """Where a log came from."""

    name: str
    age: float | None
    """Seconds since it was last written; None for standard input."""
    skipped: int
    """Bytes at its beginning that were not read."""
    numbered: bool = True
    """Whether line numbers count from the file's beginning, not from behind what was skipped."""


def usable(path: str) -> None:
    """Refuse a log that was named and cannot be one: missing, a folder, unreadable, empty or binary."""
    if path == _STDIN:
        return
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise _bad(path, Text("is a folder, not a log file", "是目录，不是日志文件"))
        if not stat.S_ISREG(mode):
            if not stat.S_ISFIFO(mode):
                raise _bad(path, Text("is a device, not a log file", "是设备，不是日志文件"))
            return
        with open(path, "rb") as file:
            head = _behind_a_hole(file)
    except FileNotFoundError:
        raise _bad(path, Text("there is no such file", "文件不存在")) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise _bad(path, Text(f"cannot be read: {why}", f"无法读取：{why}")) from error
    if not head.strip(_BLANK):
        raise _bad(path, Text("is empty", "是空文件"))
    if _is_binary(head):
        raise _bad(path, Text("is a binary file, not a log", "是二进制文件，不是日志"))


def _behind_a_hole(file: BinaryIO) -> bytes:
    """The first bytes of a log, or its last where it begins with nothing but NUL, as `copytruncate` leaves it."""
    head = file.read(4096)
    if head.strip(_BLANK) or len(head) < 4096:
        return head
    file.seek(-min(file.seek(0, os.SEEK_END), 4096), os.SEEK_END)
    return file.read(4096)


def _bad(path: str, reason: Text) -> BadInput:
    return BadInput(
        path,
        reason,
        Text(
            "name the file that the server's stdout goes to, for example: bgecheck logs sglang.log",
            "请给出服务 stdout 写入的文件，例如：bgecheck logs sglang.log",
        ),
    )


def _is_binary(head: bytes) -> bool:
    """Known magic numbers, or more control bytes than junk in a log explains; UTF-16 is text."""
    if head.startswith(
        (b"\x7fELF", b"PK\x03\x04", b"\x89PNG", b"%PDF", b"\x80\x02", b"\x80\x04", b"\x1f\x8b", b"SQLite format 3")
    ):
        return True
    if _utf16(head):
        return False
    solid = re.sub(rb"\0{16,}", b"", head)
    controls = sum(byte < 9 or 13 < byte < 27 for byte in solid)
    return controls > len(solid) * 0.05


def _utf16(head: bytes) -> str | None:
    """The UTF-16 variant of a text, by its mark or by its pattern of zeros; None when it is none."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(len(head) // 2, 1)
    if odd > half * 0.6 and even < half * 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.6 and odd < half * 0.1 else None


def read(
    path: str, routine: Callable[[bytes], bool], until: int | None = None, beginning: bytes = b"server_args="
) -> tuple[Origin, Iterator[tuple[int, str | bytes]]]:
    """Where a log came from and its lines with their numbers, from 1; of a file only the first `until` bytes.

    A line for which `routine` holds comes as raw bytes; the others come as text, free of carriage returns,
    colours and what docker, kubectl or journald put before them. Of a log that is too long its end comes, and
    before it, where the end does not hold one, the lines from the last that has `beginning`. Raises `Unavailable`.
    """
    if path == _STDIN:
        return Origin("stdin", None, 0), _lines(sys.stdin.buffer, 1, routine)
    try:
        file = open(path, "rb")  # noqa: SIM115  # closed by the iterator
        status = os.fstat(file.fileno())
        end = status.st_size if until is None else min(until, status.st_size)
        # An even number of bytes, or UTF-16 would be read out of step.
        skipped = max(0, end - READ_LIMIT) & ~1
        numbered = skipped <= COUNT_LIMIT
        passed = _pass_over(file, skipped, beginning) if numbered else _Passed()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unavailable(Text(f"{path} cannot be read: {why}", f"无法读取 {path}：{why}")) from error
    origin = Origin(path, max(0.0, time.time() - status.st_mtime), skipped, numbered)
    if not stat.S_ISREG(status.st_mode):
        return origin, _closing(file, routine)
    return origin, _parts(file, passed, skipped, end, routine)


class _Cut:
    """A file that ends after so many more bytes."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        got = self._file.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(got)
        return got


def _closing(file: BinaryIO, routine: Callable[[bytes], bool]) -> Iterator[tuple[int, str | bytes]]:
    with file:
        yield from _lines(file, 1, routine)


class _Passed(NamedTuple):
    """What was seen of a part that is not judged."""

    newlines: int = 0
    begins_at: int | None = None
    """Offset of the last `beginning` in it."""
    begins_in: int = 1
    """Number of that line."""


def _pass_over(file: BinaryIO, size: int, beginning: bytes) -> _Passed:
    """Go through the first `size` bytes, so that numbers stay right behind them and the last start is known."""
    passed, offset, carry = _Passed(), 0, b""
    while offset < size and (chunk := file.read(min(size - offset, _CHUNK))):
        found = (carry + chunk).rfind(beginning)
        if found >= 0:
            line = passed.newlines + 1 + chunk.count(b"\n", 0, max(0, found - len(carry)))
            passed = _Passed(passed.newlines, offset - len(carry) + found, line)
        passed = passed._replace(newlines=passed.newlines + chunk.count(b"\n"))
        offset += len(chunk)
        carry = chunk[-len(beginning) + 1 :]
    return passed


def _parts(
    file: BinaryIO, passed: _Passed, skipped: int, end: int, routine: Callable[[bytes], bool]
) -> Iterator[tuple[int, str | bytes]]:
    """The lines of the last start in the part that was passed over, then those behind it."""
    with file:
        if passed.begins_at is not None:
            file.seek(passed.begins_at)
            yield from _lines(_Cut(file, min(START_LIMIT, skipped - passed.begins_at)), passed.begins_in, routine)
        file.seek(skipped)
        yield from _lines(_Cut(file, end - skipped), passed.newlines + 1, routine)


def _lines(stream: Readable, first: int, routine: Callable[[bytes], bool]) -> Iterator[tuple[int, str | bytes]]:
    begun: tuple[int, str] | None = None
    for number, raw in enumerate(_split(stream), first):
        if begun is None and routine(raw):
            yield number, raw
            continue
        for piece in raw.split(b"\r"):
            if not piece.strip(_BLANK):
                continue
            text, whole = unwrapped(_decoded(piece))
            if begun is not None:
                number, text = begun[0], begun[1] + text
            begun = None if whole or len(text) > LINE_LIMIT else (number, text)
            if begun is None:
                yield number, text
    if begun is not None:
        yield begun


def _split(stream: Readable) -> Iterator[bytes]:
    """Lines without their end, cut to `LINE_LIMIT`; never more than a chunk and a line in memory."""
    carry = b""
    for chunk in _chunks(stream):
        parts = chunk.split(b"\n")
        parts[0] = carry + parts[0]
        carry = parts.pop()[:LINE_LIMIT]
        for part in parts:
            yield part[:LINE_LIMIT]
    if carry:
        yield carry


def _chunks(stream: Readable) -> Iterator[bytes]:
    head = stream.read(_CHUNK)
    encoding = _utf16(head[:4096])
    if encoding is None:
        while head:
            yield head.removeprefix(b"\xef\xbb\xbf")
            head = stream.read(_CHUNK)
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while head:
        yield decoder.decode(head).encode("utf-8", "replace")
        head = stream.read(_CHUNK)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        # A Chinese Windows console writes GBK.
        return raw.decode("gb18030")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")


_NESTED = 3
"""Wrappings that may be around each other: a time stamp of docker inside a prefix of compose."""
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_WRAPPINGS = re.compile(
    r"(?:[\w.-]{1,80}\s{1,40}\| )"  # docker compose
    r"|(?:\(\w{1,80} pid=\d+(?:, ip=[\w.:]{1,60})?\) )"  # ray
    # a Python program that started it
    r"|(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [\w.]{1,80} - [A-Z]{1,10} - (?=\[\d{4}-))"
    r"|(?:\d{1,4}: )"  # srun --label
    r"|(?:\[pod/[^\]]{1,200}\] )"  # kubectl logs --prefix
    r"|(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,80} [\w@.-]{1,80}(?:\[\d+\])?: )"  # journald, syslog
    r"|(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.,\d]*(?:Z|[+-]\d\d:?\d\d)(?: \S{1,80} [\w@.-]{1,80}\[\d+\]:)? "
    r"(?:std(?:out|err) (?P<part>[FP]) )?)"  # docker logs -t, containerd, journald with ISO time
)


def unwrapped(text: str) -> tuple[str, bool]:
    """A line as sglang wrote it, without what a container runtime or terminal put around it, and whether it is whole.

    Docker and containerd cut a line of more than 16 KB, which `server_args=` is, into pieces.
    """
    whole = True
    if text.startswith('{"log":'):
        text, whole = _docker(text)
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    if "\0" in text:
        text = text.replace("\0", "")
    for _ in range(_NESTED):
        wrapping = _WRAPPINGS.match(text)
        if wrapping is None:
            break
        whole = whole and wrapping["part"] != "P"
        text = text[wrapping.end() :]
    return text, whole


def _docker(text: str) -> tuple[str, bool]:
    """The `log` field of docker's json-file driver, which ends with a line feed where the line does."""
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return text, True
    inner = entry.get("log") if isinstance(entry, dict) else None
    if not isinstance(inner, str):
        return text, True
    return inner.rstrip("\r\n").rpartition("\r")[2], inner.endswith("\n") or not inner
