"""The report as commands of GitHub Actions: annotations within its limits, and all rows in a folded group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bgecheck.model import Finding, Report, Status, Text
from bgecheck.model.report import OK
from bgecheck.render.corrected import corrected_lines
from bgecheck.render.headline import headline_of
from bgecheck.render.rows import account, observed_part, status, subjects
from bgecheck.render.screen import Screen
from bgecheck.render.verdict import verdict_word

MOST = 10
"""Annotations of one level that GitHub shows of a step; further ones are in its log alone."""

LONGEST, LONGEST_TITLE = 4096, 255
"""Characters of an annotation that the runner passes on, and of its title."""

Annotation = tuple[str, str, str]
"""Level, title and text."""


def render(reports: Sequence[Report], screen: Screen) -> str:
    """Root causes come before what follows from them, as only the first annotations are shown."""
    annotations = [
        annotation
        for subject, report in zip(subjects(reports), reports, strict=True)
        for annotation in _annotations(f"{subject} " if len(reports) > 1 else "", report, screen)
    ]
    lines = [command for level in ("error", "warning", "notice") for command in _commands(level, annotations, screen)]
    for subject, report in zip(subjects(reports), reports, strict=True):
        lines += _group(subject, report, screen)
    return "".join(f"{line}\n" for line in lines)


def _annotations(target: str, report: Report, screen: Screen) -> Iterator[Annotation]:
    following = [row for row in report.findings if row.problem and row.caused_by is not None]
    overlooked = [row for row in report.findings if row.ignored is not None]
    errors = [row for row in report.findings if row.status is Status.ERROR and row.ignored is None]
    unjudged = [row for row in errors if row.caused_by is None]
    for row in (*report.root_causes, *unjudged, *following, *overlooked):
        yield _level(row, report), f"{target}{row.id}", "\n".join(account(row, report, screen))
    verdict = f"{target}{verdict_word(report, screen)}{screen.colon}{headline_of(report, screen)}"
    red = report.outcome != OK and not any(map(report.fails, report.findings))
    yield "error" if red else "notice", f"bgecheck {report.command}", verdict


def _level(row: Finding, report: Report) -> str:
    if row.ignored is not None:
        return "notice"
    return "error" if report.fails(row) else "warning"


def _commands(level: str, annotations: Sequence[Annotation], screen: Screen) -> Iterator[str]:
    chosen = [(title, text) for given, title, text in annotations if given == level]
    shown = chosen if len(chosen) <= MOST else chosen[: MOST - 1]
    for title, text in shown:
        yield f"::{level} title={_property(_cut(title, LONGEST_TITLE))}::{_data(_cut(text, LONGEST))}"
    if len(shown) < len(chosen):
        more = len(chosen) - len(shown)
        words = Text(f"{more} more: see the log and the summary of this step", f"另有 {more} 项，见本步骤的日志和摘要")
        yield f"::{level} title=bgecheck::{_data(screen.say(words))}"


def _group(subject: str, report: Report, screen: Screen) -> Iterator[str]:
    """Every row as a line of the log; the runner reads commands at the start of lines, and behind the older mark."""
    yield f"::group::{_data(f'bgecheck {subject}')}"
    for row in report.findings:
        yield f"[{status(row)}] {row.id}{screen.colon}{observed_part(row, screen)}".replace("##[", "## [")
    yield "::endgroup::"
    for line in corrected_lines(report, screen):
        yield (f" {line}" if line.lstrip().startswith("::") else line).replace("##[", "## [")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
