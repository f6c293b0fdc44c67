"""The last line of a screen: the verdict, the row that it is about, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bgecheck.model import Finding, Report, Status, Text
from bgecheck.model.report import OK, exit_code, worst
from bgecheck.render.prose import columns, shortened
from bgecheck.render.remedies import Remedy, remedies
from bgecheck.render.screen import Screen

_WORDS = {
    "pass": (Text("PASS", "通过"), "bold green"),
    "warn": (Text("WARN", "有警告"), "bold yellow"),
    "fail": (Text("FAIL", "未通过"), "bold red"),
    "starting": (Text("STARTING", "仍在启动"), "bold yellow"),
    "inconclusive": (Text("INCONCLUSIVE", "无法判断"), "bold magenta"),
}

_CLAUSE = re.compile(r"[；;。，,（(：]|:(?![\d/])|\. | - ")
"""Where a sentence may end early; a colon before a port or a path is none of a sentence."""


def verdict_line(report: Report, screen: Screen) -> tuple[str, str, str]:
    """The last line in one line of the screen: verdict, its style, and the rest."""
    word, style = _WORDS[report.verdict]
    shown = screen.say(word)
    groups = remedies(report) if report.verdict in ("fail", "warn", "starting") else []
    rest = ""
    spent, code = _spent(report.seconds, screen), _code(report.exit_code, screen)
    # Where a line is short the remedy matters most: more than how many others there are, the seconds, the exit code.
    for others, end in ((True, spent + code), (False, spent + code), (False, code), (False, "")):
        room = screen.width - columns(shown) - 1 - columns(end)
        subject = _root_cause(groups, others, screen) if groups else _no_problem(report, screen, room)
        sentence = _clauses(subject, room)
        rest = f" {sentence or shortened(subject, room)}{end}"
        if sentence:
            break
    return shown, style, rest


def several_line(reports: Sequence[Report], screen: Screen) -> tuple[str, str, str]:
    """The last line of a run against several servers."""
    decisive = worst(reports)
    word, style = _WORDS["pass" if decisive is None else decisive.verdict]
    bad = sum(report.outcome == decisive.outcome != OK for report in reports) if decisive else 0
    counted = Text(f"{bad} of {len(reports)} servers", f"{len(reports)} 个服务中的 {bad} 个")
    whole = counted if bad else Text(f"{len(reports)} servers", f"{len(reports)} 个服务")
    seconds = max((report.seconds for report in reports), default=0.0)
    return screen.say(word), style, f" {screen.say(whole)}{_spent(seconds, screen)}{_code(exit_code(reports), screen)}"


def _spent(seconds: float, screen: Screen) -> str:
    return screen.separator + screen.say(Text(f"{seconds:.1f} s", f"{seconds:.1f} 秒"))


def _code(code: int, screen: Screen) -> str:
    return screen.separator + screen.say(Text(f"exit {code}", f"退出码 {code}"))


def _root_cause(groups: Sequence[Remedy], others: bool, screen: Screen) -> str:
    """The first root cause with its remedy, and how many others there are."""
    more = sum(len(group.roots) for group in groups[1:]) if others else 0
    rest = screen.say(Text(f" (+{more} more)", f"（另有 {more} 项）")) if more else ""
    ids = groups[0].ids if others else groups[0].ids[:1]
    return f"{', '.join(ids)}{rest}{screen.colon}{screen.say(groups[0].fixes[0])}"


def _no_problem(report: Report, screen: Screen, room: int) -> str:
    """The first row that could not be judged, or the counts; why rows were skipped only where there is room."""
    unjudged = [f for f in report.findings if f.status is Status.ERROR and f.caused_by is None and f.ignored is None]
    if report.verdict == "inconclusive" and unjudged:
        return f"{unjudged[0].id}{screen.colon}{screen.say(unjudged[0].reason or '')}"
    whole = _counted(report, screen, _why_skipped(report.findings, screen))
    return whole if columns(whole) <= room else _counted(report, screen, Text("", ""))


def _counted(report: Report, screen: Screen, why_skipped: Text) -> str:
    counts = report.counts()
    noun = "check" if counts["pass"] == 1 else "checks"
    parts = [Text("{n} {noun}", "{n} 项检查").filled({"n": counts["pass"], "noun": noun})]
    if counts["skip"]:
        skipped = Text("{n} not looked at{why}", "{n} 项未检查{why}")
        parts.append(skipped.filled({"n": counts["skip"], "why": why_skipped}))
    if counts["ignored"]:
        parts.append(Text("{n} ignored", "{n} 项已忽略").filled({"n": counts["ignored"]}))
    return screen.say(Text(", ", "，")).join(screen.say(part) for part in parts)


def _why_skipped(findings: Sequence[Finding], screen: Screen) -> Text:
    """The first area that was not looked at, with its reason."""
    for area in dict.fromkeys(f.check.area for f in findings):
        rows = [f for f in findings if f.check.area == area]
        if all(f.status is Status.SKIP for f in rows) and rows[0].reason:
            reason = screen.say(rows[0].reason)
            return Text(f" ({area}: {reason})", f"（{area}：{reason}）")
    return Text("", "")


def _clauses(text: str, width: int) -> str:
    """A sentence, or as many of its first clauses as fit into `width` columns; empty where not even one does."""
    if columns(text) <= width:
        return text
    first = re.search("：|: ", text)
    ends = [match.start() for match in _CLAUSE.finditer(text, first.end() if first else 1)]
    fitting = [end for end in ends if columns(text[:end]) <= width]
    return text[: fitting[-1]].rstrip() if fitting else ""
