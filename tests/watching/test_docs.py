"""The pages of the documentation say of rows, options and thresholds what the program has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bgecheck.cli.app import program
from bgecheck.watching import memory
from bgecheck.watching.alerts import IN_A_ROW, QUIET
from bgecheck.watching.history import SAME_VECTOR
from bgecheck.watching.latency import SLOWER
from bgecheck.watching.rows import AREA
from bgecheck.watching.sample import as_line

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [(DOCS / name).read_text(encoding="utf-8") for name in ("watch.md", "watch.zh.md")]


@pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
def test_a_page_names_every_row_and_no_other(page: str) -> None:
    named = set(re.findall(r"`(watch\.[a-z-]+)`", page))
    assert named == {check.id for check in AREA.checks} - {AREA.entry}


@pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
def test_a_page_names_every_option_that_is_watch_s_own_and_no_option_that_it_has_not(page: str) -> None:
    own = {"--for", "--max-errors", "--on-alert", "--webhook", "--prometheus", "--jsonl", "--report", "--log"}
    command = program(["watch"]).commands["watch"]
    known = {name for option in command.params for name in option.opts if name.startswith("--")}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.replace("demo --serve", "")))
    assert own <= named & known
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
def test_a_page_has_the_thresholds(page: str) -> None:
    growth, share = memory.GROWTH.value / memory.MIB, memory.SHARE.value * 100
    assert f"{growth:g} MiB" in page
    assert f"{share:g} %" in page
    assert f"{memory.SHORTEST.value / 60:g} " in page
    assert f"{memory.FEWEST.value:g} " in page
    assert f"{SAME_VECTOR.value:g}" in page
    assert f"{SLOWER.value:g} " in page
    assert (memory.SETTLING, memory.FALLS.value, memory.STILL.value) == (0.1, 3.0, 0.5)  # said in words
    assert (IN_A_ROW.value, QUIET.value) == (2, 4)


def test_variables_of_an_alert_are_those_that_are_set() -> None:
    from bgecheck.watching.notifying import Notifier
    from watching.test_alerts import ALERT

    notifier = Notifier((), None, {"url": "u", "pid": "1"}, lambda words: None)
    set_for_it = set(notifier._variables(ALERT))
    for page in PAGES:
        named = {f"BGECHECK_ALERT{name}" for name in re.findall(r"`(?:BGECHECK_ALERT)(_[A-Z_]+)`", page)}
        named |= {f"BGECHECK_ALERT{name}" for name in re.findall(r"`(_(?:PID|AT|ELAPSED_S))`", page)}
        assert named <= set_for_it
        assert set_for_it - named == {"BGECHECK_ALERT_SCHEMA"}


def test_samples_have_a_schema() -> None:
    from bgecheck.watching.sample import Sample

    assert b'"schema":"bgecheck.watch/1"' in as_line(Sample(at=0.0, elapsed=0.0))
