"""The report as a person reads it: root cause first with its command, then the areas, then one closing line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from bgecheck import __version__
from bgecheck.model import Evidence, Finding, Language, Report, Severity, Status, Text, Words, lazily, say
from bgecheck.model.report import worst
from bgecheck.render.page import Page

_MARKS = {
    Status.PASS: ("✓", "ok", "green"),
    Status.WARN: ("!", "!", "yellow"),
    Status.FAIL: ("✗", "X", "bold red"),
    Status.SKIP: ("–", "-", "dim"),
    Status.ERROR: ("?", "?", "magenta"),
}
"""For each status its mark, the mark where only ASCII is sure to be shown, and its style."""

_ROOT = {Severity.ERROR: Text("ROOT CAUSE", "根因"), Severity.WARNING: Text("WARNING", "警告")}
_SYMPTOM, _CAUSE, _SEEN, _FIX = (
    Text("symptom", "现象"),
    Text("cause", "原因"),
    Text("seen", "依据"),
    Text("fix", "处理"),
)
_AROUND = Text("around", "上下文")
_SO, _MORE = Text("so", "连带"), Text("more", "详情")
_NOT_SO = Text("does not hold: {title}", "未满足：{title}")
_EXPECTED = Text(", expected {expected}", "，应为 {expected}")
_OTHERS = Text("{ids} and {count} more", "{ids} 等，另有 {count} 项")
_COMMA, _STOP, _BRACKETS = Text(", ", "，"), Text("; ", "；"), Text("({})", "（{}）")
_AND = Text(", ", "、")
_SHOWN_CONSEQUENCES = 5
_SHORT = 200
"""Characters of what is said of a row below its area."""


class Style(NamedTuple):
    """How a report is to be told."""

    language: Language
    verbose: bool
    unicode: bool

    def mark(self, status: Status) -> tuple[str, str]:
        """The mark of a status and its style."""
        fine, plain, style = _MARKS[status]
        return (fine if self.unicode else plain), style

    def say(self, words: Words) -> str:
        """Words in the language of the report."""
        return say(words, self.language)


def render(reports: Sequence[Report], *, language: Language, verbose: bool, terminal: bool, encoding: str) -> str:
    """The reports one below the other."""
    style = style_for(language, verbose, terminal, encoding)
    page = Page(terminal)
    for number, report in enumerate(reports):
        if number:
            page.line()
        _tell(report, style, page)
    if len(reports) != 1:
        page.line()
        page.line(style.say(_several(reports)))
    return page.text()


def style_for(language: Language, verbose: bool, terminal: bool, encoding: str) -> Style:
    """Plain and ASCII-marked unless it is a terminal that can show more.

    Where the encoding cannot show Chinese the report is in English: question marks help nobody.
    """
    shown: Language = language if _shows("中", encoding) else "en"
    return Style(shown, verbose, terminal and _shows("✓✗–", encoding))


def _shows(sample: str, encoding: str) -> bool:
    try:
        sample.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _tell(report: Report, style: Style, page: Page) -> None:
    for line in head(report, style):
        for piece in wrapped(line, page.width):
            page.line(piece)
    for root in report.root_causes:
        page.line()
        tell_root(root, report, style, page)
    page.line()
    _tell_areas(report, style, page)
    page.line()
    tell_closing(report, style, page)


def head(report: Report, style: Style) -> list[str]:
    """What was looked at, and what the run has to say of that."""
    target = report.target
    named, url = target.get("model"), target.get("url")
    where = Text(f"{named} at {url}", f"{url} 上的 {named}") if named and url else url or ""
    lines = [f"bgecheck {__version__}   {style.say(where)}".rstrip()]
    told = {finding.id: finding.values for finding in report.findings}
    engine = told.get("probe.engine", {})
    known = (
        f"{engine['engine']} {engine.get('version') or ''}".rstrip() if engine.get("engine") else None,
        f"pid {target['pid']}" if "pid" in target else None,
        style.say(Text(f"log {target['log']}", f"日志 {target['log']}")) if "log" in target else None,
    )
    lines += [style.say(_COMMA).join(part for part in known if part)] if any(known) else []
    return lines + [style.say(_BRACKETS).format(style.say(note)) for note in report.notes]


def tell_root(root: Finding, report: Report, style: Style, page: Page) -> None:
    """A root cause: symptom, likely cause, what was seen, what to do with the command to copy, what follows."""
    mark, colour = style.mark(root.status)
    page.line((f"{mark} {style.say(_ROOT[root.severity])}", colour), (f"   {root.id}", "bold"))
    symptom = _NOT_SO.to(style.language).format(title=style.say(root.title))
    _labelled(page, style.say(_SYMPTOM), [symptom])
    _labelled(page, style.say(_CAUSE), [style.say(root.cause)])
    seen = list(dict.fromkeys(_evidence(e, style) for e in (*root.evidence, *_proof(root, report))))
    _labelled(page, style.say(_SEEN), seen + [f"{f.id}: {style.say(f.reason or '')}" for f in _silent(root, report)])
    if (style.verbose or report.command == "logs") and isinstance(around := root.values.get("context"), list):
        _labelled(page, style.say(_AROUND), [str(line) for line in around])
    _labelled(page, style.say(_FIX), [style.say(root.fix)])
    for command in root.commands:
        for line in folded(command, page.width - _CONTENT - 2):
            # Commands are not wrapped by the terminal's rules: what is copied must run.
            page.line((" " * (_CONTENT + 2) + line, "bold cyan"))
    following = [f.id for f in report.consequences(root.id) if f.status is not Status.SKIP]
    skipped = sum(f.status is Status.SKIP for f in report.consequences(root.id))
    if following or skipped:
        _labelled(page, style.say(_SO), [_consequences(following, skipped, style)])
    _labelled(page, style.say(_MORE), [f"bgecheck explain {root.id}"])


def _proof(root: Finding, report: Report) -> list[Evidence]:
    """What followed from a root cause in other areas, once for each: a wrong setting is proved by the vectors."""
    found: dict[str, Evidence] = {}
    for finding in report.consequences(root.id):
        if finding.status is Status.FAIL and finding.evidence and finding.check.area != root.check.area:
            found.setdefault(finding.check.area, finding.evidence[0])
    return list(found.values())


def _silent(root: Finding, report: Report) -> list[Finding]:
    """Rows that could have explained this one and were not judged: their reasons belong to what was seen."""
    found: dict[str, Finding] = {}
    for finding in report.findings:
        if finding.status is not Status.SKIP or not any(fnmatchcase(root.id, p) for p in finding.check.explains):
            continue
        first = next(f for f in report.findings if f.check.area == finding.check.area)
        told = first if first.status is Status.SKIP else finding
        found.setdefault(told.check.area, told)
    return [f for f in found.values() if f.check.area != root.check.area and f.reason is not None]


_CONTENT = 12
"""Columns before the content of a root cause."""


def _columns(text: str) -> int:
    """Columns that a text takes on a terminal, where Chinese characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _cut(atom: str, width: int) -> list[str]:
    """A word in pieces of at most `width` columns."""
    if _columns(atom) <= width:
        return [atom]
    from rich.cells import chop_cells

    return chop_cells(atom, width)


