"""The screen of `bgecheck embed`: the first vector in numbers, what was proven of it, else the root cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bgecheck.model import Finding, Language, Report, Status, Text
from bgecheck.render.page import Page
from bgecheck.render.table import Style, style_for, tell_closing, tell_root, tell_row
from bgecheck.render.table import render as render_table

ENTRY = "embed.answers"
"""The row whose values hold the first vector in numbers."""


def render(reports: Sequence[Report], *, language: Language, verbose: bool, terminal: bool, encoding: str) -> str:
    """One screen; the whole table with `verbose`, or when there is no vector to show."""
    entry = next((f for f in reports[0].findings if f.id == ENTRY), None)
    if verbose or entry is None or entry.status is not Status.PASS:
        return render_table(reports, language=language, verbose=verbose, terminal=terminal, encoding=encoding)
    page = Page(terminal)
    _tell(reports[0], entry, style_for(language, verbose, terminal, encoding), page)
    return page.text()


def _tell(report: Report, entry: Finding, style: Style, page: Page) -> None:
    page.line(style.say(_numbers(entry.values)))
    page.line("[" + ", ".join(map(_number, entry.values["first"])) + ", ...]")
    for finding in report.findings:
        if finding.id != ENTRY and finding.status is not Status.SKIP:
            tell_row(finding, style, page)
    for root in report.root_causes:
        page.line()
        tell_root(root, report, style, page)
    page.line()
    tell_closing(report, style, page)


def _numbers(values: Mapping[str, Any]) -> Text:
    tokens, kind = values.get("tokens"), values.get("dtype")
    return Text(
        f"{values['dims']} dims   norm {_number(values['norm'])}"
        + (f"   {tokens} tokens" if tokens is not None else "")
        + f"   {values['ms']:g} ms"
        + (f"   {kind} (read off the bits)" if kind else ""),
        f"{values['dims']} 维   范数 {_number(values['norm'])}"
        + (f"   {tokens} 个 token" if tokens is not None else "")
        + f"   {values['ms']:g} ms"
        + (f"   {kind}（由数值的位模式判断）" if kind else ""),
    )


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else str(value)
