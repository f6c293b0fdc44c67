"""Where reports go: into every format, on stdout whatever its encoding, and also where a run ends early."""

from __future__ import annotations

import errno
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bgecheck.cli import output
from bgecheck.cli.main import run as run_here
from bgecheck.cli.output import understood
from bgecheck.cli.step_summary import MOST_BYTES
from cli.test_interrupts import silent_server, started
from commandline import run, run_anew
from consumers import CONSUMERS
from reportschema import VALIDATOR

PORTS = ("ports", "--url", "127.0.0.1:1", "--lang", "en")
"""A run of a second that fails: nothing listens there."""


def options(folder: Path) -> tuple[list[str], dict[str, Path]]:
    """The options for every format, and their files."""
    files = {name: folder / f"report.{name}" for name in ("json", *CONSUMERS)}
    return [word for name, path in files.items() for word in ("-o", f"{name}={path}")], files


def report_in(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    VALIDATOR.validate(report)
    return report


@pytest.mark.parametrize(("style", "code"), [("plain", 1), ("nagios", 2)])
def test_every_format_of_a_run_has_its_exit_code(style: str, code: int, tmp_path: Path) -> None:
    words, files = options(tmp_path)
    done = run(*PORTS, *words, "--exit-style", style, GITHUB_STEP_SUMMARY="")
    assert (done.returncode, done.stderr) == (code, "")
    assert report_in(files["json"])["exit_code"] == code
    assert done.stdout.rstrip().endswith(f"exit {code}")
    for name, consumer in CONSUMERS.items():
        parsed = consumer(files[name].read_text(encoding="utf-8"))
        assert parsed.code in (None, 2 if name == "nagios" else code), name
        assert parsed.red in (None, True), name
        assert len(parsed.rows) == len(report_in(files["json"])["findings"]), name


REFUSED = (["--timeout", "soon"], ["--nonsense"], ["--only", "logs.redy"], ["-o", "pdf"], ["--url", "ftp://h:1"])


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_command_line_that_is_refused_leaves_the_reports_that_it_asks_for(
    wrong: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
    words, files = options(tmp_path)
    assert run_here(["doctor", *words, *wrong, "--lang", "en"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    report = report_in(files["json"])
    assert (report["command"], report["exit_code"], report["verdict"]) == ("doctor", 2, "inconclusive")
    assert shown.err == f"bgecheck: {report['error']}\n"
    for name, consumer in CONSUMERS.items():
        parsed = consumer(files[name].read_text(encoding="utf-8"))
        assert parsed.rows == []
        assert parsed.code in (None, 3 if name == "nagios" else 2), name
        assert parsed.red in (None, True), name


def test_a_refusal_goes_to_stdout_in_the_format_that_it_was_asked_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["-o", "json", "-o", "json"], ["-o", "json", "--nonsense"], ["--output=json", "-o", "table"]):
        assert run_here(["doctor", *words]) == 2
        report = json.loads(capsys.readouterr().out)
        VALIDATOR.validate(report)
        assert report["exit_code"] == 2
    assert run_here(["doctor", "-o", "json", "--nonsense", "--exit-style", "nagios"]) == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3
    assert run_here(["doctor", "-o", "table", "--nonsense"]) == 2
    assert capsys.readouterr().out == ""


def test_a_key_is_not_in_the_report_of_a_refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, files = options(tmp_path)
    line = ["probe", "--api-key", "a-key-of-mine", "--url", "ftp://a-key-of-mine@h:1", *words]
    assert run_here(line) == 2
    assert all("a-key-of-mine" not in path.read_text(encoding="utf-8") for path in files.values())


@pytest.mark.parametrize(
    ("words", "places"),
    [
        (["-o", "json"], [("json", None)]),
        (["-ojson", "--output=junit=r.xml"], [("junit", "r.xml"), ("json", None)]),
        (["--output", "tap=r.tap"], [("tap", "r.tap")]),
        (["-o", "pdf", "-o", "json=", "-o", "sarif=/no/such/r.sarif", "-o", "html=r.html"], [("html", "r.html")]),
        (["-o", "json=r", "-o", "junit=./r"], [("json", "r")]),
        (["-o", "html=-"], [("html", None)]),
        (["-o"], []),
        ([], [("jsonl", "r.jsonl"), ("nagios", None)]),
    ],
)
def test_what_a_command_line_asks_for_is_understood_as_far_as_it_can_be(
    words: Sequence[str], places: list[tuple[str, str | None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BGECHECK_OUTPUT", "jsonl=r.jsonl nagios")
    sinks = {(sink.name, sink.path) for sink in understood(["doctor", *words], "en")}
    assert sinks == set(places)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_writes_what_it_has(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """The rows that were judged, and of the others that they were not."""
    words, files = options(tmp_path)
    with silent_server() as (address, connected):
        process = started("probe", "--url", address, *words, "--lang", "en", GITHUB_STEP_SUMMARY="")
        connected()
        process.send_signal(number)
        shown, errors = process.communicate(timeout=30)
    assert (process.returncode, shown, errors) == (code, b"", b"")
    report = report_in(files["json"])
    assert (report["exit_code"], report["verdict"]) == (code, "inconclusive")
    assert report["error"] == f"interrupted by {number.name}"
    assert report["target"]["url"].startswith("http://127.0.0.1:")
    unjudged = [row for row in report["findings"] if row["reason"] == "interrupted before it was looked at"]
    assert {row["status"] for row in unjudged} == {"skip"}
    assert "probe.ready" in {row["id"] for row in unjudged}
    for name, consumer in CONSUMERS.items():
        parsed = consumer(files[name].read_text(encoding="utf-8"))
        assert len(parsed.rows) == len(report["findings"])
        assert parsed.code in (None, 3 if name == "nagios" else code), name
        assert parsed.red in (None, True), name


def test_a_report_that_cannot_be_written_makes_the_others_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process ends with 2, which no report may contradict; what was judged is in them."""
    place = output.put_in_place

    def full(path: str, text: str) -> None:
        if path.endswith(".xml"):
            raise OSError(errno.ENOSPC, "No space left on device")
        place(path, text)

    monkeypatch.setattr(output, "put_in_place", full)
    words = ["-o", f"json={tmp_path}/r.json", "-o", f"junit={tmp_path}/r.xml"]
    assert run_here([*PORTS, *words]) == 2
    shown = capsys.readouterr()
    assert "No space left on device" in shown.err
    assert shown.out == ""
    report = report_in(tmp_path / "r.json")
    assert report["exit_code"] == 2
    assert "No space left on device" in report["error"]
    assert report["counts"]["fail"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(("format_", "encoding"), [("json", "ascii"), ("junit", "gbk")])
def test_formats_are_utf_8_on_stdout_whatever_its_encoding(format_: str, encoding: str) -> None:
    done = run_anew(*PORTS[:3], "--lang", "zh", "-o", format_, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (1, "")
    assert "没有" in done.stdout


def test_the_summary_of_a_step_is_added_to(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# of another command", encoding="utf-8")
    done = run(*PORTS, "-o", "github", GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 1
    assert done.stdout.startswith("::error title=ports.listening::")
    added = summary.read_text(encoding="utf-8")
    assert added.startswith("# of another command\n## bgecheck ports: FAIL\n")
    assert ("ports.listening", "fail") in CONSUMERS["markdown"](added.partition("\n")[2]).rows


def test_a_summary_of_a_step_that_is_full_or_cannot_be_written_changes_no_verdict(tmp_path: Path) -> None:
    full = tmp_path / "summary.md"
    full.write_bytes(b"x" * (MOST_BYTES - 200))
    done = run(*PORTS, "-o", "github", GITHUB_STEP_SUMMARY=str(full))
    assert (done.returncode, done.stderr) == (1, "")
    assert full.stat().st_size <= MOST_BYTES
    done = run(*PORTS, "-o", "github", GITHUB_STEP_SUMMARY=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("bgecheck: GITHUB_STEP_SUMMARY: cannot be written (")


def test_a_misspelt_format_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(["doctor", "-o", "jnuit", "--lang", "en"]) == 2
    assert "did you mean junit? Choose: table, " in capsys.readouterr().err


@pytest.mark.parametrize("words", [["logs"], ["doctor", "--log"], ["embed", "--reference"], ["embed", "--input"]])
def test_a_report_is_never_written_over_what_is_read(words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "read.jsonl"
    path.write_text('{"text": "a", "vector": [1.0]}\n', encoding="utf-8")
    more = ["--to", str(tmp_path / "v.npy")] if "--input" in words else []
    url = [] if words == ["logs"] else ["--url", "http://127.0.0.1:1"]
    done = run(*words, str(path), *more, *url, "-o", f"html={path}")
    assert (done.returncode, "is read in this run, and would be lost" in done.stderr) == (2, True), done.stderr
    assert path.read_text(encoding="utf-8").startswith('{"text"')