def _labelled(page: Page, label: str, lines: Iterable[str]) -> None:
    shown = f"  {label}"
    for line in lines:
        for piece in wrapped(line, page.width - _CONTENT):
            padded = shown + " " * (_CONTENT - _columns(shown))
            page.line((padded, "dim"), piece)
            shown = ""


_ATOMS = lazily.pattern(r"[<>]= \S+|[!-\u2e7f]+|\S|\s")
"""What a line may be cut between: Chinese characters, words, and a comparison with its number, which stay whole.

U+2E80 is where the East Asian scripts begin; one range compiles four times faster than naming theirs.
"""

_WORDS = lazily.pattern(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")
"""The words of a shell command without backslashes."""

_NOT_FIRST = frozenset("，。；：、？！）】》”’")
"""Punctuation that no line of Chinese begins with."""

_NOT_LAST = "（【《“‘"
"""Punctuation that no line of Chinese ends with."""


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns; a word that is longer than a line is cut."""
    lines, line, used = [], "", 0
    atoms = [piece for atom in _ATOMS.findall(text) for piece in _cut(atom, width)]
    for atom in atoms:
        cells = _columns(atom)
        if used + cells > width and atom not in _NOT_FIRST and line:
            kept = line.rstrip(_NOT_LAST)
            opened = line[len(kept) :] if kept and _columns(line[len(kept) :]) + cells <= width else ""
            lines.append(line.removesuffix(opened).rstrip())
            line, used = opened, _columns(opened)
        if line or not atom.isspace():
            line, used = line + atom, used + cells
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _evidence(evidence: Evidence, style: Style) -> str:
    subject, observed = style.say(evidence.subject), style.say(evidence.observed)
    # A subject that ends in what was measured ("...: cosine") needs no second colon.
    colon = " " if re.search("[:：]", subject) else "：" if style.language == "zh" else ": "
    expected = ""
    if evidence.expected:
        expected = _EXPECTED.to(style.language).replace("{expected}", style.say(evidence.expected))
    return f"{subject}{colon}{observed}{expected}"


def _consequences(ids: Sequence[str], skipped: int, style: Style) -> str:
    parts = list(ids[:_SHOWN_CONSEQUENCES])
    hidden = len(ids) - len(parts) + skipped
    if not parts:
        return style.say(Text(f"{skipped} rows that need it were not judged", f"依赖它的 {skipped} 项没有判断"))
    listed = style.say(_AND).join(parts)
    return _OTHERS.to(style.language).format(ids=listed, count=hidden) if hidden else listed


def folded(command: str, width: int) -> list[str]:
    """A command over several lines, cut before options and continued by backslashes; quotes are kept whole."""
    words = _WORDS.findall(command)
    if len(command) <= width or "\\" in command or "\n" in command or " ".join(words) != command:
        return [command]
    pieces: list[str] = []
    for word in words:
        if pieces and not re.match("-[A-Za-z-]", word):
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    lines = pieces[:1]
    for piece in pieces[1:]:
        if len(lines[-1]) + len(piece) + 3 <= width:
            lines[-1] += f" {piece}"
        else:
            lines[-1] += " \\"
            lines.append(f"  {piece}")
    return lines


def _tell_areas(report: Report, style: Style, page: Page) -> None:
    """One line for each area; below it every row that is not clean, or every row when that was asked for."""
    roots = {finding.id for finding in report.root_causes}
    for area in dict.fromkeys(f.check.area for f in report.findings):
        rows = [f for f in report.findings if f.check.area == area]
        _marked(page, f"{area:7}", _state(rows), _summary(rows, style), style)
        for row in rows:
            if _worth_a_line(row, style):
                above = row.id in roots and not style.verbose
                said = style.say(Text("see above", "见上")) if above else told(row, style)
                _marked(page, " " * 7, row.status, f"{row.id.removeprefix(f'{area}.')}   {said}", style)


def tell_row(row: Finding, style: Style, page: Page) -> None:
    """One row: mark, name, and what was seen."""
    _marked(page, "", row.status, f"{row.id.partition('.')[2]}   {told(row, style)}", style)


def _marked(page: Page, before: str, status: Status, said: str, style: Style) -> None:
    mark, colour = style.mark(status)
    indent = len(before) + 4
    for number, piece in enumerate(wrapped(said, page.width - indent)):
        if number == 0:
            page.line(f"{before} " if before else "", (f"{mark:2}", colour), f" {piece}")
        else:
            page.line(" " * indent + piece)


def _state(rows: Sequence[Finding]) -> Status:
    """The status that stands for an area: the worst that somebody should see."""
    seen = {f.status for f in rows if f.ignored is None}
    order = (Status.FAIL, Status.WARN, Status.ERROR, Status.PASS)
    return next((status for status in order if status in seen), Status.SKIP)


def _summary(rows: Sequence[Finding], style: Style) -> str:
    judged = [f for f in rows if f.status in (Status.PASS, Status.WARN, Status.FAIL)]
    passed = sum(f.status is Status.PASS for f in judged)
    if not judged:
        reason = next((f.reason for f in rows if f.reason), "")
        return style.say(Text("not looked at: ", "未检查：")) + style.say(reason or "")
    counted = style.say(Text(f"{passed} of {len(judged)}", f"{passed}/{len(judged)}"))
    shown = [e for f in judged if f.status is Status.PASS for e in f.evidence[:1]]
    if passed < len(judged) or style.verbose or not shown:
        return counted
    colon = "：" if style.language == "zh" else ": "
    said = dict.fromkeys(f"{style.say(e.subject)}{colon}{style.say(e.observed)}" for e in shown)
    return f"{counted}   {style.say(_STOP).join(list(said)[:3])}"


def _worth_a_line(row: Finding, style: Style) -> bool:
    if style.verbose:
        return True
    return row.status.bad or (row.status is Status.ERROR and row.caused_by is None)


def told(row: Finding, style: Style) -> str:
    """What there is to say of a row beside its name: the reason, or what was seen; its title when verbose."""
    if row.ignored is not None:
        return style.say(Text(f"ignored: {row.ignored}", f"已忽略：{row.ignored}")).rstrip(": ：")
    if row.reason is not None:
        return style.say(row.reason)
    colon = "：" if style.language == "zh" else ": "
    seen = style.say(_STOP).join(_evidence(e, style) for e in (row.evidence if style.verbose else row.evidence[:3]))
    seen = seen if style.verbose else _shortened(seen)
    return f"{style.say(row.title)}{colon}{seen}" if style.verbose and seen else seen or style.say(row.title)


def _shortened(text: str) -> str:
    """Three lines of a long text; the whole of it stands at its root cause, and with `-v`."""
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 4].rstrip()} ..."


def tell_closing(report: Report, style: Style, page: Page) -> None:
    """The line that sums up, with the exit code."""
    counted, ended = _closing(report, style)
    whole = wrapped(f"{counted}   {ended}", page.width)
    # Seconds and exit code stay together: a line must not end between the word and its number.
    for piece in whole if len(whole) == 1 else [*wrapped(counted, page.width), ended]:
        page.line(piece)


def _closing(report: Report, style: Style) -> tuple[str, str]:
    roots = sum(f.status is Status.FAIL for f in report.root_causes)
    warnings = sum(f.status is Status.WARN for f in report.root_causes)
    consequences = sum(f.problem and f.caused_by is not None for f in report.findings)
    counts = report.counts()
    parts = (
        (roots, Text("{n} root cause{s}", "{n} 个根因")),
        (consequences, Text("{n} consequence{s}", "{n} 项连带")),
        (warnings, Text("{n} warning{s}", "{n} 个警告")),
        (counts["pass"], Text("{n} passed", "{n} 项通过")),
        (counts["error"], Text("{n} could not be judged", "{n} 项无法判断")),
        (counts["skip"], Text("{n} not looked at", "{n} 项未检查")),
        (counts["ignored"], Text("{n} ignored", "{n} 项已忽略")),
    )
    told = style.say(_COMMA).join(t.to(style.language).format(n=n, s="" if n == 1 else "s") for n, t in parts if n)
    starting = style.say(Text("still starting; ", "仍在启动；")) if report.exit_code == 3 else ""
    last = style.say(Text(f"exit {report.exit_code}", f"退出码 {report.exit_code}"))
    return f"{starting}{told}", f"{report.seconds:.1f} s   {last}"


def _several(reports: Sequence[Report]) -> Text:
    code = worst(report.exit_code for report in reports)
    return Text(f"{len(reports)} servers   exit {code}", f"{len(reports)} 个服务   退出码 {code}")
