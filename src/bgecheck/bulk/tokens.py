"""Counts the tokens of texts and cuts texts by them: with the model's own tokenizer, else by an estimate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol


class Counter(Protocol):
    """What knows how long texts are."""

    exact: bool
    """Whether it is the model's own tokenizer."""
    special: int
    """Tokens that are put around each text."""

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, the special ones included."""
        ...

    def ends(self, text: str) -> list[tuple[int, int]]:
        """Where each token of a text begins and ends, in characters; without the special ones."""
        ...


class Tokenized:
    """Counts with a tokenizer of the library `tokenizers`."""

    exact = True

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.special = len(tokenizer.encode("").ids)

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, the special ones included."""
        return [len(encoded.ids) for encoded in self._tokenizer.encode_batch(list(texts))]

    def ends(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends, in characters."""
        return [(int(begin), int(end)) for begin, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]


LETTERS = 3
"""Letters of one token of a word, as it is estimated: word pieces have four on average, in rare words fewer."""


class Estimated:
    """Counts one token for each Chinese character, mark or symbol, and one for three letters of a word.

    More than a tokenizer of the bge family makes of ordinary text; of rare words, code or URLs it may be fewer.
    """

    exact = False
    special = 2

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, the special ones included."""
        return [len(_TOKEN.findall(text)) + self.special for text in texts]

    def ends(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends, in characters."""
        return [match.span() for match in _TOKEN.finditer(text)]


_TOKEN = re.compile(rf"[0-9A-Za-z\u00c0-\u1fff]{{1,{LETTERS}}}|\S")


def pieces(text: str, counter: Counter, size: int, overlap: int) -> list[str]:
    """The text in pieces of at most `size` tokens, each with `overlap` tokens of the one before it.

    A text that is short enough is one piece, unchanged.
    """
    places = counter.ends(text)
    if len(places) <= size:
        return [text]
    pieces = []
    for begin in range(0, len(places), size - overlap):
        part = places[begin : begin + size]
        pieces.append(text[part[0][0] : part[-1][1]])
        if begin + size >= len(places):
            break
    return pieces
