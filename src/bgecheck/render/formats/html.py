"""The report as one page of HTML, without scripts and without the network, for somebody who was not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bgecheck.model import Finding, Report, Text
from bgecheck.model.report import exit_code
from bgecheck.render.corrected import corrected_lines
from bgecheck.render.headline import headline, headline_of
from bgecheck.render.htmlpage import escaped, page, table
from bgecheck.render.remedies import Remedy, remedies
from bgecheck.render.root_causes import CAUSE, FIX, HEADING, SYMPTOM, consequence_line, symptoms
from bgecheck.render.rows import counted, ignored, observed, remedy, status, status_word, subjects, worst_first
from bgecheck.render.screen import Screen
from bgecheck.render.verdict import verdict_word

_STATUS, _SHOULD = Text("status", "状态"), Text("check, and what should hold", "检查项和应满足的条件")
_OBSERVED = Text("observed", "检查结果")
_TARGET, _VERDICT, _ROOTS = Text("target", "目标"), Text("verdict", "结论"), Text("root causes", "根因")
_AREAS = Text("Areas", "领域")
_COMMANDS = Text("run this", "执行")
_ROOT = Text("root cause", "根因")
_FOLLOWS = Text("follows from {}", "由 {} 引起")
LEGEND = Text(
    "A root cause is a problem that no other problem explains: mend it first, and what follows from it is mended too. "
    "“Not looked at” and “could not be judged” are no passes: the reason stands beside them.",
    "根因是不能由其他问题解释的问题：先解决它，由它引起的问题会随之消失。“未检查”和“无法判断”都不等于通过，原因写在旁边。",
)


def render(reports: Sequence[Report], screen: Screen) -> str:
    """Of several targets a summary comes first, with a link to each."""
    body = [_summary(reports, screen)] if len(reports) != 1 else []
    for number, (subject, report) in enumerate(zip(subjects(reports), reports, strict=True), 1):
        body += article(f"t{number}", subject, report, screen)
    about = reports[0].subject or reports[0].command if len(reports) == 1 else headline(reports, screen)
    verdict = verdict_word(reports[0], screen) if len(reports) == 1 else f"exit {exit_code(reports)}"
    return page(f"bgecheck {verdict} · {about}", "\n".join(body), screen.say(LEGEND), screen)


def _summary(reports: Sequence[Report], screen: Screen) -> str:
    rows = [
        (
            f'<a href="#t{number}">{escaped(subject)}</a>',
            f'<b class="{report.verdict}">{escaped(verdict_word(report, screen))}</b>',
            "<br>".join(f"<code>{root.id}</code>" for root in report.root_causes),
        )
        for number, (subject, report) in enumerate(zip(subjects(reports), reports, strict=True), 1)
    ]
    code = screen.say(Text(f"exit {exit_code(reports)}", f"退出码 {exit_code(reports)}"))
    head = f"<h1>{escaped(headline(reports, screen))}</h1>\n<p>{escaped(code)}</p>"
    return f"<header>\n{head}\n{table((_TARGET, _VERDICT, _ROOTS), rows, screen)}\n</header>"


def article(anchor: str, subject: str, report: Report, screen: Screen) -> Iterator[str]:
    """The report on one target in its parts, of which the first is the head."""
    yield f'<article id="{anchor}">\n{_head(subject, report, screen)}'
    groups = remedies(report)
    for group in groups:
        yield _remedy(anchor, group, report, screen)
    if groups:
        yield f"<p>{escaped(consequence_line(groups, report, screen))}</p>"
    if corrected := corrected_lines(report, screen):
        command = escaped("\n".join(corrected[1:]))
        yield f"<section>\n<h2>{escaped(corrected[0])}</h2>\n<pre><code>{command}</code></pre>\n</section>"
    areas = dict.fromkeys(row.check.area for row in report.findings)
    by_area = {area: [row for row in report.findings if row.check.area == area] for area in areas}
    if by_area:
        yield f"<h2>{escaped(screen.say(_AREAS))}</h2>\n{_areas(anchor, by_area, screen)}"
    for area, rows in by_area.items():
        lines = [_row(anchor, row, screen) for row in worst_first(rows)]
        judged = table((_STATUS, _SHOULD, _OBSERVED), lines, screen)
        yield f'<section>\n<h3 id="{anchor}-{area}">{area}</h3>\n{judged}\n</section>'
    yield "</article>"


def _head(subject: str, report: Report, screen: Screen) -> str:
    seconds, code = f"{report.seconds:.1f}", report.exit_code
    about = {name: value for name, value in report.target.items() if name not in ("url", "found_by")}
    facts = [
        f"bgecheck {report.command}",
        report.started_at,
        screen.say(Text(f"{seconds} s", f"{seconds} 秒")),
        screen.say(Text(f"exit {code}", f"退出码 {code}")),
        *(f"{name} {value}" for name, value in about.items()),
    ]
    notes = "".join(f'\n<p class="note">{escaped(screen.say(note))}</p>' for note in report.notes)
    return (
        f'<header>\n<p class="verdict {report.verdict}">{escaped(verdict_word(report, screen))}</p>\n'
        f"<h1>{escaped(subject)}</h1>\n<p>{escaped(headline_of(report, screen))}</p>\n"
        f'<ul class="facts">{"".join(f"<li>{escaped(fact)}</li>" for fact in facts)}</ul>{notes}\n</header>'
    )


def _remedy(anchor: str, group: Remedy, report: Report, screen: Screen) -> str:
    """A root cause as the guide's table has it: symptom, likely cause, fix, and the command to copy."""
    ids = ", ".join(f'<a href="#{anchor}-{id_}"><code>{id_}</code></a>' for id_ in group.ids)
    parts = (
        (SYMPTOM, symptoms(group, report, screen)),
        (CAUSE, [screen.say(cause) for cause in group.causes]),
        (FIX, [screen.say(fix) for fix in group.fixes]),
    )
    rows = [f"<dt>{escaped(screen.say(name))}</dt>{_definitions(lines)}" for name, lines in parts]
    commands = "".join(f"<pre><code>{escaped(command)}</code></pre>" for command in group.commands)
    if commands:
        rows.append(f"<dt>{escaped(screen.say(_COMMANDS))}</dt><dd>{commands}</dd>")
    heading = f'<span class="mark">{escaped(screen.say(HEADING[group.severity]))}</span> {ids}'
    return f'<section class="cause {group.status}">\n<h2>{heading}</h2>\n<dl>{"".join(rows)}</dl>\n</section>'


