"""The command line as a user runs it: true processes, true exit codes, stdout and stderr apart."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest

from bgecheck import __version__
from bgecheck.demo.stage import Staged, stage
from bgecheck.schema import text

SCHEMA = json.loads(text())


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run bgecheck in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "bgecheck", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **environment},
    )


def report(*words: str, **environment: str) -> dict[str, Any]:
    """The JSON report of a run, valid by the schema."""
    done = run(*words, "-o", "json", **environment)
    told: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(told, SCHEMA)
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


def test_the_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"bgecheck {__version__}\n")


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("doctor", "logs", "ports", "gpu", "probe", "embed", "demo", "explain", "matrix", "schema"):
        assert name in done.stdout
    assert "--wait" in run("doctor", "--help").stdout


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
    (line,) = by_id["launch.prefix-cache"]["fix"]["commands"]
    assert "--disable-radix-cache" in line
    assert "--chunked-prefill-size -1" in line


def test_the_smoke_test_is_one_screen(demo: Staged, broken: Staged) -> None:
    done = run("embed", "今天天气怎么样？", "--url", demo.url)
    assert done.returncode == 0
    assert "1024 dims   norm 1.0000   10 tokens" in done.stdout
    assert len(done.stdout.splitlines()) <= 24
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert run("embed", "今天天气怎么样？", "--url", broken.url).returncode == 1


def test_openai_is_asked_in_every_run_but_quick(demo: Staged) -> None:
    """By doctor and probe as a row, by embed for its first call; no process of it is left."""
    for command in ("doctor", "probe"):
        rows = {f["id"]: f for f in report(command, "--url", demo.url)["findings"]}
        assert rows["probe.openai-client"]["status"] == "pass"
        assert rows["probe.openai-client"]["values"]["dims"] == 1024
    shown = {f["id"]: f for f in report("embed", "今天天气怎么样？", "--url", demo.url)["findings"]}
    assert shown["embed.answers"]["values"]["openai"] == rows["probe.openai-client"]["values"]["openai"]
    assert shown["embed.openai-client"]["status"] == "pass"
    for words in (("doctor", "--quick"), ("embed", "--quick")):
        rows = {f["id"]: f for f in report(*words, "--url", demo.url)["findings"]}
        assert {f["status"] for i, f in rows.items() if i.endswith(".openai-client")} == {"skip"}
    assert not [p for p in psutil.process_iter() if p.ppid() == os.getpid() and "openai_call" in " ".join(_argv(p))]


def _argv(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_only_the_report_goes_to_stdout_and_nothing_to_stderr(demo: Staged) -> None:
    done = run("probe", "--url", demo.url, "-o", "json")
    json.loads(done.stdout)
    assert done.stderr == ""


def test_a_report_goes_to_a_file_and_the_table_to_stdout(demo: Staged, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    done = run("probe", "--url", demo.url, "-o", f"json={file}")
    assert json.loads(file.read_text(encoding="utf-8"))["command"] == "probe"
    assert "passed" in done.stdout


def test_the_language_changes_words_and_nothing_else(broken: Staged) -> None:
    english, chinese = (report("doctor", "--url", broken.url, "--lang", lang) for lang in ("en", "zh"))
    for one, other in zip(english["findings"], chinese["findings"], strict=True):
        assert (one["id"], one["status"], one["caused_by"]) == (other["id"], other["status"], other["caused_by"])
        assert not re.search("[\u4e00-\u9fff]", str(other["evidence"]))
    assert english["findings"][0]["title"] != chinese["findings"][0]["title"]
    assert "根因" in run("doctor", "--url", broken.url, BGECHECK_LANG="zh").stdout
    assert "根因" in run("doctor", "--url", broken.url, LC_ALL="zh_CN.UTF-8").stdout


def test_chinese_is_not_turned_into_question_marks(broken: Staged) -> None:
    """Where the terminal cannot show Chinese, the report is in English."""
    done = run("doctor", "--url", broken.url, "--lang", "zh", PYTHONIOENCODING="ascii")
    assert "ROOT CAUSE" in done.stdout
    assert "??" not in done.stdout


def test_rows_can_be_chosen_left_out_and_ignored(broken: Staged) -> None:
    told = report("embed", "--url", broken.url, "--only", "embed.answers,embed.dim*")
    assert [f["id"] for f in told["findings"]] == ["embed.answers", "embed.dimension"]
    told = report("embed", "--url", broken.url, "--skip", "embed.repeatable", "--skip", "embed.batch*")
    assert told["exit_code"] == 0
    told = report("embed", "--url", broken.url, "--ignore", "embed.repeatable:known", "--ignore", "embed.batch*")
    assert (told["exit_code"], told["counts"]["ignored"]) == (0, 2)


def test_exit_codes_for_monitoring(broken: Staged) -> None:
    assert run("embed", "--url", broken.url, "--exit-style", "nagios").returncode == 2


def test_options_come_from_the_environment_too(demo: Staged) -> None:
    told = report("embed", BGECHECK_URL=demo.url, BGECHECK_EXPECT_DIM="768")
    assert told["root_causes"] == ["embed.dimension"]


def test_no_server_is_exit_1_with_the_root_cause() -> None:
    done = run("doctor", "--url", "127.0.0.1:1")
    assert done.returncode == 1
    assert "ROOT CAUSE   ports.listening" in done.stdout


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


@pytest.mark.parametrize(
    "words",
    [
        ("doctor", "--url", "ftp://h:1"),
        ("doctor", "--url", "http://h:70000"),
        ("doctor", "--url", "http://h:1/v1/embeddings/extra"),
        ("doctor", "--url", ""),
        ("doctor", "--pid", "999999999"),
        ("doctor", "--only", "nonsense.row"),
        ("doctor", "--skip", "*"),
        ("doctor", "--ignore", "nonsense.row:why"),
        ("doctor", "--wait", "soon"),
        ("doctor", "--timeout", "0s"),
        ("doctor", "--deadline", "-1s"),
        ("doctor", "--fail-on", "never"),
        ("doctor", "--exit-style", "loud"),
        ("doctor", "--lang", "fr"),
        ("doctor", "-o", "pdf"),
        ("doctor", "-o", "json=/no/such/folder/report.json"),
        ("doctor", "--all", "--url", "127.0.0.1:1"),
        ("doctor", "--expect-dim", "0"),
        ("doctor", "--expect-dim", "many"),
        ("embed", "   "),
        ("explain", "nonsense.row"),
        ("demo", "--fault", "nonsense"),
        ("nonsense",),
        ("doctor", "--nonsense"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


@pytest.mark.parametrize("kind", ["missing", "empty", "folder", "binary", "unreadable"])
@pytest.mark.parametrize("form", ["logs", "doctor"])
def test_a_log_that_cannot_be_one_is_refused_by_name(kind: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.log"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"empty": b"", "binary": b"\x7fELF" + bytes(4096), "unreadable": b"text"}[kind])
    if kind == "unreadable":
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("the administrator can read everything")
    done = run("logs", str(path)) if form == "logs" else run("doctor", "--log", str(path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr
    assert "bgecheck logs" in done.stderr


def test_refusals_are_in_the_users_language() -> None:
    assert "没有" in run("doctor", "--only", "nonsense", "--lang", "zh").stderr


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    with stage("api-key") as staged:
        told = run("doctor", "--pid", str(staged.pid), "-o", "json", "-o", f"table={tmp_path / 'table.txt'}", "-v")
    assert "a-key-of-the-demo" not in told.stdout + told.stderr + (tmp_path / "table.txt").read_text(encoding="utf-8")
    assert json.loads(told.stdout)["target"]["api_key"] == "***"


def heed_interrupts() -> None:
    """As in a terminal, even where the tests themselves run in the background, which ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_within_a_second_and_leaves_no_process() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bgecheck", "demo", "--serve"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        preexec_fn=heed_interrupts,
    )
    assert process.stderr is not None
    with process.stderr as errors:
        line = errors.readline()
        assert "http://127.0.0.1:" in line
        port = int(line.split("http://127.0.0.1:")[1].split(",")[0].split()[0])
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130
        assert time.monotonic() - began < 1.5
        assert "Traceback" not in errors.read()
    assert run("probe", "--url", f"127.0.0.1:{port}").returncode == 1


