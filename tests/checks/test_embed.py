"""The costly rows of vectors: each fault is staged by a server that has it, and each right server passes."""

from __future__ import annotations

import math
import struct
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.checks import embed
from bgecheck.checks.embed.facts import EmbedFacts, More, collect
from bgecheck.checks.embed.numbers import MOST_REQUESTS, MOST_TOKENS, dtype
from bgecheck.checks.embed.pattern import FAULTS, failing, ranked, suspects
from bgecheck.checks.embed.texts import COUNTED, TRIPLES, TRIPLES_EN, fresh_texts
from bgecheck.demo.stage import stage
from bgecheck.engines.sglang.discovery import resolve
from bgecheck.engines.sglang.running import running
from bgecheck.http.embeddings import Answer, Embedded, Refused
from bgecheck.model import Finding, Status, Target, fill_command, say
from bgecheck.model.deadline import Deadline, deadline_exceeded
from bgecheck.render.prose import folded
from bgecheck.run import engine
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings
from everycase import at_most
from fakes.answering import contradictions

DIMS = 512


SAME = {relative: text for text, relative, _ in TRIPLES}


def vector(text: str, salt: int = 0) -> tuple[float, ...]:
    """A unit vector of the characters that a text holds; texts that mean the same have the same one."""
    text = SAME.get(text, text)
    counts = [0.0] * DIMS
    for character in text:
        counts[(ord(character) + salt) % DIMS] += 1
    length = math.hypot(*counts)
    return tuple(count / length for count in counts)


def embedded(vectors: Sequence[tuple[float, ...]], tokens: int | None = 14) -> Embedded:
    return Embedded(tuple(vectors), (0,) * len(vectors), tuple(range(len(vectors))), tokens, "m", 0.01)


FRESH = ("春天的花", "夏天的雨", "秋天的风吹过山岗又到了海边城里头")
CROWD = tuple(f"第{n}段文本" for n in "一二三四")


def right(**changed: Any) -> EmbedFacts:
    """What a right server answers, with changes to the costly part."""
    target = Target(url="http://h:1", host="h", port=1)
    batch = embedded([vector(t) for t in FRESH])
    one = embedded([vector(FRESH[1])])
    usual: dict[str, Any] = {
        "relative": one,
        "after_relative": one,
        "reversed": embedded([vector(t) for t in reversed(FRESH)]),
        "crowd": tuple(embedded([vector(t)]) for t in CROWD),
        "crowd_batch": embedded([vector(t) for t in CROWD]),
        "chunk": 4096,
        "long": (batch, embedded([vector(FRESH[0])]), embedded([vector(t) for t in FRESH[1:]])),
        "counted": embedded([vector(t) for t, _ in COUNTED], sum(n for _, n in COUNTED)),
        "declared": None,
        "whole": embedded([vector("长文"), vector("长句")]),
    }
    beside: dict[str, Any] = {
        "meaning": embedded([vector(t) for triple in TRIPLES for t in triple]),
        "pair": None,
        "demo": False,
        "others": (embedded([vector(FRESH[0])]), embedded([vector(FRESH[2])])),
    }
    beside |= {name: changed.pop(name) for name in list(changed) if name in EmbedFacts._fields}
    beside["meaning"] = beside["meaning"] and (beside["meaning"],)
    more = More(**usual | changed)
    return EmbedFacts(target, ("bge-small-zh-v1.5",), (FRESH[1],), one, (one, one, one), batch, more=more, **beside)


def judged(facts: EmbedFacts) -> dict[str, Finding]:
    area = replace(embed.AREA, collector=lambda context: facts, needs=())
    rows = {f.id.removeprefix("embed."): f for f in engine.run([area], None)}
    assert contradictions(rows.values()) == []
    return rows


def bad(facts: EmbedFacts) -> set[str]:
    return {name for name, finding in judged(facts).items() if finding.status.bad}


def test_a_right_server_passes() -> None:
    assert bad(right()) == set()


WRONG = embedded([vector("错")])


