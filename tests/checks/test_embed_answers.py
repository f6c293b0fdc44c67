"""What is said of a server that does not answer a request for vectors with vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bgecheck.checks import embed
from bgecheck.checks.embed.facts import EmbedFacts
from bgecheck.engines.sglang.running import Running
from bgecheck.http.embeddings import Answer, Embedded, Refused, Unusable
from bgecheck.http.failures import Failure, NotSent
from bgecheck.model import Finding, Status, Target, say
from bgecheck.run import engine

TARGET = Target(url="http://h:1", host="h", port=1)
SERVED = ("bge-small-zh-v1.5",)
ONE = Embedded(((1.0, *(0.0,) * 511),), (0,), (0,), 14, "m", 0.01)


def facts(asked: Answer, *repeats: Answer, served: tuple[str, ...] = SERVED, **more: Any) -> EmbedFacts:
    target = replace(TARGET, **{name: more.pop(name) for name in ("model", "expect_dim") if name in more})
    return EmbedFacts(target, served, ("文本",), asked, repeats, None, **more)


def row(name: str, given: EmbedFacts) -> Finding:
    area = replace(embed.AREA, collector=lambda context: given, needs=())
    return {f.id: f for f in engine.run([area], None)}[f"embed.{name}"]


def refused(status: int, message: str = "", **more: Any) -> Refused:
    return Refused(status, message, False, "", 0.01, **more)


LONG = "The input (600 tokens) is longer than the model's context length (512 tokens)."


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (refused(299), Status.FAIL, "refuses the request: HTTP 299"),
        (refused(300), Status.FAIL, "a redirect"),
        (refused(301, location="http://h:1/v1/"), Status.FAIL, "a redirect"),
        (refused(399), Status.FAIL, "a redirect"),
        (refused(402), Status.FAIL, "refuses the request: HTTP 402"),
        (refused(413), Status.FAIL, "too large for what answers"),
        (refused(400, LONG), Status.FAIL, "longer than the model accepts"),
        (refused(400, "no"), Status.FAIL, "refuses the request: HTTP 400"),
        (Unusable("no-data", "no data", 0.01), Status.FAIL, "holds no vector"),
        (Failure("timeout", "late", 5.0), Status.FAIL, "did not answer it in time"),
        (Failure("unfinished", "late", 5.0), Status.FAIL, "did not answer it in time"),
        (Failure("refused", "nobody", 0.01), Status.FAIL, "no connection: nobody"),
        (Failure("cut-off", "no time", 0.01), Status.ERROR, ""),
    ],
)
def test_an_answer_without_vectors_is_told_by_what_it_is(answer: Answer, status: Status, words: str) -> None:
    finding = row("answers", facts(answer))
    assert finding.status is status
    assert words in say(finding.cause, "en")
    assert finding.pending is (isinstance(answer, Failure) and status is Status.FAIL)


@pytest.mark.parametrize(
    ("status", "served", "model", "unnamed"),
    [
        (399, ("a", "bge-m3"), None, False),
        (400, ("a", "bge-m3"), None, True),
        (499, ("a", "bge-m3"), None, True),
        (500, ("a", "bge-m3"), None, False),
        (400, ("a",), None, False),
        (400, ("a", "bge-m3"), "a", False),
        (401, ("a", "bge-m3"), None, False),
    ],
)
def test_a_model_is_to_be_named_where_several_are_listed_and_the_first_is_refused(
    status: int, served: tuple[str, ...], model: str | None, unnamed: bool
) -> None:
    finding = row("answers", facts(refused(status, "no"), served=served, model=model))
    assert ("No model was named" in say(finding.cause, "en")) is unnamed


@pytest.mark.parametrize(
    ("served", "other"), [(("a", "b", "bge-m3"), "bge-m3"), (("bge-m3", "b", "c"), "b"), (("a", "b"), "b")]
)
def test_the_model_that_is_more_likely_meant_is_a_known_one(served: tuple[str, ...], other: str) -> None:
    finding = row("answers", facts(refused(400, "no"), served=served))
    assert finding.values["other"] == other


@pytest.mark.parametrize(
    ("asked", "waited", "words"),
    [
        (ONE, 0.199, "slow or busy"),  # 20 times as long as another took is what hangs
        (ONE, 0.2, "it is not slow, its scheduler hangs"),
        (ONE, 5.0, "its scheduler hangs"),
    ],
)
def test_a_text_that_takes_twenty_times_as_long_as_another_hangs(asked: Embedded, waited: float, words: str) -> None:
    quick, late = replace(ONE, seconds=0.01), Failure("timeout", "late", waited)
    finding = row("answers", facts(asked, replace(ONE, seconds=0.05), quick, late, late))
    assert finding.status is Status.FAIL
    assert words in say(finding.cause, "en")


def test_one_late_answer_tells_of_a_moment_and_not_of_the_server() -> None:
    late = Failure("timeout", "late", 9.0)
    assert row("answers", facts(ONE, ONE, ONE, late)).status is Status.PASS
    assert row("answers", facts(ONE, ONE, late, late)).status is Status.FAIL


def test_requests_that_fail_now_and_then_are_counted() -> None:
    finding = row("answers", facts(ONE, ONE, refused(500, "oh"), ONE))
    assert finding.status is Status.FAIL
    assert "of 3 requests for one short text 1 returned no embedding" in say(finding.cause, "en")


@pytest.mark.parametrize(
    ("limit", "overlaps", "full"), [(8, True, True), (8, False, False), (None, True, False), (100000, True, False)]
)
def test_a_batch_that_may_have_been_full_is_named(limit: int | None, overlaps: bool, full: bool) -> None:
    running = Running(version="0.5.9", most_at_once=limit, overlaps=overlaps)
    finding = row("answers", facts(Failure("timeout", "late", 5.0), running=running))
    assert any("max_running_requests" in say(e.subject, "en") for e in finding.evidence) is full


def test_a_reranker_is_not_asked() -> None:
    finding = row("answers", facts(ONE, reranker="bge-reranker-v2-m3"))
    assert (finding.status, finding.evidence[0].observed) == (Status.FAIL, "bge-reranker-v2-m3")


def sized(dims: int, *, packed: bool = False) -> Embedded:
    return replace(ONE, vectors=((1.0, *(0.0,) * (dims - 1)),), packed=packed)


@pytest.mark.parametrize(
    ("dims", "packed", "expect", "status", "words"),
    [
        (512, False, None, Status.PASS, ""),
        (511, False, None, Status.FAIL, "another model is served under this name"),
        (128, False, None, Status.FAIL, "a quarter of 512"),
        (127, False, None, Status.FAIL, "another model is served under this name"),
        (1024, False, None, Status.FAIL, "another model is served under this name"),
        (1024, True, None, Status.FAIL, "1024"),
        (512, False, 512, Status.PASS, ""),
        (512, False, 768, Status.FAIL, "512"),
    ],
)
def test_the_dimension_says_what_became_of_the_vectors(
    dims: int, packed: bool, expect: int | None, status: Status, words: str
) -> None:
    given = facts(sized(dims, packed=packed), expect_dim=expect)
    finding = row("dimension", given)
    assert finding.status is status
    assert words in say(finding.cause, "en") or status is Status.PASS
    if dims == 1024:
        assert ("another model is served" in say(finding.cause, "en")) is not packed


@pytest.mark.parametrize(
    ("served", "expect", "advice"),
    [
        (("somebody/my-model",), 768, "index-or-model"),
        (("bge-small-zh-v1.5",), 768, "index"),
        (("bge-large-zh-v1.5",), None, None),
    ],
)
def test_a_dimension_is_held_against_the_index_or_the_model_by_who_named_it(
    served: tuple[str, ...], expect: int | None, advice: str | None
) -> None:
    """Of a model that nobody knows it cannot be told which of the two is wrong."""
    given = facts(sized(512), served=served, expect_dim=expect)
    outcome = next(check for check in embed.AREA.checks if check.id == "embed.dimension").judge(given)
    assert (outcome.holds, outcome.advice) == (False, advice)


FEW = "batch size 3 > maximum allowed batch size 2"
FRESH_ONE, FRESH_OTHER = replace(ONE, tokens=3), replace(ONE, vectors=((0.0, 1.0, *(0.0,) * 510),), tokens=3)


@pytest.mark.parametrize(
    ("batch", "advice", "taken"),
    [
        (replace(ONE, vectors=(*FRESH_OTHER.vectors, *FRESH_ONE.vectors), nulls=(0, 0), indexes=(0, 1)), "few", 2),
        (None, "few", 1),
        (
            replace(ONE, vectors=(*FRESH_ONE.vectors, *FRESH_OTHER.vectors), nulls=(0, 0), indexes=(0, 1)),
            "shuffled",
            None,
        ),
    ],
)
def test_where_three_texts_are_refused_two_are_compared(batch: Answer | None, advice: str, taken: int | None) -> None:
    given = facts(FRESH_ONE, FRESH_ONE, FRESH_ONE, FRESH_ONE, others=(FRESH_OTHER,))
    given = given._replace(batch=batch, too_many=refused(413, FEW))
    outcome = next(c for c in embed.AREA.checks if c.id == "embed.batch-equals-single").judge(given)
    assert (outcome.holds, outcome.advice, outcome.values.get("taken")) == (False, advice, taken)
    subjects = [say(evidence.subject, "en") for evidence in outcome.evidence]
    assert (subjects[0] == "a batch of 3 texts") is (advice == "few")
    assert any("in a batch of 2" in subject for subject in subjects) is (batch is not None)


@pytest.mark.parametrize(
    ("vector", "status", "words"),
    [
        ((1.0, 0.0), Status.PASS, ""),
        ((0.0, 0.0), Status.FAIL, "all 2 numbers are 0"),
        ((float("nan"), 1.0), Status.FAIL, "1 / 2"),
        ((float("inf"), float("nan")), Status.FAIL, "2 / 2"),
    ],
)
def test_a_vector_without_numbers_is_shown_by_what_is_in_it(
    vector: tuple[float, ...], status: Status, words: str
) -> None:
    """The second of two answers, so that it is not the first that is shown by chance."""
    given = facts(replace(ONE, vectors=((0.6, 0.8),)), replace(ONE, vectors=(vector,)))
    finding = row("finite", given)
    assert finding.status is status
    if status is Status.FAIL:
        count, shown = finding.evidence[:2]
        assert (say(count.observed, "en"), say(shown.observed, "en")) == ("1 / 2", words)
        assert (shown.expected is None) is (vector == (0.0, 0.0))


THREE = replace(ONE, vectors=ONE.vectors * 3, nulls=(0,) * 3, indexes=(0, 1, 2))
SPARED = NotSent("it computes one at a time", spared=True)


@pytest.mark.parametrize(
    ("single", "batch", "status"),
    [
        (ONE, THREE, Status.PASS),
        (ONE, None, Status.SKIP),
        (ONE, SPARED, Status.SKIP),
        (ONE, NotSent("no time"), Status.ERROR),
        (ONE, refused(503), Status.ERROR),
        (ONE, refused(500, "oh"), Status.FAIL),
        (ONE, Unusable("wrong-count", "one vector", 0.01), Status.FAIL),
    ],
)
def test_a_batch_that_is_not_answered_is_told_from_one_that_was_not_asked_for(
    single: Embedded, batch: Answer | None, status: Status
) -> None:
    given = facts(single, single, single, single, others=(ONE, ONE))._replace(batch=batch)
    finding = row("batch-equals-single", given)
    assert finding.status is status
    if status is Status.FAIL:
        expected = finding.evidence[0].expected
        assert expected is not None
        assert "3" in say(expected, "en") or expected == "HTTP 200"


@pytest.mark.parametrize(
    ("indexes", "shown"), [((0, None, 1), "0, -, 1"), ((2, 1, 0), "2, 1, 0"), ((1, 2, 3), "1, 2, 3")]
)
def test_numbers_of_the_vectors_that_are_no_count_from_zero_are_shown(
    indexes: tuple[int | None, ...], shown: str
) -> None:
    given = facts(ONE, ONE)._replace(batch=replace(THREE, indexes=indexes))
    finding = row("order", given)
    assert (finding.status, finding.evidence[0].observed) == (Status.FAIL, shown)


def test_how_long_another_text_took_is_told_beside_one_that_hangs() -> None:
    quick, late = replace(ONE, seconds=0.8), Failure("timeout", "late", 20.0)
    finding = row("answers", facts(quick, quick, quick, late, late))
    assert (finding.values["ms"], finding.values["seconds"]) == (800, "20.0")


@pytest.mark.parametrize(
    ("served", "expected", "words"),
    [
        (("bge-m3",), 768, "another model is served under this name"),
        (("somebody/my-model",), 768, "which one this server has is not known"),
    ],
)
def test_a_dimension_that_is_neither_the_indexs_nor_the_models_is_another_model(
    served: tuple[str, ...], expected: int, words: str
) -> None:
    """512 numbers, where bge-m3 has 1024 and the index 768."""
    finding = row("dimension", facts(ONE, ONE, served=served, expect_dim=expected))
    assert finding.status is Status.FAIL
    assert words in say(finding.cause, "en")


def test_a_fresh_text_that_got_no_vector_is_not_compared_with_its_batch() -> None:
    """Its first answer is the one that a cache could not have had; a later one does not stand in."""
    late = Failure("timeout", "late", 5.0)
    given = facts(ONE, late, ONE, ONE, others=(ONE, ONE))._replace(batch=THREE)
    finding = row("batch-equals-single", given)
    assert (finding.status, say(finding.reason or "", "en")) == (Status.SKIP, "the text alone got no vector")
