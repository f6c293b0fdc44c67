"""What becomes of a run whose stdout or stderr is full, closed, or read no further."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from commandline import PROGRAM, environment
from everycase import EVERY

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")

REPORT = "ports --url 127.0.0.1:1"
COMMANDS = ["--version", "--help", "doctor -h", "schema", "matrix", "explain logs", "demo --list", REPORT]
SOME = COMMANDS if EVERY else ["--version", "--help", "matrix", REPORT]
"""Of the ways to print one of each kind, unless all are asked for: before Typer, by Typer, a page, a report."""


def shell(line: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a line of sh in which `bgecheck` is this program."""
    program = " ".join(map(shlex.quote, PROGRAM))
    return subprocess.run(
        ["sh", "-c", f'bgecheck() {{ {program} "$@"; }}; {line}'],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        env=environment(changes),
    )


FULL = (">/dev/full", "stdout: cannot be written (No space left on device); ", "stdout：无法写入（")
CLOSED = (">&-", "stdout: it is closed; ", "stdout：已被关闭；")


@pytest.mark.parametrize(
    ("command", "place", "en", "zh"),
    [
        *((command, *FULL) for command in (*SOME, "schema", f"{REPORT} -o json")),
        *((command, *CLOSED) for command in ("--help", REPORT)),
    ],
)
def test_a_report_that_cannot_be_written_is_one_line_and_exit_2(command: str, place: str, en: str, zh: str) -> None:
    for language, words in (("en", en), ("zh", zh))[: 2 if command == "schema" else 1]:
        done = shell(f"bgecheck {command} {place}", BGECHECK_LANG=language)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"bgecheck: {words}"), done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", SOME)
def test_a_reader_who_has_gone_is_no_error(command: str) -> None:
    """The code is the run's own: nobody listens at that port."""
    done = shell(f"{{ bgecheck {command}; echo $? >&2; }} | head -c 1 >/dev/null")
    assert done.stderr == ("1\n" if "--url" in command else "0\n")


@pytest.mark.parametrize("command", ["--help", REPORT])
def test_a_reader_who_was_never_there_is_no_error(command: str) -> None:
    done = shell(f"{{ bgecheck {command}; echo $? >&2; }} | true")
    assert done.stderr == ("1\n" if "--url" in command else "0\n")


@pytest.mark.parametrize("place", ["2>/dev/full", "2>&-"])
def test_a_stderr_that_cannot_be_written_changes_nothing(place: str) -> None:
    done = shell(f"bgecheck doctor --nonsense {place}")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
    done = shell(f"bgecheck ports --url 127.0.0.1:1 {place}")
    assert (done.returncode, done.stderr) == (1, "")
    assert "ports.listening" in done.stdout
    assert shell(f"bgecheck ports --url 127.0.0.1:1 >/dev/full {place}").returncode == 2


def test_a_closed_stdout_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    """As a file that cannot be written is; the report that was asked for says so."""
    done = shell(f"bgecheck embed --url 127.0.0.1:1 -o json={tmp_path}/report.json >&-")
    assert done.returncode == 2
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (report["exit_code"], report["findings"]) == (2, [])
    assert report["error"].startswith("stdout: it is closed")


def test_a_closed_stdin_does_not_matter() -> None:
    assert shell("bgecheck ports --url 127.0.0.1:1 <&-").returncode == 1


def test_a_closed_stdin_is_no_log() -> None:
    ended = shell("bgecheck logs - --lang en <&-")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("bgecheck: -: standard input is closed; name the file")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_a_completion_script_that_cannot_be_written_is_one_line() -> None:
    """The line is run by bash, which Typer has to recognise."""
    line = " ".join(map(shlex.quote, [*PROGRAM, "--show-completion"]))
    done = subprocess.run(
        ["bash", "-c", f"{line} >/dev/full; echo $?"], env=environment(), capture_output=True, text=True, timeout=50
    )
    assert done.stdout == "2\n"
    assert done.stderr.startswith("bgecheck: stdout: cannot be written (No space left on device); ")
