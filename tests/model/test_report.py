"""The report: what findings add up to."""

from __future__ import annotations

import pytest

from bgecheck.model import Advice, Check, Finding, Report, Severity, Status, Text, holds
from bgecheck.model.report import worst

T = Text("words", "文字")


def finding(status: str, *, severity: Severity = Severity.ERROR, **more: str) -> Finding:
    check = Check(
        id=f"x.{status}", area="x", title=T, advice=Advice(T, T), variants={}, severity=severity, needs=(),
        explains=(), costly=False, judge=lambda facts: holds(),
    )  # fmt: skip
    return Finding(check=check, status=Status(status), title=T, cause=T, fix=T, **more)  # type: ignore[arg-type]


def report(*statuses: str, starting: bool = False, fail_on: Severity = Severity.ERROR) -> Report:
    findings = tuple(map(finding, statuses))
    return Report(
        command="doctor",
        findings=findings,
        target={},
        started_at="",
        seconds=0,
        starting=starting,
        fail_on=fail_on,
    )


@pytest.mark.parametrize(
    ("statuses", "code", "verdict"),
    [
        ((), 0, "pass"),
        (("pass", "skip"), 0, "pass"),
        (("pass", "warn"), 0, "warn"),
        (("pass", "error"), 4, "inconclusive"),
        (("warn", "error", "fail"), 1, "fail"),
    ],
)
def test_the_worst_row_decides(statuses: tuple[str, ...], code: int, verdict: str) -> None:
    assert (report(*statuses).exit_code, report(*statuses).verdict) == (code, verdict)


def test_a_warning_fails_the_run_only_when_asked() -> None:
    assert report("warn", fail_on=Severity.WARNING).exit_code == 1


def test_a_server_that_is_only_starting_is_neither_right_nor_wrong() -> None:
    assert report("error", starting=True).exit_code == 3
    assert report("fail", starting=True).exit_code == 3
    assert report("pass", starting=True).verdict == "starting"


def test_an_ignored_problem_is_shown_and_does_not_count() -> None:
    one = Report(command="doctor", findings=(finding("fail", ignored="known"),), target={}, started_at="", seconds=0)
    assert (one.exit_code, one.root_causes, one.counts()["ignored"], one.counts()["fail"]) == (0, (), 1, 0)


def test_of_several_targets_the_worst_wins() -> None:
    assert worst([0, 4, 3, 1]) == 1
    assert worst([0, 4, 3]) == 3
    assert worst([0, 4]) == 4
    assert worst([]) == 0
