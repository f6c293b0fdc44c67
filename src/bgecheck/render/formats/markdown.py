"""The report in Markdown as GitHub and GitLab show it: verdict, root causes with their commands, and every row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from bgecheck.model import Finding, Report, Status, Text
from bgecheck.render.corrected import corrected_lines
from bgecheck.render.headline import headline_of
from bgecheck.render.remedies import remedies
from bgecheck.render.root_causes import CAUSE, CHECK, FIX, HEADING, SYMPTOM, symptoms
from bgecheck.render.rows import counted, ignored, observed, relation, status_word, subjects
from bgecheck.render.screen import Screen
from bgecheck.render.verdict import verdict_word

_STATUS, _OBSERVED = Text("status", "状态"), Text("observed", "检查结果")
_TARGET, _VERDICT, _ROOTS = Text("target", "目标"), Text("verdict", "结论"), Text("root cause", "根因")
_CUT = Text("The report is longer than what fits here: the rows are left out.", "报告太长，这里省略了逐项结果。")


def render(reports: Sequence[Report], screen: Screen) -> str:
    """The reports one below the other; of several, a summary first."""
    return _whole(reports, screen, rows=True)


def within(reports: Sequence[Report], screen: Screen, limit: int) -> str:
    """The same in at most so many bytes of UTF-8: without rows where they are too many, else cut between lines."""
    whole = _whole(reports, screen, rows=True)
    if len(whole.encode()) <= limit:
        return whole
    short = f"{screen.say(_CUT)}\n\n{_whole(reports, screen, rows=False)}".encode()
    if len(short) > limit:
        short = short[: max(0, limit)].rpartition(b"\n")[0] + b"\n"
    return short.decode()


def _whole(reports: Sequence[Report], screen: Screen, *, rows: bool) -> str:
    parts = [_summary(reports, screen)] if len(reports) != 1 else []
    for subject, report in zip(subjects(reports), reports, strict=True):
        parts += [*_head(subject, report, screen), *_root_causes(report, screen)]
        parts += [_rows(report, screen)] if rows and report.findings else []
    return "\n\n".join(parts) + "\n"


def _summary(reports: Sequence[Report], screen: Screen) -> str:
    lines = [
        (code(subject), verdict_word(report, screen), _ids(report.root_causes))
        for subject, report in zip(subjects(reports), reports, strict=True)
    ]
    return _table((_TARGET, _VERDICT, _ROOTS), lines, screen)


def _ids(rows: Iterable[Finding]) -> str:
    return ", ".join(f"`{row.id}`" for row in rows)


def _head(subject: str, report: Report, screen: Screen) -> list[str]:
    target = (
        f"{name} {code(value, cell=False)}" for name, value in report.target.items() if name not in ("url", "found_by")
    )
    number = report.exit_code
    spent = screen.say(Text(f"{report.seconds:.1f} s, exit {number}", f"{report.seconds:.1f} 秒，退出码 {number}"))
    title = f"## bgecheck {report.command}{screen.colon}{verdict_word(report, screen)}"
    about = " · ".join([code(subject, cell=False), *target, plain(report.started_at), spent])
    return [
        title,
        about,
        *(f"> {plain(screen.say(note))}" for note in report.notes),
        plain(headline_of(report, screen)),
    ]


def _root_causes(report: Report, screen: Screen) -> Iterator[str]:
    groups = remedies(report)
    if not groups:
        return
    rows = []
    for group in groups:
        causes, fixes = ([plain(screen.say(words)) for words in part] for part in (group.causes, group.fixes))
        label = f"**{screen.say(HEADING[group.severity])}** {_ids(group.roots)}"
        rows.append((label, _lines(map(code, symptoms(group, report, screen))), _lines(causes), _lines(fixes)))
    yield _table((CHECK, SYMPTOM, CAUSE, FIX), rows, screen)
    for group in groups:
        if group.commands:
            yield f"{_ids(group.roots)}{screen.colon}\n\n{fenced(group.commands)}"
    if lines := corrected_lines(report, screen):
        yield f"**{plain(lines[0])}**\n\n{fenced(lines[1:])}"


def _rows(report: Report, screen: Screen) -> str:
    counts = counted(report.findings, screen)
    rows = [(f"`{row.id}`", status_word(row, screen), _shown(row, report, screen)) for row in report.findings]
    table = _table((CHECK, _STATUS, _OBSERVED), rows, screen)
    heading = screen.say(Text(f"{len(rows)} checks: {counts}", f"{len(rows)} 项检查：{counts}"))
    return f"<details><summary>{heading}</summary>\n\n{table}\n\n</details>"


def _shown(row: Finding, report: Report, screen: Screen) -> str:
    parts = [plain(ignored(row, screen))] if row.ignored is not None else []
    parts += [plain(screen.say(row.reason))] if row.reason is not None else []
    parts += [code(observed(evidence, screen)) for evidence in row.evidence]
    if row.status is Status.PASS or not parts:
        parts.insert(0, plain(screen.say(row.title)))
    return _lines(filter(None, [*parts, relation(row, report, screen)]))


def _table(heads: Sequence[Text], lines: Iterable[Sequence[str]], screen: Screen) -> str:
    cells = [[screen.say(head) for head in heads], ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _lines(parts: Iterable[str]) -> str:
    return "<br>".join(parts)


_ESCAPED = {"&": "&amp;", "|": "&#124;", "://": "\\://", "www.": "www\\.", "@": "@<!-- -->", "#": "#<!-- -->"}
"""What stands for a mark where a backslash before it is not enough; GitHub looks for names and numbers in any text."""


def plain(text: str) -> str:
    """Text that is nothing but text: no markup, no link, no mention of a person or an issue."""
    marks = r"[\\`*_\[\]<>~$&|]|://|www\.|[@#](?=\w)"
    return re.sub(marks, lambda mark: _ESCAPED.get(mark[0], f"\\{mark[0]}"), text)


def code(text: str, *, cell: bool = True) -> str:
    """Text as code; in a cell of a table a bar is escaped, and parsers do not agree on a backslash before it."""
    text = text.strip()
    if not text:
        return ""
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    blank = " " if text[0] == "`" or text[-1] == "`" else ""
    body = text.replace("\\|", "\\ |").replace("|", "\\|") if cell else text
    return f"{ticks}{blank}{body}{blank}{ticks}"


def fenced(commands: Sequence[str]) -> str:
    """Commands as a block to copy, which nothing in them can end."""
    body = "\n".join(commands)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
    return f"{fence}sh\n{body}\n{fence}"
