"""The arithmetic of measurements: quantiles, the knee, random arrivals, intervals; what a user may write for them."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.benching.comparison import compared, judged
from bgecheck.benching.lengths import lengths
from bgecheck.benching.load import Answer, _counted
from bgecheck.benching.measured import Part, Result, Setting, Stretch
from bgecheck.benching.objective import meets, objectives
from bgecheck.benching.saved import read_run
from bgecheck.benching.statistics import Interval, Point, arrivals, knee, quantile, quantile_ratio
from bgecheck.benching.texts import Fresh, Own, Scale, scale_of
from bgecheck.cli.main import run
from bgecheck.model import BadInput

LATENCIES = st.lists(st.floats(0.001, 100), min_size=1, max_size=200)


@given(LATENCIES, st.floats(0.01, 1.0))
def test_a_quantile_is_a_measured_value_that_enough_do_not_exceed(values: list[float], share: float) -> None:
    made = quantile(sorted(values), share)
    assert made in values
    assert sum(value <= made for value in values) >= share * len(values) - 1e-9
    assert sum(value < made for value in values) < share * len(values) + 1e-9


def test_a_quantile_of_nothing_meets_no_bound() -> None:
    assert quantile([], 0.5) == math.inf


@given(st.lists(st.builds(Point, st.integers(1, 10**4), st.floats(0.1, 10**5)), min_size=1, max_size=60))
def test_the_knee_is_nearly_the_best_and_nothing_as_good_is_cheaper(points: list[Point]) -> None:
    place = knee(points)
    assert place is not None
    best = max(point.rate for point in points)
    assert points[place].rate >= 0.95 * best
    assert not any(point.cost < points[place].cost and point.rate >= 0.95 * best for point in points)


def test_no_knee_without_points() -> None:
    assert knee([]) is None


@given(st.floats(0.5, 500), st.integers(0, 2**32))
def test_arrivals_ascend_within_their_time(rate: float, seed: int) -> None:
    moments = arrivals(rate, 2.0, random.Random(seed))
    assert moments == sorted(moments)
    assert all(0 <= moment < 2.0 for moment in moments)


def test_arrivals_are_a_poisson_process() -> None:
    """As many as the rate says; gaps vary as much as they last (exponential)."""
    moments = arrivals(200, 100, random.Random(1))
    assert len(moments) == pytest.approx(20_000, rel=0.03)
    gaps = np.diff(moments)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)


def test_a_resampled_quantile_varies_as_one_of_samples_drawn_again() -> None:
    rng = np.random.default_rng(1)
    values = rng.lognormal(size=400)
    ours = quantile_ratio([1.0], list(values), 0.9, rng)
    again = [quantile(sorted(rng.choice(values, 400)), 0.9) for _ in range(1000)]
    assert np.median(ours) == pytest.approx(np.median(again), rel=0.03)
    assert ours.std() == pytest.approx(np.std(again), rel=0.2)


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (Interval(1.1, 1.031, 1.2), "faster"),
        (Interval(1.1, 1.029, 1.2), "cannot tell"),
        (Interval(0.9, 0.8, 0.969), "slower"),
        (Interval(0.9, 0.8, 0.971), "cannot tell"),
        (Interval(1.0, 0.99, 1.01), "cannot tell"),
    ],
)
def test_only_an_interval_beyond_the_margin_is_a_verdict(ratio: Interval, verdict: str) -> None:
    assert judged(ratio) == verdict


def saved(path: Path, speed: float, seed: int, tokens: float = 50) -> str:
    """A run of three settings, saved; answers take a random time around what the speed gives."""
    rng = random.Random(seed)
    settings = []
    for batch in (1, 8, 32):
        latencies = [rng.lognormvariate(0, 0.1) * (0.01 + 0.001 * batch) / speed for _ in range(160)]
        parts = [[10 * batch, sum(latencies[at : at + 10])] for at in range(0, 160, 10)]
        entry = {"batch": batch, "concurrency": 1, "rate": None, "usable": True}
        settings.append({**entry, "parts": parts, "latencies": latencies})
    payload = {"schema": "bgecheck.bench/1", "url": "u", "model": "m", "texts": {"tokens": tokens}}
    path.write_text(json.dumps({**payload, "settings": settings}), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("speed", "verdict", "code"), [(1.2, "faster", 0), (0.8, "slower", 1), (1.01, "cannot tell", 0)]
)
def test_two_runs_are_told_apart(
    speed: float, verdict: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = saved(tmp_path / "old.json", 1.0, 1), saved(tmp_path / "new.json", speed, 2)
    comparison = compared(read_run(old), read_run(new))
    assert comparison.verdict == verdict
    assert comparison.whole.low <= speed <= comparison.whole.high
    assert all(pair.p50.ratio == pytest.approx(1 / speed, rel=0.05) for pair in comparison.pairs)
    assert run(["bench", "--compare", old, new]) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{verdict}: throughput ")
    assert run(["bench", "--compare", old, new, "--lang", "zh"]) == code


def test_runs_of_one_speed_are_seldom_told_apart(tmp_path: Path) -> None:
    told = 0
    for seed in range(30):
        old, new = saved(tmp_path / "old.json", 1.0, seed), saved(tmp_path / "new.json", 1.0, seed + 1000)
        told += compared(read_run(old), read_run(new)).verdict != "cannot tell"
    assert told == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is no JSON"),
        ("[]", "holds no saved bench"),
        ('{"schema": "bgecheck.report/1"}', "holds no saved bench"),
        ('{"schema": "bgecheck.bench/1"}', "is damaged"),
        ('{"schema": "bgecheck.bench/1", "texts": {"tokens": 1}, "settings": []}', "has no setting"),
        ('{"schema": "bgecheck.bench/1", "texts": {"tokens": 1}, "settings": [{"usable": true}]}', "is damaged"),
    ],
)
def test_a_file_that_is_no_saved_run_is_refused(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=reason):
        read_run(str(path))


def test_runs_of_other_settings_or_texts_are_not_compared(tmp_path: Path) -> None:
    old, new = read_run(saved(tmp_path / "a", 1, 1)), read_run(saved(tmp_path / "b", 1, 2, tokens=100))
    with pytest.raises(BadInput, match=r"texts of 50 and 100 tokens.*--lengths, and longer \(--budget\)"):
        compared(old, new)
    with pytest.raises(BadInput, match="no setting in common"):
        compared(old, type(old)(old.path, "u", "m", 50, {}))


def result(latencies: list[float], rate: float = 100, **more: Any) -> Result:
    part = Part(100, 100 / rate)
    stretch = Stretch(
        texts=100, seconds=part.seconds, parts=(part,), latencies=tuple(latencies), requests=len(latencies), **more
    )
    return Result(Setting(1, 1), (stretch,))


@pytest.mark.parametrize(
    ("slo", "met"),
    [
        ("p99=99ms", True),
        ("p99<=98ms", False),
        ("p50=50ms", True),
        ("P50=49ms", False),
        ("p90<0.09s", True),
        ("throughput>=100", True),
        ("throughput>=101/s", False),
        ("p99=1s,throughput=100", True),
    ],
)
def test_objectives_hold_at_their_bound(slo: str, met: bool) -> None:
    assert meets(result([n / 1000 for n in range(1, 101)]), objectives([slo])) is met


@pytest.mark.parametrize(
    "slo", ["", "fast", "p99", "p99=200", "p99>=1ms", "p95=1ms", "throughput<=5", "p99=0ms", "p99=-1s"]
)
def test_what_is_no_objective_is_refused(slo: str) -> None:
    with pytest.raises(BadInput, match="not an objective"):
        objectives([slo])


def test_a_setting_with_errors_or_wrong_vectors_meets_nothing() -> None:
    assert meets(result([0.01] * 200, errors={"busy": 2}), ())
    assert not meets(result([0.01] * 200, errors={"busy": 3}), ())
    assert not meets(result([0.01] * 200, wrong={"control": 1}), ())
    assert not meets(result([0.01] * 200, unsent=1), ())


@given(st.integers(1, 6), st.integers(2, 30))
def test_a_rate_is_right_for_bursts_too(clients: int, rounds: int) -> None:
    """So many clients whose answers come together each second: the rate is their number."""
    answers = [
        Answer(0.0, float(turn + 1), 1, 0, "vectors", None, 1.0) for turn in range(rounds) for _ in range(clients)
    ]
    _, parts = _counted(answers, clients, 0.0)
    assert sum(part.texts for part in parts) / sum(part.seconds for part in parts) == pytest.approx(clients, rel=1e-3)


@pytest.mark.parametrize("given_lengths", ["", "long", "0", "3", "64:", "64:32", "300-20", "64:99999", "-5"])
def test_what_is_no_length_is_refused(given_lengths: str) -> None:
    with pytest.raises(BadInput, match="no lengths between 4 and 8192"):
        lengths(given_lengths)


def test_lengths_have_the_median_and_the_percentile_that_were_asked_for() -> None:
    rng = random.Random(1)
    drawn = [lengths("64:256").draw(rng) for _ in range(4000)]
    assert np.median(drawn) == pytest.approx(64, rel=0.06)
    assert np.quantile(drawn, 0.95) == pytest.approx(256, rel=0.1)
    assert {lengths("16-18").draw(rng) for _ in range(200)} == {16, 17, 18}


def test_fresh_texts_are_never_the_same_and_as_long_as_the_server_counts() -> None:
    source = Fresh(lengths("32-32"), 511, Scale(1.0, 4.0, 2.0), random.Random(1))
    texts = source.take(4000)
    assert len(set(texts)) == 4000
    english = [text for text in texts if text.isascii()]
    assert 1000 < len(english) < 3000
    assert all(len(text.split(" ")) == 8 for text in english)  # (32 - 2) / 4, rounded
    assert all(len(text) == 30 for text in texts if not text.isascii())


def test_the_scale_comes_from_the_server_s_own_count() -> None:
    assert scale_of([26, 50], [98, 194]) == Scale(1.0, 4.0, 2.0)
    assert scale_of([0, 0], [0, 0]) == Scale()
    assert scale_of([26, 26], [26, 26]) == Scale()


def test_own_texts_are_each_sent_as_often() -> None:
    own = Own(["a", "b", "c"], random.Random(1))
    assert sorted(own.take(6)) == ["a", "a", "b", "b", "c", "c"]
    assert own.times == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--slo", "fast"], "--slo fast: not an objective"),
        (["--slo", "p99=1s", "--slo", "p99=2s"], "--slo p99: it is given twice"),
        (["--budget", "1s"], "--budget 1s: too short"),
        (["--batch", "0"], "--batch 0: not whole numbers between 1 and 128"),
        (["--batch", "1,,2"], "--batch 1,,2: not whole numbers"),
        (["--concurrency", "65"], "--concurrency 65: not whole numbers between 1 and 64"),
        (["--rate", "0"], "--rate 0: not requests a second"),
        (["--rate", "5", "--concurrency", "2"], "--rate --concurrency: they exclude each other"),
        (["--texts", "many"], "--texts many: not a number of texts"),
        (["--lengths", "x"], "--lengths x: no lengths"),
        (["--input", "EMPTY"], "is empty"),
        (["--input", "BLANK"], "no text in it but blanks"),
        (["--save", "/nowhere/a.json"], "--save /nowhere/a.json: cannot be written"),
        (["--plot", "a.gif"], "--plot a.gif: not the name of a PNG or SVG"),
        (["--compare", "EMPTY", "BLANK"], "is no JSON"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    words: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "EMPTY").write_text("")
    (tmp_path / "BLANK").write_text("  \n \n")
    words = [str(tmp_path / word) if word.isupper() and word.isalpha() else word for word in words]
    assert run(["bench", "--url", "127.0.0.1:9", *words]) == 2
    err = capsys.readouterr().err
    assert reason in err
    assert err.count("\n") == 1
