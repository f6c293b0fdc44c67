"""The engine: no row is lost, nothing that goes wrong in a row or collector goes further than its row."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from graphlib import CycleError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.model import (
    Advice,
    Area,
    Check,
    Evidence,
    Finding,
    Outcome,
    Redactor,
    Severity,
    Status,
    Text,
    Unavailable,
    absent,
    broken,
    holds,
    unclear,
)
from bgecheck.model.deadline import DEADLINE_EXCEEDED
from bgecheck.run import engine

T = Text("words", "文字")
OUTCOMES: dict[str, Callable[[Any], Outcome]] = {
    "holds": lambda facts: holds(),
    "broken": lambda facts: broken(),
    "absent": lambda facts: absent("nothing there"),
    "unclear": lambda facts: unclear("cannot tell"),
    "crash": lambda facts: holds(number=1 // 0),
    "unknown advice": lambda facts: broken(advice="no such variant"),
}


def area_of(name: str, *judges: str, collector: Callable[[Any], Any] = lambda context: None, **more: Any) -> Area:
    """An area whose rows a, b, c ... answer as named."""
    area = Area(name, collector=collector, **more)
    for letter, judge in zip("abcdefghij", judges, strict=False):
        area.check(letter, title=T, cause=T, fix=T)(OUTCOMES[judge])
    return area


def by_id(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.id: finding for finding in findings}


def test_a_crash_in_a_judge_is_the_error_of_its_row_alone() -> None:
    found = by_id(engine.run([area_of("x", "holds", "crash", "holds")], None))
    assert [f.status for f in found.values()] == [Status.PASS, Status.ERROR, Status.PASS]
    assert "ZeroDivisionError" in str(found["x.b"].reason)


def test_an_advice_that_the_row_lacks_is_an_error_of_the_row() -> None:
    found = by_id(engine.run([area_of("x", "unknown advice")], None))
    assert found["x.a"].status is Status.ERROR


def test_a_crash_in_a_collector_is_the_error_of_its_entry_row() -> None:
    def collector(context: Any) -> Any:
        raise KeyError("lost")

    found = by_id(engine.run([area_of("x", "holds", "holds", collector=collector), area_of("y", "holds")], None))
    assert [f.status for f in found.values()] == [Status.ERROR, Status.SKIP, Status.PASS]


@pytest.mark.parametrize(("looked", "status"), [(True, Status.ERROR), (False, Status.SKIP)])
def test_what_is_unavailable_has_a_reason(looked: bool, status: Status) -> None:
    def collector(context: Any) -> Any:
        raise Unavailable(Text("no driver", "没有驱动"), looked=looked)

    found = by_id(engine.run([area_of("x", "holds", collector=collector)], None))
    assert (found["x.a"].status, found["x.a"].reason) == (status, Text("no driver", "没有驱动"))


def test_a_collector_that_hangs_becomes_a_reason_and_does_not_delay_the_others() -> None:
    never = threading.Event()
    hung = area_of("x", "holds", collector=lambda context: never.wait(30), seconds=0.05)
    found = by_id(engine.run([hung, area_of("y", "holds")], None, seconds=5))
    assert (found["x.a"].status, found["y.a"].status) == (Status.ERROR, Status.PASS)
    assert "0.05 s" in str(found["x.a"].reason)
    never.set()


def test_the_deadline_of_the_run_ends_every_collector() -> None:
    never = threading.Event()
    hung = [area_of(name, "holds", collector=lambda context: never.wait(30)) for name in "xyz"]
    found = engine.run(hung, None, seconds=0.1)
    assert {f.status for f in found} == {Status.ERROR}
    never.set()


def late_area(
    later: Callable[[Any, Any], Any],
    first: Callable[[Any], Any] = lambda context: 1,
    after: tuple[str, ...] = (),
) -> Area:
    """An area of an early row and of one that is late; both hold and show the facts they were judged by."""
    area = Area("x", collector=first)
    area.collect_later(after)(later)
    for name, late in (("early", False), ("late", True)):
        area.check(name, title=T, cause=T, fix=T, late=late)(lambda facts: holds(facts=facts))
    return area


def test_a_late_row_delays_neither_the_rows_of_its_area_nor_the_areas_that_need_them() -> None:
    free = threading.Event()

    def later(context: Any, facts: Any) -> Any:
        return (facts, free.wait(30))

    second = area_of("y", "holds", collector=lambda context: free.set(), needs=("x.early",))
    found = by_id(engine.run([late_area(later), second], None, seconds=30))
    assert {id_: f.values.get("facts") for id_, f in found.items()} == {"x.early": 1, "x.late": [1, True], "y.a": None}
    assert list(found) == ["x.early", "x.late", "y.a"]


def test_a_late_collector_waits_for_the_areas_that_it_would_disturb() -> None:
    order: list[str] = []

    def slow(context: Any) -> None:
        threading.Event().wait(0.1)
        order.append("y")

    areas = [
        late_area(lambda context, facts: order.append("x later"), after=("y", "not in this run")),
        area_of("y", "holds", collector=slow, needs=("x.early",)),
    ]
    assert [f.status for f in engine.run(areas, None, seconds=30)] == [Status.PASS] * 3
    assert order == ["y", "x later"]


def test_a_late_collector_that_fails_or_hangs_is_the_reason_of_the_late_row_alone() -> None:
    def crashed(context: Any, facts: Any) -> Any:
        raise KeyError("lost")

    found = by_id(engine.run([late_area(crashed)], None))
    assert (found["x.early"].status, found["x.late"].status) == (Status.PASS, Status.ERROR)
    assert "KeyError" in str(found["x.late"].reason)
    never = threading.Event()
    found = by_id(engine.run([late_area(lambda context, facts: never.wait(30))], None, seconds=0.2))
    assert (found["x.early"].status, found["x.late"].status) == (Status.PASS, Status.ERROR)
    assert "no answer within" in str(found["x.late"].reason)
    never.set()


def test_nothing_is_collected_later_where_the_area_could_not_be_looked_at() -> None:
    asked: list[Any] = []

    def first(context: Any) -> Any:
        raise Unavailable(Text("no driver", "没有驱动"), looked=True)

    found = by_id(engine.run([late_area(lambda *given: asked.append(given), first)], None))
    assert asked == []
    assert [f.status for f in found.values()] == [Status.ERROR, Status.SKIP]
    assert "needs x.early" in str(found["x.late"].reason)


def test_nothing_is_collected_later_for_rows_that_are_left_out() -> None:
    asked: list[Any] = []
    area = late_area(lambda *given: asked.append(given))
    area.checks = area.checks[:1]
    assert [f.id for f in engine.run([area], None)] == ["x.early"]
    assert asked == []


def test_an_area_that_needs_a_failed_row_is_not_even_collected() -> None:
    asked: list[Any] = []
    second = area_of("y", "holds", collector=asked.append, needs=("x.a",))
    found = by_id(engine.run([area_of("x", "broken"), second], None))
    assert asked == []
    assert (found["y.a"].status, found["y.a"].caused_by) == (Status.SKIP, "x.a")


def test_collectors_run_side_by_side() -> None:
    """Two collectors that wait for each other both finish."""
    barrier = threading.Barrier(2, timeout=5)
    areas = [area_of(name, "holds", collector=lambda context: barrier.wait()) for name in "xy"]
    assert {f.status for f in engine.run(areas, None)} == {Status.PASS}


def test_values_fill_texts_and_commands_and_secrets_leave_nothing() -> None:
    area = Area("x", collector=lambda context: None)
    area.check(
        "a",
        title=T,
        cause=Text("port {port} by {who}", "端口 {port}：{who}"),
        fix=T,
        commands=("stop {who}", "{unknown}"),
    )(lambda facts: broken(Evidence("key", "sk-secretsecret"), who="a; rm -rf /\x1b[31m"))
    (found,) = engine.run([area], None, values={"port": 1}, redactor=Redactor(["sk-secretsecret"]))
    assert found.cause == Text("port 1 by a; rm -rf /", "端口 1：a; rm -rf /")
    assert found.commands == ("stop 'a; rm -rf /'",)
    assert "secret" not in str(found.evidence)


def test_rows_that_explain_each_other_in_a_circle_are_refused() -> None:
    area = Area("x", collector=lambda context: None)
    for name, other in (("a", "x.b"), ("b", "x.a")):
        area.check(name, title=T, cause=T, fix=T, explains=(other,))(OUTCOMES["holds"])
    with pytest.raises(CycleError):
        engine.run([area], None)


def test_rows_that_need_each_other_in_a_circle_are_refused_before_anything_is_looked_at() -> None:
    asked: list[Any] = []
    one, other = (area_of(name, "holds", collector=asked.append) for name in "xy")
    one.needs, other.needs = ("y.a",), ("x.a",)
    with pytest.raises(CycleError):
        engine.run([one, other], None)
    assert asked == []


def test_a_collector_that_exits_is_a_crash_and_not_a_late_one() -> None:
    def collector(context: Any) -> Any:
        raise SystemExit(3)

    (found,) = engine.run([area_of("x", "holds", collector=collector)], None, seconds=20)
    assert (found.status, found.reason) == (Status.ERROR, "SystemExit: 3")


def test_when_the_clock_has_run_out_nothing_is_looked_at_any_more() -> None:
    """As for the last of several targets."""
    looked: list[Any] = []
    found = engine.run([area_of("x", "holds", collector=looked.append)], None, seconds=0.0)
    assert [(finding.status, finding.reason) for finding in found] == [(Status.ERROR, DEADLINE_EXCEEDED)]
    assert looked == []


def test_the_time_that_was_given_is_named() -> None:
    """A collector that the run's own deadline cuts short did not have the seconds of its area."""
    never = threading.Event()
    (found,) = engine.run([area_of("x", "holds", collector=lambda context: never.wait(30))], None, seconds=0.05)
    assert found.reason == Text("no answer within 0.05 s", "0.05 秒内没有结果")
    never.set()


