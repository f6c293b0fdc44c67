"""Shows a waiting person on stderr how far a run is: live on a terminal, where it leaves no mark; silent elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bgecheck.model import Finding, clean


@contextmanager
def progress(rows: int) -> Iterator[Callable[[Finding | str], None]]:
    """A bar over `rows` checks; the function that it gives is called with each finding, or with what is done now."""
    if not is_live():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (MofNCompleteColumn(), BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
    # Not redirecting: the report is written when the bar has gone, and nothing else is printed under it.
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False)
    with bar:
        task = bar.add_task("", total=rows)

        def step(done: Finding | str) -> None:
            if isinstance(done, str):
                bar.update(task, description=clean(done))
            else:
                bar.update(task, advance=1, description=done.id)

        yield step


@contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """One line about what is being waited for; the function that it gives replaces the text."""
    if not is_live():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(clean(text))) as line:
        yield lambda text: line.update(Text(clean(text)))


def is_live() -> bool:
    """Whether stderr is a terminal that can move its cursor."""
    return (
        sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    )