@pytest.mark.parametrize(
    ("changed", "row"),
    [
        ({"after_relative": WRONG}, "prefix-independent"),
        ({"reversed": embedded([vector(t) for t in FRESH])}, "order"),
        ({"crowd": (*(embedded([vector(t)]) for t in CROWD[:3]), WRONG)}, "concurrent"),
        (
            {"long": (embedded([vector("错"), *map(vector, FRESH[1:])]), *right().more.long[1:])},  # type: ignore[union-attr,index]
            "long-batch",
        ),
        ({"counted": embedded([vector("你")], tokens=8)}, "token-count"),
        ({"whole": embedded([vector("长"), vector("长")])}, "whole-text"),
        ({"meaning": embedded([vector(t) for a, p, n in TRIPLES for t in (a, n, p)])}, "semantic"),
        ({"declared": "float32"}, "precision"),
        ({"pair": embedded([vector("ab"), vector("ab")])}, "golden"),
    ],
)
def test_each_fault_breaks_its_row_alone(changed: dict[str, Any], row: str) -> None:
    assert bad(right(**changed)) == {row}


def test_a_collapsed_tokenizer_breaks_distinct_and_explains_meaning() -> None:
    """Every character is [UNK]: texts of equal length have one vector."""
    same = embedded([vector("某")] * 4)
    facts = right(
        crowd=(replace(WRONG, vectors=same.vectors[:1]),) * 4,
        crowd_batch=same,
        meaning=embedded([vector("某")] * (3 * len(TRIPLES))),
    )
    rows = judged(facts)
    assert {n for n, f in rows.items() if f.status.bad} == {"distinct", "semantic"}
    assert rows["semantic"].caused_by == "embed.distinct"


@pytest.mark.parametrize(
    ("changed", "row"),
    [
        ({"chunk": -1, "long": None}, "long-batch"),
        ({"chunk": None, "long": None}, "long-batch"),
        ({"counted": None}, "token-count"),
        ({"counted": embedded([vector("你")], tokens=None)}, "token-count"),
        ({"meaning": None}, "semantic"),
        ({"pair": None}, "golden"),
        ({"declared": "auto"}, "precision"),
        ({"demo": True}, "semantic"),
    ],
)
def test_what_does_not_apply_is_skipped_with_its_reason(changed: dict[str, Any], row: str) -> None:
    found = judged(right(**changed))[row]
    assert found.status is Status.SKIP
    assert found.reason


def test_a_request_without_a_vector_is_unknown_and_not_wrong() -> None:
    refused: Answer = Refused(429, "slow down", False, "nginx", 0.1)
    row = judged(right(reversed=refused))["order"]
    assert row.status is Status.ERROR
    assert "429" in str(row.reason)


def test_left_out_by_quick_is_said() -> None:
    rows = judged(right()._replace(more=None))
    assert {n for n, f in rows.items() if f.status is Status.SKIP} >= {"order", "concurrent", "whole-text"}
    assert rows["repeatable"].status is Status.PASS


def test_a_single_miss_of_meaning_decides_nothing() -> None:
    triples = [*TRIPLES[:-1], (TRIPLES[-1][0], TRIPLES[-1][2], TRIPLES[-1][1])]
    assert bad(right(meaning=embedded([vector(t) for triple in triples for t in triple]))) == set()


@pytest.mark.parametrize("triples", [TRIPLES, TRIPLES_EN])
def test_triples_are_texts_of_three_different_kinds(triples: Any) -> None:
    assert len(triples) >= 16
    assert all(len(set(triple)) == 3 for triple in triples)


def test_no_text_is_ever_sent_twice_by_chance() -> None:
    """A fresh text has 14 of 60 characters or more: 10^24 of them."""
    import random

    texts = [t for _ in range(200) for t in fresh_texts(random.Random(), 8)]
    assert len(set(texts)) == len(texts)
    assert {len(t) for t in texts} == {16}
    assert sum(count for _, count in COUNTED) == 22


@given(st.lists(st.floats(-2, 2, width=16), max_size=50))
def test_numbers_of_fp16_are_read_as_fp16(values: list[float]) -> None:
    """One of them needs more than the eight bits of bf16: of 1024 components, some do."""
    assert dtype([[*values, 0.0305023193359375]]) == "fp16"


