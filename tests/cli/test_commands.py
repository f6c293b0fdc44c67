"""The command line as a user runs it: true processes, true exit codes, stdout and stderr apart."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

import commandline
import warm
from bgecheck.demo.stage import Staged, stage
from commandline import run_anew
from fakes.answering import Answer, pages, serving
from forked import Ended
from reportschema import SCHEMA, VALIDATOR


def run(*words: str, **changes: str) -> Ended:
    """Without openai, whose import takes longer than all else of a run; `BGECHECK_SKIP=""` calls it too."""
    return commandline.run(*words, **{"BGECHECK_SKIP": "*.openai-client", **changes})


def report(*words: str, **environment: str) -> dict[str, Any]:
    """The JSON report of a run, valid by the schema."""
    done = run(*words, "-o", "json", **environment)
    told: dict[str, Any] = json.loads(done.stdout)
    VALIDATOR.validate(told)
    assert told["exit_code"] == done.returncode
    return told


@pytest.fixture(scope="module")
def demo() -> Iterator[Staged]:
    with stage(None) as staged:
        yield staged


@pytest.fixture(scope="module")
def broken() -> Iterator[Staged]:
    with stage("repeat-differs") as staged:
        yield staged


def test_doctor_finds_the_running_server_without_an_option(demo: Staged) -> None:
    told = report("doctor", "--pid", str(demo.pid))
    assert told["target"]["url"] == demo.url + "/v1"
    assert told["target"]["log"] == demo.log
    assert (told["verdict"], told["root_causes"]) == ("pass", [])


def test_the_setting_is_the_root_cause_and_the_vectors_its_proof(broken: Staged) -> None:
    told = report("doctor", "--pid", str(broken.pid))
    assert told["root_causes"] == ["launch.prefix-cache"]
    by_id = {f["id"]: f for f in told["findings"]}
    assert by_id["embed.repeatable"]["caused_by"] == "launch.prefix-cache"
    stop, line = by_id["launch.prefix-cache"]["fix"]["commands"]
    assert stop == f"kill {broken.pid}"
    assert "--disable-radix-cache" in line
    assert "--chunked-prefill-size -1" in line


def test_the_smoke_test_is_one_screen(demo: Staged, broken: Staged) -> None:
    done = run("embed", "今天天气怎么样？", "--url", demo.url)
    assert done.returncode == 0
    assert "1024 dims | norm 1.0000 | 10 tokens" in done.stdout
    assert len(done.stdout.splitlines()) <= 24
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert run("embed", "今天天气怎么样？", "--url", broken.url).returncode == 1


def test_openai_is_asked_in_every_run_but_quick(demo: Staged) -> None:
    """By doctor and probe as a row, by embed for its first call; no process of it is left."""
    for command in ("doctor", "probe"):
        rows = {f["id"]: f for f in report(command, "--url", demo.url, BGECHECK_SKIP="")["findings"]}
        assert rows["probe.openai-client"]["status"] == "pass"
        assert rows["probe.openai-client"]["values"]["dims"] == 1024
    shown = {f["id"]: f for f in report("embed", "今天天气怎么样？", "--url", demo.url, BGECHECK_SKIP="")["findings"]}
    assert shown["embed.answers"]["values"]["openai"] == rows["probe.openai-client"]["values"]["openai"]
    assert shown["embed.openai-client"]["status"] == "pass"
    rows = {f["id"]: f for f in report("doctor", "--quick", "--url", demo.url, BGECHECK_SKIP="")["findings"]}
    assert {f["status"] for i, f in rows.items() if i.endswith(".openai-client")} == {"skip"}
    assert gone(3)


def gone(seconds: float) -> bool:
    """Whether no process of openai is left; the one that waits for its end takes a moment."""
    ends = time.monotonic() + seconds
    while left := warm.calling():
        if time.monotonic() > ends:
            return False
        psutil.wait_procs(left, timeout=0.05)
    return True


def test_only_the_report_goes_to_stdout_and_nothing_to_stderr(demo: Staged) -> None:
    done = run("probe", "--url", demo.url, "-o", "json")
    json.loads(done.stdout)
    assert done.stderr == ""


def test_a_report_goes_to_a_file_and_the_table_to_stdout(demo: Staged, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    done = run("probe", "--url", demo.url, "-o", f"json={file}")
    assert json.loads(file.read_text(encoding="utf-8"))["command"] == "probe"
    assert done.stdout.splitlines()[-1].startswith("PASS ")


def test_the_language_changes_words_and_nothing_else(broken: Staged) -> None:
    run("embed", "--only", "embed.answers", "--url", broken.url)  # the log of a server is judged with its requests
    english, chinese = (report("doctor", "--url", broken.url, "--lang", lang) for lang in ("en", "zh"))
    for one, other in zip(english["findings"], chinese["findings"], strict=True):
        assert (one["id"], one["status"], one["caused_by"]) == (other["id"], other["status"], other["caused_by"])
        assert not re.search("[\u4e00-\u9fff]", str(other["evidence"]))
    assert english["findings"][0]["title"] != chinese["findings"][0]["title"]
    assert "根因" in run("ports", "--url", "127.0.0.1:1", BGECHECK_LANG="zh").stdout
    assert "根因" in run("ports", "--url", "127.0.0.1:1", LC_ALL="zh_CN.UTF-8").stdout


def test_chinese_is_not_turned_into_question_marks() -> None:
    """Where the terminal cannot show Chinese, the report is in English."""
    done = run_anew("ports", "--url", "127.0.0.1:1", "--lang", "zh", PYTHONIOENCODING="ascii")
    assert "ROOT CAUSE" in done.stdout
    assert "??" not in done.stdout


def test_rows_can_be_chosen_left_out_and_ignored(broken: Staged) -> None:
    told = report("embed", "--url", broken.url, "--only", "embed.answers,embed.dim*")
    assert [f["id"] for f in told["findings"]] == ["embed.answers", "embed.dimension"]
    told = report("embed", "--url", broken.url, "--skip", "embed.repeatable,embed.batch*,launch")
    assert told["exit_code"] == 0
    told = report(
        "embed", "--url", broken.url, "--skip", "launch", "--ignore", "embed.rep*:known", "--ignore", "embed.batch*"
    )
    assert (told["exit_code"], told["counts"]["ignored"]) == (0, 2)


def test_exit_codes_for_monitoring(broken: Staged) -> None:
    nagios = run("embed", "--url", broken.url, "--exit-style", "nagios")
    assert (nagios.returncode, nagios.stdout.splitlines()[-1].rpartition(" ")[2]) == (2, "2")
    told = report("embed", "--url", broken.url, "--exit-style", "nagios")
    assert told["exit_code"] == 2


def test_a_monitoring_system_gets_the_status_first_and_no_bar(broken: Staged) -> None:
    """It shows the first line, and takes what follows a `|` for numbers."""
    for language in ("en", "zh"):
        done = run("embed", "--url", broken.url, "-v", "--exit-style", "nagios", "--lang", language)
        assert re.match("CRITICAL - launch.prefix-cache[:：]", done.stdout)
        assert "|" not in done.stdout
    assert run("ports", "--url", broken.url, BGECHECK_EXIT_STYLE="nagios").stdout.startswith("OK - ")
    done = run("embed", "--url", "ftp://a|b", "--exit-style=nagios")
    assert (done.returncode, done.stdout.splitlines()[0][:10], "|" in done.stdout) == (3, "UNKNOWN - ", False)
    assert done.stderr.startswith("bgecheck: ftp://a|b")


def test_no_server_is_exit_1_with_the_root_cause() -> None:
    done = run("doctor", "--url", "127.0.0.1:1")
    assert done.returncode == 1
    assert "ROOT CAUSE  ports.listening" in done.stdout


def test_waiting_ends_at_once_when_the_start_has_failed(tmp_path: Path) -> None:
    with stage("model-path") as staged:
        began = time.monotonic()
        told = report("doctor", "--wait", "40s", "--url", staged.url, "--log", str(staged.log))
    assert told["root_causes"] == ["logs.model-path-not-found"]
    assert time.monotonic() - began < 20


def test_waiting_in_vain_is_still_starting() -> None:
    """Nobody listens yet, and nothing says that nobody ever will."""
    told = report("doctor", "--wait", "1500ms", "--url", "127.0.0.1:1")
    assert (told["exit_code"], told["verdict"]) == (3, "starting")


def test_waiting_does_not_hide_another_fault() -> None:
    with stage("api-key") as staged:
        told = report("doctor", "--wait", "5s", "--url", staged.url, "--api-key", "wrong")
    assert (told["exit_code"], told["root_causes"]) == (1, ["probe.api-key"])


def answered(status: int, body: Any, headers: Any) -> Answer:
    return status, {"object": "error", "message": "not now", "code": status}


def test_waiting_goes_on_while_a_server_is_busy_and_ends_with_any_other_answer() -> None:
    """503 is what a server answers whose queue is full; waiting does not change a 404 or a 500."""
    for status, patience, expected in ((503, 2, (3, "starting")), (500, 40, (1, "fail")), (404, 40, (1, "fail"))):
        with serving(pages(), partial(answered, status)) as url:
            told = report("doctor", "--wait", f"{patience}s", "--url", url)
        assert (told["exit_code"], told["verdict"]) == expected, status
        assert told["root_causes"] == ["probe.ready"]
        assert (told["seconds"] >= patience) == (status == 503)


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    with stage("api-key") as staged:
        told = run(
            "doctor",
            "--pid",
            str(staged.pid),
            "-o",
            "json",
            "-o",
            f"table={tmp_path / 'table.txt'}",
            "-v",
            BGECHECK_SKIP="",
        )
    assert "a-key-of-the-demo" not in told.stdout + told.stderr + (tmp_path / "table.txt").read_text(encoding="utf-8")
    assert json.loads(told.stdout)["target"]["api_key"] == "***"


def test_the_pages_of_rows_and_the_matrix() -> None:
    page = run("explain", "launch.prefix-cache", "--lang", "zh").stdout
    assert page.startswith("launch.prefix-cache：")
    assert "embed.repeatable" in page
    matrix = run("matrix").stdout.splitlines()
    assert any(line.startswith("| logs.port-in-use") for line in matrix)
    assert json.loads(run("schema").stdout) == SCHEMA


def test_the_faults_are_listed_and_shown() -> None:
    assert "repeat-differs" in run("demo", "--list").stdout
    done = run("demo", "--fault", "wrong-dimension")
    assert done.returncode == 1
    assert "embed.dimension" in done.stdout
    assert "keep one running with bgecheck demo --fault wrong-dimension --serve" in " ".join(done.stdout.split())
    assert "not" in done.stdout


def test_an_empty_log_is_nothing_to_look_at(tmp_path: Path) -> None:
    """No wrong input, and no pass: exit 4, with the reason in the last line."""
    for content in (b"", b"\n \r\n\t", b"\0" * 9000):
        path = tmp_path / "a.log"
        path.write_bytes(content)
        done = run("logs", str(path))
        assert (done.returncode, done.stderr) == (4, "")
        assert "the log is empty so far" in done.stdout.splitlines()[-1]
