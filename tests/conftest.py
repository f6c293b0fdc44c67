"""What every test starts from: an environment without the developer's own settings."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded, whose threads wait at full load

import pytest

import everycase  # noqa: F401  # how many examples hypothesis tries

gc.disable()
"""While thousands of tests are collected there is nothing to free, and Python would look for it again and again."""


def pytest_collection_finish() -> None:
    """Free from here on, without looking through the tests themselves each time."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def heed_interrupts() -> Iterator[None]:
    """Programs that a test starts heed Ctrl-C, even where the tests run in the background, which ignores it.

    What is ignored stays ignored in a child; what has a handler has the system's own there.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, no BGECHECK_* option and no locale of the developer's machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("BGECHECK_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
