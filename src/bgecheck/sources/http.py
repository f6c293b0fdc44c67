"""The HTTP door: one bounded exchange, whose failure is a fact with a phase, never an exception."""

from __future__ import annotations

import errno
import json
import queue
import socket
import threading
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bgecheck.model import clean

if TYPE_CHECKING:
    import ssl

    import httpcore

Kind = Literal[
    "dns",  # the host name has no address
    "refused",  # nothing listens there
    "unreachable",  # no route to the host
    "connect-timeout",  # no answer to the connection attempt
    "tls",  # the connection stands, the encryption does not
    "timeout",  # connected, but no (complete) answer in time
    "reset",  # the connection was cut
    "closed",  # the server hung up without an answer
    "protocol",  # what came back is not HTTP
    "too-large",  # more bytes than any right answer has
]

BODY_LIMIT = 16 * 2**20
"""Bytes that one answer may have. A batch of 64 vectors of 1024 floats written with 17 digits has 1.5 MB."""

_READ = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered. Times are seconds since the request was begun."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """The body as JSON, or None when it is none (nesting beyond Python's limit included)."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def excerpt(self, limit: int = 160) -> str:
        """The beginning of the body as harmless text."""
        return clean(self.body[: limit * 4].decode("utf-8", "replace"), limit)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer. `seconds` is how long it took to know."""

    kind: Kind
    detail: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return self.detail


class _Failed(Exception):
    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind: Kind = kind


@dataclass
class _Clock(threading.local):
    """When the exchange of this thread ends; httpcore's time-outs only bound single reads."""

    ends: float = field(default=0.0)

    def left(self) -> float:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise _Failed("timeout", "no complete answer in time")
        return left


class Http:
    """Connections to one origin, kept alive between exchanges; safe to use from several threads.

    Never follows a redirect (the key must not travel) and never uses a proxy: what the environment
    says of proxies is looked at by the rows that are about it.
    """

    def __init__(self, *, verify: bool = True) -> None:
        self._clock = _Clock()
        self._lock = threading.Lock()
        self._verify = verify
        self._opened: httpcore.ConnectionPool | None = None

    def exchange(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = BODY_LIMIT,
    ) -> Reply | Failure:
        """Send one request and read the whole answer within `seconds` and `limit` bytes."""
        started = time.monotonic()
        self._clock.ends = started + seconds
        try:
            return self._exchange(method, url, headers or {}, body, limit, started)
        except _Failed as failed:
            return Failure(failed.kind, str(failed), time.monotonic() - started)
        except Exception as error:
            kind, detail = _understood(error)
            return Failure(kind, detail, time.monotonic() - started)

    def close(self) -> None:
        """Close the connections that are kept alive."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, limit: int, started: float
    ) -> Reply:
        sent: dict[bytes | str, bytes | str] = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "bgecheck",
        }
        sent.update(headers.items())
        pool = self._pool(url)
        with pool.stream(method, _ascii(url), headers=sent, content=body, extensions=_LONG) as response:
            got = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers}
            raw = _bounded(response.iter_stream(), limit)
            return Reply(response.status, got, _decoded(raw, got, limit), time.monotonic() - started)

    def _pool(self, url: str) -> httpcore.ConnectionPool:
        with self._lock:
            if self._opened is None:
                import httpcore

                self._opened = httpcore.ConnectionPool(
                    ssl_context=_tls(self._verify) if url.startswith("https:") else None,
                    network_backend=_backend(self._clock),
                    max_connections=32,
                    keepalive_expiry=5.0,
                )
            return self._opened


# httpcore gives up a read after these seconds; the clock of the exchange, which is shorter, decides.
_LONG = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), 3600.0)}


def _ascii(url: str) -> str:
    from urllib.parse import quote, urlsplit, urlunsplit

    parts = urlsplit(url)
    host = parts.hostname or ""
    netloc = parts.netloc if host.isascii() else parts.netloc.replace(host, host.encode("idna").decode())
    return urlunsplit((parts.scheme, netloc, quote(parts.path, safe="/%:@!$&'()*+,;=~-._"), parts.query, ""))


def _tls(verify: bool) -> ssl.SSLContext:
    import ssl

    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _bounded(chunks: Iterable[bytes], limit: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise _Failed("too-large", f"more than {limit} bytes of body")
    return bytes(body)


def _decoded(raw: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """The body without a compression that was not asked for; a bomb is cut at `limit`."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return raw
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise _Failed("protocol", f"answered in content-encoding {clean(coding, 20)}, which was not asked for")
    unzip = zlib.decompressobj(47 if "gzip" in coding else 15)
    try:
        body = unzip.decompress(raw, limit)
    except zlib.error as error:
        raise _Failed("protocol", f"broken {coding} body: {error}") from error
    if unzip.unconsumed_tail:
        raise _Failed("too-large", f"more than {limit} bytes of body after {coding}")
    return body


def resolve(host: str, port: int, seconds: float) -> list[tuple[int, str]]:
    """The addresses of `host` as (family, address), within `seconds`. Raises OSError; `TimeoutError` when late."""
    found: queue.Queue[list[tuple[int, str]] | OSError] = queue.Queue()

    def look() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put([(info[0], str(info[4][0])) for info in infos])
        except OSError as error:
            found.put(error)

    # The system resolver knows no time-out, so it is waited for from outside.
    threading.Thread(target=look, name="resolve", daemon=True).start()
    try:
        answer = found.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no address for {host} within {seconds:.1f} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _connect(host: str, port: int, clock: _Clock) -> socket.socket:
    try:
        addresses = resolve(host, port, clock.left())
    except (TimeoutError, OSError) as error:
        raise _Failed("dns", f"no address for {host}: {_os_text(error)}") from error
    last: OSError | None = None
    for family, address in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(clock.left())
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect((address, port))
            return connection
        except OSError as error:
            connection.close()
            last = error
    raise _Failed(*_connect_failure(last, host, port))


def _connect_failure(error: OSError | None, host: str, port: int) -> tuple[Kind, str]:
    where = f"{host}:{port}"
    if isinstance(error, ConnectionRefusedError):
        return "refused", f"connection to {where} refused (errno {error.errno})"
    if isinstance(error, TimeoutError):
        return "connect-timeout", f"no answer to the connection attempt at {where}"
    if error is not None and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL):
        return "unreachable", f"no route to {where}: {_os_text(error)}"
    return "reset", f"connecting to {where} failed: {_os_text(error)}"


