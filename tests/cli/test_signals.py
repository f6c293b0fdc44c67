"""A signal that the main thread does not wake up for ends its wait all the same, within a second.

Python's handler of a signal that comes just before a wait begins runs when the wait is over. That moment cannot be hit
at will; a signal that another thread of the process receives leaves the main thread waiting in the same way.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bgecheck.cli.several import in_turn
from bgecheck.model import Area, Text, holds
from bgecheck.model.deadline import ONE_WAIT
from bgecheck.run import engine
from bgecheck.watching.clocks import Clock

PATIENCE = 10.0
NAME = Text("words", "文字")


class Signalled(Exception):
    """What the handler raises."""


@pytest.fixture
def handler() -> Iterator[None]:
    def answer(number: int, frame: Any) -> None:
        raise Signalled

    before = signal.signal(signal.SIGUSR1, answer)
    yield
    signal.signal(signal.SIGUSR1, before)


def run_of_one_row(task: Callable[[], None]) -> None:
    area = Area("x", collector=lambda context: task())
    area.check("a", title=NAME, cause=NAME, fix=NAME)(lambda facts: holds())
    engine.run([area], None)


def several_at_once(task: Callable[[], None]) -> None:
    in_turn([lambda: None, task], 2)


def sleep_of_a_watch(task: Callable[[], None]) -> None:
    threading.Thread(target=task, daemon=True).start()
    Clock().sleep(PATIENCE)


@pytest.mark.parametrize("wait", [run_of_one_row, several_at_once, sleep_of_a_watch])
def test_a_signal_that_wakes_nobody_ends_the_wait(wait: Callable[[Callable[[], None]], None], handler: None) -> None:
    over = threading.Event()

    def signalled_beside() -> None:
        time.sleep(0.2)  # the main thread waits by now
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        over.wait(PATIENCE)

    began = time.monotonic()
    with pytest.raises(Signalled):
        wait(signalled_beside)
    over.set()
    assert time.monotonic() - began < 0.2 + ONE_WAIT + 2


def test_a_watch_sleeps_as_long_as_it_is_to() -> None:
    began = time.monotonic()
    Clock().sleep(ONE_WAIT + 0.1)
    assert ONE_WAIT + 0.1 <= time.monotonic() - began < ONE_WAIT + 2
    Clock().sleep(0)
    Clock().sleep(-1)