def test_a_demo_that_is_killed_in_order_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bgecheck", "demo", "--serve"],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "TMPDIR": str(tmp_path)},
    )
    assert process.stderr is not None
    with process.stderr as errors:
        assert b"http://127.0.0.1:" in errors.readline()
        assert list(tmp_path.iterdir()) != []
        process.terminate()
        assert process.wait(5) == 143
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_a_look_at_a_server_that_hangs() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "bgecheck", "doctor", "--url", f"127.0.0.1:{silent.getsockname()[1]}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            preexec_fn=heed_interrupts,
        )
        silent.settimeout(10)
        asking = [silent.accept()[0] for _ in range(2)]
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=5)
        for connection in asking:
            connection.close()
    assert (process.returncode, b"Traceback" in errors) == (130, False)
    assert time.monotonic() - began < 1


INTERRUPTED_WHILE_LOADING = """
import sys
from bgecheck.__main__ import main

class Terminal:
    def find_spec(self, name, *rest):
        if name == "bgecheck.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Terminal())
sys.argv = ["bgecheck", "doctor"]
main()
"""


def test_ctrl_c_while_modules_are_loaded_leaves_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_the_pages_of_rows_and_the_matrix() -> None:
    page = run("explain", "launch.prefix-cache", "--lang", "zh").stdout
    assert page.startswith("launch.prefix-cache：")
    assert "embed.repeatable" in page
    matrix = run("matrix").stdout.splitlines()
    assert any(line.startswith("logs.port-in-use") for line in matrix)
    assert json.loads(run("schema").stdout) == SCHEMA


def test_the_faults_are_listed_and_shown() -> None:
    assert "repeat-differs" in run("demo", "--list").stdout
    done = run("demo", "--fault", "wrong-dimension")
    assert done.returncode == 1
    assert "embed.dimension" in done.stdout
    assert "not" in done.stdout