def _definitions(lines: Iterable[str]) -> str:
    return f"<dd>{'<br>'.join(map(escaped, lines))}</dd>"


def _areas(anchor: str, by_area: dict[str, list[Finding]], screen: Screen) -> str:
    items = [
        f'<li><a href="#{anchor}-{area}">{area}</a> {escaped(counted(rows, screen))}</li>'
        for area, rows in by_area.items()
    ]
    return f'<ul class="areas">{"".join(items)}</ul>'


def _row(anchor: str, row: Finding, screen: Screen) -> tuple[str, str, str]:
    mark = f'<span class="status {status(row)}">{escaped(status_word(row, screen))}</span>'
    name = f'<code id="{anchor}-{row.id}">{row.id}</code><br><small>{escaped(screen.say(row.title))}</small>'
    lines = [ignored(row, screen)] if row.ignored is not None else []
    lines += [screen.say(row.reason)] if row.reason is not None else []
    lines += [observed(evidence, screen) for evidence in row.evidence]
    shown = [*map(escaped, lines), *_relation(anchor, row, screen)]
    if row.status.bad and (row.ignored is not None or row.caused_by is not None):
        shown += [f"<small>{escaped(line)}</small>" for line in remedy(row, screen)[:2]]
    return mark, name, "<br>".join(shown)


def _relation(anchor: str, row: Finding, screen: Screen) -> list[str]:
    if row.caused_by is None:
        return [f"<b>{escaped(screen.say(_ROOT))}</b>"] if row.problem else []
    return [screen.say(_FOLLOWS).format(f'<a href="#{anchor}-{row.caused_by}"><code>{row.caused_by}</code></a>')]
