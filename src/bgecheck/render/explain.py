"""The matrix without a run: the page of one row, and all rows as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bgecheck.model import Advice, Check, Severity, Text
from bgecheck.render.placeholders import without_case
from bgecheck.render.prose import Prose
from bgecheck.render.root_causes import CAUSE, CHECK, FIX, draw_commands
from bgecheck.render.screen import Screen, drawn

if TYPE_CHECKING:
    from rich.console import Console

SEVERITY = {
    Severity.ERROR: Text("fails the run (exit 1) when it does not hold", "不满足时判为失败（退出码 1）"),
    Severity.WARNING: Text("a warning when it does not hold", "不满足时给出警告"),
}
_SEVERITY = Text("severity", "级别")
_OTHERWISE = Text("or", "另一种情况")
_NEEDS, _EXPLAINS = Text("judged when these hold", "前提"), Text("explains", "会导致")
HOLDS = Text("what should hold", "应满足")


def explain(checks: Sequence[Check], screen: Screen) -> str:
    """The pages of rows, one below the other."""
    console = screen.console()
    for number, check in enumerate(checks):
        if number:
            console.print()
        _draw_page(check, screen, console)
    return drawn(console)


def _draw_page(check: Check, screen: Screen, console: Console) -> None:
    console.print(Prose(f"{check.id}{screen.colon}{screen.say(check.title)}", "bold"))
    for number, advice in enumerate((check.advice, *check.variants.values())):
        if number:
            console.print(Prose(screen.say(_OTHERWISE), "bold"))
        _draw_advice(check.id, advice, screen, console)
    facts = [(_SEVERITY, [screen.say(SEVERITY[check.severity])]), (_NEEDS, check.needs), (_EXPLAINS, check.may_explain)]
    for label, values in facts:
        if values:
            console.print(Prose(f"{screen.say(label)}{screen.colon}{', '.join(values)}", "dim"))


def _draw_advice(row: str, advice: Advice, screen: Screen, console: Console) -> None:
    table = screen.table()
    table.add_column(no_wrap=True, style="dim")
    table.add_column(ratio=1)
    table.add_row(screen.say(CAUSE), Prose(without_case(screen.say(advice.cause), screen.language, row)))
    table.add_row(screen.say(FIX), Prose(without_case(screen.say(advice.fix), screen.language, row)))
    console.print(table)
    draw_commands([without_case(line, screen.language, row) for line in advice.commands], screen, console)


def matrix(checks: Sequence[Check], screen: Screen) -> str:
    """All rows: id and what should hold."""
    table = screen.table(head=True)
    table.add_column(screen.say(CHECK), no_wrap=True)
    table.add_column(screen.say(HOLDS), ratio=1)
    for area in dict.fromkeys(check.area for check in checks):
        for check in (check for check in checks if check.area == area):
            table.add_row(check.id, Prose(screen.say(check.title)))
        table.add_section()
    console = screen.console()
    console.print(table)
    return drawn(console)


def listing(rows: Sequence[tuple[str, Text]], headings: tuple[Text, Text], screen: Screen) -> str:
    """Names with what each means, as a table."""
    table = screen.table(head=True)
    table.add_column(screen.say(headings[0]), no_wrap=True)
    table.add_column(screen.say(headings[1]), ratio=1)
    for name, words in rows:
        table.add_row(name, Prose(screen.say(words)))
    console = screen.console()
    console.print(table)
    return drawn(console)
