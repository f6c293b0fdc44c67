"""The matrix as a page of the documentation, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from bgecheck.model import Advice, Check, Language, Text
from bgecheck.render.explain import HOLDS
from bgecheck.render.placeholders import without_case
from bgecheck.render.root_causes import CAUSE, CHECK, FIX

_COLUMNS = (CHECK, HOLDS, CAUSE, FIX)
_TITLE = Text("The troubleshooting matrix", "排障矩阵")
_INTRO = Text(
    "One row is one check, one line of the report, one `bgecheck explain ID`. "
    "This page is generated from the rows: `make format` writes it, `make check` compares it.",
    "一行就是一项检查、报告里的一行，也对应 `bgecheck explain 检查项`。"
    "本页由检查项自动生成：`make format` 写入，`make check` 比对。",
)


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
    causes = "<br>".join(_cell(advice.cause, language, check.id) for advice in every)
    fixes = "<br>".join(_fix(advice, language, check.id) for advice in every)
    return f"| `{check.id}` | {_cell(check.title, language, check.id)} | {causes} | {fixes} |"


def _fix(advice: Advice, language: Language, row: str) -> str:
    lines = [without_case(command, language, row).replace("|", "\\|") for command in advice.commands]
    return _cell(advice.fix, language, row) + "".join(f" `{line}`" for line in lines)


def _cell(text: Text, language: Language, row: str) -> str:
    return without_case(text.to(language), language, row).replace("|", "\\|").replace("<", "&lt;")
