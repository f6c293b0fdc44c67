"""The report as JSON Lines: a line for each row, one for each report, and a last one with the exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bgecheck.model import Report
from bgecheck.model.report import exit_code
from bgecheck.render.formats.json import head, row, valid
from bgecheck.render.rows import subjects
from bgecheck.render.screen import Screen

ROW, RUN, END = "bgecheck.row/1", "bgecheck.run/1", "bgecheck.end/1"
"""What a line is, in the shapes that `bgecheck schema` prints."""


def render(reports: Sequence[Report], screen: Screen) -> str:
    """Each line can be read by itself; a file without its last line was cut off."""
    lines = (json.dumps(valid(line), ensure_ascii=False, allow_nan=False) for line in _lines(reports, screen))
    return "".join(f"{line}\n" for line in lines)


def _lines(reports: Sequence[Report], screen: Screen) -> Iterator[dict[str, Any]]:
    for subject, report in zip(subjects(reports), reports, strict=True):
        run = {"subject": subject, "started_at": report.started_at}
        for finding in report.findings:
            yield {"schema": ROW, **run, **row(finding, screen.language)}
        yield {"schema": RUN, "subject": subject, **head(report, screen.language)}
    yield {"schema": END, "exit_code": exit_code(reports), "reports": len(reports)}
