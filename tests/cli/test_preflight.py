"""`bgecheck preflight` as users run it: what is judged, in which form its correction comes, and with which code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bgecheck.render.formats import FORMATS
from commandline import run
from reportschema import VALIDATOR

GUIDE = (
    "python -m sglang.launch_server --model-path ./bge-large-zh-v1.5 --host 0.0.0.0 --port 30000 "
    "--tokenizer-mode auto --max-batch-size 16 --dtype half"
)
EXACT = "--is-embedding --disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3"
RIGHT = f"python -m sglang.launch_server --model-path /m/bge-large-zh-v1.5 --host 0.0.0.0 {EXACT}"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_corrected_command_comes_last(language: str) -> None:
    done = run("preflight", "--lang", language, "--only", "launch", "--sglang-version", "0.5.9", "--", *GUIDE.split())
    assert done.returncode == 1
    mended = GUIDE.replace("--max-batch-size", "--max-running-requests") + f" {EXACT}"
    lines = done.stdout.splitlines()
    assert mended in lines
    assert all(line.startswith(("FAIL", "未通过", "  ")) for line in lines[lines.index(mended) + 1 :])


def test_a_report_holds_the_corrected_command() -> None:
    done = run("preflight", "-o", "json", "--only", "launch", "--sglang-version", "0.5.9", "--", *GUIDE.split())
    report = json.loads(done.stdout)
    VALIDATOR.validate(report)
    row = next(finding for finding in report["findings"] if finding["id"] == "launch.line")
    assert row["fix"]["commands"] == row["values"]["corrected"]
    assert report["target"]["launch"] == "python -m sglang.launch_server, sglang 0.5.9"
    assert report["root_causes"][0] == "launch.flags"


def test_every_launch_of_a_file_has_its_report(tmp_path: Path) -> None:
    path = tmp_path / "serve.sh"
    path.write_text(f"{RIGHT} --port 30000 &\n{GUIDE} &\nwait\n")
    done = run("preflight", "--only", "launch", "-o", "json", "--file", str(path))
    whole = json.loads(done.stdout)
    VALIDATOR.validate(whole)
    assert [report["verdict"] for report in whole["reports"]] == ["pass", "fail"]
    assert [report["target"]["launch"].rpartition(":")[2] for report in whole["reports"]] == ["1", "2"]
    assert done.returncode == 1
    table = run("preflight", "--only", "launch", "--file", str(path)).stdout
    assert "1 of 2 launch commands" in table


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"table", "json"}))
def test_every_format_has_a_report(form: str) -> None:
    done = run("preflight", "-o", form, "--only", "launch", "--", *GUIDE.split())
    assert done.returncode == 1
    assert "launch.flags" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_right_command_passes() -> None:
    done = run("preflight", "--only", "launch", "--sglang-version", "0.5.23", "--", *RIGHT.split())
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--", "ls", "-l"), "ls -l: it does not launch sglang"),
        (("--file", "/nowhere.sh"), "--file /nowhere.sh: there is no such file"),
        (("--file", "x.sh", "--", "ls"), "-- COMMAND --file: they exclude each other"),
        (("--sglang-version", "new", "--", *RIGHT.split()), "--sglang-version new: it is no release of sglang"),
        (("--model-path", "/nowhere/at/all"), "--model-path /nowhere/at/all: there is no such folder"),
        (("--pid", "999999999"), "--pid 999999999: no process has this number"),
    ],
)
def test_bad_input_is_refused_in_one_line(words: tuple[str, ...], why: str) -> None:
    done = run("preflight", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