@given(st.lists(st.floats(2**-14, 1, width=32), min_size=1, max_size=50))
def test_numbers_of_bf16_are_read_as_bf16_though_fp16_holds_them_too(values: list[float]) -> None:
    """As sglang 0.5.23 answers them with --dtype bfloat16."""
    bits = struct.unpack(f"<{len(values)}I", struct.pack(f"<{len(values)}f", *values))
    cut = struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(values)}I", *(b & 0xFFFF0000 for b in bits)))
    assert dtype([cut]) == "bf16"


@pytest.mark.parametrize(
    ("values", "seen"),
    [([0.1, 0.2], "fp32"), ([2.0**-40, 0.5], "bf16"), ([math.nan], None), ([0.0, 0.0], None), ([1e300], "fp32")],
)
def test_the_bits_tell_the_precision(values: list[float], seen: str | None) -> None:
    assert dtype([values]) == seen


@pytest.mark.parametrize("quick", [True, False])
def test_the_requests_stay_few_and_small(quick: bool) -> None:
    """At most 40 requests and 4,000 tokens, the long batch aside; the demo has none."""
    with stage(None) as staged:
        port = int(staged.url.rsplit(":", 1)[1])
        context = Context(Target(url=staged.url, host="127.0.0.1", port=port), Deadline(20), Settings(quick=quick))
        facts = collect(context)
        context.close()
    answers = [a for a in facts.answers() if isinstance(a, Embedded)]
    assert len(answers) == len(facts.answers())
    assert len(answers) <= (9 if quick else 40)
    assert sum(a.tokens or 0 for a in answers) <= 4000


RUNS = at_most(60, 12)


def test_many_runs_against_a_right_server_raise_no_alarm() -> None:
    """Judging what was asked anew each time, over true HTTP, by four at a time."""
    alarms: list[set[str]] = []

    def look(url: str, times: int) -> None:
        for _ in range(times):
            target = Target(url=url, host="127.0.0.1", port=int(url.rsplit(":", 1)[1]))
            context = Context(target, Deadline(20))
            alarms.append(bad(collect(context)))
            context.close()

    with stage(None) as staged:
        threads = [threading.Thread(target=look, args=(staged.url, RUNS // 4)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(alarms) == RUNS
    assert set().union(*alarms) == set()


def suspected(facts: EmbedFacts) -> list[str]:
    return [suspect.fault.name for suspect in suspects(facts, failing(facts))]


def test_the_pattern_of_a_prefix_cache_is_suspected_first_and_told_once() -> None:
    """As seen on sglang 0.5.23 with its default cache: all but the long batch fail together."""
    assert suspected(shaken())[0] == "prefix-cache"
    rows = judged(shaken())
    told = [n for n, f in rows.items() if any("look like" in getattr(e.subject, "en", "") for e in f.evidence)]
    assert told == ["repeatable"]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"long": (embedded([vector("错")] * 3), *right().more.long[1:])}, "chunked-prefill"),  # type: ignore[union-attr,index]
        ({"crowd": (*(embedded([vector(t)]) for t in CROWD[:3]), WRONG)}, "mixed-requests"),
        ({"crowd_batch": embedded([vector("某")] * 4), "crowd": (embedded([vector("某")]),) * 4}, "tokenizer"),
        ({"pair": embedded([vector("ab"), vector("ab")])}, "pooling"),
    ],
)
def test_each_fault_is_the_first_suspect_of_its_own_pattern(changed: dict[str, Any], fault: str) -> None:
    assert suspected(right(**changed))[0] == fault


def shaken(**changed: Any) -> EmbedFacts:
    """A fresh text that has another vector from its second time on, whatever it is sent with."""
    one, wrong = embedded([vector(FRESH[1])]), WRONG
    crowd = tuple(embedded([vector("错")]) for _ in CROWD)
    facts = right(after_relative=wrong, reversed=embedded([vector("错")] * 3), crowd=crowd)
    return facts._replace(
        repeats=(one, wrong, wrong),
        batch=embedded([vector(FRESH[0]), vector("错"), vector(FRESH[2])]),
        **changed,
    )


