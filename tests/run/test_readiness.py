"""Waiting for a server: what ends it, how often it looks meanwhile, and what the report says of the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bgecheck.engines.sglang.log.diagnosis import Diagnosis
from bgecheck.http.embeddings import Refused
from bgecheck.model import Advice, Check, Finding, Report, Severity, Status, Target, Text
from bgecheck.model.processes import ProcessTable
from bgecheck.run import catalog, readiness
from bgecheck.run.plan import Plan
from bgecheck.run.settings import Settings

T = Text("words", "文字")
TARGET = Target(url="http://h:1", host="h", port=1)
PLAN = Plan(
    command="doctor",
    areas=tuple(catalog.areas(["logs", "ports", "probe"])),
    ignored={"probe.ready": "known"},
    fail_on=Severity.ERROR,
    nagios=False,
    settings=Settings(full=True),
)


def finding(row: str, status: Status = Status.FAIL, data: Any = None, ignored: str | None = None) -> Finding:
    advice = Advice(T, T)
    area = row.partition(".")[0]
    check = Check(row, area, T, advice, {}, Severity.ERROR, (), (), False, lambda facts: None)  # type: ignore[arg-type, return-value]
    return Finding(check=check, status=status, title=T, cause=T, fix=T, data=data, ignored=ignored)


def log(state: str) -> Finding:
    return finding("logs.ready", Status.SKIP, Diagnosis(state, {}))  # type: ignore[arg-type]


def report(*rows: Finding) -> Report:
    return Report(command="doctor", findings=rows, target={}, started_at="", seconds=0.0)


REFUSED = finding("probe.reachable")
READY = finding("probe.ready", Status.PASS)


class Clock:
    """Time that passes only where somebody waits, or looks."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(readiness, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
    return clock


class Looks:
    """Answers one report after the other, the last one again and again; each look takes its time."""

    def __init__(self, clock: Clock, *reports: Report, seconds: float = 0.0) -> None:
        self.clock, self.reports, self.seconds = clock, list(reports), seconds
        self.plans: list[Plan] = []
        self.targets: list[Target] = []

    def __call__(self, plan: Plan, target: Target) -> Report:
        self.plans.append(plan)
        self.targets.append(target)
        self.clock.now += self.seconds
        return self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]


def wait(looks: Looks, patience: float, target: Target = TARGET, later: Iterator[Target] | None = None) -> Report:
    return readiness.settled(PLAN, target, patience, lambda: next(later) if later else target, looks)


def test_a_server_that_is_ready_is_not_waited_for(clock: Clock) -> None:
    looks = Looks(clock, report(READY))
    answer = wait(looks, 5.0)
    assert (len(looks.plans), clock.pauses, answer.starting) == (2, [], False)


def test_a_server_that_starts_is_looked_at_once_a_second_until_it_is_ready(clock: Clock) -> None:
    looks = Looks(clock, report(REFUSED), report(REFUSED), report(READY), seconds=0.5)
    answer = wait(looks, 20.0)
    assert clock.pauses == [1.0, 1.0]
    assert [plan.command for plan in looks.plans] == ["glance", "glance", "glance", "doctor"]
    assert (answer.starting, answer.seconds) == (False, 4.0)


def test_the_last_pause_is_no_longer_than_what_is_left(clock: Clock) -> None:
    answer = wait(Looks(clock, report(REFUSED)), 1.25)
    assert clock.pauses == [1.0, 0.25]
    assert (answer.starting, answer.seconds) == (True, 1.25)


def test_a_look_that_takes_longer_than_what_is_left_is_followed_by_no_pause(clock: Clock) -> None:
    assert wait(Looks(clock, report(REFUSED), seconds=3.0), 2.0).starting
    assert clock.pauses == [0.0]


def test_a_server_that_is_ready_at_the_last_look_is_not_starting(clock: Clock) -> None:
    assert not wait(Looks(clock, report(REFUSED), report(READY)), 1.0).starting