def test_a_clock_that_leaps_ends_a_collector_without_a_wait() -> None:
    """A laptop that slept through the deadline is not waited for again."""
    never = threading.Event()
    times = itertools.count(step=100)
    hung = area_of("x", "holds", "holds", collector=lambda context: never.wait(30))
    found = engine.run([hung], None, clock=lambda: float(next(times)))
    assert [f.status for f in found] == [Status.ERROR, Status.SKIP]
    never.set()


def test_a_collector_whose_turn_comes_behind_the_deadline_is_not_started() -> None:
    """A reason with a negative number of seconds would be nonsense."""
    never = threading.Event()
    times = itertools.count(step=100)
    hung = area_of("x", "holds", collector=lambda context: never.wait(30))
    (found,) = engine.run([hung], None, seconds=1, clock=lambda: float(next(times)))
    assert found.reason == Text("deadline exceeded (--deadline)", "已到本次运行的时限（--deadline）")
    never.set()


def test_a_row_has_the_seconds_that_judging_it_took() -> None:
    now = [50.0]

    def judge(facts: Any) -> Outcome:
        now[0] += 0.25
        return holds()

    def wrong(facts: Any) -> Outcome:
        now[0] += 0.5
        return broken(advice="no such variant")

    area = Area("x", collector=lambda context: None)
    area.check("a", title=T, cause=T, fix=T)(judge)
    area.check("b", title=T, cause=T, fix=T)(OUTCOMES["holds"])
    area.check("c", title=T, cause=T, fix=T)(wrong)
    assert [f.seconds for f in engine.run([area], None, clock=lambda: now[0])] == [0.25, 0.0, 0.5]


