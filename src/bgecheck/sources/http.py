"""The HTTP door: one bounded exchange, whose failure is a fact with a phase, never an exception."""

from __future__ import annotations

import errno
import queue
import socket
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from bgecheck.model import Text, Words, clean
from bgecheck.sources.incoming import Incoming, Malformed

Kind = Literal[
    "dns",  # the host name has no address
    "refused",  # nothing listens there
    "unreachable",  # no route to the host
    "connect-timeout",  # no answer to the connection attempt
    "tls",  # the connection stands, the encryption does not
    "timeout",  # connected and asked, but not one byte of an answer in time
    "unfinished",  # the answer began, and did not end in time
    "reset",  # the connection was cut
    "closed",  # the server hung up without an answer
    "protocol",  # what came back is not HTTP
    "malformed",  # it began as HTTP, and broke its rules
    "too-large",  # more bytes than any right answer has
]

Refusal = Literal[
    "expired",
    "not-yet",
    "self-signed",
    "unknown-authority",
    "wrong-host",
    "plain",  # the port does not speak TLS
    "late",  # the handshake did not end
    "other",
]
"""What is wrong with an encryption that cannot be had."""

BODY_LIMIT = 16 * 2**20
"""Bytes that one answer may have. A batch of 64 vectors of 1024 floats written with 17 digits has 1.5 MB."""

PAGE_LIMIT = 2**20
"""Bytes that a status page may have. The longest known, `/server_info` of sglang 0.5.23 with 556 keys, has 30 kB."""

PARTS_LIMIT = 200_000
"""Brackets and half quotes that JSON may have: what costs memory once it is parsed is not bytes but values.

A batch of 1000 vectors has about 10,000; 5 million empty lists, which 16 MB hold, take 900 MB.
"""

_READ = 64 * 1024


