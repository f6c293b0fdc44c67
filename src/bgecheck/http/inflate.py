"""Unpacks a response body that was compressed though nobody asked for it, within a limit."""

from __future__ import annotations

import zlib

from bgecheck.http.failures import BadResponse
from bgecheck.model import Text, clean


def unpacked(body: bytes, content_encoding: str, limit: int) -> bytes:
    """The body as it was before `content_encoding`, of at most `limit` bytes. Raises `BadResponse`."""
    codings = [part.strip().lower() for part in content_encoding.split(",")]
    codings = [part for part in codings if part not in ("", "identity")]
    if not codings or not body:
        return body
    coding = codings[0]
    if len(codings) > 1 or coding not in ("gzip", "x-gzip", "deflate"):
        shown = clean(", ".join(codings), 20)
        words = Text(
            f"answered in content-encoding {shown}, which was not asked for",
            f"响应用了没有请求过的 content-encoding：{shown}",
        )
        raise BadResponse("malformed", words)
    try:
        return _inflated(body, _window_bits(body, coding), limit)
    except (zlib.error, EOFError) as error:
        words = Text(f"broken {coding} body: {error}", f"{coding} 响应体已损坏：{error}")
        raise BadResponse("malformed", words) from error


def _window_bits(body: bytes, coding: str) -> int:
    """zlib's `wbits`: gzip; or deflate, which many servers send without zlib's head (RFC 9110, 8.4.1.2)."""
    if "gzip" in coding:
        return 31
    return 15 if body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0 else -15


def _inflated(body: bytes, window_bits: int, limit: int) -> bytes:
    """The content of one member after another (gzip may have several); what stands behind them is left out.

    Raises `zlib.error`, `EOFError` where the last member is cut, and `BadResponse` beyond `limit` bytes.
    """
    content = bytearray()
    while True:
        member = zlib.decompressobj(window_bits)
        content += member.decompress(body, limit + 1 - len(content))
        if len(content) > limit:
            words = Text(f"more than {limit} bytes of body once it is unpacked", f"响应体解压后超过 {limit} 字节")
            raise BadResponse("too-large", words)
        if not member.eof:
            raise EOFError("it ends early")
        body = member.unused_data
        if window_bits != 31 or not body.startswith(b"\x1f\x8b"):
            return bytes(content)
