"""One row or one piece of evidence as a sentence."""

from __future__ import annotations

import re

from bgecheck.model import Evidence, Finding, Text
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
