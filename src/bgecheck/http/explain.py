"""Turns the exception that ended an exchange into a failure with its kind, in words."""

from __future__ import annotations

import errno
import ssl

import httpcore
import httpx

from bgecheck.http.exchange import Exchange, NoTimeLeft
from bgecheck.http.failures import BadResponse, Failure, Kind
from bgecheck.http.tls import reason_of
from bgecheck.machine.connect import NoInterface
from bgecheck.model import Text, Words, clean


def failure_of(error: Exception, exchange: Exchange) -> Failure:
    """Why an exchange has no response."""
    cause = _cause(error)
    if exchange.phase == "tls" or _is_tls(cause):
        return Failure("tls", _tls_words(cause or error, exchange), exchange.elapsed(), reason_of(cause))
    kind, words = _explained(error, cause, exchange)
    cut = kind == "malformed" and isinstance(error, httpcore.RemoteProtocolError) and exchange.ended
    return Failure(kind, words, exchange.elapsed(), cut=cut)


def _cause(error: BaseException) -> BaseException | None:
    """What the operating system or OpenSSL said, somewhere on the chain of causes."""
    at: BaseException | None = error
    while at is not None and not isinstance(at, OSError):
        at = at.__cause__ or at.__context__
    return at


def _is_tls(cause: BaseException | None) -> bool:
    """Whether TLS failed after its handshake, as where a client certificate is wanted; a mere end is none."""
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _explained(error: Exception, cause: BaseException | None, exchange: Exchange) -> tuple[Kind, Words]:
    if isinstance(error, httpcore.LocalProtocolError | httpx.InvalidURL | UnicodeError):
        return "unsendable", _UNSENDABLE
    if isinstance(error, BadResponse):
        return error.kind, error.detail
    if isinstance(cause, NoTimeLeft) and exchange.phase in ("start", "resolve", "connect"):
        return "cut-off", Text(
            f"the time-out of {exchange.seconds:.3g} s was over before a connection was tried",
            f"还没尝试连接，{exchange.seconds:.3g} 秒的时限就到了",
        )
    if exchange.phase == "resolve":
        return _unresolved(cause, exchange.peer)
    if exchange.phase == "connect":
        return _unconnected(cause, exchange.peer)
    if isinstance(error, httpcore.TimeoutException | TimeoutError):
        return _late(exchange)
    if isinstance(error, httpcore.RemoteProtocolError):
        return _broken(error, exchange)
    why = _system_words(cause) or type(error).__name__
    return "reset", Text(f"connection reset: {why}", f"连接被重置：{why}")


# h11 repeats the header that it refuses, which may be the key.
_UNSENDABLE = Text(
    "the request cannot be sent: a header or the URL holds what HTTP cannot carry (in the key: a line break, a blank "
    "at its end, or a character beyond ASCII)",
    "请求发不出去：请求头或 URL 里有 HTTP 不允许的内容（例如 key 里有换行、末尾空格或非 ASCII 字符）",
)


def _unresolved(cause: BaseException | None, where: str) -> tuple[Kind, Text]:
    why = _system_words(cause)
    if isinstance(cause, NoInterface):
        return "unreachable", Text(f"no route to {where}: {why}", f"没有到 {where} 的路由：{why}")
    return "dns", Text(f"no address for {where}: {why}", f"{where} 解析不出地址：{why}")


_NO_ROUTE = (
    *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT),
    errno.EINVAL,  # a link-local address without its interface
)
"""No route, none allowed by this machine's own firewall, or no such network here."""


def _unconnected(cause: BaseException | None, where: str) -> tuple[Kind, Text]:
    why, number = _system_words(cause), getattr(cause, "errno", None)
    if isinstance(cause, ConnectionRefusedError):
        return "refused", Text(f"connection to {where} refused (errno {number})", f"{where} 拒绝连接（errno {number}）")
    if isinstance(cause, TimeoutError):
        return "connect-timeout", Text(f"no answer to the connection attempt at {where}", f"连接 {where} 没有任何回应")
    if number == errno.EINVAL:
        why += " (a link-local address needs its interface, as in fe80::1%eth0)"
    if number in _NO_ROUTE:
        return "unreachable", Text(f"no route to {where}: {why}", f"没有到 {where} 的路由：{why}")
    return "reset", Text(f"connecting to {where} failed: {why}", f"连接 {where} 失败：{why}")


def _late(exchange: Exchange) -> tuple[Kind, Text]:
    seconds = f"{exchange.seconds:.1f}"
    if exchange.received:
        return "unfinished", Text(
            f"the response began, and had not ended within {seconds} s", f"响应已经开始，但 {seconds} 秒内没有传完"
        )
    if exchange.phase == "send":
        return "timeout", Text(
            f"connected, but the request was not taken within {seconds} s", f"已连接，但 {seconds} 秒内请求没能发完"
        )
    return "timeout", Text(
        f"connected and asked, but not one byte of an answer within {seconds} s",
        f"已连接并发出请求，{seconds} 秒内没有收到任何响应数据",
    )


def _broken(error: httpcore.RemoteProtocolError, exchange: Exchange) -> tuple[Kind, Text]:
    """A response that is none: nothing at all, something else than HTTP, or HTTP that breaks its rules."""
    if not exchange.is_http:
        begins = clean(exchange.first.decode("latin-1"), 60)
        return "protocol", Text(
            f"what answers is not HTTP, it begins with: {begins}", f"对方返回的不是 HTTP，开头是：{begins}"
        )
    if not exchange.received and exchange.send_error is not None:
        why = _system_words(exchange.send_error)
        return "reset", Text(f"connection reset: {why}", f"连接被重置：{why}")
    if not exchange.received:
        return "closed", Text("the server closed the connection without an answer", "服务没有响应就关闭了连接")
    if exchange.ended and exchange.in_body:
        return "malformed", Text(
            f"the connection ended after {exchange.body} bytes of body, before it was whole",
            f"响应体传了 {exchange.body} 字节，还没传完连接就断了",
        )
    if exchange.ended:
        return "malformed", Text("the connection ended within the headers", "响应头还没传完，连接就断了")
    why = clean(str(error), 120)
    return "malformed", Text(f"not valid HTTP: {why}", f"不符合 HTTP 协议：{why}")


def _tls_words(error: BaseException, exchange: Exchange) -> Text:
    if isinstance(error, TimeoutError):
        return Text(
            f"connected, but the TLS handshake did not end within {exchange.seconds:.1f} s",
            f"已连接，但 TLS 握手 {exchange.seconds:.1f} 秒内没有完成",
        )
    why = clean(str(error), 160)
    return Text(f"TLS handshake failed: {why}", f"TLS 握手失败：{why}")


def _system_words(error: BaseException | None) -> str:
    return clean(getattr(error, "strerror", None) or str(error or ""), 120)
