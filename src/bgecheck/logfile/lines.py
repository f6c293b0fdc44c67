"""The door to log files: lines as text, however the log was written, wrapped and encoded, in constant memory."""

import codecs
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import BinaryIO, NamedTuple

from bgecheck.logfile import packed
from bgecheck.logfile.packed import Readable
from bgecheck.model import BadInput, Text, reason_of

LINE_LIMIT = 64 * 1024
"""Bytes of one line that are kept: the longest that matters, sglang's `server_args=`, has about 20 KB."""

_CHUNK = 2**18
_SAMPLE = 2**16
"""Bytes at either end of a file by which a log is told from other files."""
_TEXT_SHARE = 0.03
"""Share of these bytes that stand in lines of text, below which it is none."""
STDIN = "-"
BLANK = b"\0 \t\r\n"
"""What a line without anything to read consists of."""


class Block(NamedTuple):
    """Whole lines of a log, as bytes in UTF-8, GBK or what the runtime wrote."""

    first: int | None
    """Number of the first line, from 1; None where it follows on the block before."""
    data: bytes
    """The lines with their line feeds; only the last line of a log may have none."""


def usable(path: str) -> None:
    """Refuse a log that was named and cannot be one: missing, a folder, unreadable, empty or binary."""
    if path == STDIN:
        if sys.stdin is None:  # closed before the program began
            raise _bad(path, Text("standard input is closed", "标准输入已关闭"))
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
            pieces = _pieces(path, file)
    except FileNotFoundError:
        raise _bad(path, Text("there is no such file", "文件不存在")) from None
    except (OSError, ValueError) as error:
        why = reason_of(error)
        raise _bad(path, Text(f"cannot be read: {why.en}", f"无法读取：{why.zh}")) from error
    # An empty log is one that nothing was written to yet: no wrong input, and nothing to judge.
    if any(piece.strip(BLANK) for piece in pieces) and _is_binary(pieces):
        raise _bad(path, Text("is a binary file, not a log", "是二进制文件，不是日志"))


def _pieces(path: str, file: BinaryIO) -> tuple[bytes, ...]:
    """The beginning of a log and its end; of a packed one the beginning of what it holds. Raises `BadInput`."""
    head = file.read(_SAMPLE)
    if (kind := packed.packing(head)) is None:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(len(head), end - _SAMPLE))
        return head, file.read(_SAMPLE)
    if (need := packed.missing(kind)) is not None:
        raise BadInput(path, packed.cannot(kind), need)
    file.seek(0)
    with closing(packed.unpacked(kind, file, _SAMPLE)) as stream:
        return (stream.read(_SAMPLE),)


def _bad(path: str, reason: Text) -> BadInput:
    return BadInput(
        path,
        reason,
        Text(
            "name the file that the server's stdout goes to, for example: bgecheck logs sglang.log",
            "请给出服务 stdout 写入的文件，例如：bgecheck logs sglang.log",
        ),
    )


_FORMATS = (b"\x7fELF", b"PK\x03\x04", b"\x89PNG", b"%PDF", b"\x80\x02", b"\x80\x04", b"SQLite format 3", b"LPKSHHRH")
"""How programs, archives, pictures, pickles, databases and the files of journald begin."""
_CONTROLS = bytes({*range(32), 127} - set(b"\t\r\x1b"))


def _is_binary(pieces: Sequence[bytes]) -> bool:
    """A known format, or next to nothing that is a line of text; UTF-16 is text.

    A crash, a full disk or another program leaves NUL bytes and junk in a log, also more than it has lines. Of
    random bytes less than one in a hundred stands in what looks like a line.
    """
    if pieces[0].startswith(_FORMATS):
        return True
    if _utf16(pieces[0][:4096]):
        return False
    lines = [line for piece in pieces for line in piece.translate(None, b"\0").split(b"\n") if line]
    text = sum(len(line) for line in lines if len(line.translate(None, _CONTROLS)) >= len(line) * 0.96)
    return text < sum(map(len, lines)) * _TEXT_SHARE


