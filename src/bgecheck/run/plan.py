"""A run as it was asked for: which rows, with which settings, and what counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bgecheck.model import Area, Severity, Words
from bgecheck.run.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rows of a run and how they are judged, checked and understood."""

    command: str
    areas: tuple[Area, ...]
    ignored: dict[str, str]
    """The reason for each id or glob of rows whose problems do not count."""
    notes: tuple[Words, ...] = ()
    """What is to be said of the options themselves, as that one of them no longer counts."""
    fail_on: Severity
    nagios: bool
    """Whether the exit code is that of a monitoring plugin."""
    settings: Settings
    calls_openai: bool = False
    """Whether the openai package may be called, where a row is selected that shows it."""

    def with_settings(self, **changes: Any) -> Plan:
        """The same plan with some of its settings changed."""
        return replace(self, settings=replace(self.settings, **changes))

    def needs_openai(self) -> bool:
        """Whether the row is selected that judges what openai makes of the server."""
        row = "embed.openai-client" if self.settings.smoke else "probe.openai-client"
        return self.calls_openai and any(check.id == row for area in self.areas for check in area.checks)
