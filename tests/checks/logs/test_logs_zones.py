"""What is said of a log does not depend on the time zone of the machine that reads it."""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import commandline
from bgecheck.checks.logs import AREA
from bgecheck.checks.logs.area import LogFacts, collect
from bgecheck.model import Finding, Target
from bgecheck.model.deadline import Deadline
from bgecheck.run import engine
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings

ZONES = ("UTC", "Asia/Shanghai", "Asia/Kolkata", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago")
"""With summer time and without, by whole hours and by half ones, and the two ends of the world."""

pytestmark = pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be changed here")


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone of this process."""
    name: str = request.param
    if name != "UTC" and not os.path.exists(f"/usr/share/zoneinfo/{name}"):
        pytest.skip("no time zones on this machine")
    with monkeypatch.context() as patched:
        patched.setenv("TZ", name)
        time.tzset()
        yield name
    time.tzset()


def _stamp(seconds: float, *, utc: bool = False) -> str:
    when = datetime.fromtimestamp(seconds, timezone.utc) if utc else datetime.fromtimestamp(seconds)
    return f"[{when:%Y-%m-%d %H:%M:%S}]"


def _lines(*stamps: str) -> str:
    args, *more = stamps
    return f"{args} server_args=ServerArgs(model_path='m')\n" + "".join(
        f"{stamp} Load weight begin. avail mem=22.48 GB\n" for stamp in more
    )


def _judge(path: str) -> dict[str, Finding]:
    return {f.id: f for f in engine.run([AREA], Context(Target(url="", host="", port=0, log=path), Deadline(30)))}


@pytest.mark.parametrize("utc", [False, True], ids=["local time", "UTC"])
@pytest.mark.parametrize(("age", "state"), [(0, "starting"), (170, "starting"), (190, "stuck"), (86400, "stuck")])
def test_of_a_pipe_the_stamps_tell_how_old_it_is(
    zone: str, utc: bool, age: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = _stamp(time.time() - age, utc=utc)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(_lines(stamp, stamp).encode())))
    assert _judge("-")["logs.ready"].values["state"] == state


@pytest.mark.parametrize("utc", [False, True], ids=["local time", "UTC"])
def test_of_a_file_that_was_just_written_the_clock_may_be_another(zone: str, utc: bool, tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    stamp = _stamp(time.time(), utc=utc)
    log.write_text(_lines(stamp, stamp))
    assert _judge(str(log))["logs.ready"].values["state"] == "starting"


@pytest.mark.parametrize("utc", [False, True], ids=["local time", "UTC"])
@pytest.mark.parametrize("days", [0, 100, 200, 300])
def test_a_duration_is_counted_back_across_summer_time(zone: str, utc: bool, days: int, tmp_path: Path) -> None:
    """A log that was last written days ago, when the clocks may have gone differently."""
    written = time.time() - days * 86400 - 30
    log = tmp_path / "sglang.log"
    log.write_text(_lines(*(_stamp(written - ago, utc=utc) for ago in (20_000, 5400, 1800, 0))))
    os.utime(log, (written, written))
    since = timedelta(days=days, hours=1)
    facts: LogFacts = collect(
        Context(Target(url="", host="", port=0, log=str(log)), Deadline(30), Settings(since=since))
    )
    assert facts.since is not None
    assert facts.since.line == 3


def test_a_moment_is_read_off_the_clock_of_the_log(zone: str, tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    log.write_text(_lines("[2026-11-02 22:00:00]", "[2026-11-02 22:10:00]", "[2026-11-02 22:20:00]"))
    since = datetime(2026, 11, 2, 22, 5)
    facts: LogFacts = collect(
        Context(Target(url="", host="", port=0, log=str(log)), Deadline(30), Settings(since=since))
    )
    assert facts.since is not None
    assert facts.since.line == 2


@pytest.mark.parametrize("name", ZONES)
def test_a_report_says_when_it_began_as_rfc_3339_wants_it(name: str, tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    log.write_text(_lines("[2026-11-02 22:00:00]"))
    began = int(time.time())
    printed = commandline.run("logs", str(log), "-o", "json", TZ=name).stdout
    started_at = json.loads(printed)["started_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", started_at)
    assert began <= datetime.fromisoformat(started_at).timestamp() <= time.time()
