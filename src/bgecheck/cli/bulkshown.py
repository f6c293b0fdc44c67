"""What is shown of a run over a whole file: how far it is, on stderr, and its last line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bgecheck.cli.progress import is_live
from bgecheck.cli.stderr import to_stderr
from bgecheck.model import Language, Text

if TYPE_CHECKING:
    from bgecheck.bulk.embedding import Progress, Summary
    from bgecheck.bulk.store import Place

_REASONS = {
    "blank": Text("blank", "空白"),
    "no-value": Text("without a value", "没有值"),
    "not-a-string": Text("not a string", "不是字符串"),
    "half-character": Text("half a character", "字符不完整"),
    "too-long": Text("too long", "过长"),
    "refused": Text("refused", "被拒绝"),
    "no-answer": Text("without an answer", "没有响应"),
    "not-finite": Text("NaN or infinite", "NaN 或无穷"),
    "bad-norm": Text("wrong norm", "范数不对"),
}


def last_line(summary: Summary, where: Place) -> Text:
    """The last line: texts, rejected, tokens, texts a second, seconds, file."""
    rejected = sum(summary.rejected.values())
    pieces = summary.rows - summary.texts
    why = Text("0", "0")
    if rejected:
        listed = sorted(summary.rejected.items())
        en = ", ".join(f"{count} {_REASONS[name].en}" for name, count in listed)
        zh = "、".join(f"{_REASONS[name].zh} {count}" for name, count in listed)
        why = Text(f"{rejected} ({en}; {where.rejected})", f"{rejected}（{zh}；{where.rejected}）")
    more = Text(f" in {summary.rows} pieces", f"（{summary.rows} 块）") if pieces else Text("", "")
    return Text(
        f"{summary.texts} texts{more.en} | rejected {why.en} | {summary.tokens} tokens | {summary.rate:.0f} texts/s | "
        f"{summary.seconds:.1f} s | {summary.dims} dims | {where.out}",
        f"{summary.texts} 条文本{more.zh} | 无向量 {why.zh} | {summary.tokens} token | {summary.rate:.0f} 条/秒 | "
        f"{summary.seconds:.1f} 秒 | {summary.dims} 维 | {where.out}",
    )


PLAIN_SECONDS = 10.0
"""Between two lines of progress where stderr is no terminal."""


@contextmanager
def shown_progress(language: Language) -> Iterator[Callable[[Progress], None]]:
    """Shows how far a run is: a bar on a terminal, a line every ten seconds elsewhere."""
    if is_live():
        with _bar(language) as show:
            yield show
        return
    last = time.monotonic()

    def say(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            to_stderr(_how_far(progress), language)

    yield say


@contextmanager
def _bar(language: Language) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns: tuple[Any, ...] = (BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
    bar = Bar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False)
    with bar:
        task = bar.add_task("", total=None)

        def show(progress: Progress) -> None:
            words = _how_far(progress).to(language)
            bar.update(task, total=progress.of, completed=progress.done, description=words)

        yield show


def _how_far(progress: Progress) -> Text:
    remaining = progress.remaining
    rejected = (
        Text(f", {progress.rejected} rejected", f"，{progress.rejected} 条无向量")
        if progress.rejected
        else Text("", "")
    )
    left = Text("", "") if remaining is None else Text(f", {_clock(remaining)} left", f"，剩余 {_clock(remaining)}")
    share = 100 * progress.done // max(1, progress.of)
    return Text(
        f"{progress.done} of {progress.of} texts ({share} %), {progress.rate:.0f} texts/s{left.en}{rejected.en}",
        f"{progress.done} / {progress.of} 条（{share}%），{progress.rate:.0f} 条/秒{left.zh}{rejected.zh}",
    )


def _clock(seconds: float) -> str:
    whole = int(seconds + 0.5)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
