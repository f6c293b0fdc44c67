"""Each threshold of the rows of vectors: a case just inside, one just outside, and the odd one is not the first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bgecheck.checks import embed
from bgecheck.checks.embed.facts import EmbedFacts, More
from bgecheck.checks.embed.texts import COUNTED, TRIPLES
from bgecheck.http.embeddings import Embedded
from bgecheck.model import Status, Target
from bgecheck.run import engine

DIMS = 512
FRESH, CROWD, PAIR, WHOLE, SPARE = (0, 1, 2), (3, 4, 5, 6), (7, 8), (9, 10), 11
"""Each text is a direction of its own; the last is no text's."""

Vector = tuple[float, ...]
Build = Callable[[float], EmbedFacts]


def axis(number: int, length: float = 1.0) -> Vector:
    return tuple(length if n == number else 0.0 for n in range(DIMS))


def turned(number: int, cosine: float, towards: int = SPARE) -> Vector:
    """A unit vector with this cosine to the text's own."""
    away = math.sqrt(1 - cosine * cosine)
    return tuple(cosine if n == number else away if n == towards else 0.0 for n in range(DIMS))


def answer(*vectors: Vector, tokens: int = 14) -> Embedded:
    return Embedded(vectors, (0,) * len(vectors), tuple(range(len(vectors))), tokens, "m", 0.01)


def facts(repeats: tuple[Embedded, ...] = (), batch: Embedded | None = None, **changed: Any) -> EmbedFacts:
    """What a right server answers, with changes."""
    one, three = answer(axis(1)), answer(*map(axis, FRESH))
    beside: dict[str, Any] = {"meaning": None, "pair": answer(axis(PAIR[0]), turned(PAIR[0], 0.6119))}
    beside |= {name: changed.pop(name) for name in list(changed) if name in beside}
    more = More(
        **{
            "relative": one,
            "after_relative": one,
            "reversed": answer(*map(axis, reversed(FRESH))),
            "crowd": tuple(answer(axis(n)) for n in CROWD),
            "crowd_batch": answer(*map(axis, CROWD)),
            "chunk": 4096,
            "long": (three, answer(axis(0)), answer(axis(1), axis(2))),
            "counted": answer(*(axis(20) for _ in COUNTED), tokens=sum(count for _, count in COUNTED)),
            "declared": None,
            "whole": answer(*map(axis, WHOLE)),
            **changed,
        }
    )
    target = Target(url="http://h:1", host="h", port=1)
    others = (answer(axis(FRESH[0])), answer(axis(FRESH[2])))
    asked = (target, ("bge-small-zh-v1.5",), ("文本",), one, repeats or (one,) * 3, batch or three, others)
    return EmbedFacts(*asked, more=more, **beside)


def status(row: str, given: EmbedFacts) -> Status:
    area = replace(embed.AREA, collector=lambda context: given, needs=())
    return {f.id: f for f in engine.run([area], None)}[f"embed.{row}"].status


def triples(right: int, margin: float) -> Embedded:
    """Of all triples so many are right; each lies apart by `margin`, the wrong ones the other way round."""
    vectors: list[Vector] = []
    for number in range(len(TRIPLES)):
        near, far = turned(0, 0.5 + margin, 1), turned(0, 0.5, 2)
        vectors += [axis(0), *((near, far) if number >= len(TRIPLES) - right else (far, near))]
    return answer(*vectors)


def with_norm(length: float) -> EmbedFacts:
    return facts(batch=answer(axis(0), axis(1), axis(2, length)))


ONE = answer(axis(1))
ALONE = tuple(answer(axis(n)) for n in CROWD[:-1])
COMPARED: dict[str, tuple[Build, float]] = {
    "repeatable": (lambda c: facts((ONE, ONE, answer(turned(1, c)))), 0.9999),
    "batch-equals-single": (lambda c: facts(batch=answer(axis(0), turned(1, c), axis(2))), 0.999),
    "prefix-independent": (lambda c: facts(after_relative=answer(turned(1, c))), 0.999),
    "order": (lambda c: facts(reversed=answer(axis(2), axis(1), turned(0, c))), 0.999),
    "concurrent": (lambda c: facts(crowd=(*ALONE, answer(turned(CROWD[-1], c)))), 0.999),
    "long-batch": (lambda c: facts(long=(answer(axis(0), axis(1), turned(2, c)), *facts().more.long[1:])), 0.999),  # type: ignore[union-attr,index]
}
"""Rows that want a cosine of at least so much, with a server whose answer has one."""


@pytest.mark.parametrize("row", COMPARED)
def test_vectors_that_should_be_the_same_may_differ_by_so_much(row: str) -> None:
    build, bound = COMPARED[row]
    step = (1 - bound) / 20
    assert status(row, build(bound + step)) is Status.PASS
    assert status(row, build(bound - step)) is Status.FAIL


APART: dict[str, tuple[Build, float]] = {
    "distinct": (
        lambda c: facts(
            crowd=(*ALONE, answer(turned(CROWD[-2], c, CROWD[-1]))),
            crowd_batch=answer(*map(axis, CROWD[:-1]), turned(CROWD[-2], c, CROWD[-1])),
        ),
        0.9999,
    ),
    "whole-text": (lambda c: facts(whole=answer(axis(WHOLE[0]), turned(WHOLE[0], c))), 0.999999),
}


@pytest.mark.parametrize("row", APART)
def test_vectors_that_should_differ_differ_by_so_much(row: str) -> None:
    build, bound = APART[row]
    step = (1 - bound) / 20
    assert status(row, build(bound - step)) is Status.PASS
    assert status(row, build(bound + step)).bad


@pytest.mark.parametrize(
    ("right", "margin", "wanted"),
    [
        (len(TRIPLES), 0.051, Status.PASS),
        (len(TRIPLES), 0.049, Status.FAIL),
        (math.ceil(len(TRIPLES) * 0.75), 0.4, Status.PASS),
        (math.ceil(len(TRIPLES) * 0.75) - 1, 0.4, Status.FAIL),
    ],
)
def test_meaning_is_kept_by_three_of_four_and_by_a_margin(right: int, margin: float, wanted: Status) -> None:
    assert status("semantic", facts(meaning=(triples(right, margin),))) is wanted


@pytest.mark.parametrize(("off", "wanted"), [(0.0199, Status.PASS), (0.0201, Status.WARN)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_published_cosine_is_met_within_its_band(off: float, sign: int, wanted: Status) -> None:
    pair = answer(axis(PAIR[0]), turned(PAIR[0], 0.6119 + sign * off))
    assert status("golden", facts(pair=pair)) is wanted


@pytest.mark.parametrize(("off", "bad"), [(0.0049, False), (0.0051, True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_length_may_be_off_by_so_much(off: float, sign: int, bad: bool) -> None:
    """Of the last vector of the batch, where all others have length 1."""
    assert status("normalized", with_norm(1 + sign * off)).bad is bad
