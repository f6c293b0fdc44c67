"""Where `bgecheck logs` takes its log from, of which age a log is told, and what an old one does not explain."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bgecheck.checks.log_age import LogAge
from bgecheck.checks.logs import AREA
from bgecheck.checks.logs.area import collect
from bgecheck.engines.sglang.discovery import resolve
from bgecheck.engines.sglang.log.age import DAY, HOUR, age_of, age_of_file, ago
from bgecheck.model import Finding, ServerProcess, Status, Target, say
from bgecheck.model.deadline import Deadline
from bgecheck.model.processes import ProcessTable
from bgecheck.run import engine
from bgecheck.run.context import Context
from commandline import environment, run

ARGS = "[{}] server_args={{'model_path': '/srv/m', 'is_embedding': True, 'disable_radix_cache': True}}"
LOADING = "[{}] Load weight begin. avail mem=22.48 GB"
READY = "[{}] The server is fired up and ready to roll!"
SERVED = '[{}] INFO:     127.0.0.1:50432 - "POST /v1/embeddings HTTP/1.1" 200 OK'
OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 594.00 MiB."
DIED = "[{}] Received sigquit from a child process. It usually means the child failed."


def _log(*lines: str, ago: float = 0.0) -> str:
    """A log whose lines were written so many seconds ago."""
    stamp = datetime.fromtimestamp(time.time() - ago).strftime("%Y-%m-%d %H:%M:%S")
    return "".join(line.format(stamp) + "\n" for line in lines)


FAILED, SERVES = (ARGS, LOADING, OOM, DIED), (ARGS, LOADING, READY, SERVED)


def _piped(text: str | None, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run `bgecheck logs` with a text coming through standard input, or with nothing behind it."""
    return subprocess.run(
        [sys.executable, "-m", "bgecheck", "logs", *words, "--lang", "en"],
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        timeout=50,
        env=environment(changes),
    )


@pytest.mark.skipif(os.name == "nt", reason="a pipe cannot be waited for there")
def test_a_log_that_is_piped_need_not_be_named(tmp_path: Path) -> None:
    done = _piped(_log(*FAILED), BGECHECK_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "logs.gpu-oom-weights" in done.stdout
    assert "stdin:3" in done.stdout
    path = tmp_path / "sglang.log"
    path.write_text(_log(*SERVES))
    named = _piped(_log(*FAILED), str(path))
    assert (named.returncode, "log " + str(path) in named.stdout) == (0, True)


def test_without_a_log_anywhere_nothing_was_looked_at(tmp_path: Path) -> None:
    """With a server that is named, standard input is not looked at."""
    assert _piped(None, "--url", "127.0.0.1:1").returncode == 4
    assert _piped(_log(*FAILED), "--url", "127.0.0.1:1").returncode == 4
    assert _piped("\n\n").returncode == 4


def test_each_of_several_logs_is_judged(tmp_path: Path) -> None:
    for name, lines in (("a.log", SERVES), ("b.log", FAILED), ("c.log", (SERVED,)), ("c.log.1", SERVES)):
        (tmp_path / name).write_text(_log(*lines))
    files = [str(tmp_path / name) for name in ("a.log", "b.log", "c.log", "c.log.1")]
    done = run("logs", *files, "--lang", "en")
    assert done.returncode == 1
    assert "FAIL 1 of 3 logs" in done.stdout
    assert "(one log with its older files: c.log.1)" in done.stdout
    assert run("logs", str(tmp_path / "[ac].log"), "--lang", "zh").returncode == 0


def test_an_age_is_that_of_the_file_or_of_a_copys_last_line() -> None:
    now = datetime(2026, 11, 28, 12)
    assert age_of(5.0, now - timedelta(hours=8), now) == 5.0  # another time zone
    assert age_of(5.0, now - timedelta(hours=16), now) == 16 * HOUR
    assert age_of(None, now - timedelta(days=3), now) == 3 * DAY
    assert age_of(90.0, now + timedelta(days=3), now) == 90.0
    assert age_of(None, None, now) is None
    assert age_of(40 * DAY, now - timedelta(days=5), now) == 5 * DAY  # unpacked from an archive
    assert age_of(5 * DAY, now - timedelta(hours=2), now) == 2 * HOUR
    assert age_of(16 * HOUR, now - timedelta(hours=2), now) == 16 * HOUR  # perhaps another time zone
    assert age_of(5 * DAY, now + timedelta(hours=8), now) == 0.0
    assert age_of(5 * DAY, None, now) == 5 * DAY
    assert (ago(HOUR).en, ago(47.9 * HOUR).en, ago(2 * DAY).zh) == ("1 hour ago", "47 hours ago", "2 天前")


def _judge(target: Target) -> dict[str, Finding]:
    return {finding.id: finding for finding in engine.run([AREA], Context(target, Deadline(30)))}


@pytest.mark.parametrize(("seconds", "shown"), [(HOUR - 60, False), (HOUR + 60, True), (3 * DAY, True)])
def test_the_age_of_a_log_is_told_from_an_hour_on(seconds: float, shown: bool, tmp_path: Path) -> None:
    path = tmp_path / "sglang.log"
    path.write_text(_log(*FAILED, ago=seconds))
    os.utime(path, (time.time() - seconds,) * 2)
    rows = _judge(Target(url="", host="", port=0, log=str(path)))
    age = rows["logs.readable"].data
    assert isinstance(age, LogAge) is shown
    assert rows["logs.gpu-oom-weights"].status is Status.FAIL
    if seconds > DAY:
        assert "(sglang.log was last written 3 days ago)" in run("logs", str(path), "--lang", "en").stdout


def test_of_a_pipe_the_age_is_that_of_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(_log(*FAILED, ago=5 * DAY).encode())))
    age = _judge(Target(url="", host="", port=0, log="-"))["logs.readable"].data
    assert isinstance(age, LogAge)
    assert age.note.en == "what came through standard input was last written 5 days ago"


