"""Turns text into vectors by the characters it holds: near when texts share words, wrong in the ways an encoder can be.

It is not a language model. Its one claim is to have the shape of a bidirectional encoder: every position sees
the whole text, the first position ([CLS]) is what a right server returns, and every other position differs.
"""

from __future__ import annotations

import math
import random
import struct
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

UNK, CLS, SEP = 100, 101, 102
"""The ids of the special tokens in every BERT vocabulary of the bge-*-zh family."""

VOCABULARY = 21128
"""Token ids of bge-*-zh: 0 to 21127."""

LONGEST = 511
"""Tokens that a text can have; sglang refuses from 512 on (measured on 0.5.23 and 0.5.3.post3)."""

LANES = 1024
"""The most dimensions a vector can have, bge-large-zh's."""

_FIRST_CONTENT = 670
"""In bert-base-chinese the Chinese characters begin at this id."""
_CHINESE = (("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\uf900", "\ufaff"))
_PIECE = 4
"""Letters in one piece of a word; true word pieces have between one and a dozen."""

_OWN = 2.0
"""Weight of a position's own token beside the text: as far from [CLS] as measured on a true encoder (cosine 0.45)."""
_OWN_CLS = 0.1

# A direction is one whole number of `LANES` lanes of 16 bits, each holding a random 0 to 15: adding two such numbers
# adds all their lanes at once, and 511 tokens with their pairs stay below 2**16 in every lane.
_LANE_BYTES = 2
_MASK = int.from_bytes(b"\x0f\x00" * LANES, "little")
_MEAN = 7.5
_OF_TOKEN, _OF_PAIR = 2, 1
_POOL = 16384
"""Tokens that the prefix tree holds at most, as the log says (`max_total_num_tokens`)."""


def tokens(text: str) -> list[int]:
    """Token ids with [CLS] and [SEP]: one for each Chinese character or mark, one for four letters of a word."""
    return [CLS, *(id_ for word in _words(text) for id_ in _pieces(word)), SEP]


def _words(text: str) -> Iterator[str]:
    """Runs between blanks; Chinese characters and punctuation stand alone, as BERT's tokenizer has it."""
    word = ""
    for character in text.lower():
        kind = unicodedata.category(character)
        if kind == "Cc" and not character.isspace():
            continue
        if not (alone := _is_chinese(character) or _is_mark(character, kind)) and not character.isspace():
            word += character
            continue
        if word:
            yield word
        word = ""
        if alone:
            yield character
    if word:
        yield word


def _is_chinese(character: str) -> bool:
    return any(first <= character <= last for first, last in _CHINESE) or "\U00020000" <= character <= "\U0002fa1f"


def _is_mark(character: str, kind: str) -> bool:
    return kind.startswith("P") or (character.isascii() and character.isprintable() and not character.isalnum())


def _pieces(word: str) -> list[int]:
    """A word with a character outside the vocabulary (an emoji, a rare character) is one [UNK]."""
    if any(character > "\uffff" or unicodedata.category(character) in ("So", "Cs", "Co", "Cn") for character in word):
        return [UNK]
    return [_id(word[start : start + _PIECE]) for start in range(0, len(word), _PIECE)]


def _id(piece: str) -> int:
    return _FIRST_CONTENT + zlib.crc32(piece.encode()) % (VOCABULARY - _FIRST_CONTENT)


@lru_cache(maxsize=4096)
def _direction(token: int, neighbour: int) -> int:
    """A fixed random direction of a token, or of a pair of neighbours; 2 kB."""
    return random.Random(token << 16 | neighbour).getrandbits(8 * _LANE_BYTES * LANES) & _MASK


def _unit(total: int, directions: int) -> list[float]:
    """The sum of so many directions, around zero and of length 1; all zero when nothing was added."""
    lanes = struct.unpack(f"<{LANES}H", total.to_bytes(_LANE_BYTES * LANES, "little"))
    middle = _MEAN * directions
    return scaled([lane - middle for lane in lanes], 1.0)


def scaled(vector: Sequence[float], length: float) -> list[float]:
    """The vector at another length; a zero vector stays one."""
    factor = length / (math.sqrt(math.fsum(x * x for x in vector)) or 1.0)
    return [x * factor for x in vector]


def half(vector: Sequence[float]) -> list[float]:
    """The nearest numbers that fp16 holds exactly, as a server that computes in fp16 returns them."""
    form = f"<{len(vector)}e"
    return list(struct.unpack(form, struct.pack(form, *vector)))


def state(ids: Sequence[int], position: int) -> list[float]:
    """The hidden state at a position: what the whole text holds, and the position's own token."""
    content = [token for token in ids if token not in (CLS, SEP)]
    total = sum(_OF_TOKEN * _direction(token, 0) for token in content)
    total += sum(_OF_PAIR * _direction(left, right + 1) for left, right in pairwise(content))
    whole = _unit(total, _OF_TOKEN * len(content) + _OF_PAIR * max(len(content) - 1, 0))
    own = _OWN_CLS if ids[position] == CLS else _OWN
    return [a + own * b for a, b in zip(whole, _unit(_direction(ids[position], 0), 1), strict=True)]


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
        self._tree: dict[int, Any] | None = {} if prefix_cache else None
        self._kept = 0

    def encode(self, batch: Sequence[Sequence[int]]) -> tuple[list[list[float]], int]:
        """The states of a batch, at the length that a final layer norm leaves, and its tokens from the cache."""
        vectors, cached, done = [], 0, 0
        for ids in batch:
            held = self._held(ids)
            cached += held
            done += len(ids) - held
            chosen = state(ids, self._position(ids, held, done))[: self._dims]
            vectors.append(scaled(chosen, math.sqrt(self._dims)))
        return vectors, cached

    def flush(self) -> None:
        """Forget all prefixes; the next text is then computed whole."""
        self._kept = 0
        if self._tree is not None:
            self._tree = {}

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
        if self._kept + len(ids) > _POOL:
            self.flush()  # the true tree drops what was used longest ago; what remains is as wrong as before
        node, held = self._tree, 0
        for number, token in enumerate(ids):
            is_known = token in node
            held += is_known and held == number < len(ids) - 1
            self._kept += not is_known
            node = node.setdefault(token, {})
        return held
