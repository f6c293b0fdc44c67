"""What `bgecheck embed` shows in place of the areas: the first vector in numbers, and what was proved of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bgecheck.checks.first_vector import FirstVector
from bgecheck.model import Finding, Report, Status, Text
from bgecheck.render.prose import Prose
from bgecheck.render.rows import observed_part
from bgecheck.render.screen import Screen

if TYPE_CHECKING:
    from rich.console import Console


_STORE = "store"
"""The area whose rows are shown with what was observed, though they hold: it was asked for by name."""


def draw_vector(report: Report, screen: Screen, console: Console) -> bool:
    """Draw the first vector and what was proved of it; False where the report is of another command or has none."""
    entry = next((f for f in report.findings if isinstance(f.data, FirstVector)), None)
    if report.command != "embed" or entry is None or not isinstance(entry.data, FirstVector):
        return False
    lines = [_numbers(entry.data, screen), _vector(entry.data, screen), _cosines(entry.data, screen)]
    console.print(Prose([line for line in lines if line]))
    _draw_rows([f for f in report.findings if f is not entry], screen, console)
    if unproved := _unproved(report, screen):
        console.print(Prose(unproved, "dim"))
    return True


def _draw_rows(rows: Sequence[Finding], screen: Screen, console: Console) -> None:
    """What holds in one paragraph; then what does not, and what could not be proved, each with its numbers."""
    proved = [f for f in rows if f.status is Status.PASS and f.check.area != _STORE]
    if proved:
        names = "  ".join(f"{screen.mark(f.status)} {f.id.partition('.')[2]}" for f in proved)
        console.print(Prose(names, "green"))
    for row in rows:
        shown = row.check.area == _STORE and row.status is Status.PASS
        if row.status not in (Status.PASS, Status.SKIP) or "compatibility" in row.values or shown:
            console.print(Prose(f"{screen.mark(row.status)} {row.id}{screen.colon}{observed_part(row, screen)}"))
    skipped = [f for f in rows if f.status is Status.SKIP and f.caused_by is None]
    for row in skipped:
        console.print(Prose(f"{screen.mark(row.status)} {row.id}{screen.colon}{observed_part(row, screen)}", "dim"))


def _numbers(vector: FirstVector, screen: Screen) -> str:
    count, norm = vector.count, _number(vector.norm)
    several = count > 1
    parts = (
        Text(f"{count} texts, {count} vectors", f"{count} 条文本，{count} 条向量") if several else "",
        Text(f"{vector.dims} dims", f"{vector.dims} 维"),
        Text(f"norm of the first {norm}", f"第 1 条的范数 {norm}") if several else Text(f"norm {norm}", f"范数 {norm}"),
        _tokens(vector.tokens, several) if vector.tokens is not None else "",
        f"{vector.ms:g} ms",
        Text(f"{vector.dtype} (read off the bits)", f"{vector.dtype}（由数值的位模式判断）") if vector.dtype else "",
    )
    return screen.separator.join(screen.say(part) for part in parts if part)


def _tokens(tokens: int, several: bool) -> Text:
    noun = "token" if tokens == 1 else "tokens"
    if several:
        return Text(f"{tokens} {noun} in all", f"共 {tokens} 个 token")
    return Text(f"{tokens} {noun}", f"{tokens} 个 token")


def _vector(vector: FirstVector, screen: Screen) -> str:
    numbers = "[" + ", ".join(map(_number, vector.first)) + ", ...]"
    if vector.count == 1:
        return numbers
    return f"{screen.say(Text('of the first text', '第 1 条文本'))}{screen.colon}{numbers}"


def _cosines(vector: FirstVector, screen: Screen) -> str:
    """How near several texts are to each other."""
    if not vector.cosines:
        return ""
    pairs = "  ".join(f"{one}-{other} {cosine:.4f}" for one, other, cosine in vector.cosines)
    return f"{screen.say(Text('cosines between the texts', '文本之间的余弦相似度'))}{screen.colon}{pairs}"


def _unproved(report: Report, screen: Screen) -> str:
    """What these rows leave open where all of them hold, and the command that proves it."""
    proof = next((f for f in report.findings if f.id == "embed.reference"), None)
    if proof is None or proof.status is not Status.SKIP or any(f.status.bad for f in report.findings):
        return ""
    folder = report.target.get("model_path") or screen.say(Text("DIR", "目录"))
    command = f"bgecheck embed --full --model-path {folder} --url {report.target.get('url', '')}"
    words = Text(
        "not proved: that pooling and weights are the model's own, which {command} shows",
        "尚未证明：池化方式和权重就是该模型的；{command} 可以验证",
    )
    return screen.say(words.filled({"command": command}))


def _number(value: float | str) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else str(value)
