"""What came since a moment is judged, and what the server was before it stays known."""

from __future__ import annotations

import gzip
import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.checks.logs.area import LogFacts, collect, log_is_readable, newest_session_is_ready
from bgecheck.cli.duration import moment
from bgecheck.engines.sglang.log.follower import Follower
from bgecheck.engines.sglang.log.since import Since, clock
from bgecheck.logfile.lines import Block
from bgecheck.model import BadInput, Target, Text, Unavailable
from bgecheck.model.deadline import Deadline
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings

START = """[2026-11-02 22:10:05] server_args=ServerArgs(model_path='/srv/bge-large-zh-v1.5', disable_radix_cache=True)
[2026-11-02 22:10:14] Load weight end. elapsed=1.92 s, type=BertModel, avail mem=21.30 GB, mem usage=0.65 GB.
[2026-11-02 22:10:16] The server is fired up and ready to roll!
[2026-11-02 22:10:20] INFO:     10.0.0.1:504 - "POST /v1/embeddings HTTP/1.1" 200 OK
[2026-11-02 22:11:00] INFO:     10.0.0.1:505 - "POST /v1/embeddings HTTP/1.1" 400 Bad Request
[2026-11-02 22:11:00] The input (601 tokens) is longer than the model's context length (512 tokens).
"""
LATER = """[2026-11-02 23:10:20] INFO:     10.0.0.1:504 - "POST /v1/embeddings HTTP/1.1" 200 OK
Traceback (most recent call last):
[2026-11-02 23:10:21] INFO:     10.0.0.1:504 - "GET /health HTTP/1.1" 200 OK
"""
AT = datetime(2026, 11, 2, 23, 0)


def _facts(path: Path, since: datetime | timedelta | None) -> LogFacts:
    context = Context(Target(url="", host="", port=0, log=str(path)), Deadline(30), Settings(since=since))
    facts: LogFacts = collect(context)
    return facts


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dress", ["{}", "sglang-1  | {}", "docker"])
def test_only_what_came_since_is_judged(dress: str, packed: bool, tmp_path: Path) -> None:
    """The rejected text is of an hour ago; the server, its settings and that it is ready stay known."""
    log = tmp_path / "sglang.log"
    lines = (START + LATER).splitlines()
    dressed = [json.dumps({"log": x + "\n"}) if dress == "docker" else dress.format(x) for x in lines]
    text = ("\n".join(dressed) + "\n").encode()
    log.write_bytes(gzip.compress(text) if packed else text)
    assert set(_facts(log, None).diagnosis.causes) == {"input-too-long"}
    facts = _facts(log, AT)
    assert facts.diagnosis.state == "ready"
    assert facts.diagnosis.causes == {}
    assert facts.session.requests == {"ok": 1, "page": 1}
    assert facts.session.encoder == "BertModel"
    assert (facts.session.lines, facts.since and facts.since.line) == (3, 7)
    assert newest_session_is_ready(facts).holds
    seen = log_is_readable(facts).evidence
    assert seen[0].subject == "sglang.log:7"


def test_a_death_of_earlier_is_still_a_death(tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    died = "[2026-11-02 22:20:20] Received sigquit from a child process. It usually means the child failed.\n"
    log.write_text(START + died + "[2026-11-02 23:10:21] shutting down\n")
    assert _facts(log, AT).diagnosis.state == "failed"


def test_nothing_since_is_not_called_fine(tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    log.write_text(START)
    facts = _facts(log, AT)
    for outcome in (log_is_readable(facts), newest_session_is_ready(facts)):
        assert (outcome.holds, outcome.looked) == (None, False)
    reason = log_is_readable(facts).reason
    assert isinstance(reason, Text)
    assert "2026-11-02 22:11:00" in reason.en


def test_lines_without_a_time_cannot_be_told_apart(tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    log.write_text("server_args=ServerArgs(model_path='m')\nRuntimeError: boom\n")
    with pytest.raises(Unavailable, match="no line of this log has a time stamp"):
        _facts(log, AT)


@pytest.mark.parametrize("hours", [-8, 0, 5.5])
def test_a_duration_counts_by_the_clock_of_the_log(hours: float, tmp_path: Path) -> None:
    """A container writes UTC while this machine lives in China: the file's own age tells by how much they differ."""
    log = tmp_path / "sglang.log"
    now = time.time() - 30
    lines = [
        f"[{datetime.fromtimestamp(now - ago + hours * 3600):%Y-%m-%d %H:%M:%S}] sglang/x {ago}"
        for ago in (7200, 900, 60, 0)
    ]
    log.write_text("\n".join(lines) + "\n")
    os.utime(log, (now, now))
    facts = _facts(log, timedelta(minutes=10))
    assert facts.since is not None
    assert (facts.since.line, facts.session.lines) == (3, 2)


def test_a_copied_file_has_no_clock_of_its_own() -> None:
    line = b"[2026-11-02 22:11:00] x\n"
    at = datetime(2026, 11, 2, 22, 11)
    assert clock(line, at + timedelta(seconds=9)) == timedelta()
    assert clock(line, at + timedelta(hours=8, seconds=9)) == timedelta(hours=-8)
    assert clock(line, at + timedelta(hours=8, minutes=7)) == timedelta()
    assert clock(line, at + timedelta(days=9)) == timedelta()
    assert clock(b"RuntimeError: boom\n", at) == timedelta()


@given(
    minutes=st.lists(st.one_of(st.none(), st.integers(0, 59)), min_size=1, max_size=30).map(
        lambda given: sorted(m for m in given if m is not None) + [None] * given.count(None)
    ),
    size=st.integers(1, 7),
    at=st.integers(0, 59),
)
def test_the_place_does_not_depend_on_the_blocks(minutes: list[int | None], size: int, at: int) -> None:
    lines = [f"[2026-11-02 22:{m:02d}:00] x" if m is not None else "  no time" for m in minutes]
    rows = [line.encode() + b"\n" for line in lines]
    since = Since(datetime(2026, 11, 2, 22, at))
    blocks = [Block(1 if n == 0 else None, b"".join(rows[n : n + size])) for n in range(0, len(rows), size)]
    follower = since.follow(Follower(), blocks)
    wanted = next((n for n, m in enumerate(minutes, 1) if m is not None and m >= at), None)
    assert since.line == wanted
    assert wanted is None or follower.session.lines == len(rows) - wanted + 1


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
        ("2026-11-02", datetime(2026, 11, 2)),
        ("2026-11-02T22:10", datetime(2026, 11, 2, 22, 10)),
        ("2026-11-02 22:10:07", datetime(2026, 11, 2, 22, 10, 7)),
    ],
)
def test_moments_are_understood(given: str, meant: datetime | timedelta) -> None:
    assert moment("--since", given) == meant


@pytest.mark.parametrize("given", ["", "yesterday", "0m", "-5m", "9e9h", "2026-13-02", "2026-11-02T22:10Z"])
def test_other_moments_are_refused(given: str) -> None:
    with pytest.raises(BadInput, match="--since"):
        moment("--since", given)
