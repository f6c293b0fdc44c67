"""The screen of reports: the head, the areas, root causes with their remedy, and the verdict in the last line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bgecheck.model import Report, Status, Text
from bgecheck.render.areas import area_table, row_tables
from bgecheck.render.head import draw_head
from bgecheck.render.plugin import as_plugin
from bgecheck.render.root_causes import draw_end
from bgecheck.render.screen import Screen, drawn, style_of
from bgecheck.render.smoke import draw_vector
from bgecheck.render.verdict import several_line, verdict_line

if TYPE_CHECKING:
    from rich.console import Console


def render(reports: Sequence[Report], screen: Screen) -> str:
    """The reports one below the other; of several, a summary at the end."""
    console = screen.console()
    for number, report in enumerate(reports):
        if number:
            console.print()
        _draw(report, screen, console)
    if len(reports) != 1:
        _draw_summary(reports, screen, console)
    return as_plugin(reports, screen, drawn(console)) if screen.plugin else drawn(console)


def _draw(report: Report, screen: Screen, console: Console) -> None:
    draw_head(report, screen, console)
    if screen.verbose:
        for table in row_tables(report, screen):
            console.print(table)
    elif not draw_vector(report, screen, console):
        console.print(area_table(report, screen))
    draw_end(report, screen, console)


def _subjects(reports: Sequence[Report]) -> Text:
    return Text("server", "服务") if any(report.target.get("url") for report in reports) else Text("log", "日志")


def _draw_summary(reports: Sequence[Report], screen: Screen, console: Console) -> None:
    """One line for each of several servers or logs, and the verdict over all."""
    from rich.text import Text as RichText

    if reports:
        console.print()
        table = screen.table(head=True)
        for heading in (_subjects(reports), Text("verdict", "结论"), Text("root cause", "根因")):
            table.add_column(screen.say(heading), overflow="fold")
        for report in reports:
            worst_row = report.root_causes[0].status if report.root_causes else Status.PASS
            verdict = RichText(verdict_line(report, screen)[0], style_of(worst_row))
            roots = ", ".join(root.id for root in report.root_causes)
            table.add_row(RichText(report.subject), verdict, RichText(roots))
        console.print(table)
    word, style, rest = several_line(reports, screen)
    console.print(RichText.assemble((word, style), rest), no_wrap=True, overflow="crop")