def test_a_start_that_fails_before_the_time_is_out_is_not_starting(clock: Clock) -> None:
    """The last look finds nobody any more, with time left: what it finds counts as a problem."""
    assert not wait(Looks(clock, report(READY), report(REFUSED)), 9.0).starting


def test_without_patience_a_server_is_looked_at_once_and_is_not_called_starting(clock: Clock) -> None:
    looks = Looks(clock, report(REFUSED))
    assert not wait(looks, 0.0).starting
    assert [plan.command for plan in looks.plans] == ["doctor"]


def test_less_than_a_second_of_patience_is_patience(clock: Clock) -> None:
    looks = Looks(clock, report(REFUSED))
    assert wait(looks, 0.5).starting
    assert len(looks.plans) == 2


def test_a_glance_asks_only_whether_the_server_is_ready(clock: Clock) -> None:
    looks = Looks(clock, report(READY))
    wait(looks, 5.0)
    glance, full = looks.plans
    rows = {check.id for area in glance.areas for check in area.checks}
    assert {row for row in rows if not row.startswith("logs.")} == {"probe.reachable", "probe.ready"}
    assert "logs.ready" in rows
    assert (glance.settings.quick, glance.settings.full, glance.ignored) == (True, False, {})
    assert full == PLAN


def test_what_appears_meanwhile_is_what_the_report_is_about(clock: Clock) -> None:
    started = replace(TARGET, pid=7)
    looks = Looks(clock, report(REFUSED), report(READY))
    wait(looks, 9.0, later=iter([started]))
    assert [target.pid for target in looks.targets] == [None, 7, 7]


@pytest.mark.parametrize(("origin", "glanced"), [("folder", None), ("process", "a.log"), ("--log", "a.log")])
def test_a_log_that_was_lying_about_ends_no_waiting(clock: Clock, origin: str, glanced: str | None) -> None:
    looks = Looks(clock, report(READY))
    wait(looks, 9.0, replace(TARGET, log="a.log", origins={"log": origin}))
    assert [target.log for target in looks.targets] == [glanced, "a.log"]


def test_processes_are_listed_anew_where_time_has_passed(clock: Clock) -> None:
    held = replace(TARGET, processes=ProcessTable({}))
    waited, once = Looks(clock, report(READY)), Looks(clock, report(READY))
    wait(waited, 9.0, held)
    wait(once, 0.0, held)
    assert [target.processes for target in waited.targets] == [None, None]
    assert once.targets[0].processes is held.processes


BUSY_500 = finding("probe.ready", data=Refused(500, "", False, "", 0.1))


@pytest.mark.parametrize(
    ("rows", "goes_on"),
    [
        ((), True),
        ((REFUSED,), True),
        ((REFUSED, finding("probe.ready", Status.SKIP)), True),
        ((finding("probe.ready", Status.WARN),), True),
        # The log decides where there is one, whatever the server answers.
        ((log("starting"), READY), True),
        ((log("starting"), BUSY_500), True),
        ((log("ready"), REFUSED), False),
        ((log("failed"), REFUSED), False),
        ((finding("logs.readable"), log("starting")), True),
        # Without one the server does, and a log that cannot be read is a problem that waiting does not mend.
        ((READY,), False),
        ((finding("ports.listening"), READY), False),
        ((REFUSED, finding("logs.readable")), False),
        ((finding("logs.readable", ignored="known"), REFUSED), True),
        ((finding("logs.readable", Status.PASS), REFUSED), True),
        ((finding("ports.listening"), REFUSED), True),
        # An answer that is none of a server which only starts.
        ((REFUSED, BUSY_500), False),
        ((BUSY_500, finding("logs.readable", Status.PASS)), False),
        ((finding("probe.ready", Status.SKIP, Refused(500, "", False, "", 0.1)), REFUSED), True),
    ],
)
def test_waiting_goes_on_only_where_it_can_help(clock: Clock, rows: tuple[Finding, ...], goes_on: bool) -> None:
    looks = Looks(clock, report(*rows))
    assert wait(looks, 2.0).starting is goes_on
    assert bool(clock.pauses) is goes_on