@pytest.mark.parametrize(("looked", "status"), [(True, Status.ERROR), (False, Status.SKIP)])
def test_a_judge_that_finds_nothing_to_judge_says_so(looked: bool, status: Status) -> None:
    area = area_of("x", "holds")
    area.check("row", title=T, cause=T, fix=T)(raising(Unavailable("nothing there", looked=looked)))
    found = by_id(engine.run([area], None))["x.row"]
    assert (found.status, found.reason) == (status, "nothing there")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [("broken", "needs x.a, which does not hold"), ("unclear", "needs x.a, which was not judged")],
)
def test_a_row_that_is_not_judged_says_what_it_needs(entry: str, reason: str) -> None:
    second = by_id(engine.run([area_of("x", entry, "holds")], None))["x.b"]
    assert isinstance(second.reason, Text)
    assert (second.status, second.reason.en) == (Status.SKIP, reason)


def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    given_up, answered = threading.Event(), threading.Event()

    def late(context: Any) -> None:
        given_up.wait(10)
        answered.set()

    def patient(context: Any) -> None:
        answered.wait(10)
        time.sleep(0.02)  # the late answer comes first

    areas = [area_of("x", "holds", collector=late, seconds=0.02), area_of("y", "holds", collector=patient)]
    found = by_id(engine.run(areas, None, on_finding=lambda finding: given_up.set()))
    assert (found["x.a"].status, found["y.a"].status) == (Status.ERROR, Status.PASS)


