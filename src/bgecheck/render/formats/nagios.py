"""The report as a monitoring plugin prints it: the status with its numbers in the first line, then what it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bgecheck.model import Report, Text
from bgecheck.model.report import exit_code
from bgecheck.render.headline import headline
from bgecheck.render.plugin import state, without_bars
from bgecheck.render.rows import account, observed_part, status, status_word, subjects
from bgecheck.render.screen import Screen

_STYLE = Text(
    "exit {code}: monitoring reads it as this status only with --exit-style nagios",
    "退出码 {code}：加上 --exit-style nagios，监控系统才会按这个状态处理",
)


def render(reports: Sequence[Report], screen: Screen) -> str:
    """The root causes come first in what follows the first line: monitoring may cut it."""
    first = f"EMBED {state(reports)} - {without_bars(headline(reports, screen))}"
    return "\n".join([f"{first} | {_numbers(reports)}", *map(without_bars, _long(reports, screen))]) + "\n"


def _numbers(reports: Sequence[Report]) -> str:
    """As `label=value[unit];[warning];[critical];[least];[most]`, over all targets."""
    counts = [report.counts() for report in reports]
    rows = sum(len(report.findings) for report in reports)
    totals = {name: sum(count[name] for count in counts) for name in ("pass", "warn", "fail", "skip", "error")}
    totals["ignored"] = sum(count["ignored"] for count in counts)
    seconds = max((report.seconds for report in reports), default=0.0)
    return " ".join([f"time={seconds:.3f}s;;;0", *(f"{name}={total};;;0;{rows}" for name, total in totals.items())])


def _long(reports: Sequence[Report], screen: Screen) -> Iterator[str]:
    targets = list(zip(subjects(reports), reports, strict=True))
    for subject, report in targets:
        for root in report.root_causes:
            yield f"{subject} {root.id}{screen.colon}{status_word(root, screen)}"
            yield from (f"  {line}" for line in account(root, report, screen))
    for subject, report in targets:
        yield from (subject, *(screen.say(note) for note in report.notes))
        yield from (f"[{status(row)}] {row.id}{screen.colon}{observed_part(row, screen)}" for row in report.findings)
    if reports and not any(report.nagios for report in reports):
        yield screen.say(_STYLE.filled({"code": exit_code(reports)}))
