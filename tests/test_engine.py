"""The engine: no row is lost, nothing that goes wrong in a row or collector goes further than its row."""

from __future__ import annotations

import threading
from collections.abc import Callable
from graphlib import CycleError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgecheck import engine
from bgecheck.model import (
    Advice,
    Area,
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
    area = Area(name, T, collector=collector, **more)
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
    area = Area("x", T, collector=lambda context: None)
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
    area = Area("x", T, collector=lambda context: None)
    for name, other in (("a", "x.b"), ("b", "x.a")):
        area.check(name, title=T, cause=T, fix=T, explains=(other,))(OUTCOMES["holds"])
    with pytest.raises(CycleError):
        engine.run([area], None)


@st.composite
def matrices(draw: st.DrawFn) -> list[Area]:
    """Areas of random rows; needs and explains point backwards, as in a catalogue without circles."""
    areas: list[Area] = []
    ids: list[str] = []
    for name in draw(st.lists(st.sampled_from("pqrst"), min_size=1, max_size=4, unique=True)):
        area = Area(name, T, collector=lambda context: None)
        if draw(st.booleans()) and ids:
            area.needs = (draw(st.sampled_from(ids)),)
        for letter in "abcde"[: draw(st.integers(1, 5))]:
            picked: st.SearchStrategy[list[str]] = st.just([])
            if ids:
                picked = st.lists(st.sampled_from(ids), max_size=2, unique=True)
            area.check(
                letter,
                title=T,
                cause=T,
                fix=T,
                needs=tuple(draw(picked)),
                explains=tuple(draw(picked)),
                severity=draw(st.sampled_from(list(Severity))),
                variants={"other": Advice(T, T)},
            )(OUTCOMES[draw(st.sampled_from(sorted(OUTCOMES)))])
            ids.append(f"{name}.{letter}")
        areas.append(area)
    return areas


@settings(max_examples=150, deadline=None)
@given(matrices())
def test_no_row_is_lost_and_causes_are_roots(areas: list[Area]) -> None:
    findings = engine.run(areas, None)
    assert [f.id for f in findings] == [check.id for area in areas for check in area.checks]
    found = by_id(findings)
    for finding in findings:
        if finding.caused_by is not None:
            root = found[finding.caused_by]
            assert root.problem
            assert root.caused_by is None
        if finding.status in (Status.SKIP, Status.ERROR):
            assert finding.reason is not None
        if finding.problem and finding.caused_by is None:
            explainers = engine.explained_by(c for a in areas for c in a.checks)[finding.id]
            assert not any(found[e].problem for e in explainers)


@settings(max_examples=50, deadline=None)
@given(matrices())
def test_a_row_is_judged_only_when_what_it_needs_holds(areas: list[Area]) -> None:
    found = by_id(engine.run(areas, None))
    for area in areas:
        for check in area.checks:
            if found[check.id].status in (Status.PASS, Status.WARN, Status.FAIL):
                assert all(found[n].status.opens for n in check.needs)
