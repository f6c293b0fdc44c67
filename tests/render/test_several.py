"""The screen of several servers: one summary, each root cause once, and the last line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bgecheck.model import Report
from bgecheck.render.formats import table
from bgecheck.render.screen import screen
from samplereports import healthy, wrong

PLAIN = screen("en", verbose=False, terminal=False, encoding="utf-8")


def called(name: str, report: Report) -> Report:
    return replace(report, target={**report.target, "name": name, "url": f"http://{name}:1/v1"})


def test_what_is_right_is_one_line_and_the_same_cause_is_drawn_once() -> None:
    shown = table.render([called("a", wrong()), called("b", healthy()), called("c", wrong())], PLAIN)
    root = wrong().root_causes[0].id
    assert shown.count("ROOT CAUSE") == len(table.render([wrong()], PLAIN).split("ROOT CAUSE")) - 1
    assert "a (http://a:1/v1), c (http://c:1/v1)" in shown
    assert "b (http://b:1/v1)" not in shown
    verdict = " ".join(shown.split()).rpartition("FAIL ")[2]
    assert verdict.startswith(f"2 of 3 servers: {root}: ")


@pytest.mark.parametrize("count", [9, 10, 11, 30])
def test_of_many_that_fail_ten_are_drawn_and_the_others_counted(count: int) -> None:
    def failing(number: int) -> Report:
        report = called(f"t{number}", wrong())
        return replace(report, findings=tuple(replace(f, cause=f"cause {number}") for f in report.findings))

    shown = table.render([failing(number) for number in range(count)], PLAIN)
    assert f"t{min(count, 10) - 1} (http" in shown
    assert (f"({count - 10} more servers: see the summary" in shown) == (count > 10)
    assert all(f" t{number} " in shown for number in range(count))


def test_with_v_each_is_shown_whole() -> None:
    verbose = screen("en", verbose=True, terminal=False, encoding="utf-8")
    shown = table.render([called("a", wrong()), called("b", healthy())], verbose)
    assert "http://a:1/v1" in shown
    assert "http://b:1/v1" in shown
    assert healthy().findings[0].id.partition(".")[2] in shown
