"""The curve of throughput against latency in characters: one mark for each batch size."""

from __future__ import annotations

import math

from bgecheck.benching.benching import Bench
from bgecheck.model import Text
from bgecheck.render.screen import Screen

NEEDED = 60
"""Columns below which there is no room for a curve."""

HEIGHT = 12
"""Lines of the plot."""

MARKS = "1248abcd"
"""Of the batch sizes 1, 2, 4, 8, 16, 32, 64, 128; other sizes have theirs by their power of two."""


def drawn_curve(bench: Bench, screen: Screen) -> str:
    """The curve, or a line that says why there is none; nothing where fewer than three settings answered."""
    results = [one for one in bench.results.values() if one.is_usable]
    if len(results) < 3:
        return ""
    if screen.width < NEEDED:
        words = Text(
            f"(no curve: {screen.width} columns, and it needs {NEEDED}; a page of it: --html FILE)",
            f"（不画曲线：只有 {screen.width} 列，需要 {NEEDED} 列；可用 --html 写成网页）",
        )
        return screen.say(words)
    left = 9
    width = min(screen.width, 100) - left - 1
    slow = [math.log(one.quantile(0.5)) for one in results]
    low, high = min(slow), max(max(slow), min(slow) + 0.1)
    top = max(one.rate for one in results)
    rows = [[" "] * width for _ in range(HEIGHT)]
    for one, at in sorted(zip(results, slow, strict=True), key=lambda pair: pair[0].rate):
        column = round((at - low) / (high - low) * (width - 1))
        row = HEIGHT - 1 - round(one.rate / top * (HEIGHT - 1))
        rows[row][column] = mark_of(one.setting.batch)
    axis = "│" if screen.unicode else "|"
    corner = "└" + "─" * width if screen.unicode else "+" + "-" * width
    labels = {0: f"{top:.0f}", HEIGHT // 2: f"{top * (HEIGHT - 1 - HEIGHT // 2) / (HEIGHT - 1):.0f}", HEIGHT - 1: "0"}
    lines = [f"{labels.get(number, ''):>{left - 1}} {axis}{''.join(row).rstrip()}" for number, row in enumerate(rows)]
    ends = f"{math.exp(low) * 1000:.1f}", f"{math.exp(high) * 1000:.0f} ms"
    lines += [f"{'':{left}}{corner}", f"{'':{left}} {ends[0]}{ends[1]:>{width - len(ends[0])}}"]
    sizes = sorted({one.setting.batch for one in results})
    legend = " ".join(f"{mark_of(size)}={size}" for size in sizes)
    title = Text(f"texts/s over p50 (logarithmic); batch: {legend}", f"条/秒 与 p50（对数刻度）；批大小：{legend}")
    return "\n".join([screen.say(title), *lines])


def mark_of(batch: int) -> str:
    """The mark of a batch size."""
    return MARKS[min(len(MARKS) - 1, batch.bit_length() - 1)]
