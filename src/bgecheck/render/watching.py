"""How a watch is shown while it goes on: a live screen with sparklines, or one plain line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bgecheck.model import Text
from bgecheck.render.prose import Prose
from bgecheck.render.screen import Screen
from bgecheck.watching.amounts import clock_time, duration, size
from bgecheck.watching.failures import failure_words
from bgecheck.watching.history import History
from bgecheck.watching.sample import Event, Sample

if TYPE_CHECKING:
    from rich.console import Group

NARROWEST, LOWEST = 60, 16
"""Columns and lines of a terminal below which there is no room for a live screen."""

_BLOCKS, _PLAIN = "▁▂▃▄▅▆▇█", "_.-=*#"
_EVENTS = 5
_WIDEST = 60

_NAMES: dict[str, tuple[Text, Callable[[float], str]]] = {
    "gpu": (Text("GPU memory", "显存"), size),
    "rss": (Text("main memory", "内存"), size),
    "latency": (Text("latency", "延迟"), lambda value: f"{value * 1000:.0f} ms"),
    "cosine": (Text("cosine with the first", "与最初的余弦"), lambda value: f"{value:.6f}"),
    "load": (Text("requests", "请求"), lambda value: f"{value:.1f}/s"),
    "temperature": (Text("temperature", "温度"), lambda value: f"{value:.0f} °C"),
    "clock": (Text("clock", "频率"), lambda value: f"{value:.0f} MHz"),
}
"""The columns of a history in the order of the screen."""


def sparkline(values: Sequence[float], width: int, unicode: bool) -> str:
    """The newest values as a row of bars between their lowest and highest; blanks where nothing was seen."""
    marks = _BLOCKS if unicode else _PLAIN
    shown = values[-width:]
    present = [value for value in shown if not math.isnan(value)]
    low, high = min(present, default=0.0), max(present, default=0.0)

    def mark(value: float) -> str:
        if math.isnan(value):
            return " "
        share = (value - low) / (high - low) if high > low else 0.0
        return marks[min(len(marks) - 1, int(share * len(marks)))]

    return "".join(map(mark, shown))


def live(sample: Sample, history: History, screen: Screen) -> Group:
    """The screen of a terminal: what is watched, a line for each thing that is seen, and the newest events."""
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 1), expand=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, style="cyan")
    width = max(10, min(_WIDEST, screen.width - 40))
    for name, (words, shown) in _NAMES.items():
        values = history.recent(name, width)
        present = [value for value in values if not math.isnan(value)]
        if present:
            table.add_row(screen.say(words), shown(present[-1]), sparkline(values, width, screen.unicode))
    head = f"{history.watched.model or '?'}  {history.watched.url}"
    rest = [
        Prose(event_line(when.elapsed, when.event, screen), _style(when.event))
        for when in history.newest_events(_EVENTS)
    ]
    return Group(Prose(head, "bold"), Prose(_progress(sample, history, screen), "dim"), table, *rest)


def status_line(sample: Sample, history: History, screen: Screen) -> str:
    """The newest sample in one line."""
    parts = [clock_time(sample.elapsed)]
    for name, (words, shown) in _NAMES.items():
        value = history.recent(name, 1)
        if value and not math.isnan(value[0]):
            parts.append(f"{screen.say(words)} {shown(value[0])}")
    if sample.failure is not None:
        why = failure_words(sample.failure)
        parts.append(screen.say(Text(f"request failed: {why.en}", f"请求失败：{why.zh}")))
    if sample.held_back is not None:
        parts.append(screen.say(Text(f"held back: {sample.held_back}", f"未发送：{sample.held_back}")))
    return screen.separator.join(parts)


def event_line(elapsed: float, event: Event, screen: Screen) -> str:
    """An event in one line."""
    words = screen.say(_KINDS[event.kind])
    about = f" {event.id}" if event.id else ""
    return f"{clock_time(elapsed)} {words}{about}{screen.colon}{screen.say(event.text)}"


_KINDS = {
    "restart": Text("restart", "重启"),
    "gone": Text("ended", "退出"),
    "back": Text("back", "恢复"),
    "cause": Text("log", "日志"),
    "sleep": Text("sleep", "休眠"),
    "clock": Text("clock", "时钟"),
    "gap": Text("gap", "中断"),
    "alert": Text("ALERT", "告警"),
    "over": Text("over", "告警解除"),
}


def _style(event: Event) -> str:
    if event.kind == "alert" or (event.kind == "cause" and event.fatal):
        return "bold red" if event.fatal else "yellow"
    return "green" if event.kind == "over" else "dim"


def _progress(sample: Sample, history: History, screen: Screen) -> str:
    tally, time = history.tally, duration(sample.elapsed)
    words = Text(
        f"{time.en}, {tally.samples} samples, {tally.failed} failed; Ctrl-C ends it with the verdict",
        f"已观察 {time.zh}，采样 {tally.samples} 次，失败 {tally.failed} 次；按 Ctrl-C 结束并给出结论",
    )
    return screen.say(words)
