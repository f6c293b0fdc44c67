"""What the rows make of a watch: each holds, does not hold, or says why it cannot tell; thresholds from both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bgecheck.model import Finding, Severity, Text, say
from bgecheck.run import catalog
from bgecheck.run.over_time import judged
from bgecheck.run.plan import Plan
from bgecheck.run.settings import Settings
from bgecheck.watching.history import SAME_VECTOR, Facts, History, newly_cached
from bgecheck.watching.sample import Event, Sample
from chinese import english_of
from watching.series import MIB, WATCHED, facts, history, leak

PLAN = Plan(
    command="watch",
    areas=tuple(catalog.at("while", catalog.areas(["watch"]))),
    ignored={},
    fail_on=Severity.ERROR,
    nagios=False,
    settings=Settings(),
)


def rows(given: Facts) -> dict[str, Finding]:
    report = judged(PLAN, given, target={"url": WATCHED.url, "log": "sglang.log"}, started_at="")
    for finding in report.findings:
        assert [line for line in english_of(finding) if "GPU" not in line] == []
    return {finding.id.removeprefix("watch."): finding for finding in report.findings}


def code(given: Facts) -> int:
    return judged(PLAN, given, target={"url": WATCHED.url}, started_at="").exit_code


def of(*samples: Sample) -> Facts:
    taken = History(WATCHED)
    for sample in samples:
        taken.take(sample)
    return taken.facts()


def many(count: int, **fields: Any) -> list[Sample]:
    usual: dict[str, Any] = {"latency": 0.02, "canary": 0.02, "cosine": 1.0, "pid": 1} | fields
    return [Sample(at=1.8e9 + n, elapsed=float(n), **usual) for n in range(count)]


def words(finding: Finding) -> str:
    return " ".join(
        [say(finding.reason or "", "en"), say(finding.cause, "en"), *(say(e.observed, "en") for e in finding.evidence)]
    )


def test_a_healthy_day_holds_and_says_what_it_excludes() -> None:
    given = facts(24, lambda hour: 4096, every=60.0)
    seen = rows(given)
    assert {name for name, row in seen.items() if row.status.bad} == set()
    assert "no leak above" in words(seen["host-memory"])
    assert code(given) == 0


def test_a_leak_fails_with_its_rate_and_the_time_until_memory_is_full() -> None:
    given = facts(24, leak(120), every=60.0)
    row = rows(given)["host-memory"]
    assert (str(row.status), code(given)) == ("fail", 1)
    assert "MiB/h (95 %:" in words(row)
    assert row.values["bytes_per_hour"] == pytest.approx(120 * MIB, rel=0.05)


def test_a_leak_of_gpu_memory_is_a_row_of_its_own() -> None:
    given = facts(24, None, every=60.0, gpu=lambda hour: int(leak(120)(hour) * MIB), gpu_free=10 * 1024 * MIB)
    seen = rows(given)
    assert (str(seen["gpu-memory"].status), str(seen["host-memory"].status)) == ("fail", "skip")


def test_growth_of_less_than_a_day_whose_load_is_not_seen_only_warns_unless_it_is_urgent() -> None:
    assert str(rows(facts(6, leak(120)))["host-memory"].status) == "warn"
    assert str(rows(facts(6, leak(120), ram_free=1000 * MIB))["host-memory"].status) == "fail"
    assert str(rows(facts(6, leak(120), answered=lambda hour: int(hour * 4000)))["host-memory"].status) == "fail"


def test_too_little_data_is_said_with_the_time_that_it_takes() -> None:
    given = facts(0.03, lambda hour: 4096)
    row = rows(given)["host-memory"]
    assert str(row.status) == "skip"
    assert "too little data" in words(row)
    assert "it takes about" in words(row)
    assert code(given) == 0


@pytest.mark.parametrize(("cosine", "holds"), [(SAME_VECTOR.value, True), (SAME_VECTOR.value - 1e-6, False)])
def test_a_vector_is_the_same_down_to_its_bound(cosine: float, holds: bool) -> None:
    given = of(
        *many(5),
        replace(many(1)[0], elapsed=9.0, cosine=cosine),
        *[replace(s, elapsed=s.elapsed + 10) for s in many(3)],
    )
    row = rows(given)["vectors"]
    assert (row.status.bad, code(given)) == (not holds, 0 if holds else 1)
    assert holds or "1 of 9 samples, the first 0:00:09" in words(row)


def test_a_vector_of_another_length_or_without_numbers_is_another_vector() -> None:
    given = of(*many(3), Sample(at=1.0, elapsed=5.0, latency=0.1, odd="768 numbers, 1024 at first"))
    assert "768 numbers" in words(rows(given)["vectors"])
    assert code(given) == 1


def test_without_a_second_vector_nothing_is_said_of_vectors() -> None:
    assert str(rows(of(*many(3, cosine=None, failure="timeout", latency=None)))["vectors"].status) == "skip"


@pytest.mark.parametrize(("failed", "bad"), [(2, False), (3, True)])
def test_errors_fail_above_their_bound(failed: int, bad: bool) -> None:
    """Of 200 two are 1 %, three are more."""
    samples = many(200)
    for n in range(failed):
        samples[n * 7] = replace(samples[n * 7], latency=None, cosine=None, failure="HTTP 503")
    assert rows(of(*samples))["errors"].status.bad is bad


def test_a_single_failure_of_few_is_no_share() -> None:
    samples = many(10)
    samples[3] = replace(samples[3], latency=None, failure="reset")
    assert rows(of(*samples))["errors"].status.bad is False
    samples[4] = replace(samples[4], latency=None, failure="reset")
    assert rows(of(*samples))["errors"].status.bad is True


def test_what_was_held_back_is_no_error_and_is_counted() -> None:
    given = of(*many(5), *many(5, latency=None, cosine=None, held_back="queue"))
    assert "5 samples without a request: 5 x queue" in words(rows(given)["sampled"])
    assert given.tally.asked == 5


def test_nobody_there_is_no_verdict() -> None:
    given = of(*many(5, pid=None, latency=None, cosine=None, failure="refused"))
    assert (str(rows(given)["sampled"].status), code(given)) == ("error", 4)
    assert code(of()) == 4


def test_a_server_that_was_there_and_went_fails() -> None:
    gone = Event("gone", Text("the server has ended: pid 1", "服务已退出：pid 1"))
    left = [replace(s, elapsed=s.elapsed + 30, pid=None, latency=None, cosine=None, failure="refused") for s in many(9)]
    left[0] = replace(left[0], events=(gone,))
    seen = rows(of(*many(20), *left))
    assert (str(seen["restarts"].status), seen["errors"].caused_by) == ("fail", "watch.restarts")


def test_a_restart_is_said_and_only_warns() -> None:
    again = Event("restart", Text("the server was started anew: pid 2", "服务已重启：pid 2"))
    given = of(
        *many(20),
        *[replace(s, elapsed=s.elapsed + 30, session=1, events=(again,) * (s.elapsed == 0)) for s in many(20)],
    )
    assert (str(rows(given)["restarts"].status), code(given)) == ("warn", 0)
    assert len(given.segments) == 2


@pytest.mark.parametrize(("fatal", "status"), [(True, "fail"), (False, "warn")])
def test_a_cause_in_the_log_fails_where_it_is_fatal(fatal: bool, status: str) -> None:
    event = Event("cause", Text("CUDA out of memory", "CUDA out of memory"), "gpu-oom-runtime", fatal)
    given = of(*many(3), replace(many(1)[0], elapsed=4.0, events=(event,)))
    row = rows(given)["log"]
    assert str(row.status) == status
    assert "logs.gpu-oom-runtime" in words(row)


def test_cached_tokens_count_for_encoders_alone() -> None:
    samples = many(3, cached_total=0)
    samples[2] = replace(samples[2], cached_total=5)
    given = of(*samples)
    assert str(rows(given)["cached-tokens"].status) == "fail"
    for encoder, status in ((False, "skip"), (None, "skip")):
        other = replace(given, watched=replace(given.watched, encoder=encoder))
        assert str(rows(other)["cached-tokens"].status) == status
    assert str(rows(of(*many(3, cached=0)))["cached-tokens"].status) == "pass"
    assert str(rows(of(*many(3)))["cached-tokens"].status) == "skip"


def test_a_counter_that_begins_anew_counts_from_zero() -> None:
    before, after = many(2, cached_total=7)
    assert newly_cached(before, after) == 0
    assert newly_cached(before, replace(after, cached_total=3)) == 3
    assert newly_cached(None, before) is None
    assert newly_cached(before, replace(after, cached_total=9, cached=1)) == 2


def slow(hours: float = 2.0, **more: Any) -> Facts:
    return facts(hours, lambda hour: 4096, latency=lambda hour: 0.02 * (1 + hour), **more)


def test_a_server_that_becomes_slower_warns_and_says_what_it_follows() -> None:
    row = rows(slow())["latency"]
    assert str(row.status) == "warn"
    assert "neither heat nor load" in words(row)
    heat = rows(slow(temperature=lambda hour: int(60 + 15 * hour), throttled=False))
    assert "does not decay" in words(heat["latency"])
    clock = rows(slow(temperature=70, throttled=False, clock=lambda hour: int(1980 - 400 * hour)))
    assert "does not decay" in words(clock["latency"])
    load = rows(slow(answered=lambda hour: int(1000 * hour * hour)))
    assert "latency follows their number" in words(load["latency"])
    assert str(heat["host-memory"].status) == "pass"


def test_a_throttled_card_explains_a_slow_server() -> None:
    seen = rows(slow(temperature=lambda hour: int(60 + 15 * hour), throttled=lambda hour: hour > 1))
    assert str(seen["heat"].status) == "warn"
    assert seen["latency"].caused_by == "watch.heat"


@pytest.mark.parametrize(("times", "bad"), [(1.45, False), (1.55, True)])
def test_slower_begins_at_its_bound(times: float, bad: bool) -> None:
    given = facts(2, None, latency=lambda hour: 0.02 if hour < 1 else 0.02 * times)
    assert rows(given)["latency"].status.bad is bad


def test_a_few_milliseconds_are_nothing() -> None:
    given = facts(2, None, latency=lambda hour: 0.004 if hour < 1 else 0.008)
    assert rows(given)["latency"].status.bad is False


def test_memory_is_bounded_whatever_comes() -> None:
    """The table has at most its capacity, and the counts stay exact."""
    taken = history(8, lambda hour: 4096, every=1.0)
    given = taken.facts()
    assert sum(len(segment.times) for segment in given.segments) <= 1440
    assert given.tally.samples == 28_801
    flapping = History(WATCHED, capacity=64)
    for n in range(5000):
        flapping.take(Sample(at=float(n), elapsed=float(n), session=n, events=(Event("restart", Text("a", "b")),)))
    assert sum(len(segment.times) for segment in flapping.facts().segments) <= 64
    assert len(flapping.facts().events) <= 400
    assert flapping.tally.restarts == 5000


def test_sleep_and_a_set_clock_are_told_and_change_nothing_else() -> None:
    given = of(*many(10), *many(1, asleep=3600.0, clock_set=-7200.0))
    seen = rows(given)
    assert "the machine slept 1 h" in words(seen["sampled"])
    assert "set 1 times" in words(seen["sampled"])
    assert code(given) == 0


def test_a_signal_within_a_row_loses_that_row_alone() -> None:
    """Ctrl-C may come between two columns of the table."""
    taken = history(1, lambda hour: 4096)
    whole = len(taken.facts().segments[0].times)
    taken._times.append(1e9)
    taken._sessions.append(0)
    assert len(taken.facts().segments[0].times) == whole
    assert rows(taken.facts())["host-memory"].status.bad is False
