"""What is a leak and what only looks like one, on planted series; each threshold just inside and just outside."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgecheck.watching.history import Facts
from bgecheck.watching.memory import (
    FALLS,
    FEWEST,
    GROWTH,
    LASTS,
    SHARE,
    SHORTEST,
    Growth,
    growth,
)
from watching.series import FREE, HOUR, MIB, Curve, daily, facts, leak, reserved, sawtooth, step


def of(given_facts: Facts) -> Growth:
    return growth(given_facts.segments[-1], "rss", "ram_free")


@pytest.mark.parametrize("rate", [20, 100, 600])
def test_a_leak_is_found_with_its_rate_and_the_time_that_is_left(rate: float) -> None:
    one = of(facts(6, leak(rate)))
    assert one.kind == "leak"
    assert one.trend is not None
    assert one.trend.slope * HOUR / MIB == pytest.approx(rate, rel=0.1)
    assert one.trend.lower * HOUR <= rate * MIB <= one.trend.upper * HOUR
    assert one.until_full is not None
    middle, earliest, latest = one.until_full
    assert middle == pytest.approx(FREE / (rate * MIB) * HOUR, rel=0.1)
    assert earliest <= middle
    assert latest is not None
    assert middle <= latest


NO_LEAKS: dict[str, tuple[float, Curve]] = {
    "flat": (6, lambda hour: 4096),
    "reservation": (6, reserved),
    "step": (6, step(3, 800)),
    "late step": (6, step(5, 800)),
    "two steps": (6, lambda hour: 4096 + 400 * ((hour > 2) + (hour > 4))),
    "sawtooth": (6, sawtooth(0.7, 500)),
    "two and a half teeth": (6, sawtooth(2.4, 500)),
    "a day": (24, daily(600)),
    "a day that begins at its peak": (24, daily(600, 0.5)),
    "three days": (72, daily(600, 0.2)),
    "shrinking": (6, leak(-100)),
}


@pytest.mark.parametrize("name", NO_LEAKS)
def test_what_is_no_leak_is_not_told_as_one(name: str) -> None:
    hours, curve = NO_LEAKS[name]
    assert of(facts(hours, curve, every=30.0)).kind in ("flat", "too-little")


def test_a_leak_under_a_daily_pattern_is_found_once_it_has_outgrown_it() -> None:
    def both(hour: float) -> float:
        return leak(60)(hour) + daily(200)(hour) - 4096

    assert of(facts(96, both, every=60.0)).kind == "leak"
    assert of(facts(12, both, every=60.0)).kind != "leak"


def test_growth_that_follows_a_rising_load_is_told_as_that() -> None:
    """A morning: memory grows with the requests. With a steady load the same growth is a leak."""

    def rising(hour: float) -> int:
        return int(2000 * hour * hour + 500 * hour)

    def steady(hour: float) -> int:
        return int(500 * hour * HOUR / 3600)

    assert of(facts(6, leak(100), answered=rising)).kind == "load"
    one = of(facts(6, leak(100), answered=steady))
    assert (one.kind, one.load_known) == ("leak", True)
    assert of(facts(6, leak(100))).load_known is False


@settings(max_examples=15)
@given(st.floats(1, 500), st.floats(0, 1), st.floats(0.3, 2.0))
def test_no_sawtooth_of_three_teeth_and_more_is_a_leak(size: float, phase: float, period: float) -> None:
    shifted: Callable[[float], float] = lambda hour: sawtooth(period, size)(hour + phase * period)  # noqa: E731
    assert of(facts(6, shifted, every=60.0)).kind in ("flat", "too-little")


@settings(max_examples=15)
@given(st.floats(30, 2000), st.integers(0, 30))
def test_a_leak_is_one_at_any_rate_and_level(rate: float, gib: int) -> None:
    assert of(facts(6, lambda hour: gib * 10 + 100 + rate * hour, every=60.0)).kind == "leak"


def test_each_restart_begins_a_series_of_its_own() -> None:
    """Three starts that each take the same are no growth, and a leak after the last one is found."""
    three = facts(6, lambda hour: 4096 + 100 * int(hour / 2), session=lambda hour: int(hour / 2))
    assert [segment.session for segment in three.segments] == [0, 1, 2, 3][: len(three.segments)]
    assert {growth(segment, "rss", "ram_free").kind for segment in three.segments} <= {"flat", "too-little"}
    leaks = facts(6, lambda hour: leak(200)(hour % 3), session=lambda hour: int(hour / 3))
    assert [growth(segment, "rss", "ram_free").kind for segment in leaks.segments[:2]] == ["leak", "leak"]


def test_a_gap_in_the_samples_changes_no_slope() -> None:
    """Of a machine that slept the clock stood still; of a server that did not answer its memory is still seen."""
    missing: Curve = lambda hour: math.nan if 2 < hour < 4 else leak(100)(hour)  # noqa: E731

    def rss(hour: float) -> int | None:
        return None if math.isnan(missing(hour)) else int(missing(hour) * MIB)

    one = of(facts(6, None, rss=rss))
    assert one.trend is not None
    assert one.trend.slope * HOUR / MIB == pytest.approx(100, rel=0.02)


def small(**changes: Any) -> Facts:
    """A leak without noise, whose numbers are exact: level, growth and length as asked for."""
    wish: dict[str, Any] = {"level": 1000.0, "grown": 100.0, "hours": 1.0, "every": 15.0} | changes
    # The first tenth is left out: what is judged grows by nine tenths.
    rate = wish["grown"] / 0.9 / wish["hours"]
    curve: Curve = lambda hour: wish["level"] + rate * hour  # noqa: E731
    return facts(wish["hours"], None, every=wish["every"], rss=lambda hour: int(curve(hour) * MIB))


def test_growth_counts_from_its_least_size_on() -> None:
    least = GROWTH.value / MIB
    assert of(small(level=100, grown=least * 1.05)).kind == "leak"
    assert of(small(level=100, grown=least * 0.95)).kind != "leak"


def test_growth_counts_from_its_share_of_the_level_on() -> None:
    assert of(small(level=10_000, grown=10_000 * SHARE.value * 1.05)).kind == "leak"
    assert of(small(level=10_000, grown=10_000 * SHARE.value * 0.95)).kind != "leak"


def test_too_short_and_too_few_say_how_long_it_takes() -> None:
    seconds = SHORTEST.value / 0.9
    assert of(small(hours=seconds * 1.02 / HOUR, every=5.0)).kind == "leak"
    short = of(small(hours=seconds * 0.95 / HOUR, every=5.0))
    assert short.kind == "too-little"
    assert short.needed == pytest.approx(seconds, rel=0.02)
    few = FEWEST.value / 0.9
    assert of(small(hours=few * 1.1 * 60 / HOUR, every=60.0)).kind == "leak"
    rare = of(small(hours=few * 0.9 * 60 / HOUR, every=60.0))
    assert rare.kind == "too-little"
    assert rare.needed == pytest.approx(few * 60, rel=0.05)


def test_what_is_given_back_counts_against_growth() -> None:
    """A fall just smaller than a third of the growth leaves a leak, one just larger does not."""

    def falling(size: float) -> Growth:
        def rss(hour: float) -> int:
            dip = size if 0.5 < hour < 0.6 else 0.0
            return int((1000 + 100 / 0.9 * hour - dip) * MIB)

        return of(facts(1, None, rss=rss))

    assert falling(100 / FALLS.value * 0.9).kind == "leak"
    assert falling(100 / FALLS.value * 1.3).kind != "leak"


def test_what_saturates_is_no_leak() -> None:
    def bent(share: float) -> Growth:
        """The second half grows by `share` of what the first does."""

        def rss(hour: float) -> int:
            return int((1000 + (200 * hour if hour < 0.55 else 110 + 200 * share * (hour - 0.55))) * MIB)

        return of(facts(1, None, rss=rss))

    assert bent(0.9).kind == "leak"
    assert bent(0.2).kind != "leak"


def test_flat_means_that_what_is_not_seen_would_take_a_month() -> None:
    one = of(facts(6, lambda hour: 4096))
    assert one.kind == "flat"
    assert one.trend is not None
    assert FREE / max(one.trend.upper, 1e-9) >= LASTS.value
    noisy = facts(0.5, None, rss=lambda hour: int((4096 + 300 * math.sin(hour * 5000)) * MIB), ram_free=50 * MIB)
    unsure = of(noisy)
    assert unsure.kind == "too-little"
    assert unsure.needed > 0.5 * HOUR


def test_memory_that_is_not_seen_is_not_judged() -> None:
    assert of(facts(1)).kind == "nothing"
    assert replace(facts(1)).tally.samples == 241
