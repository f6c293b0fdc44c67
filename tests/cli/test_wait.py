"""The gate of a deploy script as it is run: true servers, exit codes, what stands on stderr, signals, what is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

import commandline
from bgecheck.demo.stage import _free_port
from commandline import PROGRAM, environment
from reportschema import VALIDATOR

RIGHT = ("--is-embedding", "--disable-radix-cache", "--chunked-prefill-size", "-1", "--mem-fraction-static", "0.3")
FEW = ("--only", "logs,ports,probe.reachable,probe.ready", "--quick")
"""Rows that cost little; what the waiting itself looks at is the same."""


def line(port: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "bgecheck.demo.server", "--port", str(port), *RIGHT, *more]


@pytest.fixture
def port() -> Iterator[int]:
    """A port for a server, which is ended where the test has left it running."""
    number = _free_port()
    yield number
    for process in psutil.process_iter(["cmdline"]):
        if str(number) in (process.info["cmdline"] or ()):
            with suppress(psutil.Error):
                process.kill()


def launched(*words: str, wait: str = "20s", **variables: str) -> tuple[dict[str, Any], str]:
    """The report on a server that is launched, and stderr."""
    before = words[: words.index("--")] if "--" in words else ()
    command = words[words.index("--") :] if "--" in words else ("--", *words)
    done = commandline.run("doctor", "--launch", "--wait", wait, *FEW, *before, "-o", "json", *command, **variables)
    report = json.loads(done.stdout)
    VALIDATOR.validate(report)
    assert report["exit_code"] == done.returncode
    return report, done.stderr


def test_a_launched_server_is_left_running_and_writes_on(port: int, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    report, errors = launched("--log", str(log), "--", *line(port), BGECHECK_DEMO_TAKES="1")
    pid = int(report["target"]["pid"])
    assert (report["verdict"], report["target"]["log"]) == ("pass", str(log))
    assert f"started pid {pid}, log {log}" in errors
    assert "Load weight begin" in errors
    assert errors.count("POST /v1/embeddings") <= 2, "those of the examination are not shown"
    assert f"runs on; it writes to {log}; to stop it: kill -- -{pid}" in " ".join(report["notes"])
    size = log.stat().st_size
    assert commandline.run("probe", "--quick", "--url", f"127.0.0.1:{port}").returncode == 0
    assert log.stat().st_size > size


def test_a_launched_server_that_fails_is_told_with_its_code_and_log(port: int) -> None:
    report, errors = launched(*line(port), BGECHECK_DEMO_TAKES="9", BGECHECK_DEMO_ENDS="1:7")
    rows = {row["id"]: row for row in report["findings"]}
    assert (report["verdict"], report["root_causes"]) == ("fail", ["ports.process"])
    assert rows["ports.process"]["values"]["ended_with"] == 7
    log = report["target"]["log"]
    assert Path(log).name.startswith("bgecheck-launch-")
    assert f"log {log}" in errors
    Path(log).unlink()


def test_a_failure_stops_the_launched_server_on_demand_alone(port: int, tmp_path: Path) -> None:
    """A server whose vectors are no vectors, with and without the option; its whole group ends."""
    log = str(tmp_path / "a.log")
    faulty = line(port, "--fault", "nan", "--skip-server-warmup")
    report, _ = launched("--log", log, "--", *faulty)
    pid = int(report["target"]["pid"])
    assert (report["exit_code"], psutil.pid_exists(pid)) == (1, True)
    os.killpg(pid, signal.SIGKILL)
    report, _ = launched("--stop-on-failure", "--log", log, "--", "sh", "-c", f"{' '.join(faulty)}; true")
    assert report["exit_code"] == 1
    assert "was stopped (--stop-on-failure)" in " ".join(report["notes"])
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(port) in (p.info["cmdline"] or ())]


def test_a_start_that_takes_too_long_is_stopped_on_demand(port: int, tmp_path: Path) -> None:
    words = ("--stop-on-failure", "--log", str(tmp_path / "a.log"), "--", *line(port))
    report, _ = launched(*words, wait="2s", BGECHECK_DEMO_TAKES="60")
    assert (report["exit_code"], report["verdict"]) == (3, "starting")
    waiting = [row for row in report["findings"] if row["id"] in report["root_causes"]]
    assert waiting
    for row in waiting:
        assert "start it again with a longer --wait" in row["fix"]["text"]
        assert row["fix"]["commands"][0].startswith("bgecheck doctor --wait 4s --log ")
        assert f"--launch --stop-on-failure -- {sys.executable}" in row["fix"]["commands"][0]
    assert not psutil.pid_exists(int(report["target"]["pid"]))


def test_a_key_of_the_launched_server_is_not_shown(port: int, tmp_path: Path) -> None:
    words = ("--log", str(tmp_path / "a.log"), "--", *line(port, "--api-key", "a-key-of-a-test"))
    report, errors = launched(*words)
    assert report["verdict"] == "pass"
    assert "a-key-of-a-test" not in errors + json.dumps(report)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ((), "--launch: no command stands behind --"),
        (("--", "no-such-command-at-all", "-x"), "--launch no-such-command-at-all: there is no such command"),
        (("--", "/etc/passwd"), "--launch /etc/passwd: it is not executable"),
        (("--", "/tmp"), "--launch /tmp: it is a folder"),
        (("--log", "/no/such/folder/a.log", "--", "true"), "--log /no/such/folder/a.log: cannot be written"),
        (("--pid", "1", "--", "true"), "--launch: it excludes --all, --pid and --target"),
    ],
)
def test_what_cannot_be_launched_is_one_line(words: tuple[str, ...], refusal: str) -> None:
    done = commandline.run("doctor", "--launch", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"bgecheck: {refusal}")
    assert len(done.stderr.splitlines()) == 1


def test_options_of_launching_belong_to_it() -> None:
    for words in (("--", "true"), ("--stop-on-failure",)):
        done = commandline.run("doctor", *words)
        assert done.returncode == 2
        assert "--launch" in done.stderr


def test_no_word_of_the_command_is_run_by_a_shell(tmp_path: Path) -> None:
    report, errors = launched("--log", str(tmp_path / "a.log"), "--", "echo", "$HOME; touch x", "`id`", wait="5s")
    assert "$HOME; touch x `id`" in errors
    assert report["root_causes"] == ["ports.process"]
    assert not Path("x").exists()


def test_escapes_that_the_server_writes_do_not_reach_the_terminal(tmp_path: Path) -> None:
    _, errors = launched(
        "--log", str(tmp_path / "a.log"), "--", "printf", r"\033[31mred\033[0m\n\033]0;t\007", wait="5s"
    )
    assert "red" in errors
    assert "\x1b" not in errors


@contextmanager
def started(*words: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    def heed() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        [*PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(variables),
        preexec_fn=heed,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_handed_on_to_the_launched_server(number: signal.Signals, code: int, port: int) -> None:
    with started("doctor", "--launch", "--wait", "50s", "--", *line(port), BGECHECK_DEMO_TAKES="60") as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        (pid,) = re.findall(r"started pid (\d+)", first)
        while "waiting for" not in process.stderr.readline():
            pass
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == code
    assert f"interrupted ({number.name}); pid {pid}, which was launched, was stopped" in errors
    ends = time.monotonic() + 5
    while psutil.pid_exists(int(pid)) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not psutil.pid_exists(int(pid))
    Path(first.rpartition("log ")[2].strip()).unlink()


def test_ctrl_c_ends_the_waiting_at_once() -> None:
    with started("doctor", "--wait", "50s", "--url", "127.0.0.1:1") as process:
        assert process.stderr is not None
        assert "waiting for http://127.0.0.1:1/v1" in process.stderr.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 130
    assert time.monotonic() - began < 3


def test_in_a_pipe_there_is_a_line_for_each_phase(port: int, tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            line(port), stdout=output, stderr=output, env=environment({"BGECHECK_DEMO_TAKES": "5"})
        ) as server,
    ):
        try:
            words = ("doctor", "--wait", "30s", "--pid", str(server.pid), *FEW)
            done = commandline.run(*words, "--lang", "en")
        finally:
            server.kill()
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    start = rf"bgecheck: waiting for http://127.0.0.1:{port}/v1 . pid {server.pid} alive . \d+ s of 30 s"
    assert all(re.match(start, shown) for shown in lines)
    assert any(re.search(r" . the loading of the weights \(\d+ s\)$", shown) for shown in lines)
    assert len(lines) <= 8


def test_the_line_is_chinese_where_chinese_is_asked_for() -> None:
    done = commandline.run("doctor", "--wait", "1s", "--url", "127.0.0.1:1", *FEW, "--lang", "zh")
    assert done.stderr.startswith("bgecheck: 等待 http://127.0.0.1:1/v1 · 0 秒 / 1 秒")
    assert "等了 1 秒，什么都没有：没有对应的服务进程，127.0.0.1:1 上没有程序在监听，也没有日志" in done.stdout.replace(
        "\n", ""
    )
    assert done.stdout.splitlines()[-1].startswith("没有服务 ports.listening")


def test_nothing_there_is_not_called_starting() -> None:
    done = commandline.run("doctor", "--wait", "1s", "--url", "127.0.0.1:1", *FEW)
    assert done.returncode == 3
    assert done.stdout.splitlines()[-1].startswith("NOTHING THERE ports.listening")


def test_a_log_that_is_not_there_is_waited_for_and_refused_without_waiting(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.log")
    assert commandline.run("doctor", "--log", missing, "--url", "127.0.0.1:1").returncode == 2
    assert commandline.run("doctor", "--wait", "1s", "--log", missing, "--url", "127.0.0.1:1", *FEW).returncode == 3
    assert commandline.run("doctor", "--wait", "1s", "--log", str(tmp_path), "--url", "127.0.0.1:1").returncode == 2


def test_a_process_that_has_ended_is_lost_and_no_wrong_usage() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert commandline.run("doctor", "--pid", str(process.pid)).returncode == 2
    done = commandline.run("doctor", "--wait", "20s", "--pid", str(process.pid), *FEW)
    assert done.returncode == 1
    assert "ROOT CAUSE  ports.process" in done.stdout


def test_of_several_that_are_not_there_each_is_called_so() -> None:
    done = commandline.run("doctor", "--wait", "1s", "--url", "127.0.0.1:1", "--url", "127.0.0.1:2", *FEW)
    assert done.returncode == 3
    assert done.stdout.count("NOTHING THERE") >= 2
    assert "STARTING" not in done.stdout


@pytest.mark.parametrize("words", [("python", "-m", "x", "--port", "1"), ("sglang", "serve", "--port=1")])
def test_a_command_without_the_dashes_before_it_is_told_where_they_belong(words: tuple[str, ...]) -> None:
    done = commandline.run("doctor", "--launch", *words)
    assert done.returncode == 2
    assert "put -- before the command" in done.stderr


def test_an_option_that_is_none_before_the_dashes_is_still_told_as_such() -> None:
    done = commandline.run("doctor", "--launch", "--prot", "1", "--", "true")
    assert done.returncode == 2
    assert "--prot" in done.stderr


def test_what_a_launched_command_writes_before_sglang_does_is_not_the_wrong_log(tmp_path: Path) -> None:
    report, _ = launched(
        "--log", str(tmp_path / "a.log"), "--", "sh", "-c", "echo Pulling from lmsysorg/sglang; exec sleep 9", wait="2s"
    )
    rows = {row["id"]: row for row in report["findings"]}
    assert (report["exit_code"], rows["logs.wrong-engine"]["status"]) == (3, "skip")
    os.killpg(int(report["target"]["pid"]), signal.SIGKILL)
