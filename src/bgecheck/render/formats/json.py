"""The report as JSON, in the shape that `bgecheck schema` prints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from bgecheck import __version__
from bgecheck.model import Evidence, Finding, Language, Report, Words, say
from bgecheck.model.report import exit_code
from bgecheck.render.screen import Screen

REPORT = "bgecheck.report/1"
REPORTS = "bgecheck.reports/1"


def render(reports: Sequence[Report], screen: Screen) -> str:
    """One report as it is; several (or none) under one head with the worst exit code.

    They are written one after the other: the payloads of 200 reports at once take 100 MB.
    """
    language = screen.language
    if len(reports) == 1:
        return _written(_report(reports[0], language)) + "\n"
    before, after = ("[\n    ", "\n  ]") if reports else ("[", "]")
    each = ",\n    ".join(_written(_report(report, language)).replace("\n", "\n    ") for report in reports)
    beginning = f'{{\n  "schema": "{REPORTS}",\n  "exit_code": {exit_code(reports)},\n  "reports": {before}'
    return f"{beginning}{each}{after}\n}}\n"


def _written(payload: Mapping[str, Any]) -> str:
    return json.dumps(valid(payload), ensure_ascii=False, indent=2, allow_nan=False)


def _report(report: Report, language: Language) -> dict[str, Any]:
    rows = [row(finding, language) for finding in report.findings]
    return {"schema": REPORT, **head(report, language), "findings": rows}


def head(report: Report, language: Language) -> dict[str, Any]:
    """What a report says of the run as a whole."""
    error = {} if report.error is None else {"error": say(report.error, language)}
    return {
        "tool": {"name": "bgecheck", "version": __version__},
        "command": report.command,
        "started_at": report.started_at,
        "seconds": round(report.seconds, 3),
        "target": dict(report.target),
        "verdict": report.verdict,
        "exit_code": report.exit_code,
        "counts": report.counts(),
        "root_causes": [finding.id for finding in report.root_causes],
        "notes": [say(note, language) for note in report.notes],
        **error,
    }


def row(finding: Finding, language: Language) -> dict[str, Any]:
    """What a report says of one row."""
    bad = finding.status.bad
    return {
        "id": finding.id,
        "area": finding.check.area,
        "status": str(finding.status),
        "severity": str(finding.severity),
        "title": say(finding.title, language),
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "cause": say(finding.cause, language) if bad else None,
        "fix": {
            "text": say(finding.fix, language) if bad else None,
            "commands": list(finding.commands) if bad else [],
        },
        "caused_by": finding.caused_by,
        "reason": None if finding.reason is None else say(finding.reason, language),
        "ignored": finding.ignored,
        "values": dict(finding.values),
        "seconds": round(finding.seconds, 6),
    }


def _evidence(evidence: Evidence) -> dict[str, str | None]:
    """Evidence is never translated: scripts compare it."""
    expected = evidence.expected
    return {
        "subject": _plain(evidence.subject),
        "observed": _plain(evidence.observed),
        "expected": None if expected is None else _plain(expected),
    }


def _plain(words: Words) -> str:
    return say(words, "en")


def valid(value: Any) -> Any:
    """`value` without what JSON has no word for: NaN and infinities become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): valid(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [valid(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
