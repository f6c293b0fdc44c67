"""The matrix without a run: the page of one row, all rows as a table, and the page of the documentation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bgecheck.model import Advice, Check, Language, Severity, Text

_HEAD = Text("{id}: {title}", "{id}：{title}")
_SEVERITY = {
    Severity.ERROR: Text("fails the run (exit 1) when it does not hold", "不满足时判为失败（退出码 1）"),
    Severity.WARNING: Text("a warning when it does not hold", "不满足时给出警告"),
}
_CAUSE, _FIX, _OTHERWISE = Text("cause", "原因"), Text("what to do", "处理"), Text("or", "另一种情况")
_NEEDS, _EXPLAINS = Text("judged when these hold", "前提"), Text("explains", "会连带引起")
_COLUMNS = (Text("id", "编号"), Text("what holds", "应成立"), Text("likely cause", "可能原因"), _FIX)
_TITLE = Text("The troubleshooting matrix", "排障矩阵")
_INTRO = Text(
    "One row is one check, one line of the report, one `bgecheck explain ID`. "
    "This page is generated from the rows: `make format` writes it, `make check` compares it.",
    "一行就是一项检查、报告里的一行，也对应 `bgecheck explain 编号`。"
    "本页由检查项自动生成：`make format` 写入，`make check` 比对。",
)


def explain(check: Check, language: Language) -> str:
    """The page of one row as plain text."""
    blocks = [
        _HEAD.to(language).format(id=check.id, title=check.title.to(language)),
        f"  {_SEVERITY[check.severity].to(language)}",
    ]
    for number, advice in enumerate((check.advice, *check.variants.values())):
        mark = "" if number == 0 else f"{_OTHERWISE.to(language)} "
        blocks.append(_advice(advice, mark, language))
    links = [(_NEEDS, check.needs), (_EXPLAINS, check.explains)]
    lines = [f"  {label.to(language)}: {', '.join(ids)}" for label, ids in links if ids]
    return "\n\n".join([*blocks, *(["\n".join(lines)] if lines else [])])


def _advice(advice: Advice, mark: str, language: Language) -> str:
    commands = "".join(f"\n      {_shown(command)}" for command in advice.commands)
    return (
        f"  {mark}{_CAUSE.to(language)}\n    {_shown(advice.cause.to(language))}\n"
        f"  {_FIX.to(language)}\n    {_shown(advice.fix.to(language))}{commands}"
    )


def _shown(template: str) -> str:
    """A template with its placeholders as `<name>`."""
    return re.sub(r"\{(\w+)\}", r"<\1>", template).replace("{{", "{").replace("}}", "}")


def matrix(checks: Sequence[Check], language: Language) -> str:
    """All rows, one line each: id and statement."""
    width = max(len(check.id) for check in checks)
    return "\n".join(f"{check.id:{width}}  {check.title.to(language)}" for check in checks)


def markdown(checks: Sequence[Check], language: Language) -> str:
    """All rows as one page of Markdown: a table for each area, alternatives in the same cell."""
    parts = [f"# {_TITLE.to(language)}\n\n{_INTRO.to(language)}"]
    for area in dict.fromkeys(check.area for check in checks):
        head = " | ".join(column.to(language) for column in _COLUMNS)
        lines = [f"## {area}", "", f"| {head} |", "| --- | --- | --- | --- |"]
        lines += [_line(check, language) for check in checks if check.area == area]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _line(check: Check, language: Language) -> str:
    every = (check.advice, *check.variants.values())
    causes = "<br>".join(_cell(advice.cause.to(language)) for advice in every)
    fixes = "<br>".join(_fix(advice, language) for advice in every)
    return f"| `{check.id}` | {_cell(check.title.to(language))} | {causes} | {fixes} |"


def _fix(advice: Advice, language: Language) -> str:
    commands = "".join(f" `{_shown(command)}`".replace("|", "\\|") for command in advice.commands)
    return _cell(advice.fix.to(language)) + commands


def _cell(text: str) -> str:
    return _shown(text).replace("|", "\\|").replace("<", "&lt;")
