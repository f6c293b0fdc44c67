"""What is in a packed log, piece by piece and in bounded memory: gzip, bzip2, xz and zstd."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol

from bgecheck.model import Text, Unavailable

CHUNK = 64 * 1024
"""Bytes that are unpacked at a time."""

_MEMORY = 128 * 2**20
"""Bytes of memory that unpacking may take; `xz -9` asks for half of it."""

_MARKS = {
    "gzip": rb"\x1f\x8b",
    "bzip2": rb"BZh[1-9]1AY&SY",
    "xz": rb"\xfd7zXZ\0",
    "zstd": rb"\x28\xb5\x2f\xfd",
}
LONGEST_MARK = 10
"""Bytes at the beginning of a file that tell how it is packed."""

_SUFFIX = re.compile(r"\.(?:gz|bz2|xz|zst)$")
_LIBRARIES = {"gzip": ("zlib",), "bzip2": ("bz2",), "xz": ("lzma",), "zstd": ("compression.zstd", "backports.zstd")}
"""Modules that unpack each kind; of zstd Python has one from 3.14 on."""
_CLASSES = {"bzip2": "BZ2Decompressor", "xz": "LZMADecompressor", "zstd": "ZstdDecompressor"}
_ERRORS = {"bzip2": "", "xz": "LZMAError", "zstd": "ZstdError"}


class Readable(Protocol):
    """Anything that bytes can be read from, piece by piece."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


class Unpacking(Readable, Protocol):
    """What is unpacked while it is read; `close` it where it is not read to its end."""

    def close(self) -> None:
        """Let go of what unpacks it."""
        ...


def packing(head: bytes) -> str | None:
    """How a file that begins with `head` is packed; None where it is not."""
    return next((kind for kind, mark in _MARKS.items() if re.match(mark, head)), None)


def plain_name(name: str) -> str:
    """The name that a file had before it was packed."""
    return _SUFFIX.sub("", name)


def missing(kind: str) -> Text | None:
    """What has to be installed before this kind can be unpacked; None where it can be."""
    if _library(kind) is not None or shutil.which(kind):
        return None
    if kind == "zstd":
        return Text(
            "install the program zstd (apt-get install zstd), or pip install backports.zstd",
            "安装 zstd 程序（apt-get install zstd），或 pip install backports.zstd",
        )
    return Text(f"install the program {kind}", f"安装 {kind} 程序")


def cannot(kind: str) -> Text:
    """Why a log of this kind cannot be read."""
    return Text(f"is packed with {kind}, which nothing here can unpack", f"是 {kind} 压缩的，本机没有可用的解压工具")


def unpacked(
    kind: str, stream: Readable, limit: int, on_cut: Callable[[bool], None] = lambda broken: None
) -> Unpacking:
    """What a packed stream holds, at most `limit` bytes; `on_cut` is called where that is not all of it.

    It is given whether the stream itself broke off, not the limit.

    A damaged or truncated stream ends where it cannot be read on. Raises `Unavailable`.
    """
    if _library(kind) is not None:
        return _Unpacked(kind, stream, limit, on_cut)
    if (need := missing(kind)) is not None:
        why = cannot(kind)
        raise Unavailable(Text(f"{why.en}; {need.en}", f"{why.zh}；{need.zh}"))
    return _Piped(kind, stream, limit, on_cut)


def _library(kind: str) -> Any:
    for name in _LIBRARIES[kind]:
        with suppress(ImportError):
            return import_module(name)
    return None


class _Gzip:
    """The inflater of zlib in the shape that those of the other kinds have."""

    def __init__(self, library: Any) -> None:
        self._inflater = library.decompressobj(31)

    @property
    def eof(self) -> bool:
        return bool(self._inflater.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inflater.unused_data)

    @property
    def needs_input(self) -> bool:
        return not self._inflater.unconsumed_tail

    def decompress(self, data: bytes, size: int) -> bytes:
        return bytes(self._inflater.decompress(self._inflater.unconsumed_tail + data, size))


class _Unpacked:
    """A stream of one or several members, unpacked by a library of Python."""

    def __init__(self, kind: str, stream: Readable, limit: int, on_cut: Callable[[bool], None]) -> None:
        self._kind = kind
        self._library = _library(kind)
        self._stream = stream
        self._left = limit
        self._on_cut = on_cut
        self._packed = b""
        self._inflater: Any = None
        self._within = False
        """Whether a member has begun that has not ended."""
        self._members = 0

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        size = size if size >= 0 else CHUNK
        broken = False
        while self._left > 0:
            inflater = self._inflater = self._inflater or self._new()
            packed = (self._packed or self._stream.read(CHUNK)) if inflater.needs_input else b""
            if inflater.needs_input and not packed:
                broken = self._within
                break
            self._within = True
            self._packed = b""
            try:
                data: bytes = inflater.decompress(packed, min(size, self._left))
            except self._errors():
                # What follows a member and is none, or a damaged file: what was read so far counts.
                broken = not self._members
                break
            if inflater.eof:
                self._within, self._members = False, self._members + 1
                self._inflater, self._packed = None, inflater.unused_data.lstrip(b"\0")
            self._left -= len(data)
            if data:
                return data
        if self._left <= 0 or self._within:
            self._on_cut(broken)
        self._left, self._within = 0, False
        return b""

    def close(self) -> None:
        """Let go of the inflater."""
        self._inflater, self._left = None, 0

    def _new(self) -> Any:
        if self._kind == "gzip":
            return _Gzip(self._library)
        made = getattr(self._library, _CLASSES[self._kind])
        return made(memlimit=_MEMORY) if self._kind == "xz" else made()

    def _errors(self) -> tuple[type[Exception], ...]:
        own = getattr(self._library, "error" if self._kind == "gzip" else _ERRORS[self._kind], OSError)
        return (own, OSError, EOFError, ValueError)


class _Piped:
    """A stream that is unpacked by the program of its kind, to which a thread hands it over."""

    def __init__(self, kind: str, stream: Readable, limit: int, on_cut: Callable[[bool], None]) -> None:
        self._stream = stream
        self._left = limit
        self._on_cut = on_cut
        try:
            self._process = subprocess.Popen(
                [kind, "-dcq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise Unavailable(cannot(kind)) from error
        self._thread = threading.Thread(target=self._hand_over, name="unpack", daemon=True)
        self._thread.start()

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        pipe = self._process.stdout
        assert pipe is not None
        if pipe.closed:
            return b""
        data = pipe.read(min(size if size >= 0 else CHUNK, self._left)) if self._left > 0 else b""
        self._left -= len(data)
        if not data:
            ended = self._left > 0
            whole = ended and self._process.wait() == 0
            self.close()
            if not whole:
                self._on_cut(ended)
        return data

    def close(self) -> None:
        """End the program; a second time changes nothing."""
        self._process.kill()
        self._process.wait()
        self._thread.join(1.0)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _hand_over(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with suppress(OSError, ValueError):
            while chunk := self._stream.read(CHUNK):
                pipe.write(chunk)
            pipe.close()
