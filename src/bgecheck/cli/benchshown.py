"""Shows on stderr how far a measurement is: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bgecheck.cli.progress import is_live
from bgecheck.cli.stderr import to_stderr
from bgecheck.model import Language, Text

if TYPE_CHECKING:
    from bgecheck.benching.benching import Now

PLAIN_SECONDS = 10.0
"""Between two lines where stderr is no terminal."""


@contextmanager
def shown_progress(language: Language) -> Iterator[Callable[[Now], None]]:
    """Shows each setting when it is loaded."""
    if is_live():
        with _bar(language) as show:
            yield show
        return
    last = time.monotonic()

    def say(now: Now) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_SECONDS:
            last = time.monotonic()
            to_stderr(_how_far(now), language)

    yield say


@contextmanager
def _bar(language: Language) -> Iterator[Callable[[Now], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns: tuple[Any, ...] = (BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False)
    with bar:
        task = bar.add_task("", total=None)

        def show(now: Now) -> None:
            bar.update(task, total=now.budget, completed=now.used, description=_how_far(now).to(language))

        yield show


def _how_far(now: Now) -> Text:
    usable = [one for one in now.results.values() if one.is_usable]
    best = max(usable, key=lambda one: one.rate, default=None)
    top = Text("", "")
    if best is not None:
        setting = best.setting
        where = f"batch {setting.batch} x {setting.rate or setting.concurrency:g}"
        where_zh = f"每批 {setting.batch} 条 × {setting.rate or setting.concurrency:g}"
        top = Text(f"; best {best.rate:.0f} texts/s at {where}", f"；目前最快 {best.rate:.0f} 条/秒（{where_zh}）")
    setting = now.setting
    load = f"{setting.rate:g}/s" if setting.rate else f"{setting.concurrency}"
    return Text(
        f"{now.used:.0f} of {now.budget:.0f} s: batch {setting.batch} x {load}{top.en}",
        f"{now.used:.0f} / {now.budget:.0f} 秒：每批 {setting.batch} 条 × {load}{top.zh}",
    )