class Unprintable(Exception):
    """An error that fails again when it is printed."""

    def __str__(self) -> str:
        raise ValueError


def raising(error: Exception) -> Callable[[Any], Any]:
    def judge(facts: Any) -> Any:
        raise error

    return judge


def deep(levels: int) -> Any:
    nested: Any = 0
    for _ in range(levels):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    "judge",
    [
        lambda facts: None,
        lambda facts: "holds",
        lambda facts: broken("not evidence"),  # type: ignore[arg-type]  # a string is none
        lambda facts: broken(Evidence("a", 1)),  # type: ignore[arg-type]  # a number is not words
        lambda facts: holds(value=deep(5000)),
        lambda facts: Outcome(True, values=7),  # type: ignore[arg-type]  # no mapping
        raising(Unprintable()),
        raising(RecursionError()),
    ],
)
def test_what_a_judge_must_not_return_is_the_error_of_its_row(judge: Any) -> None:
    area = area_of("x", "holds")
    area.check("b", title=T, cause=T, fix=T)(judge)
    area.check("c", title=T, cause=T, fix=T)(OUTCOMES["holds"])
    found = engine.run([area], None)
    assert [f.status for f in found] == [Status.PASS, Status.ERROR, Status.PASS]
    assert found[1].reason


def test_an_error_that_cannot_be_printed_is_named_by_its_kind() -> None:
    (found,) = engine.run([area_of("x", "holds", collector=raising(Unprintable()))], None)
    assert (found.status, found.reason) == (Status.ERROR, "Unprintable")


def test_what_an_error_says_is_cleaned_and_redacted() -> None:
    said = raising(ValueError("\x1b[31mkey=supersecret\u202e"))
    (found,) = engine.run([area_of("x", "holds", collector=said)], None, redactor=Redactor(["supersecret"]))
    assert found.reason == "ValueError: key=***"


def test_every_finding_is_told_as_it_is_made() -> None:
    told: list[str] = []
    found = engine.run(
        [area_of("x", "holds", "broken"), area_of("y", "crash")], None, on_finding=lambda f: told.append(f.id)
    )
    assert sorted(told) == sorted(f.id for f in found)


def explained(id_: str, *explains: str, status: str = "broken", severity: Severity = Severity.ERROR) -> Area:
    """An area of one row that explains others."""
    name, _, letter = id_.partition(".")
    area = Area(name, collector=lambda context: None)
    area.check(letter, title=T, cause=T, fix=T, explains=explains, severity=severity)(OUTCOMES[status])
    return area


def test_a_chain_of_causes_ends_at_its_root() -> None:
    found = by_id(engine.run([explained("z.a"), explained("y.a", "z.a"), explained("x.a", "y.*")], None))
    assert [found[f"{name}.a"].caused_by for name in "xyz"] == [None, "x.a", "x.a"]


def test_a_failure_explains_before_a_warning_does() -> None:
    warning = explained("x.a", "z.a", severity=Severity.WARNING)
    found = by_id(engine.run([warning, explained("y.a", "z.a"), explained("z.a")], None))
    assert found["z.a"].caused_by == "y.a"


def test_a_row_that_holds_or_was_not_judged_explains_nothing() -> None:
    areas = [
        explained(f"{name}.a", "z.a", status=status) for name, status in zip("pq", ["holds", "unclear"], strict=True)
    ]
    found = by_id(engine.run([*areas, explained("z.a")], None))
    assert found["z.a"].caused_by is None


