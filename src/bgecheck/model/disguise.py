"""Finds a secret in a text however it is written there: spaced, wrapped, in other letters, coded, or in part."""

from __future__ import annotations

import binascii
import math
import re
import unicodedata
from collections.abc import Iterator

SHORTEST = 8
"""Letters and digits that a secret must have: shorter ones stand in ordinary words by chance."""

_PART, _SHORTEST_PART = 0.85, 12
"""Of a secret's letters that betray it; a model's name may well be the half of somebody's key."""

_STUMP = 6
"""Letters of the beginning of a secret, before a cut, that are taken for it."""

_TORN = 6
"""Letters that the beginning of a coded character may have."""

_BETWEEN = re.compile(r"[\W_]+")
"""What is no letter and no digit: combining marks and variation selectors too."""

_CODED = re.compile(
    r"%(?:25)*([0-9A-Fa-f]{2})"  # of a URL, coded once or more often
    r"|&(?:amp;)*#(\d{1,7});|&(?:amp;)*#[xX]([0-9A-Fa-f]{1,6});|&(?:amp;)*[A-Za-z]{2,8};"  # of HTML
    r"|\\{1,8}(?:u\{?([0-9A-Fa-f]{4,6})\}?|x([0-9A-Fa-f]{2})|([0-3][0-7]{2}))"  # of JSON, Python, C
)
_BASES = (16, 10, 16, 16, 16, 8)
_PACKED = re.compile(r"[A-Za-z0-9+/_=-]*")
"""What base64 is written with."""

Span = tuple[int, int]


class Disguise:
    """One secret, with the ways in which it may be written."""

    def __init__(self, secret: str) -> None:
        plain = _letters(secret)
        raw = secret.encode("utf-8", "surrogatepass")
        coded = (raw.hex(), "".join(map(str, raw)), _letters(plain[::-1]))
        self._packed = tuple(filter(_long, map(_letters, _base64(raw))))
        self._whole = tuple(filter(_long, (plain, *coded))) if _long(plain) else ()
        self._needles = (*self._whole, *self._packed, *_parts(plain)) if self._whole else ()
        self._shortest = min(map(len, self._needles), default=0)

    def hidden(self, text: str, mark: str, cut: str) -> str:
        """`text` with `mark` in place of the secret, and of its beginning before a `cut`."""
        if not self._needles:
            return text
        for decoded in (False, True):
            if self._seen(text, cut, decoded):
                text = self._without(text, mark, cut, decoded)
        return text

    def _seen(self, text: str, cut: str, decoded: bool) -> bool:
        """Whether a closer look is worth its time; most texts are none."""
        if decoded:
            if not _CODED.search(text):
                return False
            text = _CODED.sub(_decoded, text)
        letters = _letters(text)
        if cut in text and any(whole[:_STUMP] in letters for whole in (*self._whole, *self._packed)):
            return True
        return len(letters) >= self._shortest and any(needle in letters for needle in self._needles)

    def _without(self, text: str, mark: str, cut: str, decoded: bool) -> str:
        letters, places = _placed(text, decoded)
        spans = [(places[a][0], places[b - 1][1]) for a, b in self._found(letters)]
        packed = [_widened(text, (places[a][0], places[b - 1][1])) for a, b in _all(letters, self._packed)]
        spans += packed + self._stumps(text, letters, places, cut)
        for start, end in reversed(_merged(spans)):
            text = text[:start] + mark + text[end:]
        return text

    def _found(self, letters: str) -> list[Span]:
        return list(_all(letters, self._needles))

    def _stumps(self, text: str, letters: str, places: list[Span], cut: str) -> list[Span]:
        """Where, before a cut, a secret begins; a coded character that the cut went through stands behind it."""
        spans = []
        for match in re.finditer(re.escape(cut), text):
            count = sum(end <= match.start() for _, end in places)
            for last in range(count, max(0, count - _TORN), -1):
                spans += [(places[last - size][0], match.start()) for size in self._begun(letters[:last])]
        return spans

    def _begun(self, letters: str) -> Iterator[int]:
        """How many of the last letters are the beginning of a secret."""
        for whole in (*self._whole, *self._packed):
            most = min(len(whole), len(letters))
            size = next((n for n in range(most, _STUMP - 1, -1) if letters.endswith(whole[:n])), 0)
            if size:
                yield size


def _long(letters: str) -> bool:
    return len(letters) >= SHORTEST


def _letters(text: str) -> str:
    """Letters and digits alone, wide ones and those with accents as plain ones, in lower case."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
    return _BETWEEN.sub("", text).casefold()


def _placed(text: str, decoded: bool) -> tuple[str, list[Span]]:
    """The letters of a text, and where in it each is written."""
    letters, places = [], []
    for piece, span in _pieces(text, decoded):
        for letter in _letters(piece):
            letters.append(letter)
            places.append(span)
    return "".join(letters), places


def _pieces(text: str, decoded: bool) -> Iterator[tuple[str, Span]]:
    """Characters with their places; coded ones, if asked for, as what they stand for."""
    at = 0
    while at < len(text):
        match = _CODED.match(text, at) if decoded else None
        end = match.end() if match else at + 1
        yield _decoded(match) if match else text[at], (at, end)
        at = end


def _decoded(match: re.Match[str]) -> str:
    number = next((int(digits, base) for digits, base in zip(match.groups(), _BASES, strict=True) if digits), 0)
    return chr(number) if 0 < number <= 0x10FFFF else ""


def _base64(raw: bytes) -> Iterator[str]:
    """What base64 makes of these bytes within any others, as far as the others do not change it."""
    for before in range(3):
        text = binascii.b2a_base64(bytes(before) + raw, newline=False).decode().rstrip("=")
        last = (before + len(raw)) * 8 // 6
        yield text[math.ceil(before * 8 / 6) : last]


def _parts(letters: str) -> tuple[str, ...]:
    size = max(_SHORTEST_PART, math.ceil(_PART * len(letters)))
    return tuple(letters[start : start + size] for start in range(len(letters) - size + 1))


def _all(letters: str, needles: tuple[str, ...]) -> Iterator[Span]:
    for needle in needles:
        at = letters.find(needle)
        while at >= 0:
            yield at, at + len(needle)
            at = letters.find(needle, at + 1)


def _widened(text: str, span: Span) -> Span:
    """The whole of what is packed: its ends hold characters of the secret too."""
    start = span[0]
    while start and _PACKED.fullmatch(text[start - 1]):
        start -= 1
    match = _PACKED.match(text, span[1])
    return start, match.end() if match else span[1]


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
