"""Turns text into vectors by the characters it holds: near when texts share words, wrong in the ways an encoder can be.

It is not a language model. Its one claim is to have the shape of a bidirectional encoder: every position sees
the whole text, the first position ([CLS]) is what a right server returns, and every other position differs.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLS, SEP = 101, 102
"""The ids of the special tokens in every BERT vocabulary of the bge family."""

VOCABULARY = 21128
"""Token ids of bge-*-zh: 0 to 21127."""

_FIRST_CONTENT = 670
"""In bert-base-chinese the Chinese characters begin at this id."""
_CHINESE = ("\u3400", "\u9fff")
_OWN = 2.0
"""Weight of a position's own token beside the text: as far from [CLS] as measured on a true encoder (cosine 0.45)."""


def tokens(text: str) -> list[int]:
    """Token ids with [CLS] and [SEP]: one for each Chinese character or mark, one for four letters of a word."""
    ids, word = [CLS], ""
    for character in text.lower() + " ":
        if character.isalnum() and not _CHINESE[0] <= character <= _CHINESE[1]:
            word += character
            continue
        ids += [_id(word[start : start + 4]) for start in range(0, len(word), 4)]
        word = ""
        if not character.isspace():
            ids.append(_id(character))
    return [*ids, SEP]


def _id(piece: str) -> int:
    return _FIRST_CONTENT + zlib.crc32(piece.encode("utf-8", "replace")) % (VOCABULARY - _FIRST_CONTENT)


@lru_cache(maxsize=8192)
def _direction(token: int, neighbour: int, dims: int) -> NDArray[np.float32]:
    """A fixed random direction of a token (or of a pair of neighbours), of length 1."""
    dice = np.random.default_rng((token + 1) * 65536 + neighbour)
    drawn: NDArray[np.float32] = dice.standard_normal(dims).astype(np.float32)
    drawn /= np.float32(np.linalg.norm(drawn))
    return drawn


def state(ids: Sequence[int], position: int, dims: int) -> NDArray[np.float32]:
    """The hidden state at a position: what the whole text holds, and the position's own token."""
    content = [token for token in ids if token not in (CLS, SEP)]
    whole = np.zeros(dims, np.float32)
    for token in content:
        whole += _direction(token, 0, dims)
    for left, right in pairwise(content):
        whole += 0.5 * _direction(left, right + 1, dims)
    length = float(np.linalg.norm(whole))
    if length:
        whole /= np.float32(length)
    own = 0.1 if ids[position] == CLS else _OWN
    whole += np.float32(own) * _direction(ids[position], 0, dims)
    return whole


def normalised(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Length 1, in numbers that fp16 can hold exactly."""
    rounded: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float16).astype(np.float32)
    return rounded


class Encoder:
    """Pools the states as an sglang of given settings does, its faults included.

    `pooling` is `cls` or `last`. With `prefix_cache` on, only what the tree of earlier texts does not hold is
    computed, and the first computed position is pooled; with a `chunk` of so many tokens, a text that a chunk
    border cuts is pooled behind the border (both measured on sglang 0.5.23).
    """

    def __init__(self, *, dims: int, pooling: str, prefix_cache: bool, chunk: int) -> None:
        self._dims = dims
        self._pooling = pooling
        self._chunk = chunk
        self._tree: dict[int, object] | None = {} if prefix_cache else None

    def encode(self, batch: Sequence[Sequence[int]]) -> tuple[list[NDArray[np.float32]], int]:
        """The unnormalised states of a batch, and how many of its tokens came from the cache."""
        vectors, cached, done = [], 0, 0
        for ids in batch:
            held = self._held(ids)
            cached += held
            done += len(ids) - held
            vectors.append(state(ids, self._position(ids, held, done), self._dims))
        return vectors, cached

    def _position(self, ids: Sequence[int], held: int, done: int) -> int:
        if self._pooling == "last":
            return len(ids) - 1
        behind_border = done % self._chunk if self._chunk > 0 else 0
        cut = self._chunk > 0 and 0 < behind_border < len(ids) - held
        return len(ids) - behind_border if cut else held

    def _held(self, ids: Sequence[int]) -> int:
        """Tokens at the beginning that the tree holds, the last one excepted; then the tree holds them all."""
        if self._tree is None:
            return 0
        node, held, inside = self._tree, 0, True
        for number, token in enumerate(ids):
            inside = inside and token in node and number < len(ids) - 1
            held += inside
            below = node.setdefault(token, {})
            assert isinstance(below, dict)
            node = below
        return held