def _utf16(head: bytes) -> str | None:
    """The UTF-16 variant of a text, by its mark or by its pattern of zeros; None when it is none."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(len(head) // 2, 1)
    if odd > half * 0.6 and even < half * 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.6 and odd < half * 0.1 else None


def blocks(stream: Readable, first: int | None = 1) -> Iterator[Block]:
    """Whole lines in pieces of about 256 KiB; what a line has beyond `LINE_LIMIT` is left out."""
    carry, number = b"", first
    # glibc gives memory back to the system when a block is let go, and asks for it again with the next, unless a
    # larger one was let go before (mallopt(3), M_MMAP_THRESHOLD). These bytes are never touched: they take no memory.
    bytes(32 * _CHUNK)
    for chunk in _chunks(stream):
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            carry += chunk[: max(0, LINE_LIMIT - len(carry))]
            continue
        if len(carry) >= LINE_LIMIT:
            carry, chunk, cut = carry + b"\n", chunk[(head := chunk.find(b"\n") + 1) :], cut - head
        yield Block(number, b"".join((carry, memoryview(chunk)[:cut])))
        number, carry = None, chunk[cut:][:LINE_LIMIT]
    if carry:
        yield Block(number, carry)


class Unwrapper:
    """Turns raw lines into the text that sglang wrote, and joins what a container runtime has cut."""

    def __init__(self) -> None:
        self._begun: tuple[int, str] | None = None

    @property
    def waits(self) -> bool:
        """Whether the next line continues the one before it."""
        return self._begun is not None

    def texts(self, number: int, raw: bytes) -> list[tuple[int, str]]:
        """The texts of one raw line with the number of the line where each began.

        A line that was overwritten by carriage returns, as progress bars are, holds several, and so does an entry of
        a log shipper with a whole traceback in it; a piece holds none yet.
        """
        texts: list[tuple[int, str]] = []
        for piece in raw[:LINE_LIMIT].split(b"\r"):
            if not piece.strip(BLANK):
                continue
            text, whole = unwrapped(_decoded(piece))
            if self._begun is not None:
                number, text = self._begun[0], self._begun[1] + text
            self._begun = None if whole or len(text) > LINE_LIMIT else (number, text)
            if self._begun is None:
                texts.extend((number, line) for line in text.split("\n"))
        return texts

    def rest(self) -> list[tuple[int, str]]:
        """What had begun when the log ended."""
        begun, self._begun = self._begun, None
        return [] if begun is None else [begun]


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


_NESTED = 4
"""Wrappings that may be around each other: a time stamp of docker inside a prefix of compose."""
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PIECE = 4096
"""Characters that an entry of docker has at least when it is a piece of a line: it cuts behind 16 KB."""
_MESSAGES = ("log", "MESSAGE", "message", "msg")
"""Where the text stands in a line of JSON: docker and fluent-bit, journald, log shippers."""
_MODULE = re.compile(r"[a-z]\w{0,60}(?:_|::)\w{1,60}(?:::\w{1,60}){0,8}")
"""How programs in Rust name the part that speaks: it tells which program it is."""
_WRAPPINGS = re.compile(
    r"(?:(?:\d{1,4}\|)?\w[\w.@-]{0,79}\s{1,40}\|(?: |$))"  # docker compose and service, pm2
    r"|(?:\(\w{1,80} pid=\d+(?:, ip=[\w.:]{1,60})?\) )"  # ray
    # a Python program that started it: what sglang logged, and its tracebacks
    r"|(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - [\w.]{1,80} - [A-Z]{1,10} - "
    r"(?=\[\d{4}-|  |Traceback \(|[\w.]{0,80}(?:Error|Exception)(?::|$)|During handling|The above exception))"
    # the same with loguru
    r"|(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| [A-Z]{1,10} {0,8}\| [\w.<>]{1,120}:[\w.<>]{1,80}:\d{1,6} - )"
    r"|(?:\d{1,4}: )"  # srun --label
    r"|(?:\[\d{1,4},\d{1,4}\]<std(?:out|err)>:(?: (?=\S))?)"  # mpirun --tag-output
    r"|(?:\[default\d{1,5}\]:)"  # torchrun --tee
    # Jenkins' timestamper, consoles of clouds
    r"|(?:\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)\](?: |$))"
    r"|(?:│ )"  # a pane of k9s or tmux, as it is copied with its frame
    r"|(?:\[pod/[^\]]{1,200}\] )"  # kubectl logs --prefix
    # journald and syslog, also in Chinese; `ts` writes the time alone
    r"|(?:(?:<\d{1,3}>)?(?:[A-Z][a-z]{2}|\d{1,2}月) [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?"
    r"(?: \S{1,80} [\w@./-]{1,80}(?:\[\d+\])?:)?(?: |$))"
    # journald -o short-full and with-unit
    r"|(?:[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S{1,10} \S{1,80} [\w@./-]{1,80}(?:\[\d+\])?: )"
    # syslog of RFC 5424
    r"|(?:<\d{1,3}>1 \S{10,40} \S{1,80} \S{1,48} \S{1,40} \S{1,32} (?:-|\[[^\]]{0,400}\]) (?:\ufeff)?)"
    r"|(?:\[ {0,8}\d{1,10}\.\d{6}\] \S{1,80} [\w@./-]{1,80}\[\d+\]: )"  # journald -o short-monotonic
    r"|(?:\d{10}\.\d{6} \S{1,80} [\w@./-]{1,80}\[\d+\]: )"  # journald -o short-unix
    r"|(?: \(\w{1,80} pid=\d+\) )"  # ray, as it is pasted behind its colours
    r"|(?:[A-Z][a-z]{2} \d{1,2}, \d{4} @ \d\d:\d\d:\d\d\.\d{3}\s{1,8})"  # Kibana, OpenSearch
    # stern: the name of a pod, whose last letters Kubernetes chooses, and that of a container
    r"|(?:[a-z0-9][a-z0-9.-]{0,100}-[bcdfghjklmnpqrstvwxz2456789]{5} [a-z0-9][a-z0-9-]{0,62} )"
    r"|(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.,\d]*(?:Z|[+-]\d\d:?\d\d)(?: \S{1,80} [\w@./-]{1,80}\[\d+\]:)?"
    r"(?: std(?:out|err) (?P<part>[FP]))?(?:[ \t]|$))"  # docker logs -t, containerd, journald with ISO time, Loki
)


def unwrapped(text: str) -> tuple[str, bool]:
    """A line as sglang wrote it, without what a container runtime or terminal put around it, and whether it is whole.

    Docker and containerd cut a line of more than 16 KB, which `server_args=` is, into pieces.
    """
    whole = True
    text = text.removeprefix("\x1e")  # journald -o json-seq
    if text.startswith('{"'):
        text, whole = _message(text)
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    if "\0" in text:
        text = text.replace("\0", "")
    if text.endswith("│"):
        text = text[:-1].rstrip()
    for _ in range(_NESTED):
        wrapping = _WRAPPINGS.match(text)
        if wrapping is None:
            break
        whole = whole and wrapping["part"] != "P"
        text = text[wrapping.end() :]
    return text, whole


def _message(text: str) -> tuple[str, bool]:
    """The text in a line of JSON, and whether it is whole: what docker has cut ends without a line feed."""
    import json

    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return text, True
    messages = [entry[name] for name in _MESSAGES if name in entry] if isinstance(entry, dict) else []
    inner = messages[0] if messages else None
    if isinstance(inner, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in inner):
        # How journald writes what is no plain text, colours for example.
        inner = _decoded(bytes(inner))
    if not isinstance(inner, str):
        return text, True
    if _MODULE.fullmatch(str(entry.get("target"))):
        inner = f"{entry['target']}: {inner}"
    whole = inner.endswith("\n") or len(inner) < _PIECE or "log" not in entry
    lines = inner.rstrip("\r\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines), whole
