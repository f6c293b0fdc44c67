"""Tells an HTML page by its beginning, and what it calls itself: nobody reads its tags in a report."""

from __future__ import annotations

import re

from bgecheck.model import clean

_MARKUP = re.compile(r"(?is)\s*(?:<!--.{0,400}?-->\s*|<\?xml.{0,200}?\?>\s*)*<(?:!doctype\s+html|html|head|body)\b")
_TITLE = re.compile(r"(?is)<title\b[^>]{0,200}>\s*([^<\s][^<]{0,2000})")
_HEADING = re.compile(r"(?is)<h1\b[^>]{0,200}>\s*([^<\s][^<]{0,2000})")


def begins_as_html(text: str) -> bool:
    """Whether a text begins as an HTML page does."""
    return _MARKUP.match(text.lstrip("\ufeff")) is not None


def html_title(text: str) -> str:
    """The title in the text of an HTML page, else its heading; empty where it has neither."""
    from html import unescape

    match = _TITLE.search(text) or _HEADING.search(text)
    return " ".join(clean(unescape(match[1]), 100).split()) if match else ""
