"""Why this cause and not another that the same log tells of too, and how sure that is."""

from typing import NamedTuple

from bgecheck.engines.sglang.log.provenance import in_chinese
from bgecheck.engines.sglang.log.rules import GENERAL, GUESSED, LAST
from bgecheck.engines.sglang.log.session import Hit
from bgecheck.model import Text

LEVELS = ("low", "medium", "high")
_ZH = {"low": "低", "medium": "中", "high": "高"}
_SHOWN = 3
"""Rivals that are named in the text; the JSON report has all."""


class Rival(NamedTuple):
    """Another cause that lines of the same session tell of, and why it is not the decisive one."""

    cause: str
    line: int
    reason: str
    """`later`: it follows. `vaguer`: what it says has several causes. `end`: it only tells how it ended."""


def rivals(fatal: Hit, others: list[Hit]) -> tuple[Rival, ...]:
    """The other fatal lines of a session beside the decisive one, in their order."""
    competing = [Rival(h.cause, h.line, _reason(fatal, h)) for h in others if h.cause != fatal.cause]
    return tuple(sorted(competing, key=lambda rival: rival.line))


def _reason(fatal: Hit, other: Hit) -> str:
    if other.weight <= LAST < fatal.weight:
        return "end"
    return "later" if other.line > fatal.line else "vaguer"


def relation(rival: Rival, decisive: str) -> Text:
    """How the line of a rival stands to the row of the decisive cause, as a predicate."""
    return _RELATIONS[rival.reason].filled({"decisive": decisive})


def confidence(hit: Hit, beside: tuple[Rival, ...] = ()) -> str:
    """How sure a cause is: by how much its line says, less where an earlier line tells of another cause."""
    level = 2 if hit.weight > GENERAL else 1 if hit.weight == GENERAL else 0
    level -= any(rival.reason == "vaguer" for rival in beside)
    return LEVELS[max(0, level)]


def explanation(hit: Hit, beside: tuple[Rival, ...]) -> Text:
    """The confidence and the reasons in a line."""
    level = confidence(hit, beside)
    en, zh = [f"confidence {level}"], [f"置信度{_ZH[level]}"]
    for rival in beside[:_SHOWN]:
        en.append(f"logs.{rival.cause} (line {rival.line}) {_WORDS[rival.reason].en}")
        zh.append(f"logs.{rival.cause}（第 {rival.line} 行）{_WORDS[rival.reason].zh}")
    if hit.source == GUESSED:
        en.append("no rule knows this line: judged by its words and the phase alone")
        zh.append("没有规则匹配这行报错：仅按字面和所处阶段判断")
    elif hit.source:
        en.append(f"this line is known from {hit.source}")
        zh.append(f"这行报错见于 {in_chinese(hit.source)}")
    return Text("; ".join(en), "；".join(zh))


_WORDS = {
    "later": Text("comes after it and follows", "在它之后，是它的后果"),
    "vaguer": Text("comes before it but has several possible causes", "虽在它之前，但可能由多种原因引起"),
    "end": Text("only shows how it ended", "只说明了结局"),
}

_RELATIONS = {
    "later": Text("is a consequence of {decisive}", "是 {decisive} 的后果"),
    "vaguer": Text("has several possible causes; {decisive} says more", "可能由多种原因引起，{decisive} 更具体"),
    "end": Text("only shows how it ended; the cause is {decisive}", "只说明了结局，根因是 {decisive}"),
}
