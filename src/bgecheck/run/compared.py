"""What the reports on several servers show together: two of them that serve each other's model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

from bgecheck.model import Evidence, Finding, Report, Text, fill, fill_command

_ROWS = {"probe.model-name": ("asked", ("real", "served")), "embed.dimension": ("wanted", ("dims",))}
"""By row the values that hold what was expected, and what is there; of several the first that the row has."""


class _Side(NamedTuple):
    """What one server should serve, and what it serves."""

    finding: Finding
    expected: str
    actual: tuple[str, ...]


def compared(reports: Sequence[Report]) -> list[Report]:
    """The reports, in which two servers that serve each other's model name each other as the cause."""
    changed = list(reports)
    for row in _ROWS:
        sides = {number: side for number, report in enumerate(changed) if (side := _side(report, row))}
        for one, other in combinations(sides, 2):
            if _swapped(sides[one], sides[other]):
                pair = _values(changed[one], sides[one], changed[other], sides[other])
                changed[one] = _with_cause(changed[one], sides[one], pair, changed[other])
                changed[other] = _with_cause(changed[other], sides[other], pair, changed[one])
    return changed


def _side(report: Report, row: str) -> _Side | None:
    """The row of a report where it fails, unless the two servers have named each other by another row already."""
    finding = next((f for f in report.findings if f.id == row and f.problem and f.caused_by is None), None)
    expected, actual = _ROWS[row]
    if finding is None or expected not in finding.values:
        return None
    is_there = next((finding.values[name] for name in actual if name in finding.values), None)
    if is_there is None:
        return None
    return _Side(finding, _last(finding.values[expected]), tuple(map(_last, str(is_there).split(", "))))


def _swapped(one: _Side, other: _Side) -> bool:
    return one.expected != other.expected and one.expected in other.actual and other.expected in one.actual


def _last(name: Any) -> str:
    """The last part of a model's path or name, by which models are compared."""
    return str(name).rstrip("/\\").replace("\\", "/").split("/")[-1].lower()


def _values(one: Report, its: _Side, other: Report, others: _Side) -> dict[str, Any]:
    return {
        "one": one.name,
        "one_url": one.subject,
        "one_expected": its.expected,
        "other": other.name,
        "other_url": other.subject,
        "other_expected": others.expected,
    }


def _with_cause(report: Report, side: _Side, pair: Mapping[str, Any], other: Report) -> Report:
    """The report whose row names both servers, in the words that the row has for it."""
    finding, advice = side.finding, side.finding.check.variants["swapped"]
    values = {**finding.values, **pair, "base_url": report.subject, "url": report.subject.removesuffix("/v1")}
    commands = tuple(line for line in (fill_command(command, values) for command in advice.commands) if line)
    shown = Evidence(Text("served by the other target", "由另一个目标提供"), f"{side.expected}: {other.name}")
    mended = replace(
        finding,
        cause=fill(advice.cause, values),
        fix=fill(advice.fix, values),
        commands=commands,
        evidence=(*finding.evidence, shown),
        values={**finding.values, **pair},
    )
    return replace(report, findings=tuple(mended if f.id == finding.id else f for f in report.findings))