class Reply(NamedTuple):
    """What a server answered. Times are seconds since the request was begun."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """The body as JSON, or None when it is none (nesting beyond Python's limit included)."""
        try:
            return _parsed(self.body)
        except (ValueError, RecursionError):
            return None

    def excerpt(self, limit: int = 160) -> str:
        """The beginning of the body as harmless text."""
        return clean(self.body[: limit * 4].decode("utf-8", "replace"), limit)


class Failure(NamedTuple):
    """Why there is no answer. `seconds` is how long it took to know."""

    kind: Kind
    detail: Words
    seconds: float = 0.0
    tls: Refusal | None = None
    """Why there is no encryption, when that is what failed."""

    @property
    def late(self) -> bool:
        """Whether the connection stood and only the time was too short for a whole answer."""
        return self.kind in ("timeout", "unfinished")


class Certificate(NamedTuple):
    """A certificate that was accepted: seconds until it ends, and the version of TLS that was spoken."""

    left: float
    version: str


class _Failed(Exception):
    def __init__(self, kind: Kind, detail: Words, tls: Refusal | None = None) -> None:
        super().__init__(detail)
        self.kind: Kind = kind
        self.detail = detail
        self.tls = tls


class _Clock:
    """When an exchange ends, whatever single reads would still be allowed."""

    def __init__(self, seconds: float) -> None:
        self.began = time.monotonic()
        self.given = f"{seconds:.1f}"
        self._ends = self.began + seconds

    def taken(self) -> float:
        return time.monotonic() - self.began

    def left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            words = Text(f"no complete answer within {self.given} s", f"{self.given} 秒内没有收到完整的响应")
            raise _Failed("timeout", words)
        return left


def _parsed(body: bytes) -> Any:
    """JSON, also with the NaN and Infinity that some servers write; ten times faster where there is none.

    Raises `ValueError` for what is none, and for what would take too much memory.
    """
    import orjson

    if len(body) > PARTS_LIMIT and body.count(b"[") + body.count(b"{") + body.count(b'"') // 2 > PARTS_LIMIT:
        raise ValueError("too many values")

    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        import json

        return json.loads(body)


_Request = tuple[str, str, Sequence[tuple[str, str]], bytes, int, _Clock]
"""Method, target, headers, body, and the limits of one request."""


class Http:
    """Connections to one origin, kept alive between exchanges; safe to use from several threads.

    Never follows a redirect (the key must not travel) and never uses a proxy: what the environment
    says of proxies is looked at by the rows that are about it.
    """

    def __init__(self, *, verify: bool = True) -> None:
        self._lock = threading.Lock()
        self._verify = verify
        self._idle: list[_Connection] = []

    def exchange(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = BODY_LIMIT,
        via: str | None = None,
    ) -> Reply | Failure:
        """Send one request and read the whole answer within `seconds` and `limit` bytes.

        `via` is the origin of a proxy that is asked for the URL in place of its host.
        """
        clock = _Clock(seconds)
        try:
            return self._exchange(method, url, headers or {}, body or b"", limit, clock, via)
        except _Failed as failed:
            return Failure(failed.kind, failed.detail, clock.taken(), failed.tls)
        except ImportError:  # what is missing here says nothing of the server
            raise
        except Exception as error:
            kind, detail = _understood(error)
            return Failure(kind, detail, clock.taken())

    def close(self) -> None:
        """Close the connections that are kept alive."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        limit: int,
        clock: _Clock,
        via: str | None,
    ) -> Reply:
        from urllib.parse import urlsplit

        whole = _ascii(url)
        parts = urlsplit(whole)
        head = [("Host", parts.netloc), ("Accept", "application/json"), ("Accept-Encoding", "identity")]
        head += [("User-Agent", "bgecheck"), *headers.items()]
        if body:
            head.append(("Content-Length", str(len(body))))
        target = whole if via else (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        parts = urlsplit(via) if via else parts
        request = (method, target, head, body, limit, clock)
        kept = self._kept()
        told = self._asked(kept, request, lost=True) if kept else None
        if told is None:
            opened = self._opened(parts.scheme, parts.hostname or "", parts.port, clock)
            told = self._asked(opened, request)
        assert told is not None, "only a connection that was kept may be lost"
        status, got, raw = told
        return Reply(status, got, _decoded(raw, got, limit), clock.taken())

    def _asked(
        self, connection: _Connection, request: _Request, *, lost: bool = False
    ) -> tuple[int, dict[str, str], bytes] | None:
        """The answer; None where a connection that may be `lost` ended before one byte of it.

        A server ends an idle connection when it likes: a request that crosses that end was never looked at.
        """
        try:
            told = connection.ask(*request)
        except BaseException as error:
            connection.close()
            gone = isinstance(error, ConnectionError) or (isinstance(error, _Failed) and error.kind == "closed")
            if lost and gone and connection.unanswered:
                return None
            raise
        if connection.reusable:
            with self._lock:
                self._idle.append(connection)
        else:
            connection.close()
        return told

    def _kept(self) -> _Connection | None:
        """An idle connection that the server has not closed meanwhile."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not _readable(connection.socket):
                return connection
            connection.close()

    def _opened(self, scheme: str, host: str, port: int | None, clock: _Clock) -> _Connection:
        connection = _connect(host, port or (443 if scheme == "https" else 80), clock)
        if scheme == "https":
            connection = _wrapped(connection, host, self._verify, clock)
        return _Connection(connection)


class _Connection:
    """One connection, whose waits end with the exchange."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.reusable = False
        """Whether another request may be sent."""
        self._answer_begins = True
        self._cut: ConnectionError | None = None
        """What ended sending before all was sent."""

    @property
    def unanswered(self) -> bool:
        """Whether not one byte has come since the last request."""
        return self._answer_begins

    def ask(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes, limit: int, clock: _Clock
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, and body of the answer to one request."""
        self._answer_begins = True
        self.reusable = False
        self._cut = None
        self._send(_head(method, target, headers) + body, clock)
        answer = Incoming()
        try:
            while not answer.complete:
                got = self._read(clock)
                if got:
                    answer.feed(got)
                else:
                    answer.end()
                if len(answer.body) > limit:
                    raise _Failed("too-large", Text(f"more than {limit} bytes of body", f"响应体超过 {limit} 字节"))
        finally:
            answer.release()
        self.reusable = not answer.last and self._cut is None
        return answer.status, answer.headers, bytes(answer.body)

    def _read(self, clock: _Clock) -> bytes:
        try:
            self.socket.settimeout(clock.left())
            got = self.socket.recv(_READ)
        except (TimeoutError, _Failed) as error:
            if self._answer_begins:
                raise _Failed("timeout", _silence(clock.given)) from error
            raise _Failed("unfinished", _endless(clock.given)) from error
        if self._answer_begins and not got:
            if self._cut is not None:
                raise self._cut
            words = Text("the server closed the connection without an answer", "服务没有响应就关闭了连接")
            raise _Failed("closed", words)
        if self._answer_begins and not got.startswith(b"HTTP"[: len(got)]):
            said = clean(got[:80].decode("latin-1"), 60)
            words = Text(f"what answers is not HTTP, it begins with: {said}", f"对方说的不是 HTTP，开头是：{said}")
            raise _Failed("protocol", words)
        self._answer_begins = False
        return got

    def _send(self, data: bytes, clock: _Clock) -> None:
        self.socket.settimeout(clock.left())
        try:
            self.socket.sendall(data)
        except TimeoutError as error:
            words = Text(
                f"connected, but the request was not taken within {clock.given} s",
                f"已连接，但 {clock.given} 秒内请求没能发完",
            )
            raise _Failed("timeout", words) from error
        except ConnectionError as error:
            # Who refuses a request by its length answers and hangs up before all of it was sent.
            self._cut = error

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def _head(method: str, target: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """A request up to its body. Raises `ValueError` for what a header cannot hold, without showing it."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if any(not line.isprintable() or not line.isascii() for line in lines):
        raise ValueError("a header holds more than printable ASCII")
    return "\r\n".join((*lines, "", "")).encode()


def _ascii(url: str) -> str:
    from urllib.parse import quote, urlsplit, urlunsplit

    parts = urlsplit(url)
    host = parts.hostname or ""
    netloc = parts.netloc if host.isascii() else parts.netloc.replace(host, host.encode("idna").decode())
    return urlunsplit((parts.scheme, netloc, quote(parts.path, safe="/%:@!$&'()*+,;=~-._"), parts.query, ""))


def _wrapped(connection: socket.socket, host: str, verify: bool, clock: _Clock) -> socket.socket:
    """The connection with TLS over it, the certificate checked against the system's authorities."""
    import ssl

    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    connection.settimeout(clock.left())
    try:
        connection.getpeername()  # raises where the other side is gone, of which wrapping would leave a socket open
        return context.wrap_socket(connection, server_hostname=host)
    except TimeoutError as error:
        connection.close()
        words = Text(
            f"connected, but the TLS handshake did not end within {clock.given} s",
            f"已连接，但 TLS 握手 {clock.given} 秒内没有完成",
        )
        raise _Failed("tls", words, "late") from error
    except OSError as error:
        connection.close()
        raise _Failed("tls", _no_handshake(error), _refusal(error)) from error


# OpenSSL's X509_V_ERR_* numbers (x509_vfy.h), which Python passes on as verify_code.
_VERIFY: Mapping[int, Refusal] = {
    9: "not-yet",
    10: "expired",
    18: "self-signed",
    19: "unknown-authority",  # a chain whose end signs itself: a private authority
    20: "unknown-authority",
    21: "unknown-authority",
    62: "wrong-host",
    64: "wrong-host",
}


def _refusal(error: OSError) -> Refusal:
    code = getattr(error, "verify_code", None)
    if code is not None:
        return _VERIFY.get(code, "other")
    reason = getattr(error, "reason", None) or ""
    return "plain" if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE") else "other"


def certificate(host: str, port: int, seconds: float) -> Certificate | Failure:
    """The certificate that a server shows to a client that checks it, or why it is not accepted."""
    clock = _Clock(seconds)
    try:
        encrypted: Any = _wrapped(_connect(host, port, clock), host, True, clock)
    except _Failed as failed:
        return Failure(failed.kind, failed.detail, tls=failed.tls)
    except ValueError as error:  # a name that no certificate can be asked for
        return Failure("tls", _no_handshake(error), tls="other")
    import ssl

    with encrypted:
        ends = ssl.cert_time_to_seconds(encrypted.getpeercert()["notAfter"])
        return Certificate(ends - time.time(), str(encrypted.version()))


def _decoded(raw: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """The body without a compression that was not asked for; a bomb is cut at `limit`."""
    said = (part.strip().lower() for part in headers.get("content-encoding", "").split(","))
    codings = [part for part in said if part not in ("", "identity")]
    if not codings or not raw:
        return raw
    coding = codings[0]
    if len(codings) > 1 or coding not in ("gzip", "x-gzip", "deflate"):
        named = clean(", ".join(codings), 20)
        words = Text(
            f"answered in content-encoding {named}, which was not asked for",
            f"响应用了没有请求过的 content-encoding：{named}",
        )
        raise _Failed("malformed", words)
    try:
        return _unzipped(raw, _windows(raw, coding), limit)
    except (zlib.error, EOFError) as error:
        raise _Failed("malformed", Text(f"broken {coding} body: {error}", f"{coding} 响应体已损坏：{error}")) from error


def _windows(raw: bytes, coding: str) -> int:
    """What zlib must be told: gzip; or deflate, which many servers send without zlib's head (RFC 9110, 8.4.1.2)."""
    if "gzip" in coding:
        return 31
    return 15 if raw[:1] and raw[0] & 15 == 8 and int.from_bytes(raw[:2], "big") % 31 == 0 else -15


def _unzipped(raw: bytes, windows: int, limit: int) -> bytes:
    """The body out of one packed piece after another (gzip may have several); what stands behind them is left out.

    Raises `zlib.error`, and `EOFError` where the last one is cut.
    """
    body = bytearray()
    while True:
        unzip = zlib.decompressobj(windows)
        body += unzip.decompress(raw, limit + 1 - len(body))
        if len(body) > limit:
            words = Text(f"more than {limit} bytes of body once it is unpacked", f"响应体解压后超过 {limit} 字节")
            raise _Failed("too-large", words)
        if not unzip.eof:
            raise EOFError("it ends early")
        raw = unzip.unused_data
        if windows != 31 or not raw.startswith(b"\x1f\x8b"):
            return bytes(body)


def resolve(host: str, port: int, seconds: float) -> list[tuple[int, str]]:
    """The addresses of `host` as (family, address), within `seconds`. Raises OSError; `TimeoutError` when late."""
    if family := _family(host):
        return [(family, host)]
    found: queue.Queue[list[tuple[int, str]] | OSError] = queue.Queue()
    # Bytes pass as they are; for a str Python first loads its tables of international names.
    asked = host.encode() if host.isascii() else host

    def look() -> None:
        try:
            infos = socket.getaddrinfo(asked, port, type=socket.SOCK_STREAM)
            found.put([(info[0], str(info[4][0])) for info in infos])
        except OSError as error:
            found.put(error)
        except UnicodeError as error:  # no name of a host: an empty label, or one that is too long
            found.put(OSError(f"not a host name: {error}"))

    # The system resolver knows no time-out, so it is waited for from outside.
    threading.Thread(target=look, name="resolve", daemon=True).start()
    try:
        answer = found.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"the resolver did not answer within {seconds:.1f} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _family(host: str) -> int | None:
    """The family of an address; None for a name, which a resolver must be asked for."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        return None
    return family


def _connect(host: str, port: int, clock: _Clock) -> socket.socket:
    try:
        addresses = resolve(host, port, clock.left())
    except (TimeoutError, OSError) as error:
        why = _os_text(error)
        raise _Failed("dns", Text(f"no address for {host}: {why}", f"{host} 解析不出地址：{why}")) from error
    last: OSError | None = None
    for number, (family, address) in enumerate(addresses):
        connection = socket.socket(family, socket.SOCK_STREAM)
        # An address that nobody answers at must not take the time of those behind it.
        connection.settimeout(clock.left() / (len(addresses) - number))
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect((address, port))
            return connection
        except OSError as error:
            connection.close()
            last = error
    raise _Failed(*_connect_failure(last, host, port))


_NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT)
"""No route, none allowed by this machine's own firewall, or no such network here."""


def _connect_failure(error: OSError | None, host: str, port: int) -> tuple[Kind, Text]:
    where, why = f"{host}:{port}", _os_text(error)
    if isinstance(error, ConnectionRefusedError):
        number = error.errno
        return "refused", Text(f"connection to {where} refused (errno {number})", f"{where} 拒绝连接（errno {number}）")
    if isinstance(error, TimeoutError):
        return "connect-timeout", Text(f"no answer to the connection attempt at {where}", f"连接 {where} 没有任何回应")
    if error is not None and error.errno in _NO_WAY:
        return "unreachable", Text(f"no route to {where}: {why}", f"到不了 {where}：{why}")
    return "reset", Text(f"connecting to {where} failed: {why}", f"连接 {where} 失败：{why}")


def _silence(seconds: str) -> Text:
    return Text(
        f"connected and asked, but not one byte of an answer within {seconds} s",
        f"已连接并发出请求，{seconds} 秒内没有收到任何响应数据",
    )


def _endless(seconds: str) -> Text:
    return Text(f"the answer began, and had not ended within {seconds} s", f"响应已经开始，但 {seconds} 秒内没有传完")


def _no_handshake(error: Exception) -> Text:
    why = clean(str(error), 160)
    return Text(f"TLS handshake failed: {why}", f"TLS 握手失败：{why}")


def _os_text(error: BaseException | None) -> str:
    return clean(getattr(error, "strerror", None) or str(error), 120)


def _readable(connection: socket.socket) -> bool:
    """Whether an idle connection has something to read, which means that the server has closed it."""
    if connection.fileno() < 0:
        return True
    connection.setblocking(False)
    try:
        connection.recv(1)  # whatever was there, a connection that says something unasked is not used again
    except (BlockingIOError, InterruptedError):
        return False
    except OSError as error:
        # TLS says in its own way that it would have to wait; what it read meanwhile were its own records.
        return type(error).__name__ != "SSLWantReadError"
    return True


def _understood(error: Exception) -> tuple[Kind, Words]:
    if isinstance(error, Malformed):
        return "malformed", error.words
    name, text = type(error).__name__, clean(str(error), 160)
    if isinstance(error, OSError):
        return "reset", Text(f"connection reset: {text or name}", f"连接被重置：{text or name}")
    return "protocol", f"{name}: {text}"
