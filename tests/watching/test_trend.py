"""The slope, its interval, and the shapes that are no trend: against the definition, and by property."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.watching.trend import (
    AT_MOST,
    Points,
    downsampled,
    is_a_line,
    largest_fall,
    rank_correlation,
    seconds_needed,
    theil_sen,
)

finite = st.floats(-1e9, 1e9, allow_nan=False)
values = st.lists(finite, min_size=3, max_size=40)


def points(ys: list[float]) -> Points:
    return Points([float(x) for x in range(len(ys))], ys)


@given(values)
def test_the_slope_is_the_median_of_all_pairs_and_lies_within_its_interval(ys: list[float]) -> None:
    trend = theil_sen(points(ys))
    assert trend is not None
    pairs = [(b - a) / (j - i) for (i, a), (j, b) in itertools.combinations(enumerate(ys), 2)]
    assert trend.slope == pytest.approx(statistics.median(pairs))
    assert trend.lower <= trend.slope <= trend.upper
    assert min(pairs) <= trend.lower
    assert trend.upper <= max(pairs)


@given(st.lists(st.integers(-(10**6), 10**6).map(float), min_size=4, max_size=40), st.integers(-100, 100))
def test_a_slope_that_is_added_is_added_and_turning_the_time_around_turns_the_sign(ys: list[float], more: int) -> None:
    before, after = theil_sen(points(ys)), theil_sen(points([y + more * x for x, y in enumerate(ys)]))
    back = theil_sen(points(ys[::-1]))
    assert before is not None
    assert after is not None
    assert back is not None
    assert after.slope == pytest.approx(before.slope + more, abs=1e-6)
    assert back.slope == pytest.approx(-before.slope, abs=1e-6)


def test_the_interval_is_sen_s_for_values_that_are_not_alike() -> None:
    """Of neighbours that alternate the correlation is negative, so that nothing is added for it."""
    ys = [0.0, 2.0, 1.5, 4.0, 3.5, 6.0, 5.5, 8.0]
    trend = theil_sen(points(ys))
    assert trend is not None
    slopes = sorted((b - a) / (j - i) for (i, a), (j, b) in itertools.combinations(enumerate(ys), 2))
    spread = 1.959964 * math.sqrt(8 * 7 * 21 / 18)
    assert trend.lower == slopes[math.floor((28 - spread) / 2)]
    assert trend.upper == slopes[math.ceil((28 + spread) / 2)]


def test_the_interval_covers_the_true_slope_about_as_often_as_it_says() -> None:
    rng, covered = random.Random(1), 0
    for _ in range(200):
        trend = theil_sen(points([0.5 * x + rng.gauss(0, 3) for x in range(40)]))
        assert trend is not None
        covered += trend.lower <= 0.5 <= trend.upper
    assert 180 <= covered <= 200


def test_neighbours_that_are_alike_make_the_interval_wider() -> None:
    rng = random.Random(2)
    alone = [rng.gauss(0, 1) for _ in range(80)]
    walk = [0.0]
    for step in alone[1:]:
        walk.append(0.9 * walk[-1] + step)
    shuffled = sorted(walk, key=lambda _: rng.random())
    together, apart = theil_sen(points(walk)), theil_sen(points(shuffled))
    assert together is not None
    assert apart is not None
    assert together.half_width > 2 * apart.half_width


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_points_have_no_slope(count: int) -> None:
    assert theil_sen(points([1.0] * count)) is None


@given(st.lists(finite, min_size=1, max_size=2000), st.integers(1, 300))
def test_a_series_is_cut_down_to_medians_in_order(ys: list[float], most: int) -> None:
    few = downsampled(points(ys), most)
    assert len(few.times) == len(few.values) <= max(most, 1)
    assert list(few.times) == sorted(few.times)
    assert min(ys) <= min(few.values)
    assert max(few.values) <= max(ys)


def test_a_month_of_samples_takes_the_pairs_of_a_few_hundred() -> None:
    assert len(downsampled(points([float(x) for x in range(172_800)])).times) <= AT_MOST


@given(values)
def test_the_largest_fall_is_that_of_all_pairs(ys: list[float]) -> None:
    falls = [a - b for a, b in itertools.combinations(ys, 2)]
    assert largest_fall(ys) == pytest.approx(max(0.0, *falls))


@pytest.mark.parametrize(("steps", "line"), [(1, False), (2, False), (5, True), (50, True)])
def test_a_stair_of_many_steps_is_a_line_and_one_or_two_steps_are_none(steps: int, line: bool) -> None:
    rng = random.Random(3)
    ys = [int(x * (steps + 1) / 100) * (100 / steps) + rng.gauss(0, 1) for x in range(100)]
    trend = theil_sen(points(ys))
    assert trend is not None
    assert is_a_line(points(ys), trend.slope) is line


def test_ranks_correlate_whatever_the_scale_and_flat_series_do_not() -> None:
    xs = [float(x) for x in range(30)]
    assert rank_correlation(xs, [math.exp(x) for x in xs]) == pytest.approx(1.0)
    assert rank_correlation(xs, [-(x**3) for x in xs]) == pytest.approx(-1.0)
    assert rank_correlation(xs, [5.0] * 30) is None
    assert rank_correlation(xs[:9], xs[:9]) is None
    gaps = [math.nan if x % 2 else x for x in xs]
    assert rank_correlation(xs, gaps) == pytest.approx(1.0)


def test_the_time_that_is_needed_shrinks_the_interval_to_what_was_wanted() -> None:
    """Twice the time at the same rate: the interval is 2.8 times as narrow."""
    rng = random.Random(4)
    long = [rng.gauss(0, 5) for _ in range(160)]
    half, whole = theil_sen(points(long[:80])), theil_sen(points(long))
    assert half is not None
    assert whole is not None
    wanted = half.half_width / 2**1.5
    assert seconds_needed(half, wanted) == pytest.approx(2 * half.seconds)
    assert whole.half_width == pytest.approx(wanted, rel=0.5)
    assert seconds_needed(half, half.half_width) == half.seconds
