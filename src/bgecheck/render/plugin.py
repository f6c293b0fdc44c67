"""The screen as monitoring plugins print it: the status first, and no `|`, behind which numbers are read."""

from __future__ import annotations

from collections.abc import Sequence

from bgecheck.model import Report
from bgecheck.model.report import INCONCLUSIVE, NAGIOS, OK, worst
from bgecheck.render.headline import headline
from bgecheck.render.screen import Screen

STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
"""The words of the plugins by their exit code; they are the same in every language."""


def as_plugin(reports: Sequence[Report], screen: Screen, text: str) -> str:
    """A screen below its status."""
    return without_bars(f"{state(reports)} - {headline(reports, screen)}\n{text}")


def state(reports: Sequence[Report]) -> str:
    """The word of a monitoring plugin for what the reports say together."""
    if any(report.ended is not None for report in reports):
        return STATES[NAGIOS[INCONCLUSIVE]]
    decisive = worst(reports)
    return STATES[NAGIOS[OK if decisive is None else decisive.outcome]]


def without_bars(text: str) -> str:
    """A text of which nothing is read as numbers: in a foreign line or a command a bar becomes a broken one."""
    return text.replace("|", "¦")
