"""The texts of a load: fresh ones in Chinese and English, which no cache answers, or those of the user's file."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from bgecheck.benching.lengths import Lengths
from bgecheck.model import BadInput, Text
from bgecheck.textfile.record import Record

CHINESE = (
    "天气今明山水花草书店车站老师学校公园电影音乐城市春夏秋冬红蓝白黑大小新旧来去看听说写想走跑吃喝买卖开关上下左右"
)
"""Characters that every Chinese vocabulary holds, one token each."""

ENGLISH = (
    *("time", "year", "people", "way", "day", "man", "thing", "woman", "life"),
    *("child", "world", "school", "state", "family", "student", "group", "country", "problem"),
    *("hand", "part", "place", "case", "week", "company", "system", "program", "question"),
    *("work", "night", "point", "home", "water", "room", "mother", "area", "money"),
    *("story", "fact", "month", "lot", "right", "study", "book", "eye", "job"),
    *("word", "business", "issue", "side", "kind", "head", "house", "service", "friend"),
    *("power", "hour", "game", "line", "end", "member", "law", "car", "city"),
    *("name", "team", "minute", "idea", "body", "information", "back", "parent", "face"),
    *("level", "office"),
)
"""Words that are one token each in most vocabularies."""

BASES = 512
"""Texts from which all are made, each with a beginning of its own."""

MARK = 6
"""Characters or words of that beginning: of Chinese ones there are 10 thousand millions."""

MOST = 100_000
"""Texts of a file that are kept in memory."""


class Source(Protocol):
    """Where the texts of a load come from. Asked by one thread at a time."""

    def take(self, count: int) -> list[str]:
        """The texts of one request."""
        ...


@dataclass(frozen=True, slots=True)
class Scale:
    """Tokens of one Chinese character and of one English word, as the server counts them; special ones beside."""

    character: float = 1.0
    word: float = 1.0
    special: float = 2.0


class Fresh:
    """Texts of a distribution of lengths, Chinese and English by turns; none is sent twice."""

    def __init__(self, lengths: Lengths, longest: int, scale: Scale, rng: random.Random) -> None:
        self._rng = rng
        drawn = (min(longest, lengths.draw(rng)) for _ in range(BASES))
        self._bases = [_base(number, tokens, scale, rng) for number, tokens in enumerate(drawn)]

    def take(self, count: int) -> list[str]:
        """Texts that were never sent."""
        return [self._fresh(self._rng.choice(self._bases)) for _ in range(count)]

    def _fresh(self, base: tuple[bool, str]) -> str:
        """A text as long as the base, with another beginning: a cache of prefixes knows none of it."""
        chinese, text = base
        if chinese:
            return "".join(self._rng.choices(CHINESE, k=min(MARK, len(text)))) + text[MARK:]
        words = text.split(" ", MARK)
        return " ".join([*self._rng.choices(ENGLISH, k=min(MARK, len(words))), *words[MARK:]])


def _base(number: int, tokens: int, scale: Scale, rng: random.Random) -> tuple[bool, str]:
    room = max(1.0, tokens - scale.special)
    if number % 2:
        return False, " ".join(rng.choices(ENGLISH, k=max(1, round(room / scale.word))))
    return True, "".join(rng.choices(CHINESE, k=max(1, round(room / scale.character))))


class Own:
    """The texts of a file in random order, again and again where there are too few."""

    def __init__(self, texts: Sequence[str], rng: random.Random) -> None:
        self._texts = list(texts)
        rng.shuffle(self._texts)
        self.taken = 0

    @property
    def times(self) -> float:
        """How often each was sent, on average."""
        return self.taken / len(self._texts)

    def take(self, count: int) -> list[str]:
        """The next texts."""
        size = len(self._texts)
        some = [self._texts[(self.taken + place) % size] for place in range(count)]
        self.taken += count
        return some


def own(records: Iterable[Record], path: str, rng: random.Random) -> Own:
    """The texts of a file that are not blank, the first `MOST` of them. Raises `BadInput` where there is none."""
    some = [record.text for record in islice(records, MOST) if record.problem is None and record.text.strip()]
    if not some:
        raise BadInput(
            f"--input {path}",
            Text("no text in it but blanks", "里面只有空白，没有文本"),
            Text("give a file of texts, or leave it out", "换一个文本文件，或去掉这个选项"),
        )
    return Own(some, rng)


SAMPLE = 24
"""Characters and words of the texts with which a server's tokens are counted."""


def samples(rng: random.Random) -> tuple[list[str], list[str]]:
    """Chinese texts of `SAMPLE` and twice as many characters, and English ones of as many words."""
    chinese = ["".join(rng.choices(CHINESE, k=SAMPLE * times)) for times in (1, 2)]
    return chinese, [" ".join(rng.choices(ENGLISH, k=SAMPLE * times)) for times in (1, 2)]


def scale_of(chinese: Sequence[int], english: Sequence[int]) -> Scale:
    """What the tokens of `samples` say; the usual scale where they say nothing (0, or fewer for the longer text)."""
    (short, long), (few, many) = chinese, english
    if min(short, few) <= 0 or long <= short or many <= few:
        return Scale()
    character, word = (long - short) / SAMPLE, (many - few) / SAMPLE
    return Scale(character, word, max(0.0, short - SAMPLE * character))
