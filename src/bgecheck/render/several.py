"""What the screen of several servers has below and above its summary: root causes, each once, and what all share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bgecheck.model import Report, Text
from bgecheck.model.report import OK
from bgecheck.render.prose import Prose
from bgecheck.render.root_causes import draw_root_causes
from bgecheck.render.screen import Screen
from bgecheck.render.verdict import verdict_line

if TYPE_CHECKING:
    from rich.console import Console

_MOST = 10
"""Groups of servers with one root cause that are drawn, and notes: more would hide the summary."""


def draw_notes(reports: Sequence[Report], screen: Screen, console: Console) -> None:
    """The notes of the reports, each once, and how many there are beyond those that are shown."""
    brackets = screen.say(Text("({})", "（{}）"))
    notes = list(dict.fromkeys(screen.say(note) for report in reports for note in report.notes))
    if left := len(notes[_MOST:]):
        more = Text(f"{left} more notes: see -v or -o json", f"另有 {left} 条说明：见 -v 或 -o json")
        notes = [*notes[:_MOST], screen.say(more)]
    if notes:
        console.print(Prose([brackets.format(note) for note in notes]))


def draw_failures(reports: Sequence[Report], screen: Screen, console: Console) -> None:
    """The root causes of the servers that are not right; those that have the same are named together."""
    from rich.text import Text as RichText

    groups = _alike([report for report in reports if report.outcome != OK])
    for group in groups[:_MOST]:
        console.print()
        console.print(RichText(", ".join(_named(report, screen) for report in group), "bold"), overflow="fold")
        draw_root_causes(group[0], screen, console)
        if not group[0].root_causes:
            word, style, rest = verdict_line(group[0], screen)
            console.print(RichText.assemble((word, style), rest), no_wrap=True, overflow="crop")
    if left := sum(map(len, groups[_MOST:])):
        more = Text(
            f"({left} more servers: see the summary, -v or -o json)", f"（另有 {left} 个服务：见上表、-v 或 -o json）"
        )
        console.print()
        console.print(Prose([screen.say(more)]))


def _named(report: Report, screen: Screen) -> str:
    """A server by its name, with its address where it has both."""
    if report.name == report.subject:
        return report.subject
    return screen.say(Text(f"{report.name} ({report.subject})", f"{report.name}（{report.subject}）"))


def _alike(reports: Sequence[Report]) -> list[list[Report]]:
    """The reports in groups that have the same root causes, in the same words."""
    groups: dict[object, list[Report]] = {}
    for number, report in enumerate(reports):
        same = tuple((root.id, root.cause, root.fix, root.commands) for root in report.root_causes)
        groups.setdefault(same or number, []).append(report)
    return list(groups.values())
