"""Each threshold of the rows of vectors: a case just inside, one just outside, and the odd one is not the first."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bgecheck.checks import embed
from bgecheck.checks.embed import measures
from bgecheck.checks.embed.facts import EmbedFacts, More
from bgecheck.checks.embed.proof import Proof, Upgrade
from bgecheck.checks.embed.texts import COUNTED, TRIPLES
from bgecheck.engines.sglang.running import Running
from bgecheck.http.embeddings import Embedded, Refused
from bgecheck.http.failures import Failure
from bgecheck.model import Finding, Status, Target, say
from bgecheck.model.state import ServerState
from bgecheck.reference.recipes import Match, Recipe
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


def judged(row: str, given: EmbedFacts) -> Finding:
    area = replace(embed.AREA, collector=lambda context: given, needs=())
    return {f.id: f for f in engine.run([area], None)}[f"embed.{row}"]


def status(row: str, given: EmbedFacts) -> Status:
    return judged(row, given).status


def triples(right: int, margin: float) -> Embedded:
    """Of all triples so many are right; each lies apart by `margin`, the wrong ones the other way round."""
    vectors: list[Vector] = []
    for number in range(len(TRIPLES)):
        near, far = turned(0, 0.5 + margin, 1), turned(0, 0.5, 2)
        vectors += [axis(0), *((near, far) if number >= len(TRIPLES) - right else (far, near))]
    return answer(*vectors)


BEFORE = ServerState(version="0.5.23", settings={"dtype": "float16"}, latency=10.0, memory=900)
NOW = ServerState(version="0.5.23", settings={"dtype": "bfloat16"}, latency=12.0, memory=1900)


def recorded(*cosines: float, upgrade: Upgrade | None = None) -> EmbedFacts:
    """A comparison with a file; without `upgrade` one that does not tell what the server was like."""
    proof = Proof("file", "v.jsonl", answer(axis(0)), DIMS, cosines, (1.0,) * len(cosines), upgrade=upgrade)
    return facts()._replace(proof=proof)


@pytest.mark.parametrize(
    ("lowest", "verdict", "wanted"),
    [
        (0.999991, "index-compatible", Status.PASS),
        (0.999989, "numerically different, harmless", Status.PASS),
        (0.99801, "numerically different, harmless", Status.PASS),
        (0.99799, "re-index", Status.FAIL),
        (math.nan, "re-index", Status.FAIL),
    ],
)
def test_what_an_index_built_before_is_good_for_is_told_by_the_lowest_cosine(
    lowest: float, verdict: str, wanted: Status
) -> None:
    finding = judged("reference", recorded(1.0, 1.0, lowest, upgrade=Upgrade(BEFORE, NOW, 0.5, 3)))
    assert (finding.status, finding.values["compatibility"]) == (wanted, verdict)
    shown = [(say(evidence.subject, "en"), say(evidence.observed, "en")) for evidence in finding.evidence]
    assert shown[0] == ("verdict for an index built before", verdict)
    assert ("dtype", "float16 → bfloat16") in shown
    assert ("nearest 3 texts of each that stay its nearest", "50%") in shown
    assert ("memory of the server's processes", "900 → 1900 MiB") in shown


def test_what_has_changed_is_named_and_where_nothing_has_the_files_are_to_be_compared() -> None:
    changed = say(judged("reference", recorded(0.4, upgrade=Upgrade(BEFORE, NOW))).cause, "en")
    assert changed.endswith("Changed since: dtype float16 → bfloat16")
    same = say(judged("reference", recorded(0.4, upgrade=Upgrade(BEFORE, BEFORE))).cause, "en")
    assert same.endswith("No setting that the server shows has changed: compare the files of the model")


def test_a_file_that_does_not_tell_what_the_server_was_like_gives_no_verdict_for_an_index() -> None:
    for lowest, wanted in ((0.99801, Status.PASS), (0.99799, Status.FAIL)):
        finding = judged("reference", recorded(1.0, lowest))
        assert finding.status is wanted
        assert "compatibility" not in finding.values


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


def cause(row: str, given: EmbedFacts) -> str:
    return say(judged(row, given).cause, "en")


@pytest.mark.parametrize(("margin", "random"), [(0.0299, True), (0.0301, False), (-0.0299, True), (-0.0301, False)])
def test_a_margin_of_random_numbers_is_called_so(margin: float, random: bool) -> None:
    given = facts(meaning=(triples(len(TRIPLES) if margin > 0 else 0, abs(margin)),))
    assert ("random numbers have" in cause("semantic", given)) is random


def test_the_margin_of_triples_is_the_average_of_all() -> None:
    measured = measures.meaning(facts(meaning=(triples(len(TRIPLES) - 1, 0.3),)))
    assert (measured.right, measured.triples) == (len(TRIPLES) - 1, len(TRIPLES))
    assert measured.margin == pytest.approx(0.3 * (len(TRIPLES) - 2) / len(TRIPLES))


A, B, C, D = (answer(axis(n)) for n in (1, 60, 61, 62))
HURT = answer(tuple(math.nan for _ in range(DIMS)))
NONE = Failure("refused", "nobody there", 0.01)


@pytest.mark.parametrize(
    ("repeats", "after", "back", "different", "keeps"),
    [
        ((A, A, A), A, False, 0, True),
        ((A, A, A), B, False, 0, False),
        ((A, B, B), B, False, 0, False),
        ((A, B, A), B, True, 0, False),
        ((A, A, B), A, True, 0, False),
        ((A, B, C), D, False, 4, False),
        ((A, B, C), B, True, 0, False),
        ((A, B, C), HURT, False, 0, False),
        ((A, B, C), NONE, False, 0, False),
        ((A, HURT, B), A, True, 0, False),
        ((A, answer(turned(1, 0.9991)), A), A, False, 0, True),
        ((A, answer(turned(1, 0.9989)), A), A, True, 0, False),
    ],
)
def test_the_answers_to_one_text_show_turns_chance_or_nothing(
    repeats: tuple[Embedded, ...], after: Any, back: bool, different: int, keeps: bool
) -> None:
    """By turns a vector comes back after another; by chance none ever does; an answer without numbers says nothing."""
    given = facts(repeats, after_relative=after)
    assert (measures.comes_back(given), measures.never_twice(given), measures.keeps_nothing(given)) == (
        back,
        different,
        keeps,
    )


def test_without_what_comes_after_a_relative_nothing_is_kept_for_sure_and_three_are_too_few_for_chance() -> None:
    assert not measures.keeps_nothing(facts((A, A, A))._replace(more=None))
    apart = facts((A, B, C))._replace(more=None)
    assert (measures.never_twice(apart), measures.comes_back(apart)) == (0, False)


def crowd_of(*places: int) -> EmbedFacts:
    return facts(crowd_batch=answer(*(axis(CROWD[n]) for n in places)))


@pytest.mark.parametrize(
    ("places", "moved"),
    [((0, 1, 2, 3), None), ((1, 0, 2, 3), (1, 0, 2, 3)), ((1, 2, 3, 0), (3, 0, 1, 2)), ((0, 0, 2, 3), None)],
)
def test_vectors_that_came_in_another_order_are_found_at_their_places(
    places: tuple[int, ...], moved: tuple[int, ...] | None
) -> None:
    """Not so where one is missing: then they are wrong, not in another order."""
    expected = None if moved is None else (moved, (0, 1, 2, 3))
    assert measures.shuffled(crowd_of(*places)) == expected


@pytest.mark.parametrize(
    ("order", "moved"), [((0, 1, 2), None), ((2, 1, 0), (2, 1, 0)), ((1, 2, 0), (2, 0, 1)), ((0, 1, 1), None)]
)
def test_a_batch_that_came_in_another_order_is_told_from_a_wrong_one(
    order: tuple[int, ...], moved: tuple[int, ...] | None
) -> None:
    given = facts(batch=answer(*(axis(FRESH[n]) for n in order)))
    assert measures.moved_in_batch(given) == moved


def same_for(crowd: bool, longer: bool) -> EmbedFacts:
    """One vector for all texts of the crowd, and for a longer text the same or another."""
    one = answer(axis(1))
    changed: dict[str, Any] = {"crowd": (one,) * 4, "crowd_batch": answer(*(axis(1),) * 4)} if crowd else {}
    return facts(**changed)._replace(others=(answer(axis(0)), one if longer else answer(axis(2))))


@pytest.mark.parametrize(
    ("crowd", "longer", "all_one"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_one_vector_for_texts_of_any_length_is_no_fault_of_a_tokenizer(
    crowd: bool, longer: bool, all_one: bool
) -> None:
    given = same_for(crowd, longer)
    assert measures.one_for_all(given) is all_one
    assert status("distinct", given).bad is crowd


@pytest.mark.parametrize(
    ("running", "words"),
    [
        (Running(), "an attention backend that does no encoder attention on this device, or weights"),
        (Running(backend="triton"), "the weights were not loaded"),
        (Running(backend="fa3", device="cuda", version="0.4.9"), "backend fa3 on cuda, sglang 0.4.9 does no"),
        (Running(backend="fa3"), "backend fa3 on this device, sglang does no"),
    ],
)
def test_one_vector_for_all_texts_is_explained_by_the_backend_that_computes(running: Running, words: str) -> None:
    assert words in cause("distinct", same_for(crowd=True, longer=True)._replace(running=running))


def test_one_vector_for_texts_of_one_length_is_the_tokenizers() -> None:
    assert "one and the same vector too" not in cause("distinct", same_for(crowd=True, longer=False))
    alone = same_for(crowd=True, longer=True)._replace(others=())
    assert "one and the same vector too" not in cause("distinct", alone)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [(400, Status.SKIP), (413, Status.SKIP), (422, Status.SKIP), (404, Status.ERROR), (500, Status.ERROR)],
)
def test_a_long_text_that_is_refused_was_not_cut(code: int, wanted: Status) -> None:
    assert status("whole-text", facts(whole=Refused(code, "too long", False, "", 0.01))) is wanted


@pytest.mark.parametrize(
    ("off", "wanted"), [(0, Status.PASS), (1, Status.WARN), (-1, Status.WARN), (len(COUNTED), Status.WARN)]
)
def test_tokens_are_as_many_as_the_texts_have(off: int, wanted: Status) -> None:
    total = sum(count for _, count in COUNTED)
    given = facts(counted=answer(*(axis(20) for _ in COUNTED), tokens=total + off))
    area = replace(embed.AREA, collector=lambda context: given, needs=())
    finding = {f.id: f for f in engine.run([area], None)}["embed.token-count"]
    assert finding.status is wanted
    shown = finding.evidence[0]
    assert (shown.observed, shown.expected) == (str(total + off), str(total))
    assert ("are added to each" in say(finding.cause, "en")) is (off == len(COUNTED))


THIRD = tuple(math.sqrt((n + 1) / (DIMS * (DIMS + 1) / 2)) for n in range(DIMS))
"""A unit vector whose numbers need all the bits of fp32."""


def computed(lowest: float, *, served: Vector = THIRD, length: float = 1.0, complete: bool = True) -> EmbedFacts:
    """A comparison with the weights, of which the right recipe is the nearest, by so much."""
    match = Match(Recipe("cls"), lowest, lowest, (), length, length, complete=complete)
    proof = Proof("weights", "/m/bge", answer(served), DIMS, match=match, wanted="cls")
    return facts()._replace(proof=proof)


def to_bf16(number: float) -> float:
    return float(struct.unpack("<f", b"\0\0" + struct.pack("<f", number)[2:])[0])


def to_fp16(number: float) -> float:
    return float(struct.unpack("<e", struct.pack("<e", number))[0])


@pytest.mark.parametrize(
    ("rounds", "bound"), [(to_fp16, 0.999), (to_bf16, 0.998), (float, 0.998)], ids=["fp16", "bf16", "fp32"]
)
def test_the_same_weights_give_the_same_vectors_within_the_precision_that_the_bits_show(
    rounds: Callable[[float], float], bound: float
) -> None:
    """A gateway that writes fp32 may hide a server in bf16."""
    served = tuple(map(rounds, THIRD))
    assert status("reference", computed(bound + 0.0001, served=served)) is Status.PASS
    assert status("reference", computed(bound - 0.0001, served=served)) is Status.FAIL


@pytest.mark.parametrize("declared", ["float16", "half", "float32"])
def test_a_server_that_was_started_in_more_than_bf16_is_held_to_it(declared: str) -> None:
    given = computed(0.9985)
    assert given.more is not None
    assert status("reference", given) is Status.PASS
    assert status("reference", given._replace(more=replace(given.more, declared=declared))) is Status.FAIL


@pytest.mark.parametrize(("length", "normalized"), [(1.0, True), (1.0049, True), (1.0051, False), (2.0, False)])
def test_that_the_servers_vectors_are_not_normalised_is_told_beside_a_right_recipe(
    length: float, normalized: bool
) -> None:
    finding = judged("reference", computed(1.0, length=length))
    assert finding.status is Status.PASS
    assert finding.values["normalized"] is normalized
    assert any("norm of the server's vector" in say(e.subject, "en") for e in finding.evidence) is not normalized


@pytest.mark.parametrize("complete", [True, False])
def test_recipes_that_were_not_tried_for_lack_of_time_are_named(complete: bool) -> None:
    told = [say(e.observed, "en") for e in judged("reference", computed(0.5, complete=complete)).evidence]
    assert ("not finished for lack of time" in told) is not complete


def test_how_far_long_texts_were_read_is_told_with_their_length() -> None:
    """Two texts of 300 characters, of which the last 40 differ."""
    subject = judged("whole-text", facts()).evidence[0].subject
    assert say(subject, "en") == "2 texts that differ after 260 of 300 characters: cosine"
    assert "300 字" in say(subject, "zh")
    unknown = judged("whole-text", facts(whole=None))
    assert unknown.status is Status.SKIP
    assert "takes 300 characters" in say(unknown.reason or "", "en")


@pytest.mark.parametrize(
    ("declared", "rounds", "told"),
    [
        ("float16", float, True),
        ("bfloat16", to_fp16, False),
        (None, to_fp16, True),
        (None, float, False),
    ],
)
def test_numbers_that_overflow_are_blamed_on_fp16_where_it_was_declared_or_the_bits_show_it(
    declared: str | None, rounds: Callable[[float], float], told: bool
) -> None:
    good = answer(tuple(map(rounds, THIRD)))
    given = EmbedFacts(
        Target(url="http://h:1", host="h", port=1), ("m",), ("文本",), good, (good, HURT, good), None
    )._replace(running=Running(dtype=declared))
    assert ("beyond the range of fp16" in cause("finite", given)) is told