OFF, ON = running({"disable_radix_cache": True}), running({"disable_radix_cache": False})


@pytest.mark.parametrize(
    ("changed", "suspected_it"),
    [
        ({}, True),
        ({"running": ON}, True),
        ({"running": OFF}, False),
        ({"running": running({}, {"disable-radix-cache": ""})}, False),
        ({"running": running({}, {"model-path": "m"})}, True),
        ({"loaded": "/m/Qwen3-Embedding-0.6B"}, False),
        ({"loaded": "/m/bge-m3"}, True),
    ],
)
def test_a_prefix_cache_that_is_off_or_harmless_is_not_suspected(changed: dict[str, Any], suspected_it: bool) -> None:
    """The row of the settings holds in the same run, which excludes what this one would guess."""
    names = suspected(shaken(**changed))
    assert ("prefix-cache" in names) is suspected_it
    assert names or not suspected_it


def test_one_vector_for_texts_of_any_length_excludes_the_tokenizer() -> None:
    """The row says that it is not the tokenizer; the hint beside it must not name it."""
    one = embedded([vector("某")])
    crowd: dict[str, Any] = {"crowd_batch": embedded([vector("某")] * 4), "crowd": (one,) * 4}
    whole = {"whole": embedded([vector("某")] * 2), "relative": one, "after_relative": one}
    changed: dict[str, Any] = {"asked": one, "repeats": (one,) * 3, "batch": embedded([vector("某")] * 3)}
    all_alike = right(**crowd, **whole, others=(one, one), reversed=embedded([vector("某")] * 3))._replace(**changed)
    names = suspected(all_alike)
    assert names[0] == "one-vector"
    assert "tokenizer" not in names
    by_length = suspected(right(**crowd))
    assert by_length[0] == "tokenizer"
    assert "one-vector" not in by_length


def test_nothing_is_suspected_of_a_right_server() -> None:
    assert suspected(right()) == []


@given(st.dictionaries(st.sampled_from(sorted({r for f in FAULTS for r in f.rows})), st.booleans()))
def test_a_suspect_agrees_in_at_least_one_row_and_ranks_by_its_share(fails: dict[str, bool]) -> None:
    """After what accounts for vectors that contradict each other come the faults that only account for no meaning."""
    suspects = ranked(fails)
    assert all(1 <= s.agree <= s.of for s in suspects)
    only_meaning = [s.fault.rows <= {"semantic", "golden"} for s in suspects]
    contradict = any(fail for name, fail in fails.items() if name not in ("semantic", "golden"))
    assert not contradict or only_meaning == sorted(only_meaning)
    for group in (True, False) if contradict else (None,):
        shares = [s.agree / s.of for s, only in zip(suspects, only_meaning, strict=True) if group in (None, only)]
        assert shares == sorted(shares, reverse=True)
    assert bool(suspects) == any(fails.values())


def test_what_the_rows_cost_is_told_and_bounded() -> None:
    """Every request is counted; the long batch apart."""
    with stage(None) as staged:
        context = Context(resolve(url=staged.url), Deadline(20))
        facts = collect(context)
        context.close()
    sent = facts.sent()
    assert 15 <= sent.requests <= MOST_REQUESTS
    assert 0 < sent.tokens <= MOST_TOKENS
    assert sent.long_requests == 0


@pytest.mark.parametrize("triples", [TRIPLES, TRIPLES_EN])
def test_all_texts_together_keep_the_bound_of_tokens(triples: Any) -> None:
    """A character, or a part of an English word, is a token at most; two more begin and end a text."""
    fixed = 1400  # what all other texts have, as test_what_the_rows_cost_is_told_and_bounded counts it
    pieces = [len(text.split()) * 2 if text.isascii() else len(text) for triple in triples for text in triple]
    assert sum(piece + 2 for piece in pieces) < MOST_TOKENS - fixed


def test_a_reranker_is_no_embedding_model() -> None:
    row = judged(right()._replace(reranker="BAAI/bge-reranker-v2-m3"))["answers"]
    assert row.status is Status.FAIL
    assert "reranker" in say(row.cause, "en")


