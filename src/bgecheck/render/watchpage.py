"""A watch as one page of HTML without scripts and without the network: the verdict, the curves, the events on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from statistics import median

from bgecheck.model import Report, Text
from bgecheck.render.formats.html import LEGEND, article
from bgecheck.render.htmlpage import page, sheet
from bgecheck.render.screen import Screen
from bgecheck.render.verdict import verdict_word
from bgecheck.render.watching import event_line
from bgecheck.watching.amounts import clock_time, size
from bgecheck.watching.history import Facts, Segment, When
from bgecheck.watching.memory import SETTLING, growth

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 900, 150, 92, 12, 22
"""Of a curve, in units of its own: labels stand to the left and below."""

_Shown = Callable[[float], str]
_CURVES: tuple[tuple[str, str, Text, _Shown], ...] = (
    ("gpu", "gpu_free", Text("GPU memory of the server's processes", "服务进程的显存"), size),
    ("rss", "ram_free", Text("main memory of the server's processes", "服务进程的内存"), size),
    ("latency", "", Text("latency of a short new text", "一条新短文本的延迟"), lambda v: f"{v * 1000:.1f} ms"),
    (
        "cosine",
        "",
        Text("cosine of the canary with its first vector", "固定文本与最初向量的余弦"),
        lambda v: f"{v:.6f}",
    ),
    ("load", "", Text("requests per second", "每秒请求数"), lambda v: f"{v:.2f}"),
    ("temperature", "", Text("temperature of the hottest GPU", "最热的 GPU 的温度"), lambda v: f"{v:.0f} °C"),
    ("clock", "", Text("clock of the slowest GPU", "最慢的 GPU 的频率"), lambda v: f"{v:.0f} MHz"),
)
"""A column, that of the free memory beside it, its title, and how its values are written."""


def watch_page(report: Report, facts: Facts, screen: Screen) -> str:
    """The page: the head of the report, the curves with the events on them, then its rows."""
    head, *rest = article("t1", report.subject or report.command, report, screen)
    title = f"bgecheck watch {verdict_word(report, screen)} · {report.subject}"
    body = [head, *_figures(facts, screen), *_events(facts, screen), *rest]
    return page(title, "\n".join(body), screen.say(LEGEND), screen, sheet("watchpage.css"))


def _figures(facts: Facts, screen: Screen) -> Iterator[str]:
    for name, free, words, shown in _CURVES:
        values = [v for segment in facts.segments for v in segment.columns[name] if not math.isnan(v)]
        if not values:
            continue
        trends = [_trend(segment, name, free) for segment in facts.segments] if free else []
        drawing = _Drawing(facts, values, shown)
        lines = [drawing.curve(segment, name) for segment in facts.segments]
        lines += [drawing.line(*ends) for ends in trends if ends]
        caption = escape(screen.say(words))
        yield (
            f'<figure>\n<figcaption>{caption}</figcaption>\n<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'aria-label="{caption}">\n{drawing.frame()}\n{drawing.marks(screen)}\n{"".join(lines)}\n</svg>\n</figure>'
        )


def _trend(segment: Segment, name: str, free: str) -> tuple[float, float, float, float] | None:
    """Both ends of the line that the slope draws through a segment, where it grows."""
    one = growth(segment, name, free)
    if one.kind not in ("leak", "load") or one.trend is None:
        return None
    points, slope = segment.points(name).part(SETTLING), one.trend.slope
    height = median(v - slope * t for t, v in zip(points.times, points.values, strict=True))
    first, last = points.times[0], points.times[-1]
    return first, height + slope * first, last, height + slope * last


class _Drawing:
    """The scales of one curve, and its parts as SVG."""

    def __init__(self, facts: Facts, values: Sequence[float], shown: _Shown) -> None:
        self._facts, self._shown = facts, shown
        self._low, self._high = min(values), max(values)
        room = (self._high - self._low) * 0.08 or abs(self._high) * 0.01 or 1.0
        self._from, self._to = self._low - room, self._high + room
        self._seconds = max(facts.seconds, 1.0)

    def _x(self, seconds: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - 8) * min(1.0, seconds / self._seconds), 1)

    def _y(self, value: float) -> float:
        share = (value - self._from) / (self._to - self._from)
        return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - min(1.0, max(0.0, share))), 1)

    def curve(self, segment: Segment, name: str) -> str:
        """The curve between two starts of the server, broken where nothing was seen."""
        parts: list[list[str]] = [[]]
        for seconds, value in zip(segment.times, segment.columns[name], strict=True):
            if math.isnan(value):
                parts.append([])
            else:
                parts[-1].append(f"{self._x(seconds)},{self._y(value)}")
        return "".join(f'<polyline class="curve" points="{" ".join(_drawn(part))}"/>' for part in parts if part)

    def line(self, first: float, begin: float, last: float, end: float) -> str:
        """The line of a trend."""
        x1, y1, x2, y2 = self._x(first), self._y(begin), self._x(last), self._y(end)
        return f'<line class="trend" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'

    def frame(self) -> str:
        """The lowest and the highest value, and the time."""
        parts = []
        for value in dict.fromkeys((self._high, self._low)):
            y = self._y(value)
            parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{_WIDTH - 8}" y2="{y}"/>')
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{escape(self._shown(value))}</text>')
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            x, anchor = self._x(share * self._seconds), {0.0: "start", 1.0: "end"}.get(share, "middle")
            time = clock_time(share * self._seconds)
            parts.append(f'<text x="{x}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{time}</text>')
        return "".join(parts)

    def marks(self, screen: Screen) -> str:
        """The events as lines; what each is shows under the pointer."""
        return "".join(self._mark(when, screen) for when in self._facts.events)

    def _mark(self, when: When, screen: Screen) -> str:
        x, kind = self._x(when.elapsed), "alert" if when.event.kind == "alert" else "event"
        words = escape(event_line(when.elapsed, when.event, screen))
        place = f'x1="{x}" y1="{_TOP}" x2="{x}" y2="{_HEIGHT - _BOTTOM}"'
        return f'<line class="{kind}" {place}><title>{words}</title></line>'


def _drawn(part: list[str]) -> list[str]:
    """The points of a polyline; a single one is drawn as a dot's worth of line."""
    return part * 2 if len(part) == 1 else part


def _events(facts: Facts, screen: Screen) -> Iterator[str]:
    """The events as a list, for those who print the page."""
    if not facts.events:
        return
    lines = [f"<li>{escape(event_line(when.elapsed, when.event, screen))}</li>" for when in facts.events]
    if facts.events_dropped:
        more = Text(f"{facts.events_dropped} more are left out", f"另有 {facts.events_dropped} 个未列出")
        lines.insert(len(lines) // 2, f"<li>{escape(screen.say(more))}</li>")
    heading = escape(screen.say(Text("Events", "事件")))
    yield f'<section>\n<h2>{heading}</h2>\n<ol class="events">{"".join(lines)}</ol>\n</section>'
