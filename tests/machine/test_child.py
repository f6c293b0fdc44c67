"""A command that is started here, and what is known of a process that has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bgecheck.machine.child import Child
from bgecheck.machine.processes import exit_status, group_of, lives


def until_ended(child: Child) -> int | None:
    ends = time.monotonic() + 20
    while child.status is None and time.monotonic() < ends:
        time.sleep(0.01)
    return child.status


def test_its_output_is_added_to_its_log_and_its_code_is_exact(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("before\n")
    child = Child(["sh", "-c", "echo out; echo err >&2; exit 7"], str(log))
    assert until_ended(child) == 7
    assert (log.read_text(), child.log_begin) == ("before\nout\nerr\n", 7)
    assert not child.left


def test_what_it_has_started_is_left_and_ends_with_it(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "sleep 30 & sleep 30 & exit 0"], str(tmp_path / "a.log"))
    assert until_ended(child) == 0
    assert child.left
    began = time.monotonic()
    child.end(5)
    assert not child.left
    assert time.monotonic() - began < 5


def test_what_does_not_heed_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    child = Child(["sh", "-c", "trap '' TERM; echo there; while :; do sleep 0.1; done"], str(log))
    while "there" not in log.read_text():
        time.sleep(0.01)
    child.end(0.3)
    assert child.status == -signal.SIGKILL


@pytest.mark.parametrize(("command", "status"), [("exit 9", 9), ("exit 0", 0), ("kill -TERM $$", -signal.SIGTERM)])
def test_the_code_of_a_process_is_known_until_its_starter_asks(command: str, status: int) -> None:
    with subprocess.Popen(["sh", "-c", command]) as process:
        ends = time.monotonic() + 20
        while exit_status(process.pid) is None and time.monotonic() < ends:
            time.sleep(0.01)
        assert (exit_status(process.pid), lives(process.pid)) == (status, False)
        process.wait()
        assert exit_status(process.pid) is None


def test_a_later_process_of_the_same_number_is_another_one() -> None:
    import psutil

    created = psutil.Process().create_time()
    assert lives(os.getpid())
    assert lives(os.getpid(), created)
    assert not lives(os.getpid(), created - 60)
    assert exit_status(os.getpid()) is None
    assert group_of(os.getpid()) == os.getpgrp()
    assert group_of(2**22 + 1) is None
