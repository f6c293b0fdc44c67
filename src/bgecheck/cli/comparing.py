"""Tells a waiting person how far a long run is: one live line on a terminal, a plain line every 10 s elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bgecheck.cli.language import shown_on
from bgecheck.cli.progress import is_live, status
from bgecheck.cli.stderr import to_stderr
from bgecheck.dedup.deduplicated import Progress
from bgecheck.model import Language, Text

EVERY = 10.0
"""Seconds between plain lines."""


@contextmanager
def pace(language: Language) -> Iterator[Callable[[Text], None]]:
    """A function that shows how far a run is."""
    import sys

    last = time.monotonic()

    def plain(words: Text) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            to_stderr(words, language)

    if not is_live():
        yield plain
        return
    spoken = shown_on(sys.stderr, language)
    with status("") as line:
        yield lambda words: line(words.to(spoken))


@contextmanager
def comparing(language: Language) -> Iterator[Callable[[Progress], None]]:
    """A function that shows the rate of a comparison, and what remains."""
    began = time.monotonic()
    with pace(language) as show:

        def step(progress: Progress) -> None:
            rate = progress.pairs / max(1e-9, time.monotonic() - began)
            show(_compared(progress, rate))

        yield step


def _compared(progress: Progress, rate: float) -> Text:
    done, total, kept = f"{progress.decided:,}", f"{progress.total:,}", f"{progress.kept:,}"
    ahead = progress.pairs_ahead / rate if rate else 0.0
    million = f"{rate / 1e6:,.0f}"
    return Text(
        f"{done} of {total} texts compared, {kept} kept; {million} million pairs/s, about {duration(ahead).en} left",
        f"已比较 {done} / {total} 条，保留 {kept} 条；每秒 {million} 百万对，约剩 {duration(ahead).zh}",
    )


def duration(seconds: float) -> Text:
    """A time to wait, to one or two figures."""
    if seconds < 90:
        return Text(f"{seconds:.0f} s", f"{seconds:.0f} 秒")
    minutes = seconds / 60
    if minutes < 90:
        return Text(f"{minutes:.0f} min", f"{minutes:.0f} 分钟")
    return Text(f"{minutes / 60:.1f} h", f"{minutes / 60:.1f} 小时")
