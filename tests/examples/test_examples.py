"""The examples run against the demo server as their readers would run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bgecheck.demo.stage import Staged, stage

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def demo() -> Iterator[Staged]:
    with stage(None) as staged:
        yield staged


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )


def test_dedup_keeps_what_is_not_close(demo: Staged, tmp_path: Path) -> None:
    """A text and its near copy count as one; a blank line does no harm."""
    file = tmp_path / "texts.txt"
    file.write_text("如何重置登录密码？\n\n如何重置登录密码\n软件打不开怎么办？\n", encoding="utf-8")
    done = run(sys.executable, str(EXAMPLES / "dedup.py"), "--base-url", f"{demo.url}/v1", str(file))
    assert done.stdout.splitlines() == ["如何重置登录密码？", "软件打不开怎么办？"], done.stderr
    everything = run(sys.executable, str(EXAMPLES / "dedup.py"), "--base-url", f"{demo.url}/v1", "--threshold", "1.1")
    assert len(everything.stdout.splitlines()) == 6


def test_health_tells_a_right_server_from_one_that_forgets(demo: Staged) -> None:
    healthy = run(sys.executable, str(EXAMPLES / "health.py"), "--base-url", f"{demo.url}/v1")
    assert (healthy.returncode, "cosine 1.0000" in healthy.stdout) == (0, True), healthy.stderr
    with stage("repeat-differs") as staged:
        wrong = run(sys.executable, str(EXAMPLES / "health.py"), "--base-url", f"{staged.url}/v1")
    assert (wrong.returncode, "/health: HTTP 200" in wrong.stdout) == (1, True)


@pytest.mark.parametrize(("fault", "code"), [(None, 0), ("wrong-dimension", 1)])
def test_the_gate_lets_only_a_right_server_through(fault: str | None, code: int, tmp_path: Path) -> None:
    """Its report is there for the pipeline either way."""
    program = tmp_path / "bgecheck"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bgecheck "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    report = tmp_path / "report.json"
    with stage(fault) as staged:
        done = run(
            "bash", str(EXAMPLES / "deploy-gate.sh"), staged.url, BGECHECK=str(program), REPORT=str(report), WAIT="20s"
        )
    assert done.returncode == code, done.stdout + done.stderr
    assert json.loads(report.read_text(encoding="utf-8"))["exit_code"] == code
