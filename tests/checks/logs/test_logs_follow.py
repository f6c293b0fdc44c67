"""A log is followed while it is written, through rotation and truncation, until its server is ready or has failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bgecheck.engines.sglang.log.following import until_decided
from bgecheck.engines.sglang.serverargs import START
from bgecheck.logfile.tail import Tail

NOW = time.strftime("[%Y-%m-%d %H:%M:%S]")
ARGS = f"{NOW} server_args=ServerArgs(model_path='/srv/Qwen3-Embedding-0.6B', disable_radix_cache=True)\n"
LOADING = f"{NOW} Load weight begin. avail mem=22.48 GB\n"
READY = f"{NOW} The server is fired up and ready to roll!\n"
FAILED = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 594.00 MiB.\n"
DIED = f"{NOW} Received sigquit from a child process. It usually means the child failed.\n"


@contextmanager
def _meanwhile(*steps: Callable[[], object]) -> Iterator[None]:
    """Do something every 0.3 s beside the test."""

    def work() -> None:
        for step in steps:
            time.sleep(0.3)
            step()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_following_ends_when_the_server_is_ready(tmp_path: Path) -> None:
    """The file need not be there yet, and a line may come in two writes."""
    log, phases = tmp_path / "sglang.log", list[str]()
    steps = [lambda: _append(log, ARGS + LOADING[:30]), lambda: _append(log, LOADING[30:]), lambda: _append(log, READY)]
    with _meanwhile(*steps):
        assert until_decided(str(log), 10, phases.append) == "ready"
    assert phases == ["device", "load", "serving"]


def test_following_ends_with_what_has_failed(tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    log.write_text(ARGS + LOADING)
    with _meanwhile(lambda: _append(log, FAILED), lambda: _append(log, DIED)):
        assert until_decided(str(log), 10) == "failed"


def test_following_ends_with_the_time(tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    assert until_decided(str(log), 0.3) == "empty"
    log.write_text(ARGS + LOADING)
    began = time.monotonic()
    assert until_decided(str(log), 0.6) == "starting"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("how", ["renamed", "cut short"])
def test_a_log_that_is_rotated_is_followed_on(how: str, tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    log.write_text(ARGS + LOADING + "x" * 200 + "\n")

    def rotate() -> None:
        if how == "renamed":
            log.rename(tmp_path / "sglang.log.1")
        log.write_text(READY)

    with _meanwhile(rotate):
        assert until_decided(str(log), 10) == "ready"


def test_what_was_written_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    tail = Tail(str(log), START)
    assert list(tail.added()) == []
    log.write_bytes(b"one\ntw")
    assert [block.data for block in tail.added()] == [b"one\n"]
    assert list(tail.added()) == []
    _append(log, "o\nthree\n")
    assert [block.data for block in tail.added()] == [b"two\nthree\n"]
    tail.close()


def _started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bgecheck", "logs", *arguments, "--lang", "en"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("end", "code"), [(READY, 0), (FAILED + DIED, 1), ("", 3)], ids=["ready", "failed", "still starting"]
)
def test_the_exit_code_says_how_it_ended(end: str, code: int, tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    log.write_text(ARGS + LOADING)
    process = _started("--follow", str(log), "--wait", "2s")
    with _meanwhile(lambda: _append(log, end)):
        out, err = process.communicate(timeout=30)
    assert process.returncode == code, (out, err)
    assert ("logs.gpu-oom-weights" in out) == (code == 1)


@pytest.mark.parametrize("follows", [True, False])
def test_a_stalled_log_is_a_failure_whether_it_is_followed_or_not(follows: bool, tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    log.write_text(ARGS + LOADING)
    os.utime(log, (time.time() - 900, time.time() - 900))
    process = _started(*(("--follow", "--wait", "300ms") if follows else ()), str(log))
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1, (out, err)
    assert "logs.stalled-no-error" in out


def _until_it_reads(pid: int, log: Path) -> None:
    """Until a process has opened a file: before that it may still be loading its modules."""
    ends = time.monotonic() + 30
    while str(log) not in {file.path for file in psutil.Process(pid).open_files()}:
        assert time.monotonic() < ends, f"{log} is not read"
        time.sleep(0.05)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    log.write_text(ARGS + LOADING)
    process = _started("-f", str(log))
    _until_it_reads(process.pid, log)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


def _piped(text: str, *arguments: str, end: bool) -> tuple[int, str]:
    """Follow a pipe through which a text comes, and which then ends or stays open: the exit code and the report."""
    command = [sys.executable, "-m", "bgecheck", "logs", *arguments, "--lang", "en"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(text)
        process.stdin.flush()
        if end:
            process.stdin.close()
        report = process.stdout.read()
    return process.returncode, report


@pytest.mark.skipif(os.name == "nt", reason="a pipe cannot be waited for there")
@pytest.mark.parametrize(
    ("text", "arguments", "end", "code"),
    [
        (ARGS + LOADING + READY, ("-f", "-"), False, 0),
        (ARGS + LOADING + FAILED + DIED, ("-f",), False, 1),
        (ARGS + LOADING, ("--follow", "-", "--wait", "300ms"), False, 3),
        (ARGS + LOADING + READY, ("-f",), True, 0),
        ("", ("-f", "-"), True, 4),
    ],
)
def test_a_pipe_is_followed_until_it_ends_or_says_enough(
    text: str, arguments: tuple[str, ...], end: bool, code: int
) -> None:
    ended, report = _piped(text, *arguments, end=end)
    assert ended == code, report
    assert ("logs.gpu-oom-weights" in report) == (code == 1)