def test_the_model_that_was_asked_for_sets_what_is_expected() -> None:
    asked = right()._replace(target=Target(url="http://h:1", host="h", port=1, model="bge-large-zh-v1.5"))
    assert judged(asked)["dimension"].status is Status.FAIL


def test_an_unknown_model_is_judged_by_invariants_and_the_report_says_so() -> None:
    rows = judged(right()._replace(served=("my-own-model",)))
    (told,) = [e.observed for e in rows["answers"].evidence if getattr(e.subject, "en", "") == "judged as"]
    assert "invariants only" in getattr(told, "en", "")
    assert rows["dimension"].status is rows["semantic"].status is Status.SKIP
    assert rows["repeatable"].status is Status.PASS


def test_a_request_answered_in_another_order_is_told_from_one_that_is_contaminated() -> None:
    """Every text's own vector is there, at another place: even where a reversed batch agrees with its reverse."""
    found = judged(right(crowd_batch=embedded([vector(t) for t in reversed(CROWD)])))
    assert {n for n, f in found.items() if f.status.bad} == {"order", "concurrent"}
    assert found["concurrent"].caused_by == "embed.order"
    assert (found["order"].values["place"], found["order"].values["found"]) == (0, len(CROWD) - 1)


def test_what_is_measured_in_batches_follows_from_batches_that_differ() -> None:
    checks = {check.id: check for check in embed.AREA.checks}
    for id_ in ("batch-equals-single", "order", "concurrent"):
        assert {"embed.semantic", "embed.golden"} <= set(checks[f"embed.{id_}"].explains)
    assert "embed.semantic" not in checks["embed.long-batch"].explains
    assert "re-embed" in checks["embed.batch-equals-single"].variants["shuffled"].fix.en


def test_random_weights_are_no_meaning_though_most_triples_come_out_right() -> None:
    """Vectors of random weights lie within 0.01 of each other, and shared characters decide."""

    def near(text: str, step: float) -> tuple[float, ...]:
        mixed = [0.05 * step * x for x in vector(text)]
        mixed[0] += 1.0
        length = math.hypot(*mixed)
        return tuple(x / length for x in mixed)

    texts = embedded([near(t, 1.0) for triple in TRIPLES for t in triple])
    assert bad(right(meaning=texts)) == {"semantic"}


def told(*vectors: str) -> dict[str, Any]:
    """A server that gave the fresh text these vectors, alone, one request after the other; then after a relative."""
    *repeats, last = (embedded([vector(v)]) for v in vectors)
    return {"repeats": tuple(repeats), "after": last}


@pytest.mark.parametrize(
    ("seen", "fault", "words"),
    [
        ("春夏春春", "replicas", "answer in turn"),
        ("春夏夏春", "replicas", "answer in turn"),
        ("春夏秋冬", "chance", "4 vectors in 4 requests"),
        ("春夏夏夏", "prefix-cache", "radix"),
    ],
)
def test_how_a_text_changes_its_vector_tells_a_cache_from_two_servers_and_from_chance(
    seen: str, fault: str, words: str
) -> None:
    """A cache settles after the first answer; servers by turns come back; chance never gives one twice."""
    answers = told(*seen)
    other, crowd = embedded([vector("错")] * 3), tuple(embedded([vector("错")]) for _ in CROWD)
    facts = right(after_relative=answers["after"], reversed=other, crowd=crowd)._replace(
        repeats=answers["repeats"],
        batch=embedded([vector(FRESH[0]), vector("雨"), vector(FRESH[2])]),
    )
    assert suspected(facts)[0] == fault
    assert {"replicas", "chance"} & set(suspected(facts)) == {"replicas", "chance"} & {fault}
    row = judged(facts)["repeatable"]
    assert row.status is Status.FAIL
    assert words in say(row.cause, "en")


