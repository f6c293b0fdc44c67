"""Progress as a terminal shows it, and that nothing is left of it; elsewhere there is none."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pyte
import pytest

from bgecheck.demo.stage import stage
from commandline import PROGRAM, environment

WITHOUT_OPENAI = ("--skip", "*.openai-client")
"""Importing it takes longer than all else."""


def heed_interrupts() -> None:
    """As in a terminal, even where the tests themselves run in the background, which ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A terminal of 80 x 24 on which a program has its stderr; its stdout goes to a file."""

    def __init__(self, *words: str, output: Path, **changes: str) -> None:
        controller, own = pty.openpty()
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)
        self._controller = controller
        self.bytes = b""
        self._output = output.open("wb")
        self.process = subprocess.Popen(
            [*PROGRAM, *words],
            stdout=self._output,
            stderr=own,
            env=environment({"TERM": "xterm-256color", **changes}),
            preexec_fn=heed_interrupts,
        )
        os.close(own)

    def until(self, shown: Callable[[str], bool]) -> bool:
        """Whether the screen came to show something before the program ended."""
        ends = time.monotonic() + 50
        while time.monotonic() < ends:
            if select.select([self._controller], [], [], 0.1)[0]:
                try:
                    data = os.read(self._controller, 65536)
                except OSError:  # the program has closed it
                    return False
                self.bytes += data
                self._stream.feed(data)
                if shown(self.text()):
                    return True
        raise AssertionError(self.text())

    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def ended(self) -> int:
        """The exit code, when all has been shown."""
        self.until(lambda text: False)
        os.close(self._controller)
        self._output.close()
        return self.process.wait(10)


def has_no_mark(terminal: Terminal) -> bool:
    """Whether the screen is as it was: blank, the cursor shown, in the first column."""
    return terminal.text() == "" and not terminal.screen.cursor.hidden and terminal.screen.cursor.x == 0


def test_a_run_counts_its_checks_and_leaves_no_mark(tmp_path: Path) -> None:
    with stage(None) as staged:
        terminal = Terminal("doctor", *WITHOUT_OPENAI, "--url", staged.url, output=tmp_path / "report")
        assert terminal.until(lambda text: "/" in text)
        assert terminal.screen.cursor.hidden
        assert len(terminal.text().splitlines()) == 1
        assert terminal.ended() == 0
    assert has_no_mark(terminal)
    assert (tmp_path / "report").stat().st_size > 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_cut_off_leaves_no_mark_either(number: signal.Signals, code: int, tmp_path: Path) -> None:
    with stage("dead-scheduler") as staged:
        terminal = Terminal("doctor", "--url", staged.url, output=tmp_path / "report")
        assert terminal.until(lambda text: "/" in text)
        terminal.process.send_signal(number)
        assert terminal.ended() == code
    assert has_no_mark(terminal)


def test_following_a_log_shows_how_far_the_start_is(tmp_path: Path) -> None:
    log = tmp_path / "sglang.log"
    log.write_text("[2026-11-02 22:10:05] server_args=ServerArgs(model_path='/srv/bge', host='127.0.0.1')\n")
    terminal = Terminal("logs", str(log), "--follow", "--wait", "30s", output=tmp_path / "report")
    assert terminal.until(lambda text: str(log)[:20] in text.replace("\n", ""))
    with log.open("a") as file:
        file.write("[2026-11-02 22:10:16] The server is fired up and ready to roll!\n")
    assert terminal.ended() == 0
    assert has_no_mark(terminal)


def test_waiting_shows_one_line_that_is_kept_up_to_date_and_leaves_no_mark(tmp_path: Path) -> None:
    words = ("doctor", "--wait", "3s", "--url", "127.0.0.1:1", "--only", "ports", "--quick")
    terminal = Terminal(*words, output=tmp_path / "report")
    assert terminal.until(lambda text: "waiting for http://127.0.0.1:1/v1 · 1 s of 3 s" in text)
    assert terminal.until(lambda text: "2 s of 3 s" in text)
    assert len(terminal.text().splitlines()) == 1
    assert terminal.ended() == 3
    assert has_no_mark(terminal)


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_is_left_alone(term: str, tmp_path: Path) -> None:
    terminal = Terminal("ports", "--url", "127.0.0.1:1", output=tmp_path / "report", TERM=term)
    assert terminal.ended() == 1
    assert terminal.bytes == b""


def test_in_a_pipe_there_is_none() -> None:
    with stage(None) as staged:
        done = subprocess.run(
            [*PROGRAM, "doctor", *WITHOUT_OPENAI, "--url", staged.url],
            capture_output=True,
            env=environment(),
            timeout=50,
        )
    assert (done.returncode, done.stderr) == (0, b"")
