"""One row or one piece of evidence as a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bgecheck.model import Evidence, Finding, Report, Status, Text
from bgecheck.render.screen import Screen

_EXPECTED = Text(", expected {expected}", "（应为 {expected}）")


def observed(evidence: Evidence, screen: Screen) -> str:
    """What was observed, and what was expected."""
    sentence = f"{_subject(evidence, screen)}{screen.say(evidence.observed)}"
    if not evidence.expected:
        return sentence
    expected = screen.say(_EXPECTED).replace("{expected}", screen.say(evidence.expected))
    # Between Chinese characters stands no blank.
    return _open(sentence) + re.sub(r"(?<=应为) (?=[\u4e00-\u9fff])", "", expected)


def _open(sentence: str) -> str:
    """A foreign sentence without its full stop, where ours goes on."""
    return re.sub(r"(?<=[^.。])[.。]$", "", sentence)


def _subject(evidence: Evidence, screen: Screen) -> str:
    subject = screen.say(evidence.subject)
    # A subject that ends in what was measured ("...: cosine") needs no second colon; those of an address are none.
    return f"{subject} " if re.search("[:：]", re.sub(r"https?://\S+", "", subject)) else f"{subject}{screen.colon}"


def ignored(row: Finding, screen: Screen) -> str:
    """That a problem was ignored, with the user's reason, or with the ignored root cause that it follows from."""
    if row.caused_by and not row.ignored:
        return screen.say(Text(f"ignored: it follows from {row.caused_by}", f"已忽略：由 {row.caused_by} 引起"))
    return screen.say(Text(f"ignored: {row.ignored}", f"已忽略：{row.ignored}")).rstrip(": ：")


def observed_part(row: Finding, screen: Screen) -> str:
    """What there is to show of a row: the user's reason to ignore it, why it was not judged, or its evidence."""
    if row.ignored is not None:
        return ignored(row, screen)
    if row.reason is not None:
        return screen.say(row.reason)
    shown = row.evidence if screen.verbose else [item for item in row.evidence if not item.background]
    sentences = [observed(item, screen) for item in shown]
    parts = [*map(_open, sentences[:-1]), *sentences[-1:]]
    return screen.say(Text("; ", "；")).join(parts) or screen.say(row.title)


_STATUS = {
    "fail": Text("fail", "未通过"),
    "warn": Text("warning", "警告"),
    "error": Text("could not be judged", "无法判断"),
    "ignored": Text("ignored", "已忽略"),
    "pass": Text("pass", "通过"),
    "skip": Text("not looked at", "未检查"),
}


def status(row: Finding) -> str:
    """What became of a row, as it is counted: its status, or that its problem is ignored."""
    return "ignored" if row.ignored is not None else str(row.status)


def status_word(row: Finding, screen: Screen) -> str:
    """The same in the language of the screen."""
    return screen.say(_STATUS[status(row)])


def counted(rows: Sequence[Finding], screen: Screen) -> str:
    """How many rows have each status, in a line: those that somebody should look at first."""
    statuses = [status(row) for row in rows]
    parts = [f"{screen.say(words)} {statuses.count(name)}" for name, words in _STATUS.items() if name in statuses]
    return screen.say(Text(", ", "，")).join(parts)


def worst_first(rows: Sequence[Finding]) -> list[Finding]:
    """The rows that somebody should look at before the others, each kind in its order."""
    return sorted(rows, key=lambda row: list(_STATUS).index(status(row)))


def relation(row: Finding, report: Report, screen: Screen) -> str:
    """Whether a row is a root cause, or the root cause from which it follows; blank for others."""
    if row.caused_by is not None:
        return screen.say(Text(f"follows from {row.caused_by}", f"由 {row.caused_by} 引起"))
    return screen.say(Text("root cause", "根因")) if row.problem else ""


def remedy(row: Finding, screen: Screen) -> list[str]:
    """Cause, fix and commands of a row that does not hold, a line each; of others nothing."""
    if not row.status.bad:
        return []
    return [
        screen.say(Text(f"likely cause: {screen.say(row.cause)}", f"可能原因：{screen.say(row.cause)}")),
        screen.say(Text(f"fix: {screen.say(row.fix)}", f"解决方法：{screen.say(row.fix)}")),
        *row.commands,
    ]


def account(row: Finding, report: Report, screen: Screen) -> list[str]:
    """All that a report has of a row, a line each: what was observed, what it is to others, and what mends it."""
    evidence = [observed(item, screen) for item in row.evidence]
    reason = [] if row.reason is None else [screen.say(row.reason)]
    overlooked = [] if row.ignored is None else [ignored(row, screen)]
    holds = [screen.say(row.title)] if row.status is Status.PASS else []
    own = [*overlooked, *reason, *holds, *evidence] or [screen.say(row.title)]
    mends = remedy(row, screen) if row.caused_by is None else []
    return [*own, *filter(None, [relation(row, report, screen)]), *mends]


def subjects(reports: Sequence[Report]) -> list[str]:
    """What each report is about; where several are about the same, with their number."""
    plain = [report.subject or report.command for report in reports]
    numbered = enumerate(plain, 1)
    return [f"{subject} #{number}" if plain.count(subject) > 1 else subject for number, subject in numbered]