def test_a_batch_that_differs_where_nothing_is_kept_is_one_whose_padding_counts() -> None:
    one = embedded([vector(FRESH[1])])
    batch = [vector(FRESH[0]), vector("错"), vector(FRESH[2])]
    facts = right(after_relative=one, reversed=embedded(batch[::-1]))._replace(
        repeats=(one,) * 3, batch=embedded(batch)
    )
    row = judged(facts)["batch-equals-single"]
    assert "padding" in say(row.cause, "en")
    assert suspected(facts)[0] == "padding"


def test_a_lack_of_meaning_never_ranks_before_texts_that_were_cut_at_a_chunk() -> None:
    """Random weights fail both rows of meaning by themselves."""
    fails = dict.fromkeys((*_ROWS, "semantic", "golden", "long-batch"), False) | {
        "long-batch": True,
        "semantic": True,
        "golden": True,
    }
    assert [s.fault.name for s in ranked(fails) if 3 * s.agree >= s.of][:2] == ["chunked-prefill", "other-model"]


_ROWS = ("repeatable", "prefix-independent", "batch-equals-single", "order", "concurrent", "distinct", "whole-text")


def test_the_meaning_alone_tells_another_model_and_the_published_pair_alone_another_pooling() -> None:
    """A server that tells no settings: tokenizer files are not suspected where different texts differ."""
    passed = dict.fromkeys((*_ROWS, "token-count"), False)
    golden = ranked({**passed, "semantic": False, "golden": True})
    assert [s.fault.name for s in golden] == ["pooling", "other-model"]
    both = ranked({**passed, "semantic": True, "golden": True})
    assert [s.fault.name for s in both] == ["other-model", "pooling"]
    assert [s.fault.name for s in ranked({**passed, "semantic": True})] == ["other-model"]


def test_long_texts_that_are_refused_are_not_cut() -> None:
    row = judged(right(whole=Refused(400, "too long", False, "uvicorn", 0.1)))["whole-text"]
    assert row.status is Status.SKIP
    assert "400" in str(row.reason)


def test_long_texts_are_not_sent_where_the_model_is_not_known_to_read_them() -> None:
    assert judged(right(whole=None))["whole-text"].status is Status.SKIP


def of_large(**changed: Any) -> EmbedFacts:
    """A right server of a model of 1024 dims, whose tokenizer makes small letters of capitals."""

    def padded(answer: Embedded) -> Embedded:
        return replace(answer, vectors=tuple((*v, *(0.0,) * (1024 - DIMS)) for v in answer.vectors))

    def wide(value: Any) -> Any:
        if isinstance(value, Embedded):
            return padded(value)
        return tuple(map(wide, value)) if isinstance(value, tuple) else value

    facts = right(**changed)
    assert facts.more is not None
    more = replace(
        facts.more, **{name: wide(getattr(facts.more, name)) for name in (field.name for field in fields(More))}
    )
    return facts._replace(
        served=("bge-large-zh-v1.5",),
        more=more,
        asked=wide(facts.asked),
        repeats=wide(facts.repeats),
        batch=wide(facts.batch),
        others=wide(facts.others),
        meaning=wide(facts.meaning),
    )


LOWER = [vector(t.lower()) for t, _ in COUNTED]


@pytest.mark.parametrize(
    ("counted", "words"),
    [
        (embedded(LOWER, 22), None),
        (embedded([vector(t) for t, _ in COUNTED], 22), "[UNK]"),
        (embedded(LOWER, 22 + 5 * 19), "as many as the model's query instruction has"),
        (embedded(LOWER, 22 + 5 * 7), "7 are added to each of 5 texts"),
        (embedded(LOWER, 22 - 10), "[CLS] and [SEP] are not added"),
        (embedded(LOWER, 31), "another tokenizer"),
    ],
)
def test_the_count_of_tokens_and_a_capital_letter_tell_what_became_of_the_texts(
    counted: Embedded, words: str | None
) -> None:
    row = judged(of_large(counted=counted))["token-count"]
    assert (row.status is Status.PASS) is (words is None)
    assert words is None or words in say(row.cause, "en")


def test_small_models_that_keep_capitals_apart_raise_no_alarm() -> None:
    """bge-small-zh is published with do_lower_case false."""
    apart = embedded([vector(t) for t, _ in COUNTED], 22)
    assert judged(right(counted=apart))["token-count"].status is Status.PASS


