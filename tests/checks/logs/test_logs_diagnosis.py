"""What became of a session, from its lines alone: a start that hangs, an end that counts, a router without a server."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bgecheck.engines.sglang.log.diagnosis import ANY_ZONE, diagnose
from bgecheck.engines.sglang.log.rules import PLAIN
from bgecheck.engines.sglang.log.session import NO_WORKER, SOME_WORKER, Hit, Session

AT = datetime(2026, 11, 2, 22, 10, 5)
STAMP = "2026-11-02 22:10:05"
MINUTES = 3 * 60.0


def session(*hits: Hit, **changed: object) -> Session:
    """A start of sglang that loads its model."""
    one = Session(1)
    one.sglang, one.phase, one.last, one.lines = True, "load", (9, "Load weight begin."), 9
    one.hits = {hit.cause: hit for hit in hits}
    for name, value in changed.items():
        assert hasattr(one, name)
        setattr(one, name, value)
    return one


@pytest.mark.parametrize(
    ("stamp", "age", "later", "state"),
    [
        (STAMP, MINUTES, 0.0, "starting"),
        (STAMP, MINUTES + 1, 0.0, "stuck"),
        (STAMP, None, MINUTES, "starting"),
        (STAMP, None, MINUTES + 1, "stuck"),
        (STAMP.replace(" ", "T"), None, MINUTES + 1, "stuck"),
        (STAMP, 1.0, ANY_ZONE, "starting"),  # copied from a machine of another zone
        (STAMP, 1.0, ANY_ZONE + 1, "stuck"),  # the file is a copy: its own age is that of the copying
        ("", 1.0, 0.0, "starting"),
        ("", None, 0.0, "stuck"),
    ],
)
def test_a_start_that_writes_nothing_for_three_minutes_hangs(
    stamp: str, age: float | None, later: float, state: str
) -> None:
    """By the age of the file, else by the stamps; those of a pipe may be of this zone or of UTC."""
    assert diagnose(session(last_stamp=stamp), age, AT + timedelta(seconds=later)).state == state


def oom(line: int) -> Hit:
    return Hit("gpu-oom-serving", line, "CUDA out of memory", PLAIN, True, "serving", newest=line)


@pytest.mark.parametrize(
    ("line", "state"),
    [
        (11, "failed"),
        (20, "failed"),
        (21, "stopped"),  # after the operator's own end
        (9, "stopped"),  # before it was ready, so it was survived
    ],
)
def test_what_ends_a_session_stands_between_its_ready_line_and_its_end(line: int, state: str) -> None:
    ended = session(oom(line), ready_line=10, stopped_line=20)
    assert diagnose(ended, 1.0, AT).state == state


@pytest.mark.parametrize(("none", "some", "without"), [(5, None, True), (5, 4, True), (5, 5, False), (5, 6, False)])
def test_a_router_that_found_a_server_later_is_not_without_one(none: int, some: int | None, without: bool) -> None:
    hits = [Hit(NO_WORKER, none, "No available workers", 0, False, "serving", newest=none)]
    hits += [] if some is None else [Hit(SOME_WORKER, some, "Activated", 0, False, "serving", newest=some)]
    routed = session(*hits, sglang=False, engine="sglang-router")
    diagnosis = diagnose(routed, 1.0, AT)
    assert diagnosis.state == "foreign"
    assert (NO_WORKER in diagnosis.causes) is without


def test_a_cause_that_explains_another_is_no_rival_of_itself() -> None:
    first = Hit("transformers-too-old", 3, "ImportError", PLAIN, True, "load", newest=3)
    other = Hit("unsupported-architecture", 5, "not supported", PLAIN, True, "load", newest=5)
    diagnosis = diagnose(session(first, other, died_line=9), 1.0, AT)
    assert diagnosis.state == "failed"
    assert diagnosis.why not in [rival.cause for rival in diagnosis.beside]
    assert len(diagnosis.beside) == 1
