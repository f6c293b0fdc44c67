"""The screen as monitoring plugins print it: the status first, and no `|`, behind which numbers are read."""

from __future__ import annotations

from collections.abc import Sequence

from bgecheck.model import Report, Text
from bgecheck.model.report import exit_code, worst
from bgecheck.render.screen import Screen
from bgecheck.render.verdict import no_problem, servers

STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
"""The words of the plugins by their exit code; they are the same in every language."""

_ONLY = {
    "warn": Text("with a warning, ", "有警告，"),
    "starting": Text("still starting, ", "仍在启动，"),
}
"""What a status alone does not tell of a problem."""


def as_plugin(reports: Sequence[Report], screen: Screen, text: str) -> str:
    """A screen below its status."""
    return without_bars(f"{STATES[exit_code(reports)]} - {_message(reports, screen)}\n{text}")


def without_bars(text: str) -> str:
    """A text of which nothing is read as numbers: in a foreign line or a command a bar becomes a broken one."""
    return text.replace("|", "¦")


def _message(reports: Sequence[Report], screen: Screen) -> str:
    decisive = worst(reports)
    if decisive is None:
        return screen.say(servers(reports))
    if len(reports) == 1:
        return _of_one(decisive, screen)
    return f"{screen.say(servers(reports))}{screen.colon}{decisive.subject} {_of_one(decisive, screen)}"


def _of_one(report: Report, screen: Screen) -> str:
    """The first root cause in one line, however long: an alert is read without what follows."""
    roots = report.root_causes if report.verdict in ("fail", *_ONLY) else ()
    before = screen.say(_ONLY.get(report.verdict, ""))
    if not roots:
        return before + "".join(no_problem(report, screen, None))
    more = Text(f" (+{len(roots) - 1} more)", f"（另有 {len(roots) - 1} 项）") if len(roots) > 1 else ""
    return " ".join(f"{before}{roots[0].id}{screen.say(more)}{screen.colon}{screen.say(roots[0].cause)}".split())
