"""The areas as tables: one line for each, or with `-v` one table for each with all its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bgecheck.model import Finding, Report, Status, Text
from bgecheck.render.prose import ID_ATOMS, Prose, columns
from bgecheck.render.rows import ignored, observed, observed_part
from bgecheck.render.screen import Screen, style_of

if TYPE_CHECKING:
    from rich.table import Table

_ORDER = (Status.FAIL, Status.WARN, Status.ERROR, Status.PASS)
"""From the status that matters most."""

_ID_SHARE = 0.4
"""Share of the screen that the names of rows may take: at 80 columns each of them stays whole, to be copied."""

_BEFORE_SUMMARY = 22
"""Columns of an area's line that its name, count and borders take."""


def area_table(report: Report, screen: Screen) -> Table:
    """One line for each area: its worst status with the count of such rows, and what matters most of it."""
    table = screen.table()
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    roots = [root.id for root in report.root_causes]
    for area in dict.fromkeys(f.check.area for f in report.findings):
        rows = [f for f in report.findings if f.check.area == area]
        status = _worst(rows)
        table.add_row(area, _counted(rows, status, screen), _summary(rows, status, roots, screen))
    return table


def row_tables(report: Report, screen: Screen) -> Iterator[Table]:
    """Every row of every area: status, name, and what was observed or why it was not judged."""
    for area in dict.fromkeys(f.check.area for f in report.findings):
        table = screen.table(head=True)
        table.add_column("", no_wrap=True, min_width=2)
        table.add_column(area, min_width=12, max_width=int(_ID_SHARE * screen.width))
        table.add_column(screen.say(Text("observed", "检查结果")), ratio=1)
        for row in (f for f in report.findings if f.check.area == area):
            mark = Prose(screen.mark(row.status), style_of(row.status))
            table.add_row(mark, Prose(row.id.removeprefix(f"{area}."), atoms=ID_ATOMS), Prose(_full(row, screen)))
        yield table


def _full(row: Finding, screen: Screen) -> str:
    title, shown = screen.say(row.title), observed_part(row, screen)
    # Only of a row that holds: the title is what should hold.
    return shown if row.status is not Status.PASS or shown == title else f"{title}{screen.colon}{shown}"


def _worst(rows: Sequence[Finding]) -> Status:
    """The status that stands for an area: the worst that somebody should see."""
    present = {f.status for f in rows if f.ignored is None}
    return next((status for status in _ORDER if status in present), Status.SKIP)


def _counted(rows: Sequence[Finding], status: Status, screen: Screen) -> Prose:
    count = sum(f.status is status and f.ignored is None for f in rows)
    mark = screen.mark(status)
    return Prose(mark if status is Status.SKIP else f"{mark} {count}", style_of(status))


def _summary(rows: Sequence[Finding], status: Status, roots: Sequence[str], screen: Screen) -> Prose:
    asked = [f for f in rows if f.ignored or (f.ignored == "" and f.caused_by is None)]
    overlooked = [_overlooked(f, screen) for f in asked]
    if status is Status.SKIP:
        reason = next((f.reason for f in rows if f.reason), "")
        return Prose([screen.say(reason), *overlooked], "dim", most=2)
    if status is Status.PASS:
        return Prose([_headline(rows, screen), *overlooked], most=1 + len(overlooked))
    lines = [line for line in (_problems(rows, roots, screen), *_unjudged(rows, screen)) if line]
    return Prose([*lines, *overlooked], most=3 + len(overlooked))


def _overlooked(row: Finding, screen: Screen) -> str:
    """A problem that is ignored, with the reason, and what it still is."""
    shown = screen.say(Text("; ", "；")) + observed(row.evidence[0], screen) if row.evidence else ""
    return f"{row.id}{screen.colon}{ignored(row, screen)}{shown}"


def _headline(rows: Sequence[Finding], screen: Screen) -> str:
    """What the headline rows observed, else the first row that observed something; as much as a line holds."""
    shown = [f for f in rows if f.status is Status.PASS and f.evidence]
    facts = [observed(f.evidence[0]._replace(expected=None), screen) for f in shown if f.check.headline]
    facts = list(dict.fromkeys(facts)) or [observed(f.evidence[0]._replace(expected=None), screen) for f in shown[:1]]
    line = facts[0] if facts else ""
    for fact in facts[1:]:
        longer = f"{line}{screen.say(Text('; ', '；'))}{fact}"
        if columns(longer) > screen.width - _BEFORE_SUMMARY:
            break
        line = longer
    return line


def _problems(rows: Sequence[Finding], roots: Sequence[str], screen: Screen) -> str:
    """The names of an area's root causes; where all its problems follow from elsewhere, the first one."""
    bad = [f for f in rows if f.problem]
    own = [f.id.partition(".")[2] for f in bad if f.id in roots]
    if own or not bad:
        return ", ".join(own)
    return f"{bad[0].id.partition('.')[2]}{screen.colon}{observed_part(bad[0], screen)}"


def _unjudged(rows: Sequence[Finding], screen: Screen) -> list[str]:
    """Rows that could not be judged, with the reason; not those that only follow from another row."""
    open_rows = [f for f in rows if f.status is Status.ERROR and f.caused_by is None and f.ignored is None]
    return [f"{f.id.partition('.')[2]}{screen.colon}{screen.say(f.reason or '')}" for f in open_rows]
