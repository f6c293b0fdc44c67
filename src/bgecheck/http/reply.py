"""A whole HTTP response, and its JSON within bounds of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bgecheck.http.markup import begins_as_html, html_title
from bgecheck.http.plaintext import decoded, unescaped
from bgecheck.http.tls import Certificate
from bgecheck.model import clean

BODY_LIMIT = 16 * 2**20
"""Bytes that one response may have. A batch of 64 vectors of 1024 floats written with 17 digits has 1.5 MB."""

PAGE_LIMIT = 2**20
"""Bytes that a status page may have. The longest known, `/server_info` of sglang 0.5.23 with 556 keys, has 30 kB."""

VALUES_LIMIT = 200_000
"""Brackets and half quotes that JSON may have: what costs memory once it is parsed is not bytes but values.

A batch of 1000 vectors has about 10,000; 5 million empty lists, which 16 MB hold, take 900 MB.
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered. `seconds` counts from the beginning of the request."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; the values of a name that came twice are joined by a comma."""
    body: bytes
    seconds: float
    certificate: Certificate | None = None
    """The certificate that the connection was accepted with; None for plain HTTP or where none was checked."""

    def json(self) -> Any:
        """The body as JSON, or None when it is none (nesting beyond Python's limit included)."""
        try:
            return _parsed(self.body)
        except (ValueError, RecursionError):
            return None

    def excerpt(self, limit: int = 160) -> str:
        """The beginning of the body as harmless text."""
        return clean(unescaped(self._text(limit * _WIDEST)), limit)

    def _text(self, size: int) -> str:
        return decoded(self.body[:size], self.headers.get("content-type", ""))

    @property
    def is_html(self) -> bool:
        """Whether the body is an HTML page, by its beginning or by what the server says of it."""
        if self.headers.get("content-type", "").lower().startswith(("text/html", "application/xhtml")):
            return self.json() is None
        return begins_as_html(self.body[:_HTML_START].decode("utf-8", "replace"))

    def title(self) -> str:
        """The title of an HTML page as harmless text, else its heading; empty where it has neither."""
        return html_title(self._text(_HTML_HEAD))


_WIDEST = 12
"""Bytes that one letter may take: half of a surrogate pair is written in six."""

_HTML_START, _HTML_HEAD = 512, 64 * 1024
"""Bytes in which an HTML page shows what it is, and in which it has its title."""


def _parsed(body: bytes) -> Any:
    """JSON, also with the NaN and Infinity that some servers write; ten times faster where there is none.

    Raises `ValueError` for what is none, and for what would take too much memory.
    """
    import orjson

    if len(body) > VALUES_LIMIT and body.count(b"[") + body.count(b"{") + body.count(b'"') // 2 > VALUES_LIMIT:
        raise ValueError("too many values")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        import json

        return json.loads(body)
