"""The last line of a screen: the verdict, the row that it is about, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bgecheck.model import Finding, Report, Status, Text
from bgecheck.model.report import OK, exit_code, worst
from bgecheck.render.prose import columns, shortened, wrapped
from bgecheck.render.remedies import Remedy, remedies
from bgecheck.render.screen import Screen

_WORDS = {
    "pass": (Text("PASS", "通过"), "bold green"),
    "warn": (Text("WARN", "有警告"), "bold yellow"),
    "fail": (Text("FAIL", "未通过"), "bold red"),
    "starting": (Text("STARTING", "仍在启动"), "bold yellow"),
    "unseen": (Text("NOTHING THERE", "没有服务"), "bold yellow"),
    "inconclusive": (Text("INCONCLUSIVE", "无法判断"), "bold magenta"),
}

_STOP = r"; |[；。]|\. (?=[A-Z])"
_END = re.compile(rf"{_STOP}|, (?=(?:then|or|and|not|which|as|else)\b)|，|(?= \()|(?=（)")
"""Where a remedy may end early: at a stop, at a comma before what is one thing more, before a remark in brackets."""

_REMARK = re.compile(r" ?[(（](?:[^()（）]|[(（][^()（）]*[)）])*[)）]")
"""Words in brackets, which may hold brackets themselves."""

_CONDITION = re.compile(
    r"^(?:if|where|when|unless|with|for|on|in|at|as|after|until|once|while)\b|^仍|若|如果|无论|(?:时|的话)$"
)
"""A part of a sentence that says when something is to be done, and not yet what."""

_MOST_LINES = 3
"""Lines of a verdict at most: only the words of others are longer than our remedies."""


def verdict_word(report: Report, screen: Screen) -> str:
    """The verdict alone."""
    return screen.say(_word(report)[0])


def _word(report: Report) -> tuple[Text, str]:
    return _WORDS["unseen" if report.verdict == "starting" and report.unseen else report.verdict]


def verdict_line(report: Report, screen: Screen) -> tuple[str, str, str]:
    """The last line, folded where not even a part of the remedy fits in it: verdict, its style, and the rest."""
    word, style = _word(report)
    shown = screen.say(word)
    groups = remedies(report) if report.verdict in ("fail", "warn", "starting") else []
    spent, code = _spent(report.seconds, screen), _code(report.exit_code, screen)
    # Where a line is short the remedy matters most: more than how many others there are, the seconds, the exit code.
    ends = ((True, spent + code), (False, spent + code), (False, code), (False, ""))
    choices = []
    for others, end in ends:
        room = screen.width - columns(shown) - 1 - columns(end)
        subject, sentence = _root_cause(groups, others, screen) if groups else no_problem(report, screen, room)
        choices += [(f"{shown} {subject}", part, end) for part in clauses(sentence)]
    return shown, style, _fitting(choices, screen.width).removeprefix(shown)


def _fitting(choices: Sequence[tuple[str, str, str]], width: int) -> str:
    """The first choice that takes one line, else two, else as many as it takes; each is a head, a sentence, an end."""
    for most in (1, 2, _MOST_LINES):
        for head, sentence, end in choices:
            lines = _folded(head + sentence, width)
            if len(lines) <= most and columns(lines[-1] + end) <= width:
                return "\n".join(lines) + end
    head, sentence, _ = choices[-1]
    return "\n".join(_folded(shortened(head + sentence, (_MOST_LINES - 1) * (width - _INDENT)), width))


_INDENT = 2


def _folded(text: str, width: int) -> list[str]:
    """A text in lines, the second and those below it indented."""
    if columns(text) <= width:
        return [text]
    first, *rest = wrapped(text, width - _INDENT)
    return [first, *(f"{' ' * _INDENT}{line}" for line in rest)]


def several_line(reports: Sequence[Report], screen: Screen) -> tuple[str, str, str]:
    """The last line of a run against several servers."""
    decisive = worst(reports)
    word, style = _WORDS["pass"] if decisive is None else _word_of_all(decisive, reports)
    seconds = max((report.seconds for report in reports), default=0.0)
    end = f"{_spent(seconds, screen)}{_code(exit_code(reports), screen)}"
    head = f"{screen.say(word)} {screen.say(servers(reports))}"
    groups = remedies(decisive) if decisive and decisive.verdict in ("fail", "warn", "starting") else []
    if not groups:
        return screen.say(word), style, f"{head}{end}".removeprefix(screen.say(word))
    subject, sentence = _root_cause(groups, False, screen)
    choices = [(f"{head}{screen.colon}{subject}", part, end) for part in clauses(sentence)]
    return screen.say(word), style, _fitting(choices, screen.width).removeprefix(screen.say(word))


def _word_of_all(decisive: Report, reports: Sequence[Report]) -> tuple[Text, str]:
    """The word of the decisive report; that nothing is there only where it is so of all that are waited for."""
    if all(report.unseen for report in reports if report.outcome == decisive.outcome):
        return _word(decisive)
    return _WORDS[decisive.verdict]


def servers(reports: Sequence[Report]) -> Text:
    """How many servers, or logs, the verdict over several is about."""
    decisive = worst(reports)
    bad = sum(report.outcome == decisive.outcome != OK for report in reports) if decisive else 0
    logs = bool(reports) and not any(report.target.get("url") for report in reports)
    en, zh = ("logs", "份日志") if logs else ("servers", "个服务")
    if any("launch" in report.target for report in reports):
        en, zh = "launch commands", "条启动命令"
    counted = Text(f"{bad} of {len(reports)} {en}", f"{len(reports)} {zh}中的 {bad} {zh[0]}")
    return counted if bad else Text(f"{len(reports)} {en}", f"{len(reports)} {zh}")


def _spent(seconds: float, screen: Screen) -> str:
    return screen.separator + screen.say(Text(f"{seconds:.1f} s", f"{seconds:.1f} 秒"))


def _code(code: int, screen: Screen) -> str:
    return screen.separator + screen.say(Text(f"exit {code}", f"退出码 {code}"))


def _root_cause(groups: Sequence[Remedy], others: bool, screen: Screen) -> tuple[str, str]:
    """The first root cause, and how many others there are; its remedy."""
    more = sum(len(group.roots) for group in groups[1:]) if others else 0
    rest = screen.say(Text(f" (+{more} more)", f"（另有 {more} 项）")) if more else ""
    ids = groups[0].ids if others else groups[0].ids[:1]
    return f"{', '.join(ids)}{rest}{screen.colon}", screen.say(groups[0].fixes[0])


def no_problem(report: Report, screen: Screen, room: int | None) -> tuple[str, str]:
    """Why the run ended early, the first row that could not be judged, or the counts.

    Why rows were skipped is told only where there is room.
    """
    if report.error is not None:
        return "", screen.say(report.error)
    unjudged = [f for f in report.findings if f.status is Status.ERROR and f.caused_by is None and f.ignored is None]
    if report.verdict == "inconclusive" and unjudged:
        return f"{unjudged[0].id}{screen.colon}", screen.say(unjudged[0].reason or "")
    whole = _counted(report, screen, _why_skipped(report.findings, screen))
    return "", whole if room is None or columns(whole) <= room else _counted(report, screen, Text("", ""))


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


def clauses(sentence: str) -> list[str]:
    """A sentence, then its beginnings that can stand alone, the longest first."""
    ends = [match for match in _END.finditer(sentence) if match.start() and _may_end(sentence, match)]
    return [sentence, *(sentence[: match.start()] for match in reversed(ends))]


def _may_end(sentence: str, end: re.Match[str]) -> bool:
    """Whether what stands before an end is complete: no open bracket, no condition without what it is for."""
    before, after = _REMARK.sub("", sentence[: end.start()]), sentence[end.end() :]
    if re.search("[(（]", before):
        return False
    if not end[0] and not re.match("$|[,;:.，；：。]", _REMARK.sub("", after, count=1)):
        return False  # a remark, after which the sentence goes on
    return end[0] not in ("", ", ", "，") or not _CONDITION.search(re.split(f"{_STOP}|, |，", before)[-1])
