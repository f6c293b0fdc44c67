"""Which fault is suspected for which rows: every sign counted, what speaks against it too, and who comes first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bgecheck.checks.embed import pattern
from bgecheck.checks.embed.facts import AREA, EmbedFacts
from bgecheck.checks.embed.pattern import ROWS, Fault, Suspect, ranked
from bgecheck.http.embeddings import Embedded
from bgecheck.model import Language, Outcome, Text, say
from checks.test_embed import right
from checks.test_embed import shaken as with_prefix_cache

SIGNS = ("comes-back", "never-twice", "any-length")
SHAKEN = "repeatable prefix-independent batch-equals-single order concurrent"
SOFT = "semantic golden"

# By hand, as docs/vectors-seen.md shows them: what fails each time under a fault, and what may fail besides.
SEEN = {
    "prefix-cache": (SHAKEN, f"{SOFT} token-count"),
    "prefix-cache-and-chunks": (f"{SHAKEN} long-batch", f"{SOFT} token-count"),
    "chunked-prefill": ("long-batch", SOFT),
    "replicas": (
        "repeatable comes-back",
        f"prefix-independent batch-equals-single order concurrent {SOFT} token-count long-batch whole-text",
    ),
    "chance": (f"{SHAKEN} never-twice", f"{SOFT} token-count long-batch"),
    "mixed-order": ("order", f"{SOFT} token-count concurrent batch-equals-single long-batch"),
    "mixed-requests": ("concurrent", SOFT),
    "padding": ("batch-equals-single", f"{SOFT} token-count order concurrent long-batch"),
    "tokenizer": ("distinct", f"{SOFT} token-count whole-text"),
    "one-vector": ("distinct any-length", f"{SOFT} token-count whole-text"),
    "cut": ("whole-text", SOFT),
    "text-added": ("token-count", SOFT),
    "other-model": (SOFT, ""),
    "pooling": ("golden", ""),
}
OUTSIDE = {
    name: sorted({*ROWS, *SIGNS} - {*rows.split(), *may.split()}) for name, (rows, may) in SEEN.items()
}  # what speaks against a fault


def failed(*rows: str, unjudged: tuple[str, ...] = ()) -> dict[str, bool]:
    """All rows and signs were judged, and these fail."""
    return {name: name in rows for name in (*ROWS, *SIGNS) if name not in unjudged}


def suspect(name: str, fails: dict[str, bool]) -> Suspect | None:
    return next((one for one in ranked(fails) if one.fault.name == name), None)


def test_the_table_has_every_fault() -> None:
    assert [fault.name for fault in pattern.FAULTS] == [*SEEN]


@pytest.mark.parametrize("name", SEEN)
def test_a_fault_is_the_first_suspect_of_its_own_rows(name: str) -> None:
    rows = SEEN[name][0].split()
    first = ranked(failed(*rows))[0]
    assert (first.fault.name, first.agree, first.of) == (name, len(rows), len(rows))


@pytest.mark.parametrize("name", SEEN)
def test_what_may_fail_besides_speaks_neither_for_a_fault_nor_against_it(name: str) -> None:
    rows, may = (words.split() for words in SEEN[name])
    for besides in may:
        one = suspect(name, failed(*rows, besides))
        assert one is not None, besides
        assert (one.agree, one.of) == (len(rows), len(rows)), besides


@pytest.mark.parametrize("name", SEEN)
def test_what_a_fault_does_not_account_for_speaks_against_it(name: str) -> None:
    rows = SEEN[name][0].split()
    for besides in OUTSIDE[name]:
        one = suspect(name, failed(*rows, besides))
        if one is not None:  # else another one accounts for just these rows
            assert (one.agree, one.of) == (len(rows), len(rows) + 1), besides


def test_a_row_that_was_not_judged_counts_for_nobody() -> None:
    one = suspect("prefix-cache", failed(*SHAKEN.split()[:4], unjudged=("concurrent",)))
    assert one is not None
    assert (one.agree, one.of) == (4, 4)
    judged = suspect("prefix-cache", failed(*SHAKEN.split()[:4]))
    assert judged is not None
    assert (judged.agree, judged.of) == (4, 5)


@pytest.mark.parametrize(("name", "rows"), [("replicas", "repeatable"), ("chance", SHAKEN), ("one-vector", "distinct")])
def test_a_fault_is_not_suspected_without_the_sign_in_the_answers_to_one_text(name: str, rows: str) -> None:
    assert suspect(name, failed(*rows.split())) is None


def test_what_accounts_for_contradicting_vectors_comes_before_a_lack_of_meaning() -> None:
    """Two of two rows of another model fail, but no other model gives one text two vectors."""
    names = [one.fault.name for one in ranked(failed("semantic", "golden", "concurrent", "long-batch"))]
    assert names.index("chunked-prefill") < names.index("other-model")
    assert names.index("mixed-requests") < names.index("other-model")
    assert ranked(failed("semantic", "golden"))[0].fault.name == "other-model"


def test_of_faults_with_the_same_share_the_one_with_more_signs_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (Fault(name, Text(name, name), frozenset(rows)) for name, rows in (("a", ["order"]), ("b", ROWS[:2])))
    both = Fault("c", Text("c", "c"), frozenset(ROWS), frozenset(ROWS))
    for faults in ((one, two, both), (two, both, one), (both, one, two)):
        monkeypatch.setattr(pattern, "FAULTS", tuple(fault._replace(may=frozenset(ROWS)) for fault in faults))
        assert [suspect.fault.name for suspect in ranked(failed("order", *ROWS[:2]))] == ["b", "a", "c"]


def hint(facts: EmbedFacts, language: Language = "en") -> str:
    return " ".join(say(evidence.observed, language) for evidence in pattern.suspicion(facts).values())


def test_the_hint_names_at_most_three_with_their_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = with_prefix_cache()
    assert hint(facts).startswith("1. prefix cache on a bidirectional encoder (5/5 signs); 2. ")
    assert hint(facts, "zh").startswith("1. 双向编码器开着前缀缓存（5/5 项吻合）；2. ")
    [(row, evidence)] = pattern.suspicion(facts).items()
    assert (row, evidence.background) == ("embed.repeatable", True)
    monkeypatch.setattr(pattern, "suspects", lambda facts, fails: [Suspect(f, 1, 1) for f in pattern.FAULTS[:4]])
    assert "3. chunked prefill (1/1 signs)" in hint(facts)
    assert "4. " not in hint(facts)


def test_without_a_row_that_fails_there_is_nothing_to_explain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern, "suspects", lambda facts, fails: [Suspect(pattern.FAULTS[0], 1, 1)])
    assert pattern.suspicion(right()) == {}


def test_a_row_that_cannot_be_judged_has_its_own_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of a judge is shown by its row; the others are still compared."""

    def judge(facts: EmbedFacts) -> Outcome:
        raise ZeroDivisionError

    rows = [check._replace(judge=judge) if check.id == "embed.order" else check for check in AREA.checks]
    monkeypatch.setattr(pattern, "AREA", replace(AREA, checks=rows))
    fails = pattern.failing(with_prefix_cache())
    assert "order" not in fails
    assert fails["repeatable"]


def test_a_fault_with_fewer_than_a_third_of_its_signs_is_no_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def suspects_of(agree: int, of: int) -> Any:
        return lambda facts, fails: [Suspect(pattern.FAULTS[0], agree, of)]

    monkeypatch.setattr(pattern, "suspects", suspects_of(2, 6))
    assert "2/6" in hint(with_prefix_cache())
    monkeypatch.setattr(pattern, "suspects", suspects_of(2, 7))
    assert hint(with_prefix_cache()) == ""


def test_vectors_that_cannot_be_compared_give_no_hint() -> None:
    facts = with_prefix_cache()
    assert isinstance(facts.repeats[0], Embedded)
    short = replace(facts.repeats[0], vectors=((1.0, 0.0),))
    assert pattern.suspicion(facts._replace(repeats=(short, *facts.repeats[1:]))) == {}
    infinite = replace(facts.repeats[0], vectors=((float("inf"), *facts.repeats[0].vectors[0][1:]),))
    assert pattern.suspicion(facts._replace(repeats=(infinite, *facts.repeats[1:]))) == {}
    assert pattern.suspicion(right()) == {}
