"""The report: what findings add up to."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.model import Advice, Check, Finding, Report, Severity, Status, Text, holds
from bgecheck.model.report import INTERRUPTED, NAGIOS, USAGE, exit_code

T = Text("words", "文字")


def finding(
    status: str,
    *,
    name: str | None = None,
    severity: Severity = Severity.ERROR,
    ignored: str | None = None,
    caused_by: str | None = None,
    pending: bool = False,
) -> Finding:
    check = Check(
        id=name or f"x.{status}", area="x", title=T, advice=Advice(T, T), variants={}, severity=severity, needs=(),
        explains=(), costly=False, judge=lambda facts: holds(),
    )  # fmt: skip
    return Finding(
        check=check, status=Status(status), title=T, cause=T, fix=T, ignored=ignored, caused_by=caused_by,
        pending=pending,
    )  # fmt: skip


def reported(findings: Sequence[Finding], *, starting: bool = False, fail_on: Severity = Severity.ERROR) -> Report:
    return Report(
        command="doctor",
        findings=tuple(findings),
        target={},
        started_at="",
        seconds=0,
        starting=starting,
        fail_on=fail_on,
    )


def report(*statuses: str, starting: bool = False, fail_on: Severity = Severity.ERROR) -> Report:
    return reported([finding(status) for status in statuses], starting=starting, fail_on=fail_on)


@pytest.mark.parametrize(
    ("statuses", "code", "verdict"),
    [
        ((), 4, "inconclusive"),
        (("skip",), 4, "inconclusive"),
        (("skip", "skip"), 4, "inconclusive"),
        (("skip", "error"), 4, "inconclusive"),
        (("pass", "skip"), 0, "pass"),
        (("skip", "warn"), 0, "warn"),
        (("pass", "warn"), 0, "warn"),
        (("pass", "error"), 4, "inconclusive"),
        (("warn", "error"), 4, "inconclusive"),
        (("warn", "error", "fail"), 1, "fail"),
    ],
)
def test_the_worst_row_decides(statuses: tuple[str, ...], code: int, verdict: str) -> None:
    assert (report(*statuses).exit_code, report(*statuses).verdict) == (code, verdict)


def test_a_warning_fails_the_run_only_when_asked() -> None:
    assert report("warn", fail_on=Severity.WARNING).exit_code == 1
    assert report("warn", "error", fail_on=Severity.WARNING).exit_code == 1
    assert report("error", fail_on=Severity.WARNING).exit_code == 4


@pytest.mark.parametrize(
    ("status", "ignored", "strict", "fails"),
    [
        ("fail", None, False, True),
        ("fail", None, True, True),
        ("warn", None, False, False),
        ("warn", None, True, True),
        ("fail", "known", True, False),
        ("error", None, True, False),
        ("skip", None, True, False),
        ("pass", None, True, False),
    ],
)
def test_a_row_that_fails_the_run_is_marked_so_in_the_formats_of_ci(
    status: str, ignored: str | None, strict: bool, fails: bool
) -> None:
    """As a failure of JUnit, an error of GitHub: a warning only where warnings fail the run."""
    row = finding(status, ignored=ignored)
    assert reported([row], fail_on=Severity.WARNING if strict else Severity.ERROR).fails(row) is fails


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        ([finding("pass")], True),
        ([finding("pass"), finding("warn")], True),
        ([finding("pass"), finding("fail")], True),
        ([finding("pass"), finding("error")], True),
        ([finding("skip")], False),
        ([finding("skip"), finding("skip")], False),
    ],
)
def test_where_no_row_shows_that_a_run_is_not_all_right_a_reader_of_rows_is_told_by_one_more(
    rows: list[Finding], shown: bool
) -> None:
    """Of a run that could look at nothing every row is skipped, which a reader takes for success."""
    assert reported(rows).is_shown_by_rows is shown


PENDING = finding("fail", name="x.pending", pending=True)
FOLLOWS = finding("fail", name="x.follows", caused_by="x.pending")
OTHER = finding("fail", name="x.other")
ITS_OWN = finding("fail", name="x.its-own", caused_by="x.other")


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([PENDING], 3),
        ([PENDING, FOLLOWS], 3),
        ([finding("pass")], 3),
        ([finding("skip")], 3),
        ([finding("error")], 3),
        ([PENDING, finding("error")], 3),
        ([PENDING, finding("warn")], 3),
        ([PENDING, finding("fail", ignored="known")], 3),
        ([finding("error", ignored="known")], 3),
        ([OTHER], 1),
        ([PENDING, OTHER], 1),
        ([PENDING, FOLLOWS, OTHER], 1),
        ([PENDING, OTHER, ITS_OWN], 1),
        ([OTHER, finding("fail", name="x.pending", pending=True, caused_by="x.other")], 1),
        ([OTHER, finding("error")], 1),
    ],
)
def test_a_server_that_is_only_starting_is_neither_right_nor_wrong(rows: list[Finding], code: int) -> None:
    """When waiting ran out, what fails for another reason is a problem all the same."""
    for order in itertools.permutations(rows):
        whole = reported(order, starting=True)
        assert (whole.exit_code, whole.verdict) == (code, {1: "fail", 3: "starting"}[code])


def test_a_warning_beside_a_start_fails_the_run_only_when_asked() -> None:
    assert reported([PENDING, finding("warn")], starting=True, fail_on=Severity.WARNING).exit_code == 1
    assert reported([PENDING, FOLLOWS], starting=True, fail_on=Severity.WARNING).exit_code == 3


def test_without_waiting_a_server_that_is_not_up_is_a_problem() -> None:
    assert reported([PENDING]).exit_code == 1
    assert reported([PENDING, finding("error")]).exit_code == 1
    assert reported([finding("fail", pending=True, ignored="known")]).exit_code == 0


def test_an_ignored_problem_is_shown_and_does_not_count() -> None:
    one = reported([finding("fail", ignored="known")])
    assert (one.exit_code, one.root_causes, one.counts()["ignored"], one.counts()["fail"]) == (0, (), 1, 0)


WORST_FIRST = {
    1: reported([finding("fail")]),
    3: reported([PENDING], starting=True),
    4: reported([finding("error")]),
    0: reported([finding("pass")]),
}


def test_of_several_targets_the_worst_wins() -> None:
    """1, 3, 4, 0, in whatever order they come."""
    assert exit_code([]) == 0
    for count in (1, 2, 3, 4):
        for codes in itertools.permutations(WORST_FIRST, count):
            reports = [WORST_FIRST[code] for code in codes]
            assert exit_code(reports) == next(code for code in WORST_FIRST if code in codes)


def test_monitoring_plugins_have_their_own_codes_for_the_same_verdicts() -> None:
    """0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; of several the worst is decided before it is translated."""
    translated = {code: replace(report, nagios=True) for code, report in WORST_FIRST.items()}
    assert {code: report.exit_code for code, report in translated.items()} == {1: 2, 3: 1, 4: 3, 0: 0}
    assert [report.verdict for report in translated.values()] == [r.verdict for r in WORST_FIRST.values()]
    assert exit_code([translated[3], translated[4]]) == 1


def test_root_causes_are_failures_first_and_consequences_are_under_them() -> None:
    rows = [
        finding("warn", name="x.a"),
        finding("fail", name="x.b"),
        finding("fail", name="x.c", caused_by="x.b"),
        finding("skip", name="x.d", caused_by="x.b"),
        finding("pass", name="x.e"),
    ]
    whole = reported(rows)
    assert [f.id for f in whole.root_causes] == ["x.b", "x.a"]
    assert [f.id for f in whole.consequences("x.b")] == ["x.c", "x.d"]
    assert whole.consequences("x.a") == ()


@pytest.mark.parametrize(
    ("target", "subject"),
    [
        ({"url": "http://h:1/v1"}, "http://h:1/v1"),
        ({"url": "http://h:1/v1", "log": "a.log"}, "http://h:1/v1"),
        ({"log": "a.log"}, "a.log"),
        ({}, ""),
    ],
)
def test_a_report_is_of_an_address_or_of_a_log_alone(target: dict[str, str], subject: str) -> None:
    assert replace(reported([]), target=target).subject == subject


def test_where_nothing_is_said_of_a_start_a_failure_counts_and_a_warning_does_not() -> None:
    check = finding("fail").check
    for status, code in ((Status.FAIL, 1), (Status.WARN, 0)):
        row = Finding(check=check, status=status, title=T, cause=T, fix=T)
        made = Report(command="gpu", findings=(row,), target={}, started_at="", seconds=0)
        assert made.exit_code == code
        assert (row.pending, row.seconds, made.nagios) == (False, 0, False)
        assert replace(made, starting=True, findings=(row, PENDING)).exit_code == (code or 3)


def test_wrong_usage_is_unknown_to_a_monitoring_plugin() -> None:
    """README: 2 is wrong usage, 130 an interrupt; a plugin knows no code above 3."""
    assert (USAGE, NAGIOS[USAGE], INTERRUPTED) == (2, 3, 130)


rows = st.lists(
    st.builds(
        finding,
        st.sampled_from([str(s) for s in Status]),
        ignored=st.none() | st.just("known"),
        caused_by=st.none() | st.just("x.fail"),
        pending=st.booleans(),
    ),
    max_size=8,
)


@given(rows, st.sampled_from(Severity), st.booleans())
def test_the_numbers_of_a_report_agree_with_each_other(found: list[Finding], fail_on: Severity, starting: bool) -> None:
    whole = reported(found, fail_on=fail_on, starting=starting)
    counts = whole.counts()
    assert sum(counts.values()) == len(found)
    assert set(counts) == {"pass", "warn", "fail", "skip", "error", "ignored"}
    verdicts = {0: {"pass", "warn"}, 1: {"fail"}, 3: {"starting"}, 4: {"inconclusive"}}
    assert whole.verdict in verdicts[whole.exit_code]
    assert all(f.problem and f.caused_by is None for f in whole.root_causes)
    failing = counts["fail"] + (counts["warn"] if fail_on is Severity.WARNING else 0)
    if not starting:
        assert (whole.exit_code == 1) == bool(failing)
    else:
        assert whole.exit_code == 3 or (whole.exit_code == 1 and failing)
    if not starting:
        assert (whole.verdict == "pass") == (not counts["fail"] + counts["warn"] and whole.exit_code == 0)
