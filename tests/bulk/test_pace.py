"""The pace rises while it pays, falls by half where the server is busy, and every pause has an end."""

from __future__ import annotations

import pytest

from bgecheck.bulk.pace import LONGEST_PAUSE, MOST_ASKED_FOR, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(pace: Pace, clock: Clock, latency: float, answers: int) -> None:
    """Answers that come while as many requests are in flight as may be."""
    for _ in range(answers):
        pace.in_flight = max(0, int(pace.limit) - 1)
        clock.now += latency
        pace.answered(latency, 1000)


def test_it_rises_by_one_for_each_round_of_answers_up_to_the_most() -> None:
    clock = Clock()
    pace = Pace(8, clock)
    assert pace.limit == 1
    run(pace, clock, 0.1, 1)
    assert pace.limit == 2
    run(pace, clock, 0.1, 2)
    assert pace.limit == pytest.approx(2.9, abs=0.1)
    run(pace, clock, 0.1, 200)
    assert pace.limit == 8


def test_it_falls_where_answers_take_longer_because_requests_wait() -> None:
    """A server that computes four at a time: beyond that, an answer takes longer by what waits before it."""
    clock = Clock()
    pace = Pace(64, clock)
    limits = []
    for _ in range(5000):
        run(pace, clock, 0.1 * max(1.0, pace.limit / 4), 1)
        limits.append(pace.limit)
    assert max(limits[1000:]) <= 16
    assert sorted(limits)[len(limits) // 2] >= 4


def test_a_limit_that_is_not_used_does_not_rise() -> None:
    clock = Clock()
    pace = Pace(64, clock)
    run(pace, clock, 0.1, 20)
    before = pace.limit
    pace.in_flight = 0
    for _ in range(50):
        pace.answered(0.1, 1000)
    assert pace.limit == before


def test_busy_halves_it_once_for_all_that_were_in_flight() -> None:
    clock = Clock()
    pace = Pace(64, clock, seed=1)
    run(pace, clock, 0.1, 100)
    before = pace.limit
    for _ in range(5):
        pace.troubled(0.1)
    assert pace.limit == pytest.approx(before / 2)
    assert not pace.is_free()
    clock.now += LONGEST_PAUSE
    pace.in_flight = 0
    assert pace.is_free()


def test_pauses_double_with_jitter_and_are_bounded() -> None:
    clock = Clock()
    pace = Pace(64, clock, seed=1)
    pauses = []
    for _ in range(20):
        clock.now = pace.resumes + 1
        pace.troubled(0.1)
        pauses.append(pace.wait())
    assert pauses[1] < pauses[4] < pauses[7]
    assert max(pauses) <= LONGEST_PAUSE
    assert len(set(pauses)) == 20


@pytest.mark.parametrize(("asked", "least", "most"), [(3.0, 3.0, 3.25), (1e6, MOST_ASKED_FOR, MOST_ASKED_FOR + 0.25)])
def test_retry_after_is_honoured_within_bounds(asked: float, least: float, most: float) -> None:
    pace = Pace(4, Clock(), seed=1)
    pace.troubled(0.1, asked)
    assert least <= pace.wait() <= most


def test_at_least_one_request_is_let_through() -> None:
    clock = Clock()
    pace = Pace(4, clock, seed=1)
    for _ in range(50):
        clock.now += 1000
        pace.troubled(0.1)
    assert pace.limit == 1
