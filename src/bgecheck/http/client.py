"""The HTTP client: one bounded exchange, whose failure is a value with its kind, never an exception."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import httpcore
import httpx

from bgecheck.http.backend import Backend
from bgecheck.http.exchange import Exchange, current, exchange
from bgecheck.http.explain import failure_of
from bgecheck.http.failures import BadResponse, Failure
from bgecheck.http.inflate import unpacked
from bgecheck.http.reply import BODY_LIMIT, Reply
from bgecheck.http.tls import Authorities, Certificate, certificate_of, context
from bgecheck.model import Text


class Transport(httpx.BaseTransport):
    """Connections kept alive between requests, over our own network backend; safe to use from several threads.

    It knows nothing of the proxies of the environment; `proxy` is the origin of one that is to be used.
    Exceptions are those of httpcore, whose chain of causes holds what the operating system said.
    """

    def __init__(self, *, authorities: Authorities = "system", proxy: str | None = None) -> None:
        self._authorities = authorities
        self._proxy = proxy
        self._lock = threading.Lock()
        self._pools: dict[str, httpcore.ConnectionPool] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The head of the response; its body is read from the stream."""
        url = request.url
        assert isinstance(request.stream, httpx.SyncByteStream)
        # An address with a zone is written percent-encoded in a URL, and not where one connects (RFC 6874).
        host = unquote(url.host).encode() if ":" in url.host else url.raw_host
        response = self._pool(url.scheme).handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        if not current().received:
            response.close()
            raise httpcore.RemoteProtocolError("a response that was there before its request")
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=response.extensions
        )

    def close(self) -> None:
        """Close the connections that are kept alive."""
        for pool in self._pools.values():
            pool.close()

    def _pool(self, scheme: str) -> httpcore.ConnectionPool:
        """The connections of a scheme; only for https are the authorities read, which takes some 30 ms."""
        with self._lock:
            if scheme not in self._pools:
                self._pools[scheme] = self._new_pool(context(self._authorities) if scheme == "https" else None)
            return self._pools[scheme]

    def _new_pool(self, checks: ssl.SSLContext | None) -> httpcore.ConnectionPool:
        # Without a limit no request waits for another's connection.
        if self._proxy:
            return httpcore.HTTPProxy(self._proxy, ssl_context=checks, max_connections=None, network_backend=Backend())
        return httpcore.ConnectionPool(ssl_context=checks, max_connections=None, network_backend=Backend())


class _Body(httpx.SyncByteStream):
    """The body of a response of httpcore, for httpx."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class Http:
    """Requests to a server, each within a time and a size.

    The transport is asked directly. A client of httpx resolves the Location of a redirect even where it does not
    follow it, fails over one that is no URL, and sends cookies back; here a redirect is a reply like others, so
    that the key does not travel.
    """

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._transport = transport or Transport()

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
        """Send one request and read the whole response within `seconds` and `limit` bytes."""
        with exchange(seconds) as state:
            try:
                return self._asked(_request(method, url, headers or {}, body), state, limit)
            except ImportError:  # what is missing here says nothing of the server
                raise
            except Exception as error:
                return failure_of(error, state)

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._transport.close()

    def _asked(self, request: httpx.Request, state: Exchange, limit: int) -> Reply:
        """The reply, asked for again while a connection that was kept turns out to be of no use.

        Each such connection is gone afterwards, so that the last attempt is made over a new one.
        """
        while True:
            state.remaining()
            state.begin_request()
            try:
                return self._sent(request, state, limit)
            except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
                if not _was_stale(error, state):
                    raise

    def _sent(self, request: httpx.Request, state: Exchange, limit: int) -> Reply:
        response = self._transport.handle_request(request)
        try:
            if response.status_code < 200:
                words = Text("it changes to another protocol, which was not asked for", "切换到了没有请求过的协议")
                raise BadResponse("malformed", words)
            state.in_body = True
            body = _read(response, state, limit)
            return Reply(
                response.status_code,
                dict(response.headers.items()),
                unpacked(body, response.headers.get("content-encoding", ""), limit),
                state.elapsed(),
                _certificate(response),
            )
        finally:
            response.close()


def _was_stale(error: Exception, state: Exchange) -> bool:
    """Whether a kept connection was of no use: it had ended, or the server had sent more than it was asked for.

    A server ends an idle connection when it likes: a request that crosses that end was never looked at. What it sent
    unasked stands before the response to this request.
    """
    if state.connected or state.in_body:
        return False
    return not state.received or (isinstance(error, httpcore.RemoteProtocolError) and not state.ended)


def _request(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> httpx.Request:
    usual = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "bgecheck"}
    request = httpx.Request(method, url, headers={**usual, **headers}, content=body or None)
    request.headers["Host"] = _authority(request.url)
    return request


def _authority(url: httpx.URL) -> str:
    """Host and port as a Host header has them: without the zone of an address (RFC 6874)."""
    return re.sub(r"%[^\]]*\]", "]", url.netloc.decode("ascii"))


def _read(response: httpx.Response, state: Exchange, limit: int) -> bytes:
    """The body as it was sent, of at most `limit` bytes. Raises `BadResponse`, `TimeoutError`."""
    body = bytearray()
    for part in response.iter_raw():
        body += part
        state.note_body(len(part))
        state.remaining()
        if len(body) > limit:
            words = Text(f"more than {limit} bytes of body", f"响应体超过 {limit} 字节")
            raise BadResponse("too-large", words)
    return bytes(body)


def _certificate(response: httpx.Response) -> Certificate | None:
    stream = response.extensions.get("network_stream")
    return certificate_of(stream.get_extra_info("ssl_object")) if stream is not None else None