def _nothing_runs(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("bgecheck.engines.sglang.discovery.snapshot", lambda: ProcessTable({}))


@pytest.mark.parametrize(("days", "taken"), [(0.9, True), (1.1, False), (30, False)])
@pytest.mark.parametrize("copied", [False, True])
def test_a_log_of_another_day_is_not_taken_for_a_server_that_does_not_run(
    days: float, taken: bool, copied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its file, or where that is a copy by its last line."""
    _nothing_runs(monkeypatch, tmp_path)
    (tmp_path / "s.log").write_text(_log(*FAILED, ago=days * DAY))
    if not copied:
        os.utime("s.log", (time.time() - days * DAY,) * 2)
    target = resolve()
    assert (target.log == "s.log") is taken
    assert any("bgecheck logs s.log" in str(note) for note in target.searched) is not taken
    assert resolve(old_log=True).log == "s.log"


@pytest.mark.parametrize(
    ("days", "lines", "status"),
    [
        (0.9, FAILED, Status.FAIL),
        (3, FAILED, Status.SKIP),
        (3, (ARGS, LOADING), Status.SKIP),
        (3, SERVES, Status.PASS),
    ],
)
def test_a_named_log_of_another_day_does_not_explain_that_nothing_runs(
    days: float, lines: tuple[str, ...], status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _nothing_runs(monkeypatch, tmp_path)
    (tmp_path / "s.log").write_text(_log(*lines, ago=days * DAY))
    os.utime("s.log", (time.time() - days * DAY,) * 2)
    rows = _judge(resolve(log="s.log"))
    assert rows["logs.gpu-oom-weights"].status is status
    reason = str(rows["logs.readable"].reason)
    assert ("to judge it by itself: bgecheck logs s.log" in reason) is (status is Status.SKIP)
    assert _judge(Target(url="", host="", port=0, log="s.log"))["logs.readable"].status is Status.PASS


@pytest.mark.parametrize(
    ("host", "origin", "days", "judged"),
    [
        ("127.0.0.1", "option", 3, False),
        ("127.0.0.1", "option", 0.9, True),
        ("127.0.0.1", "found", 3, True),
        ("10.1.2.3", "option", 3, True),
    ],
    ids=["old", "of today", "found", "of another machine"],
)
def test_an_old_log_is_set_aside_only_where_it_is_named_for_a_server_of_this_machine(
    host: str, origin: str, days: float, judged: bool, tmp_path: Path
) -> None:
    """Here it is seen that nothing runs; of another machine's server a copy of its log is all there is."""
    path = tmp_path / "s.log"
    path.write_text(_log(*FAILED, ago=3 * DAY))
    os.utime(path, (time.time() - days * DAY,) * 2)
    target = Target(url=f"http://{host}:1", host=host, port=1, log=str(path), origins={"log": origin})
    assert (_judge(target)["logs.gpu-oom-weights"].status is Status.FAIL) is judged


def test_how_much_of_a_large_log_was_not_read_is_told_in_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    path.write_text(_log(*SERVES))
    facts = collect(Context(Target(url="", host="", port=0, log=str(path)), Deadline(30)))
    skipped = facts._replace(origin=replace(facts.origin, skipped=300 * 2**20))
    area = replace(AREA, collector=lambda context: skipped)
    row = {finding.id: finding for finding in engine.run([area], None)}["logs.readable"]
    (told,) = (item.observed for item in row.evidence if say(item.subject, "en") == "not read")
    assert say(told, "en").startswith("the first 300 MiB of the file")


def test_a_container_whose_output_is_not_seen_is_named_as_docker_lists_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By twelve characters, in both languages."""
    monkeypatch.setattr("bgecheck.checks.logs.area.container_of", lambda pid: "0123456789abcdef" * 4)
    unknown: dict[str, Any] = dict.fromkeys(("model_path", "served_name", "api_key", "cwd", "log"))
    server = ServerProcess(pid=7, argv=(), flags={}, host="127.0.0.1", port=1, started_at=0.0, **unknown)
    row = _judge(Target(url="http://127.0.0.1:1", host="127.0.0.1", port=1, server=server))["logs.readable"]
    assert row.status is Status.SKIP
    for language in ("en", "zh"):
        told = say(row.reason or "", language)
        assert f"{'容器' if language == 'zh' else 'container'} 0123456789ab" in told
        assert "docker logs 0123456789ab 2>&1 | bgecheck logs -" in told
        assert "0123456789abc" not in told


def test_an_age_of_a_file_that_is_gone_is_not_known(tmp_path: Path) -> None:
    assert age_of_file(str(tmp_path / "none.log")) is None


CLOCKS = {
    "UTC and local time in turn": ("22:10:05", "14:10:07", "22:10:16", "14:10:18", "22:12:40"),
    "local time first": ("22:10:05", "14:10:07", "14:10:16", "14:10:18", "14:12:40"),
    "a clock that was set back": ("22:10:05", "22:10:07", "22:10:16", "22:09:58", "22:12:40"),
    "summer time ends": ("02:59:50", "02:59:55", "02:00:04", "02:00:10", "02:12:40"),
    "set back while it serves": ("22:10:05", "22:10:07", "22:10:16", "22:10:18", "22:02:40"),
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_no_time_is_negative_whatever_the_clock_does(clock: str, tmp_path: Path) -> None:
    lines = (ARGS, "[{}] Init torch distributed begin.", LOADING, READY, SERVED)
    path = tmp_path / "sglang.log"
    moments = [f"2026-10-25 {time}" for time in CLOCKS[clock]]
    path.write_text("".join(line.format(when) + "\n" for line, when in zip(lines, moments, strict=True)))
    row = _judge(Target(url="", host="", port=0, log=str(path)))["logs.ready"]
    assert row.status is Status.PASS
    assert row.values["seconds_to_ready"] is None
    assert row.values["stages"] == {}
    assert "-" not in str(row.evidence[0].observed)


def test_with_two_clocks_what_came_since_is_told_by_the_later(tmp_path: Path) -> None:
    path = tmp_path / "sglang.log"
    clocks = ("2026-11-02 22:10:05", "2026-11-02 14:10:05")
    path.write_text("".join(SERVED.format(clock) + "\n" for clock in clocks))
    assert run("logs", str(path), "--since", "2026-11-02T22:00", "--only", "logs.ready").returncode == 0
    assert run("logs", str(path), "--since", "2026-11-02T22:30").returncode == 4


REFUSED = '[{}] INFO:     127.0.0.1:50432 - "{} HTTP/1.1" {}'
LONG = "ValueError: The input (514 tokens) is longer than the model's context length (512 tokens)."


def _refused(request: str, status: str = "400 Bad Request", error: str = "") -> list[str]:
    line = REFUSED.replace("{}", "@", 1).format(request, status).replace("@", "{}")
    return [error, line] if error else [line]


OURS = _refused("POST /v1/embeddings?bgecheck=probe")
OWN_LONG = _refused("POST /v1/embeddings?bgecheck=probe", error=LONG)
THEIR_LONG = _refused("POST /v1/embeddings", error=LONG)


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        (OURS * 9, []),
        (OWN_LONG * 3, []),
        (_refused("GET /v1/models?bgecheck=probe", "401 Unauthorized") * 3, []),
        ([LONG, LONG, *OURS, *OURS, *OURS], []),
        (THEIR_LONG + ["."] * 70 + OWN_LONG, ["logs.input-too-long"]),
        (OWN_LONG + ["."] * 70 + THEIR_LONG, ["logs.input-too-long"]),
        (OURS * 3 + _refused("POST /v1/embeddings") * 9, ["logs.client-request-rejected"]),
        (_refused("POST /v1/embeddings?bge=probe") * 9, ["logs.client-request-rejected"]),
        (_refused("POST /v1/embeddings?from=app&bgecheck=probe") * 9, []),
        (_refused("GET /v1/models", "401 Unauthorized") * 9, ["logs.client-request-rejected"]),
    ],
)
@pytest.mark.parametrize("before", [1, 300])
def test_what_bgecheck_itself_asked_is_no_error_of_clients(
    lines: list[str], problems: list[str], before: int, tmp_path: Path
) -> None:
    path = tmp_path / "sglang.log"
    path.write_text(_log(*SERVES[:3], *[SERVED] * (before % 7), *lines))
    rows = _judge(Target(url="", host="", port=0, log=str(path)))
    assert [id_ for id_, row in rows.items() if row.problem] == problems
    ours = sum("bgecheck=probe" in line for line in lines)
    assert rows["logs.ready"].values["requests"]["probed"] == ours


def test_the_end_of_an_archive_that_is_cut_off_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "sglang.log.gz"
    whole = gzip.compress(_log(*SERVES).encode())
    path.write_bytes(whole[:-12])
    os.utime(path, (0, 0))
    rows = _judge(Target(url="", host="", port=0, log=str(path)))
    assert rows["logs.ready"].status is Status.ERROR
    assert "cut off after line" in str(rows["logs.ready"].reason)
    assert not rows["logs.stalled-no-error"].problem
    path.write_bytes(whole)
    assert "cut off" not in str(_judge(Target(url="", host="", port=0, log=str(path)))["logs.ready"].reason)
