"""Histograms of similarities: rows of characters for a terminal, an SVG for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bgecheck.dedup.outcome import BINS
from bgecheck.model import Text
from bgecheck.render.htmlpage import escaped
from bgecheck.render.screen import Screen

_MOST_ROWS, _LONGEST = 20, 50
"""Of a histogram on a terminal, and characters of its longest bar."""
_LABEL = 14
"""Columns that the bounds of a row take."""
_COUNT = 18
"""Columns behind a bar, for its counts."""
_WIDTH, _HEIGHT, _FOOT = 720, 160, 22
"""Of a drawing, in CSS pixels."""


@dataclass(frozen=True, slots=True)
class Series:
    """Counts over the bins of `outcome.binned`, with their name and the mark of their bars on a terminal."""

    name: Text
    counts: Sequence[int]
    mark: str
    plain: str
    style: str
    """A class of page.css."""


@dataclass(frozen=True, slots=True)
class _Row:
    low: float
    high: float
    counts: tuple[int, ...]


def _rows(series: Sequence[Series], most: int) -> list[_Row]:
    """The bins that hold anything and those between, joined until there are at most so many."""
    used = [place for place in range(BINS) if any(one.counts[place] for one in series)]
    if not used:
        return []
    first, last, size = used[0], used[-1], 1
    while (last - first) // size + 1 > most:
        size += 1
    begin = first - first % size
    return [
        _Row(
            low=-1 + 2 * place / BINS,
            high=min(1.0, -1 + 2 * (place + size) / BINS),
            counts=tuple(int(sum(one.counts[place : place + size])) for one in series),
        )
        for place in range(begin, last + 1, size)
    ]


def bars(series: Sequence[Series], screen: Screen) -> list[str]:
    """A line that names the series, and one for each bin; bars are as wide as the screen leaves room for."""
    rows = _rows(series, _MOST_ROWS)
    if not rows:
        return []
    most = max(sum(row.counts) for row in rows)
    room = min(_LONGEST, max(8, screen.width - _LABEL - _COUNT))
    marks = [one.mark if screen.unicode else one.plain for one in series]
    lines = ["  " + "  ".join(f"{mark} {screen.say(one.name)}" for mark, one in zip(marks, series, strict=True))]
    for row in rows:
        lengths = [round(count / most * room) or int(count > 0) for count in row.counts]
        bar = "".join(mark * length for mark, length in zip(marks, lengths, strict=True))
        counts = " + ".join(f"{count:,}" for count in row.counts if count)
        lines.append(f"  {row.low:5.2f}..{row.high:<5.2f} {bar} {counts}".rstrip())
    return lines


def drawing(series: Sequence[Series], threshold: float, screen: Screen) -> str:
    """The same as an SVG, with a line where the threshold is."""
    rows = _rows(series, BINS)
    if not rows:
        return ""
    low, high = min(rows[0].low, threshold), max(rows[-1].high, threshold)
    most = max(sum(row.counts) for row in rows)

    def at(value: float) -> float:
        return (value - low) / (high - low) * _WIDTH if high > low else 0.0

    parts = []
    for row in rows:
        top = float(_HEIGHT)
        for one, count in zip(series, row.counts, strict=True):
            height = count / most * (_HEIGHT - 8)
            top -= height
            title = f"{row.low:.2f}..{row.high:.2f}: {screen.say(one.name)} {count:,}"
            parts.append(
                f'<rect class="{one.style}" x="{at(row.low):.1f}" y="{top:.1f}" '
                f'width="{max(1.0, at(row.high) - at(row.low) - 1):.1f}" height="{height:.1f}">'
                f"<title>{escaped(title)}</title></rect>"
            )
    line = at(threshold)
    parts.append(f'<line class="threshold" x1="{line:.1f}" x2="{line:.1f}" y1="0" y2="{_HEIGHT}"/>')
    for value, anchor in ((low, "start"), (high, "end")):
        parts.append(f'<text x="{at(value):.1f}" y="{_HEIGHT + 16}" text-anchor="{anchor}">{value:.2f}</text>')
    if low < threshold < high:
        parts.append(f'<text x="{line:.1f}" y="{_HEIGHT + 16}" text-anchor="middle">{threshold:g}</text>')
    names = " ".join(f'<span class="key {one.style}">{escaped(screen.say(one.name))}</span>' for one in series)
    return (
        f'<p>{names}</p>\n<svg viewBox="0 0 {_WIDTH} {_HEIGHT + _FOOT}" role="img" '
        f'aria-label="{escaped(", ".join(screen.say(one.name) for one in series))}">{"".join(parts)}</svg>'
    )