def _os_text(error: BaseException | None) -> str:
    return clean(getattr(error, "strerror", None) or str(error), 120)


def _backend(clock: _Clock) -> httpcore.NetworkBackend:
    """httpcore's network seam, with every wait cut to what the exchange has left."""
    import httpcore

    class Stream(httpcore.NetworkStream):
        def __init__(self, connection: socket.socket) -> None:
            self._socket = connection
            self._answer_begins = True

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            self._socket.settimeout(clock.left())
            try:
                got = self._socket.recv(min(max_bytes, _READ))
            except TimeoutError as error:
                raise _Failed("timeout", "connected, but no complete answer in time") from error
            if self._answer_begins and not got.startswith(b"HTTP"[: len(got)]):
                said = clean(got[:80].decode("latin-1"), 60)
                raise _Failed("protocol", f"what answers is not HTTP, it begins with: {said}")
            self._answer_begins = False
            return got

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            self._socket.settimeout(clock.left())
            self._answer_begins = True
            try:
                self._socket.sendall(buffer)
            except TimeoutError as error:
                raise _Failed("timeout", "connected, but the request was not taken in time") from error

        def close(self) -> None:
            self._socket.close()

        def start_tls(
            self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
        ) -> httpcore.NetworkStream:
            self._socket.settimeout(clock.left())
            try:
                return Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname))
            except TimeoutError as error:
                raise _Failed("tls", "connected, but the TLS handshake did not end in time") from error
            except OSError as error:
                raise _Failed("tls", f"TLS handshake failed: {clean(str(error), 160)}") from error

        def get_extra_info(self, info: str) -> Any:
            if info == "is_readable":
                return _readable(self._socket)
            return self._socket if info == "socket" else None

    class Backend(httpcore.NetworkBackend):
        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> httpcore.NetworkStream:
            return Stream(_connect(host, port, clock))

    return Backend()


def _readable(connection: socket.socket) -> bool:
    """Whether an idle connection has something to read, which means that the server has closed it."""
    if connection.fileno() < 0:
        return True
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True
    return True


def _understood(error: Exception) -> tuple[Kind, str]:
    name = type(error).__name__
    text = clean(str(error), 160)
    if name == "RemoteProtocolError":
        closed = "without sending a response" in text
        return ("closed", "the server closed the connection without an answer") if closed else ("protocol", text)
    if isinstance(error, ConnectionError) or name in ("ReadError", "WriteError"):
        return "reset", f"connection reset: {text or name}"
    return "protocol", f"{name}: {text}"
