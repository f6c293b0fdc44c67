"""What there is of a run while it goes on, and the report of one that does not come to its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from bgecheck.cli.apart import is_read
from bgecheck.cli.commands import COMMANDS
from bgecheck.model import BadInput, Finding, Language, Report, Target, Text

if TYPE_CHECKING:
    from bgecheck.cli.output import Sink
    from bgecheck.run.plan import Plan


@dataclass(slots=True)
class Running:
    """The run of this process: what it was asked for, and what it has so far."""

    began: float = field(default_factory=time.monotonic)
    started_at: str = field(default_factory=lambda: datetime.now().astimezone().isoformat(timespec="seconds"))
    plan: Plan | None = None
    sinks: tuple[Sink, ...] = ()
    target: Target | None = None
    """The one that is being looked at."""
    findings: dict[str, Finding] = field(default_factory=dict)
    """What was judged of it, by the id of the row."""
    reports: list[Report] = field(default_factory=list)
    """Those that are complete."""

    def begin(self, target: Target) -> None:
        """A target is looked at, perhaps once more while it is waited for."""
        if self.target is None or (self.target.url, self.target.log) != (target.url, target.log):
            self.findings.clear()
        self.target = target

    def judge(self, finding: Finding) -> None:
        """A row was judged."""
        self.findings[finding.id] = finding

    def complete(self, report: Report) -> None:
        """A target was looked at, if this was the look that was asked for."""
        if self.plan is not None and report.command == self.plan.command:
            self.reports.append(report)
            self.findings.clear()
            self.target = None

    def deliver(self, reports: Sequence[Report]) -> None:
        """The reports go out as they are here."""
        self.reports, self.target = list(reports), None

    def end(self) -> None:
        """The reports are out."""
        self.sinks = ()


running = Running()
"""A process has one run at a time."""


def start_anew() -> None:
    """Forget an earlier run of this process."""
    running.__init__()  # type: ignore[misc]  # every field as it begins


_OTHER_REPORTS = ("dedup",)
"""Commands whose `-o` is no report of checks: a file that they have written stays as it is."""


def write_unfinished(code: int, why: Text, words: Sequence[str], language: Language) -> bool:
    """Write the report of a run that ends with `code` to wherever one was asked for; whether stdout has it.

    The usual screen is left out on stdout: why a run ended stands on stderr.
    """
    from bgecheck.cli.output import understood

    if words and words[0] in _OTHER_REPORTS:
        return False
    sinks = running.sinks or understood(words, language)
    chosen = [sink for sink in sinks if sink.is_for_a_reader and not is_read(sink.path, words)]
    reports = _reports(code, why, words) if chosen else []
    running.end()
    for sink in chosen:
        with suppress(BadInput):
            sink.write(reports)
    return any(sink.path is None for sink in chosen)


def _reports(code: int, why: Text, words: Sequence[str]) -> list[Report]:
    """Complete ones as they are, with the one that is not; where all are, they could not be delivered."""
    if running.reports and running.target is None:
        return [replace(report, ended=code, error=why) for report in running.reports]
    return [*running.reports, _report(code, why, words)]


def _report(code: int, why: Text, words: Sequence[str]) -> Report:
    seconds = time.monotonic() - running.began
    command = words[0] if words and words[0] in COMMANDS else "bgecheck"
    bare = Report(command=command, findings=(), target={}, started_at=running.started_at, seconds=seconds)
    if running.plan is not None and code >= FIRST_OF_SIGNALS:
        from bgecheck.run.examination import unfinished

        bare = unfinished(running.plan, running.target, running.findings, bare)
    return replace(bare, ended=code, error=why)


FIRST_OF_SIGNALS = 129
"""Exit codes from here on are those of a process that a signal has ended."""