def packed(form: str, count: int) -> Embedded:
    """Vectors in base64 though floats were asked for, in a form that is not the API's, as a client reads them."""
    from array import array

    raw = struct.pack(form.format(DIMS), *vector("春"))
    values = tuple(array("f", raw))
    return Embedded((values,) * count, (0,) * count, tuple(range(count)), 14, "m", 0.01, packed=True)


@pytest.mark.parametrize(
    ("form", "row", "words"),
    [(">{}f", "finite", "big-endian"), ("<{}d", "dimension", "float64")],
)
def test_base64_of_another_form_is_told_from_another_model(form: str, row: str, words: str) -> None:
    one = packed(form, 1)
    facts = right()._replace(asked=one, repeats=(one,) * 3, others=(one, one), batch=packed(form, 3), more=None)
    facts = facts._replace(meaning=None)
    found = judged(facts)[row]
    assert found.status.bad
    assert words in say(found.cause, "en")


def test_a_long_time_out_sends_the_long_batch() -> None:
    rows = at_stage("chunked-prefill", Deadline(60), timeout=120.0)
    assert rows["long-batch"].status is Status.FAIL


def test_a_server_that_is_too_slow_for_the_long_batch_is_not_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is given up goes on in the server, and blocks it."""
    monkeypatch.setattr("bgecheck.checks.embed.facts._pace", lambda more: 20.0)
    rows = at_stage("chunked-prefill", Deadline(60))
    assert rows["long-batch"].status is Status.ERROR
    assert "at the pace of this server" in say(rows["long-batch"].reason or "", "en")
    assert rows["repeatable"].status is Status.PASS


def test_what_was_proved_before_the_time_was_over_is_not_lost() -> None:
    """A deadline that is over once the cheap rows have their answers."""

    class Over(Deadline):
        calls = 0

        def timeout(self, at_most: float) -> float:
            Over.calls += 1
            if Over.calls > 12:
                raise deadline_exceeded()
            return super().timeout(at_most)

    rows = at_stage("repeat-differs", Over(60))
    assert rows["repeatable"].status is Status.FAIL
    assert rows["order"].status is Status.ERROR
    assert "deadline exceeded" in say(rows["order"].reason or "", "en")


def at_stage(fault: str, deadline: Deadline, timeout: float = 10.0) -> dict[str, Finding]:
    """The rows of vectors about the demo server with a fault."""
    with stage(fault) as staged:
        port = int(staged.url.rsplit(":", 1)[1])
        context = Context(Target(url=staged.url, host="127.0.0.1", port=port), deadline, Settings(timeout=timeout))
        rows = judged(collect(context))
        context.close()
    return rows


@pytest.mark.parametrize(
    "names", [["model.safetensors"], ["a model.bin"], ["model.safetensors", "pytorch_model.bin"], []]
)
def test_weight_files_of_either_kind_are_hashed(tmp_path: Path, names: list[str]) -> None:
    """A shell hands a glob without a match on as it stands, which is no file."""
    for name in (*names, "config.json"):
        (tmp_path / name).write_bytes(b"x")
    row = next(check for check in embed.AREA.checks if check.id == "embed.finite")
    command = fill_command(row.advice.commands[0], {"model_path": str(tmp_path)})
    assert command is not None
    for shell in (command, "\n".join(folded(command, 40))):
        ran = subprocess.run(["sh", "-c", shell], capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert sorted(line.rpartition("/")[2] for line in ran.stdout.splitlines()) == sorted(names)


def test_nulls_are_counted_in_words() -> None:
    null = Embedded(((math.nan,) * DIMS,), (DIMS,), (0,), 14, "m", 0.01)
    seen = judged(right()._replace(asked=null, repeats=(null,) * 3, batch=None, more=None))["finite"].evidence[1]
    assert say(seen.observed, "en") == f"{DIMS} / {DIMS}, null {DIMS} of them"
    assert say(seen.observed, "zh") == f"{DIMS} / {DIMS}，其中 {DIMS} 个 null"
