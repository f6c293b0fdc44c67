"""A report in one line, however long: the first root cause, or what there is to say where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from bgecheck.model import Report, Text
from bgecheck.model.report import worst
from bgecheck.render.screen import Screen
from bgecheck.render.verdict import no_problem, servers

_ONLY = {
    "warn": Text("with a warning, ", "有警告，"),
    "starting": Text("still starting, ", "仍在启动，"),
}
"""What a status alone does not tell of a problem."""


def headline(reports: Sequence[Report], screen: Screen) -> str:
    """One line for all reports: of several the decisive one, after how many there are."""
    decisive = worst(reports)
    if decisive is None:
        return screen.say(servers(reports))
    if len(reports) == 1:
        return headline_of(decisive, screen)
    return f"{screen.say(servers(reports))}{screen.colon}{decisive.subject} {headline_of(decisive, screen)}"


def headline_of(report: Report, screen: Screen) -> str:
    """The first root cause with its cause, and how many others there are: an alert is read without what follows."""
    roots = report.root_causes if report.verdict in ("fail", *_ONLY) else ()
    before = screen.say(_ONLY.get(report.verdict, ""))
    if not roots:
        return before + "".join(no_problem(report, screen, None))
    more = Text(f" (+{len(roots) - 1} more)", f"（另有 {len(roots) - 1} 项）") if len(roots) > 1 else ""
    return " ".join(f"{before}{roots[0].id}{screen.say(more)}{screen.colon}{screen.say(roots[0].cause)}".split())
