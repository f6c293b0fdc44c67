"""The corrected launch command: each change with its reason, and the lines to paste, as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgecheck.checks.corrected import CorrectedLine
from bgecheck.model import Finding, Report, Text
from bgecheck.render.prose import Prose
from bgecheck.render.rows import observed
from bgecheck.render.screen import Screen

if TYPE_CHECKING:
    from rich.console import Console

HEADING = Text("CORRECTED COMMAND", "改好的启动命令")


def corrected_row(report: Report) -> Finding | None:
    """The row that holds the corrected command; None where nothing is to be changed."""
    return next((f for f in report.findings if isinstance(f.data, CorrectedLine) and f.problem), None)


def corrected_lines(report: Report, screen: Screen) -> tuple[str, ...]:
    """The corrected command below its heading, for formats that have rows as text; () where nothing is changed."""
    row = corrected_row(report)
    if row is None or not isinstance(row.data, CorrectedLine):
        return ()
    return (f"{screen.say(HEADING)} ({screen.say(row.data.form)})", *row.commands)


def draw_corrected(report: Report, screen: Screen, console: Console) -> None:
    """Below everything else, so that it is what is left on the screen; never broken, so that what is copied runs."""
    from rich.text import Text as RichText

    row = corrected_row(report)
    if row is None or not isinstance(row.data, CorrectedLine):
        return
    console.print(RichText.assemble((f"{screen.say(HEADING)}  ", "bold green"), (screen.say(row.data.form), "dim")))
    if not screen.verbose:  # where the row's own line has them
        console.print(Prose([f"  {observed(evidence, screen)}" for evidence in row.evidence]))
    for line in row.commands:  # as far to the right as in their file, where blanks may mean something
        console.print(RichText(line, "bold cyan"), soft_wrap=True)
