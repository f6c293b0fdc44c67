"""When a run began, as formats that compare times take it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from bgecheck.model import Report


def moment(report: Report) -> datetime:
    """The beginning of a run in UTC."""
    began = datetime.fromisoformat(report.started_at)
    return began.replace(tzinfo=timezone.utc) if began.tzinfo is None else began.astimezone(timezone.utc)


def in_utc(report: Report, seconds: float = 0.0) -> str:
    """So many seconds after its beginning, as `2026-01-02T03:04:05Z`."""
    return (moment(report) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
