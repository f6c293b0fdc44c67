"""A row as it is declared, and what a judge answers: what holds where nothing else is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bgecheck.model import Advice, Area, Evidence, Outcome, Severity, Text, absent, broken, holds, not_yet, unclear

T = Text("words", "文字")


def test_a_row_of_words_alone_is_a_cheap_error_that_speaks_for_itself() -> None:
    area = Area("x")
    area.check("entry", title=T, cause=T, fix=T)(lambda facts: holds())
    area.check("row", title=T, cause=T, fix=T, needs=("x.entry", "y.row"))(lambda facts: holds())
    entry, row = area.checks
    assert (entry.id, entry.needs, entry.explains, entry.advice.commands) == ("x.entry", (), (), ())
    assert (entry.severity, entry.costly, entry.headline) == (Severity.ERROR, False, False)
    assert (area.seconds, area.entry) == (10.0, "x.entry")
    # The entry row is needed once, however often it is written.
    assert row.needs == ("x.entry", "y.row")


@pytest.mark.parametrize(
    ("made", "holding", "looked", "pending"),
    [
        (holds, True, True, False),
        (broken, False, True, False),
        (not_yet, False, True, True),
        (lambda: absent(T), None, False, False),
        (lambda: unclear(T), None, True, False),
    ],
)
def test_only_what_starting_explains_is_pending(
    made: Callable[[], Outcome], holding: bool | None, looked: bool, pending: bool
) -> None:
    outcome = made()
    assert (outcome.holds, outcome.looked, outcome.pending) == (holding, looked, pending)


def test_evidence_is_a_symptom_where_nothing_else_is_said() -> None:
    assert not Evidence("subject", "observed").background


def test_what_mends_it_before_the_launch_restarts_nothing() -> None:
    running, planned = Text("restart it with the option", "加参数重启"), Text("start it with the option", "加参数启动")
    advice = Advice(T, running, ("bgecheck doctor",), before=planned)
    assert advice.before_launch() == advice._replace(fix=planned)
    assert Advice(T, running).before_launch().fix == running


def test_a_row_is_judged_at_the_moments_of_its_area_unless_it_names_its_own() -> None:
    area = Area("x", moments=frozenset({"before"}))
    area.check("usual", title=T, cause=T, fix=T)(lambda facts: holds())
    area.check("own", title=T, cause=T, fix=T, moments=frozenset({"before", "after"}))(lambda facts: holds())
    assert [check.moments for check in area.checks] == [{"before"}, {"before", "after"}]