COLLECTORS: dict[str, Callable[[Any], Any]] = {
    "fine": lambda context: None,
    "slow": lambda context: time.sleep(0.005),
    "nothing there": raising(Unavailable("nothing there", looked=False)),
    "refused": raising(Unavailable("refused")),
    "crash": raising(KeyError("lost")),
    "exit": raising(SystemExit(1)),  # type: ignore[arg-type]  # not an Exception, which is the point
}


@st.composite
def matrices(draw: st.DrawFn) -> list[Area]:
    """Areas of random rows in a random order; needs go down one hidden order of areas, explains another of rows."""
    names = draw(st.lists(st.sampled_from("pqrst"), min_size=1, max_size=5, unique=True))
    rows = {name: [f"{name}.{letter}" for letter in "abcde"[: draw(st.integers(1, 5))]] for name in names}
    ids = [id_ for name in names for id_ in rows[name]]
    rank = draw(st.permutations(ids))
    below: list[str] = []
    areas: list[Area] = []
    for name in names:
        kind = draw(st.sampled_from(sorted(COLLECTORS)))
        area = Area(name, collector=COLLECTORS[kind], needs=tuple(some(draw, below)))
        for number, id_ in enumerate(rows[name]):
            area.check(
                id_.partition(".")[2],
                title=T,
                cause=T,
                fix=T,
                needs=tuple(some(draw, below + rows[name][:number])),
                explains=tuple(some(draw, rank[rank.index(id_) + 1 :])),
                severity=draw(st.sampled_from(Severity)),
                variants={"other": Advice(T, T)},
            )(OUTCOMES[draw(st.sampled_from(sorted(OUTCOMES)))])
        below += rows[name]
        areas.append(area)
    return draw(st.permutations(areas))


def some(draw: st.DrawFn, ids: Sequence[str]) -> list[str]:
    return draw(st.lists(st.sampled_from(ids), max_size=2, unique=True)) if ids else []


def expected(areas: list[Area]) -> dict[str, Status]:
    """The status of every row by the rule alone, one row after the other."""
    by_name = {area.name: area for area in areas}
    checks = {check.id: check for area in areas for check in area.checks}
    known: dict[str, Status] = {}

    def status(id_: str) -> Status:
        if id_ not in known:
            known[id_] = judged(checks[id_])
        return known[id_]

    def judged(check: Check) -> Status:
        area = by_name[check.area]
        if not all(status(n).opens for n in (*area.needs, *check.needs)):
            return Status.SKIP
        try:
            if area.collector:
                area.collector(None)
        except Unavailable as error:
            return Status.ERROR if error.looked else Status.SKIP
        except BaseException:
            return Status.ERROR
        try:
            outcome = check.judge(None)
            check.advice_for(outcome)
        except (ArithmeticError, KeyError):
            return Status.ERROR
        if outcome.holds is None:
            return Status.ERROR if outcome.looked else Status.SKIP
        return Status.PASS if outcome.holds else check.severity.status

    return {id_: status(id_) for id_ in checks}


@given(matrices())
def test_no_row_is_lost_and_each_has_the_status_that_the_rule_gives(areas: list[Area]) -> None:
    findings = engine.run(areas, None)
    assert [f.id for f in findings] == [check.id for area in areas for check in area.checks]
    assert {f.id: f.status for f in findings} == expected(areas)
    assert all((f.reason is not None) == (f.status in (Status.SKIP, Status.ERROR)) for f in findings)


@given(matrices())
def test_causes_are_roots_and_roots_have_no_failing_explainer(areas: list[Area]) -> None:
    found = by_id(engine.run(areas, None))
    explainers = engine.explained_by(c for a in areas for c in a.checks)
    for finding in found.values():
        if finding.caused_by is not None:
            assert found[finding.caused_by].problem
            assert found[finding.caused_by].caused_by is None
        if finding.problem:
            assert (finding.caused_by is None) == (not any(found[e].problem for e in explainers[finding.id]))
        if finding.status is Status.ERROR:
            assert finding.caused_by is None


