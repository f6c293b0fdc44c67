"""Root causes as the guide's table: symptom, likely cause, fix; commands below, to be copied; then the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bgecheck.model import Report, Severity, Status, Text
from bgecheck.render.corrected import draw_corrected
from bgecheck.render.prose import ID_ATOMS, Prose, folded, shortened
from bgecheck.render.remedies import Remedy, consequences, remedies, symptom
from bgecheck.render.rows import observed, observed_part
from bgecheck.render.screen import Screen, style_of
from bgecheck.render.verdict import verdict_line

if TYPE_CHECKING:
    from rich.console import Console

HEADING = {Severity.ERROR: Text("ROOT CAUSE", "根因"), Severity.WARNING: Text("WARNING", "警告")}
SYMPTOM, CAUSE, FIX = Text("symptom", "问题现象"), Text("likely cause", "可能原因"), Text("fix", "解决方法")
"""The headings of the guide's matrix."""
CHECK = Text("check", "检查项")
_AROUND = Text("log", "日志上下文")

_GUIDE_TABLE_WIDTH = 100
"""Columns from which four columns of text can be read side by side."""

_SYMPTOMS, _LONGEST = 3, 240
"""Pieces of evidence of one root cause, and columns of each; `-v` and the JSON report have all."""


def draw_end(report: Report, screen: Screen, console: Console) -> None:
    """The root causes, those that fail the run last, and the verdict."""
    from rich.text import Text as RichText

    draw_root_causes(report, screen, console)
    draw_corrected(report, screen, console)
    word, style, rest = verdict_line(report, screen)
    console.print(RichText.assemble((word, style), rest), no_wrap=True, overflow="crop")


def draw_root_causes(report: Report, screen: Screen, console: Console) -> None:
    """The root causes, those that fail the run last."""
    groups = remedies(report)
    warnings = [group for group in groups if group.status is Status.WARN]
    failures = [group for group in groups if group.status is not Status.WARN]
    for part in (warnings, failures):
        if len(part) > 1 and screen.width >= _GUIDE_TABLE_WIDTH:
            _draw_guide_table(part, report, screen, console)
        else:
            for group in part:
                _draw_card(group, report, screen, console)
    if groups:
        console.print(Prose(consequence_line(groups, report, screen)))


def _draw_heading(group: Remedy, screen: Screen, console: Console) -> None:
    from rich.text import Text as RichText

    mark, style = screen.mark(group.status), style_of(group.status)
    label = f"{mark} {screen.say(HEADING[group.severity])}  "
    console.print(RichText.assemble((label, style), (", ".join(group.ids), "bold")), overflow="fold")


def _draw_card(group: Remedy, report: Report, screen: Screen, console: Console) -> None:
    """One root cause, or several with one remedy: symptom, likely cause and fix; the commands below, to be copied."""
    _draw_heading(group, screen, console)
    table = screen.table()
    table.add_column(no_wrap=True, style="dim")
    table.add_column(ratio=1)
    table.add_row(screen.say(SYMPTOM), Prose(symptoms(group, report, screen)))
    table.add_row(screen.say(CAUSE), Prose([screen.say(cause) for cause in group.causes]))
    for label, lines in _details(group, report, screen):
        table.add_row(label, Prose(lines))
    table.add_row(screen.say(FIX), Prose([screen.say(fix) for fix in group.fixes]))
    console.print(table)
    draw_commands(group.commands, screen, console)


def _draw_guide_table(groups: Sequence[Remedy], report: Report, screen: Screen, console: Console) -> None:
    """Several root causes side by side, as the guide's own matrix has them; commands below, each under its id."""
    table = screen.table(head=True, lines=True)
    for heading, ratio in ((CHECK, 8), (SYMPTOM, 10), (CAUSE, 12), (FIX, 10)):
        table.add_column(screen.say(heading), ratio=ratio)
    for group in groups:
        ids = Prose([f"{screen.mark(group.status)} {id_}" for id_ in group.ids], style_of(group.status), atoms=ID_ATOMS)
        causes, fixes = ([screen.say(words) for words in part] for part in (group.causes, group.fixes))
        table.add_row(ids, Prose(symptoms(group, report, screen)), Prose(causes), Prose(fixes))
    console.print(table)
    for group in groups:
        if group.commands:
            _draw_heading(group, screen, console)
            draw_commands(group.commands, screen, console)


def draw_commands(commands: Sequence[str], screen: Screen, console: Console) -> None:
    """Commands outside of any table, so that they can be copied."""
    from rich.text import Text as RichText

    for command in commands:
        for line in folded(command, screen.width - 2):
            # Never broken by the terminal's width: what is copied must run.
            console.print(RichText(f"  {line}", "bold cyan"), soft_wrap=True)


def symptoms(group: Remedy, report: Report, screen: Screen) -> list[str]:
    """What was observed of the root causes of a remedy, a sentence each."""
    lines = []
    for root in group.roots:
        evidence = symptom(root, report, background=screen.verbose)
        lines += [observed(item, screen) for item in evidence[: None if screen.verbose else _SYMPTOMS]]
    shown = list(dict.fromkeys(lines)) or [observed_part(root, screen) for root in group.roots]
    return shown if screen.verbose else [shortened(line, _LONGEST) for line in shown]


def _details(group: Remedy, report: Report, screen: Screen) -> list[tuple[str, list[str]]]:
    """The lines around the decisive one, where a log was asked for or `-v` was given."""
    if not (screen.verbose or report.command == "logs"):
        return []
    contexts = [root.values.get("context") for root in group.roots]
    return [(screen.say(_AROUND), [str(line) for line in lines]) for lines in contexts if isinstance(lines, list)]


def consequence_line(groups: Sequence[Remedy], report: Report, screen: Screen) -> str:
    """How many rows follow from the root causes, and the page about the first, in brackets."""
    roots = [root for group in groups for root in group.roots]
    failing, skipped = consequences(roots, report)
    parts = []
    if failing:
        fail = "check fails" if failing == 1 else "checks fail"
        parts.append(Text(f"{failing} more {fail} because of it", f"另有 {failing} 项因此未通过"))
    if skipped:
        noun = "" if failing else " check" if skipped == 1 else " checks"
        parts.append(Text(f"{skipped}{noun} could not be judged", f"{skipped} 项因此无法检查"))
    filled = screen.say(Text(", ", "，")).join(screen.say(part) for part in parts)
    page = f"bgecheck explain {roots[0].id}"
    return screen.say(Text("({})", "（{}）")).format(screen.say(Text("; ", "；")).join(p for p in (filled, page) if p))
