"""Reads the bytes of a response as a person would: in the charset that it names, its `\\uXXXX` escapes as letters."""

from __future__ import annotations

import re

_ESCAPED = re.compile(r"(?:\\+u[0-9a-fA-F]{4})+")
_CHINESE = re.compile(rb"(?i)charset\s*=\s*[\"']?(?:gbk|gb2312|gb18030)")
_HEAD = 1024
"""Bytes of a page in which it names its charset."""


def unescaped(text: str) -> str:
    """A text whose JSON was never decoded, or was encoded twice, with letters in place of its escapes."""
    return _ESCAPED.sub(_letters, text)


def _letters(escapes: re.Match[str]) -> str:
    codes = re.findall(r"u([0-9a-fA-F]{4})", escapes[0])
    return bytes.fromhex("".join(codes)).decode("utf-16-be", "replace")


def decoded(body: bytes, content_type: str) -> str:
    """Bytes as text: GB 18030 where the header or the page itself names one of its family, else UTF-8."""
    chinese = _CHINESE.search(content_type.encode("latin-1", "replace")) or _CHINESE.search(body[:_HEAD])
    return body.decode("gb18030" if chinese else "utf-8", "replace")
