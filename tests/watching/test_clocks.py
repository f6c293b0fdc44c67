"""Sleep, and clocks that are set: told apart, and without an effect on durations; samples come when they are due."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.watching.clocks import SLEPT, Clock, Moment, passed
from bgecheck.watching.running import samples
from bgecheck.watching.sample import Sample

START = Moment(1000.0, 5000.0, 1.8e9)


def later(running: float, existing: float, wall: float) -> Moment:
    return Moment(START.running + running, 5000.0 + existing, START.wall + wall)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (later(15, 15, 15), (15.0, 0.0, 0.0)),
        (later(15, 3615, 3615), (15.0, 3600.0, 0.0)),  # suspended for an hour
        (later(15, 15, 3615), (15.0, 0.0, 3600.0)),  # the clock was set forward
        (later(15, 15, -3585), (15.0, 0.0, -3600.0)),  # and back
        (later(15, 3615, 15), (15.0, 3600.0, -3600.0)),  # both at once
        (later(15, 15 + SLEPT * 0.9, 15 + SLEPT * 0.9), (15.0, 0.0, 0.0)),
        (later(15, 15 + SLEPT * 1.1, 15 + SLEPT * 1.1), (15.0, SLEPT * 1.1, 0.0)),
        (later(15, 15, 15 + SLEPT * 0.9), (15.0, 0.0, 0.0)),
        (later(15, 15, 15 - SLEPT * 1.1), (15.0, 0.0, -SLEPT * 1.1)),
    ],
)
def test_sleep_and_a_set_clock_are_told_apart(moment: Moment, expected: tuple[float, float, float]) -> None:
    assert passed(START, moment) == pytest.approx(expected)


def test_without_a_clock_that_goes_on_in_sleep_a_wall_clock_ahead_is_sleep() -> None:
    before = START._replace(existing=None)
    assert passed(before, Moment(1015.0, None, 1.8e9 + 115)) == (15.0, 100.0, 0.0)
    assert passed(before, Moment(1015.0, None, 1.8e9 - 85)) == (15.0, 0.0, -100.0)


def test_this_machine_has_the_clocks() -> None:
    now = Clock().now()
    assert now.wall > 1.6e9
    assert now.running > 0


class Stepped(Clock):
    """A clock of which each sample takes as long as is asked for."""

    def __init__(self, takes: list[float]) -> None:
        self.time, self.takes = 0.0, takes

    def now(self) -> Moment:
        return Moment(self.time, self.time, self.time)

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Looks:
    """In place of a sampler, which needs a server."""

    def __init__(self, clock: Stepped) -> None:
        self._clock = clock

    def sample(self) -> Sample:
        began = self._clock.time
        self._clock.time += self._clock.takes.pop(0) if self._clock.takes else 0.0
        return Sample(at=began, elapsed=began)


def taken(takes: list[float], every: float, seconds: float) -> list[float]:
    clock = Stepped(list(takes))
    looks: Any = Looks(clock)
    return [sample.elapsed for sample in samples(looks, clock, every, seconds)]


def test_samples_come_at_their_times_and_one_that_is_late_leaves_out_those_it_missed() -> None:
    assert taken([], 15, 60) == [0, 15, 30, 45, 60]
    assert taken([1, 2, 3], 15, 45) == [0, 15, 30, 45]
    assert taken([0, 40, 0], 15, 90) == [0, 15, 60, 75, 90]
    assert taken([], 15, 14) == [0]


@given(st.lists(st.floats(0, 100), max_size=20), st.floats(1, 30), st.floats(1, 300))
def test_whatever_samples_take_they_stay_on_the_grid_and_within_the_time(
    takes: list[float], every: float, seconds: float
) -> None:
    times = taken(takes, every, seconds)
    assert times[0] == 0
    assert all(b > a for a, b in pairwise(times))
    for time in times[1:]:
        assert time <= seconds + 1e-6
        assert min(time % every, every - time % every) == pytest.approx(0, abs=1e-6)
