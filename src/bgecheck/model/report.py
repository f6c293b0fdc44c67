"""The answer: findings, what they add up to, and the one place where the exit code is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bgecheck.model.checks import Check, Evidence
from bgecheck.model.words import Severity, Status, Words

OK, PROBLEM, USAGE, STARTING, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""The exit codes, the same for every output format."""

NAGIOS = {OK: 0, PROBLEM: 2, USAGE: 3, STARTING: 1, INCONCLUSIVE: 3}
"""The same as monitoring plugins use them: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one row in one run. All its strings are already clean and free of secrets."""

    check: Check
    status: Status
    title: Words
    cause: Words
    fix: Words
    commands: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    reason: Words | None = None
    explains: tuple[str, ...] = ()
    """The rows (globs too) that fail as a consequence, by the cause that was found."""
    caused_by: str | None = None
    ignored: str | None = None
    """The user's reason to ignore it; blank where it follows from an ignored problem, which `caused_by` names."""
    values: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    pending: bool = False
    """True where the row does not hold only because the server is still starting."""
    data: object = None
    """What the outcome has for another room: it is foreign text as it came, to be redacted before it is shown."""

    @property
    def id(self) -> str:
        """The id of the row."""
        return self.check.id

    @property
    def severity(self) -> Severity:
        """How much it matters: that of the row, or of the cause that was found where it matters more or less."""
        matters = {Status.WARN: Severity.WARNING, Status.FAIL: Severity.ERROR}
        return matters.get(self.status, self.check.severity)

    @property
    def problem(self) -> bool:
        """Whether the row does not hold and nobody asked to ignore it."""
        return self.status.bad and self.ignored is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings of one run against one target, in catalogue order."""

    command: str
    findings: tuple[Finding, ...]
    target: Mapping[str, str]
    started_at: str
    seconds: float
    notes: tuple[Words, ...] = ()
    starting: bool = False
    """The server was still starting when the time given by `--wait` ran out."""
    unseen: bool = False
    """Nothing of the server was seen in all that time: no process, no listener, no log."""
    fail_on: Severity = Severity.ERROR
    nagios: bool = False
    """Whether the exit code is given as monitoring plugins use it."""
    ended: int | None = None
    """The exit code of a run that did not come to its end: bad input, or a signal."""
    error: Words | None = None
    """Why it did not; clean and free of secrets."""

    @property
    def subject(self) -> str:
        """What was looked at: the server's address, a log by itself, or a launch command before anything runs."""
        return self.target.get("url") or self.target.get("log") or self.target.get("launch", "")

    @property
    def name(self) -> str:
        """What the user calls it, among several; else its address."""
        return self.target.get("name") or self.subject

    def counts(self) -> dict[str, int]:
        """How many rows have each status; ignored problems are counted apart."""
        counts = dict.fromkeys((*(str(s) for s in Status), "ignored"), 0)
        for finding in self.findings:
            counts["ignored" if finding.ignored is not None else str(finding.status)] += 1
        return counts

    def fails(self, finding: Finding) -> bool:
        """Whether a row is a problem that fails the run."""
        return finding.problem and (finding.status is Status.FAIL or self.fail_on is Severity.WARNING)

    @property
    def is_shown_by_rows(self) -> bool:
        """Whether a row by itself shows that the run is not all right, if it is not."""
        unjudged = any(f.status is Status.ERROR and f.ignored is None for f in self.findings)
        return self.outcome == OK or unjudged or any(map(self.fails, self.findings))

    @property
    def root_causes(self) -> tuple[Finding, ...]:
        """The problems that no other problem explains, worst first, then in catalogue order."""
        roots = [f for f in self.findings if f.problem and f.caused_by is None]
        return tuple(sorted(roots, key=lambda f: f.status is not Status.FAIL))

    def consequences(self, root: str) -> tuple[Finding, ...]:
        """The findings folded under a root cause."""
        return tuple(f for f in self.findings if f.caused_by == root)

    @property
    def exit_code(self) -> int:
        """The code that the process ends with, and that every format shows."""
        if self.ended is not None:
            return self.ended
        return NAGIOS[self.outcome] if self.nagios else self.outcome

    @property
    def outcome(self) -> int:
        """0, 1, 3 or 4: the worst in the order 1, 3, 4, 0, whether or not the server is still starting.

        Where waiting for the server ran out, rows that fail only because it is still starting are no problem of
        their own. 4 is given too where every row was skipped: nothing was looked at; and where the run did not end.
        """
        if self.ended is not None:
            return INCONCLUSIVE
        problems = {f.status for f in self.findings if f.problem and not (self.starting and self._is_pending(f))}
        if Status.FAIL in problems or (problems and self.fail_on is Severity.WARNING):
            return PROBLEM
        if self.starting:
            return STARTING
        if any(f.status is Status.ERROR and f.ignored is None for f in self.findings):
            return INCONCLUSIVE
        return INCONCLUSIVE if all(f.status is Status.SKIP for f in self.findings) else OK

    def _is_pending(self, finding: Finding) -> bool:
        """Whether a row, or the root cause that it follows from, fails only because the server is still starting."""
        return finding.pending or any(f.pending and f.id == finding.caused_by for f in self.findings)

    @property
    def verdict(self) -> str:
        """One word for the whole: pass, warn, fail, starting or inconclusive."""
        if self.outcome == OK and any(f.problem for f in self.findings):
            return "warn"
        return VERDICTS[self.outcome]


VERDICTS = {OK: "pass", PROBLEM: "fail", STARTING: "starting", INCONCLUSIVE: "inconclusive"}
"""The verdict that goes with each outcome."""


def worst(reports: Sequence[Report]) -> Report | None:
    """The report of several that decides the exit code, in the order 1, 3, 4, 0; None where there is none."""
    order = (PROBLEM, STARTING, INCONCLUSIVE, OK)
    return min(reports, key=lambda report: order.index(report.outcome), default=None)


def exit_code(reports: Sequence[Report]) -> int:
    """The exit code of several targets: that of a run which did not come to its end, else the worst of theirs."""
    decisive = next((report for report in reports if report.ended is not None), worst(reports))
    return OK if decisive is None else decisive.exit_code