@given(matrices())
def test_a_skipped_row_follows_the_chain_of_what_blocked_it(areas: list[Area]) -> None:
    found = by_id(engine.run(areas, None))
    for area in areas:
        blocked = next((n for n in area.needs if not found[n].status.opens), None)
        for check in area.checks:
            by = blocked or next((n for n in check.needs if not found[n].status.opens), None)
            if by is not None:
                assert found[check.id].status is Status.SKIP
                assert found[check.id].caused_by == (found[by].caused_by or (by if found[by].problem else None))
                assert by in str(found[check.id].reason)


@given(matrices(), st.data())
def test_hung_areas_are_errors_and_no_others_wait_for_them(areas: list[Area], data: st.DataObject) -> None:
    never = threading.Event()
    hung = data.draw(st.sets(st.sampled_from([area.name for area in areas]), min_size=1))
    for area in areas:
        if area.name in hung:
            area.collector = lambda context: never.wait(30)
            area.seconds = 0.01
    started = time.monotonic()
    findings = engine.run(areas, None, seconds=20)
    assert time.monotonic() - started < 10
    assert [f.id for f in findings] == [check.id for area in areas for check in area.checks]
    assert {f.status for f in findings if f.check.area in hung} <= {Status.ERROR, Status.SKIP}
    never.set()


def test_a_review_adds_to_the_rows_that_do_not_hold_and_to_no_others() -> None:
    area = area_of("x", "holds", "holds", "broken", "broken", collector=lambda context: "sk-review-key")
    area.review(lambda facts: {id_: Evidence("together", facts) for id_ in ("x.b", "x.c", "y.a")})
    found = by_id(engine.run([area, area_of("y", "broken")], None, redactor=Redactor(["sk-review-key"])))
    reviewed = {id_: [(e.subject, e.observed) for e in finding.evidence] for id_, finding in found.items()}
    assert reviewed == {"x.a": [], "x.b": [], "x.c": [("together", "***")], "x.d": [], "y.a": []}


def test_an_area_without_a_review_leaves_the_reviews_of_the_others_alone() -> None:
    reviewed = area_of("y", "broken")
    reviewed.review(lambda facts: {"y.a": Evidence("both", "seen together")})
    found = by_id(engine.run([area_of("x", "broken"), reviewed], None))
    assert ([e.subject for e in found["y.a"].evidence], found["x.a"].evidence) == (["both"], ())


@pytest.mark.parametrize(("row", "asked"), [("holds", 0), ("absent", 0), ("broken", 1)])
def test_a_review_is_asked_for_where_a_row_does_not_hold_and_its_crash_loses_none(row: str, asked: int) -> None:
    calls = []

    def review(facts: Any) -> dict[str, Evidence]:
        calls.append(facts)
        raise ValueError("a bug")

    area = area_of("x", "holds", row)
    area.review(review)
    assert [f.id for f in engine.run([area], None)] == ["x.a", "x.b"]
    assert len(calls) == asked


KEY = "sk-every-place-0123"
PLACES: dict[str, Callable[[Any], Outcome]] = {
    "subject": lambda facts: broken(Evidence("fine", "1"), Evidence(KEY, "2")),
    "subject in Chinese": lambda facts: broken(Evidence(Text("fine", KEY), "2")),
    "observed": lambda facts: broken(Evidence("fine", "1"), Evidence("x", f"a {KEY} b")),
    "expected": lambda facts: broken(Evidence("fine", "1"), Evidence("x", "2", KEY)),
    "reason": lambda facts: unclear(f"because of {KEY}"),
    "reason in Chinese": lambda facts: absent(Text("fine", f"因为 {KEY}")),
    "a value": lambda facts: broken(who=KEY),
    "the name of a value": lambda facts: broken(rows=[{KEY: 1}]),
    "a value in a list": lambda facts: broken(who=["a", ("b", {"c": KEY})]),
}
"""Where a judge can put what a server or a log said."""


@pytest.mark.parametrize("place", PLACES)
def test_a_key_is_hidden_wherever_a_judge_puts_it(place: str) -> None:
    area = Area("x", collector=lambda context: None)
    area.check("a", title=T, cause=Text("by {who}", "因 {who}"), fix=T, commands=("ps {who}",))(PLACES[place])
    (found,) = engine.run([area], None, redactor=Redactor([KEY]))
    assert KEY not in repr(replace(found, check=None))  # type: ignore[arg-type]  # whose own repr names the judge
    assert "***" in repr(found)
