"""The report in the Test Anything Protocol, version 13: a test for each row, with what is known of it as YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from bgecheck.model import Finding, Report, Status
from bgecheck.render.headline import headline_of
from bgecheck.render.rows import account, status, status_word, subjects
from bgecheck.render.screen import Screen
from bgecheck.render.verdict import verdict_word

Test = tuple[bool, str, str, list[str]]
"""Whether it is ok, its description, its directive, and lines about it."""


def render(reports: Sequence[Report], screen: Screen) -> str:
    """A row that does not hold and does not count is a TODO: not ok, and no failure."""
    lines, number = [], 0
    for subject, report in zip(subjects(reports), reports, strict=True):
        lines += [f"# {screen.say(words)}" for words in (subject, *report.notes)]
        for ok, description, directive, about in _tests(report, screen):
            number += 1
            lines.append(f"{'ok' if ok else 'not ok'} {number} - {_without_marks(description)}{directive}")
            lines += _yaml(about)
        lines += [f"# {_verdict(report, screen)}", f"# exit_code {report.exit_code}"]
    return "\n".join(["TAP version 13", f"1..{number}", *lines]) + "\n"


def _tests(report: Report, screen: Screen) -> Iterator[Test]:
    for row in report.findings:
        ok = row.status in (Status.PASS, Status.SKIP)
        yield ok, f"{row.id} {screen.say(row.title)}", _directive(row, report, screen), account(row, report, screen)
    if not report.is_shown_by_rows:
        yield False, "bgecheck.verdict", "", [_verdict(report, screen)]


def _directive(row: Finding, report: Report, screen: Screen) -> str:
    word = {"skip": " # SKIP ", "ignored": " # TODO ", "warn": " # TODO "}.get(status(row))
    if word is None or report.fails(row):
        return ""
    return f"{word}{status_word(row, screen)}{screen.colon}{account(row, report, screen)[0]}"


def _without_marks(description: str) -> str:
    """A description in which nothing is read as a directive: parsers do not agree on how its mark is escaped."""
    return description.replace("#", "＃").replace("\\", "＼")


def _yaml(lines: Sequence[str]) -> list[str]:
    """Lines as a list of YAML, whose strings JSON's are."""
    return ["  ---", "  about:", *(f"    - {json.dumps(line, ensure_ascii=False)}" for line in lines), "  ..."]


def _verdict(report: Report, screen: Screen) -> str:
    return f"{verdict_word(report, screen)}{screen.colon}{headline_of(report, screen)}"
