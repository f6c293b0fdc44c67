"""What `bgecheck embed` shows in place of the areas: the first vector in numbers, and what was proved of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bgecheck.model import Finding, Report, Status, Text
from bgecheck.render.prose import Prose
from bgecheck.render.rows import observed_part
from bgecheck.render.screen import Screen

if TYPE_CHECKING:
    from rich.console import Console

ENTRY = "embed.answers"
"""The row whose values hold the first vector in numbers."""


def draw_vector(report: Report, screen: Screen, console: Console) -> bool:
    """Draw the first vector and what was proved of it; False where the report is of another command or has none."""
    entry = next((f for f in report.findings if f.id == ENTRY), None)
    if report.command != "embed" or entry is None or entry.status is not Status.PASS:
        return False
    console.print(Prose([_numbers(entry.values, screen), _vector(entry.values, screen)]))
    _draw_rows([f for f in report.findings if f.id != ENTRY], screen, console)
    return True


def _draw_rows(rows: Sequence[Finding], screen: Screen, console: Console) -> None:
    """What holds in one paragraph; then what does not, and what could not be proved, each with its numbers."""
    proved = [f for f in rows if f.status is Status.PASS]
    if proved:
        names = "  ".join(f"{screen.mark(f.status)} {f.id.partition('.')[2]}" for f in proved)
        console.print(Prose(names, "green"))
    for row in rows:
        if row.status not in (Status.PASS, Status.SKIP):
            console.print(Prose(f"{screen.mark(row.status)} {row.id}{screen.colon}{observed_part(row, screen)}"))
    skipped = [f for f in rows if f.status is Status.SKIP and f.caused_by is None]
    for row in skipped:
        console.print(Prose(f"{screen.mark(row.status)} {row.id}{screen.colon}{observed_part(row, screen)}", "dim"))


def _numbers(values: Mapping[str, Any], screen: Screen) -> str:
    tokens, dtype, count = values.get("tokens"), values.get("dtype"), values.get("vectors", 1)
    several, norm = count > 1, _number(values["norm"])
    parts = (
        Text(f"{count} texts, {count} vectors", f"{count} 条文本，{count} 条向量") if several else "",
        Text(f"{values['dims']} dims", f"{values['dims']} 维"),
        Text(f"norm {norm}", f"范数 {norm}")
        if not several
        else Text(f"norm of the first {norm}", f"第 1 条的范数 {norm}"),
        _tokens(tokens, several) if tokens is not None else "",
        f"{values['ms']:g} ms",
        Text(f"{dtype} (read off the bits)", f"{dtype}（由数值的位模式判断）") if dtype else "",
    )
    return screen.separator.join(screen.say(part) for part in parts if part)


def _tokens(tokens: Any, several: bool) -> Text:
    noun = "token" if tokens == 1 else "tokens"
    if several:
        return Text(f"{tokens} {noun} in all", f"共 {tokens} 个 token")
    return Text(f"{tokens} {noun}", f"{tokens} 个 token")


def _vector(values: Mapping[str, Any], screen: Screen) -> str:
    numbers = "[" + ", ".join(map(_number, values["first"])) + ", ...]"
    if values.get("vectors", 1) == 1:
        return numbers
    return f"{screen.say(Text('of the first text', '第 1 条文本'))}{screen.colon}{numbers}"


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else str(value)
