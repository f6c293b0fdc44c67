"""Samples as lines of JSON: what is written is read back, and of a broken file what can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.model import BadInput, Text
from bgecheck.watching.sample import LINE_LIMIT, Event, Sample, Watched, as_line, from_line
from bgecheck.watching.saved import Lines, read
from watching.series import WATCHED

times = st.floats(0, 1e9, allow_nan=False)
counts = st.none() | st.integers(0, 2**59)
events = st.builds(
    Event,
    st.sampled_from(["restart", "cause", "alert"]),
    st.builds(Text, st.just("a"), st.just("乙")),
    st.just("x"),
    st.booleans(),
)
taken = st.builds(
    Sample,
    at=times,
    elapsed=times,
    session=st.integers(0, 99),
    rss=counts,
    gpu=counts,
    cached=counts,
    temperature=st.none() | st.integers(0, 200),
    latency=st.none() | times,
    cosine=st.none() | st.floats(-1, 1),
    failure=st.none() | st.sampled_from(["timeout", "HTTP 503"]),
    throttled=st.none() | st.booleans(),
    events=st.lists(events, max_size=3).map(tuple),
)


@given(taken)
def test_a_sample_is_read_back_as_it_was(sample: Sample) -> None:
    line = as_line(sample)
    assert line.count(b"\n") == 1
    read_back = from_line(line)
    assert read_back is not None
    assert read_back.watched is None
    got, events_got = read_back.sample, read_back.sample.events
    for name in ("session", "rss", "gpu", "cached", "temperature", "failure", "throttled"):
        assert getattr(got, name) == getattr(sample, name)
    for name in ("elapsed", "latency", "cosine"):
        assert getattr(got, name) == pytest.approx(getattr(sample, name), abs=1e-8)
    assert events_got == sample.events


def test_what_is_watched_is_read_back() -> None:
    watched = Watched(url="http://h/v1", every=2.0, encoder=None, most_failed=0.5, no_gpu=Text("no", "没有"))
    line = from_line(as_line(Sample(at=1.0, elapsed=0.0), watched))
    assert line is not None
    assert line.watched == watched


@given(st.binary(max_size=300))
def test_any_bytes_are_a_line_or_none(raw: bytes) -> None:
    assert from_line(raw) is None or b"bgecheck.watch/1" in raw


WRONG: list[dict[str, Any]] = [
    {"elapsed_s": "1"},
    {"elapsed_s": True},
    {"elapsed_s": None},
    {"rss_bytes": -1},
    {"rss_bytes": 1.5},
    {"rss_bytes": 2**70},
    {"failure": 7},
    {"throttled": 1},
    {"events": [{"kind": "other", "en": "a", "zh": "b", "id": "", "fatal": False}]},
    {"events": [{"kind": "alert"}]},
    {"events": 5},
    {"schema": "other/1"},
    {"watch": {}},
    {"watch": 1},
    {"at_s": 1e300},
]


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_a_value_that_is_none_of_its_kind_makes_no_sample(change: dict[str, Any]) -> None:
    payload = json.loads(as_line(Sample(at=1.0, elapsed=1.0)))
    assert from_line(json.dumps(payload).encode()) is not None
    assert from_line(json.dumps({**payload, **change}).encode()) is None


def test_foreign_text_is_cleaned() -> None:
    payload = json.loads(as_line(Sample(at=1.0, elapsed=1.0, failure="x")))
    line = from_line(json.dumps({**payload, "failure": "\x1b[31mred\x07" + "y" * 5000}).encode())
    assert line is not None
    assert line.sample.failure is not None
    assert line.sample.failure.startswith("red")
    assert len(line.sample.failure) <= 300


def written(path: Path, *lines: bytes) -> str:
    path.write_bytes(b"".join(lines))
    return str(path)


def samples(count: int, begin: float = 0.0) -> list[bytes]:
    lines = [
        as_line(Sample(at=1e9 + n, elapsed=begin + n, latency=0.1), WATCHED if n == 0 else None) for n in range(count)
    ]
    return lines


def test_a_file_that_is_broken_in_the_middle_is_read_around_it(tmp_path: Path) -> None:
    good = samples(6)
    cut = good[3][: len(good[3]) // 2]
    path = written(
        tmp_path / "w.jsonl", *good[:3], cut + b"\n", b"\x00\xff\n", b"\n", b"x" * (3 * LINE_LIMIT) + b"\n", *good[4:]
    )
    facts, earlier, began = read(path)
    assert (facts.tally.samples, facts.unread, facts.lines, earlier, began) == (5, 3, 8, 0, 1e9)


def test_a_file_that_ends_within_a_line_keeps_what_was_before(tmp_path: Path) -> None:
    good = samples(4)
    facts, _, _ = read(written(tmp_path / "w.jsonl", *good[:3], good[3][:40]))
    assert (facts.tally.samples, facts.unread) == (3, 1)


def test_the_newest_watch_of_a_file_counts(tmp_path: Path) -> None:
    facts, earlier, _ = read(written(tmp_path / "w.jsonl", *samples(5), *samples(3)))
    assert (facts.tally.samples, earlier) == (3, 1)


def test_a_sample_from_before_is_left_out(tmp_path: Path) -> None:
    good = samples(5)
    facts, _, _ = read(written(tmp_path / "w.jsonl", *good, good[2]))
    assert (facts.tally.samples, facts.unread) == (5, 1)


def test_a_file_without_a_beginning_is_judged_all_the_same(tmp_path: Path) -> None:
    facts, _, _ = read(written(tmp_path / "w.jsonl", *samples(5)[2:]))
    assert facts.tally.samples == 3


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{}\n", b"no\n"])
def test_a_file_without_a_sample_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refusal:
        read(written(tmp_path / "w.jsonl", content))
    assert "holds no sample" in refusal.value.reason.en


@pytest.mark.parametrize("name", ["missing.jsonl", ""])
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        read(str(tmp_path / name))


def test_lines_go_behind_what_is_there_and_a_full_disk_loses_no_later_line(tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    for _ in range(2):
        lines = Lines(str(path))
        assert lines.write(Sample(at=1.0, elapsed=0.0), WATCHED)
        lines.close()
    assert path.read_bytes().count(b"\n") == 2
    with pytest.raises(BadInput):
        Lines(str(tmp_path))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_counted_and_not_fatal() -> None:
    lines = Lines("/dev/full")
    assert [lines.write(Sample(at=1.0, elapsed=float(n))) for n in range(3)] == [False] * 3
    assert lines.lost == 3
    lines.close()


def test_samples_are_written_behind_samples_and_behind_nothing_else(tmp_path: Path) -> None:
    texts, samples = tmp_path / "texts.txt", tmp_path / "s.jsonl"
    texts.write_text("一条文本\n", encoding="utf-8")
    with pytest.raises(BadInput, match="holds no samples"):
        Lines(str(texts))
    assert texts.read_text(encoding="utf-8") == "一条文本\n"
    samples.touch()
    for _ in range(2):
        lines = Lines(str(samples))
        assert lines.write(Sample(at=1.0, elapsed=0.0))
        lines.close()
    assert len(samples.read_bytes().splitlines()) == 2
