"""The screen of reports: the head, the areas, root causes with their remedy, and the verdict in the last line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text as RichText

from bgecheck.model import Report, Status, Text
from bgecheck.render.areas import area_table, row_tables
from bgecheck.render.head import draw_head
from bgecheck.render.plugin import as_plugin
from bgecheck.render.root_causes import draw_end
from bgecheck.render.screen import Screen, drawn, style_of
from bgecheck.render.several import draw_failures, draw_notes
from bgecheck.render.smoke import draw_vector
from bgecheck.render.verdict import several_line, verdict_word


def render(reports: Sequence[Report], screen: Screen) -> str:
    """One report, or several logs; of several servers a summary, then what is wrong, or with `-v` all of each first."""
    console = screen.console()
    whole = len(reports) == 1 or screen.verbose or not _have_servers(reports)
    for number, report in enumerate(reports if whole else ()):
        if number:
            console.print()
        _draw(report, screen, console)
    if len(reports) != 1:
        _draw_several(reports, screen, console, whole)
    return as_plugin(reports, screen, drawn(console)) if screen.plugin else drawn(console)


def _draw(report: Report, screen: Screen, console: Console) -> None:
    draw_head(report, screen, console)
    if screen.verbose:
        for table in row_tables(report, screen):
            console.print(table)
    elif not draw_vector(report, screen, console):
        console.print(area_table(report, screen))
    draw_end(report, screen, console)


def _have_servers(reports: Sequence[Report]) -> bool:
    return any(report.target.get("url") for report in reports)


def _draw_several(reports: Sequence[Report], screen: Screen, console: Console, whole: bool) -> None:
    """The summary, the root causes of what failed where they were not shown above, and the last line."""
    if reports:
        if whole:
            console.print()
        else:
            draw_notes(reports, screen, console)
        console.print(_summary(reports, screen))
    if not whole:
        draw_failures(reports, screen, console)
    word, style, rest = several_line(reports, screen)
    console.print(RichText.assemble((word, style), rest), no_wrap=True, overflow="crop")


def _summary(reports: Sequence[Report], screen: Screen) -> Table:
    """One line for each of several servers or logs."""
    table = screen.table(head=True)
    subject = Text("server", "服务") if _have_servers(reports) else Text("log", "日志")
    if any("launch" in report.target for report in reports):
        subject = Text("launch command", "启动命令")
    for heading in (subject, Text("verdict", "结论"), Text("root cause", "根因"), Text("seconds", "秒")):
        table.add_column(screen.say(heading), overflow="fold")
    for report in reports:
        worst_row = report.root_causes[0].status if report.root_causes else Status.PASS
        verdict = RichText(verdict_word(report, screen), style_of(worst_row))
        roots = ", ".join(root.id for root in report.root_causes)
        table.add_row(RichText(report.name), verdict, RichText(roots), f"{report.seconds:.1f}")
    return table
