"""The report as SARIF 2.1.0: a run for each target, a rule and a result for each row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from bgecheck import __version__
from bgecheck.model import Finding, Report, Status
from bgecheck.render.headline import headline_of
from bgecheck.render.moments import in_utc
from bgecheck.render.rows import account, status, subjects
from bgecheck.render.screen import Screen

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_KINDS = {Status.PASS: "pass", Status.WARN: "fail", Status.FAIL: "fail"}
_KINDS |= {Status.SKIP: "notApplicable", Status.ERROR: "open"}
"""What SARIF calls a status: a row that was not judged is open, one that was not looked at does not apply."""


def render(reports: Sequence[Report], screen: Screen) -> str:
    """A problem that was ignored is suppressed, with the user's reason."""
    runs = [_run(subject, report, screen) for subject, report in zip(subjects(reports), reports, strict=True)]
    whole = {"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}
    return json.dumps(whole, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _run(subject: str, report: Report, screen: Screen) -> dict[str, Any]:
    invocation: dict[str, Any] = {
        "executionSuccessful": report.ended is None,
        "exitCode": report.exit_code,
        "startTimeUtc": in_utc(report),
        "endTimeUtc": in_utc(report, report.seconds),
    }
    notes = [screen.say(words) for words in report.notes]
    notifications = [{"level": "note", "message": {"text": text}} for text in notes if text]
    if not report.is_shown_by_rows:
        notifications.append({"level": "error", "message": {"text": headline_of(report, screen)}})
    invocation["toolExecutionNotifications"] = notifications
    return {
        "tool": {
            "driver": {
                "name": "bgecheck",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(row, screen) for row in report.findings],
            }
        },
        "automationDetails": {"id": f"bgecheck/{report.command}/{subject}"},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": [_result(number, row, report, screen) for number, row in enumerate(report.findings)],
        "properties": {"verdict": report.verdict, "target": dict(report.target)},
    }


def _rule(row: Finding, screen: Screen) -> dict[str, Any]:
    level = "error" if str(row.check.severity) == "error" else "warning"
    return {
        "id": row.id,
        "shortDescription": {"text": screen.say(row.title)},
        "help": {"text": f"bgecheck explain {row.id}"},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": [row.check.area]},
    }


def _result(number: int, row: Finding, report: Report, screen: Screen) -> dict[str, Any]:
    levels = {Status.FAIL: "error", Status.WARN: "warning"}
    result: dict[str, Any] = {
        "ruleId": row.id,
        "ruleIndex": number,
        "kind": _KINDS[row.status],
        "level": levels.get(row.status, "none"),
        "message": {"text": "\n".join(account(row, report, screen))},
        "locations": [_location(row, report)],
        "properties": {
            "status": status(row),
            "rootCause": row.problem and row.caused_by is None,
            "causedBy": row.caused_by,
        },
    }
    if row.ignored is not None:
        result["suppressions"] = [{"kind": "external", "justification": row.ignored}]
    return result


def _location(row: Finding, report: Report) -> dict[str, Any]:
    """The log for its own rows, else the server; the row itself as the logical place."""
    place = report.target.get("log") if row.check.area == "logs" else None
    uri = quote(place or report.subject or report.command, safe=":/?&=%@[]~+,;!$'()*")
    return {
        "physicalLocation": {"artifactLocation": {"uri": uri}},
        "logicalLocations": [{"fullyQualifiedName": row.id, "kind": "resource"}],
    }
