"""Measurements as one page of HTML: the curves as inline SVG, the table, and the advice; nothing is fetched."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bgecheck.benching.advice import Advice
from bgecheck.benching.benching import Bench
from bgecheck.benching.measured import Result
from bgecheck.engines.sglang.tuning import Tuning
from bgecheck.model import Language, Redactor, Text, Words, say
from bgecheck.render.benching import commands, counts, mark, milliseconds, remarks
from bgecheck.render.htmlpage import escaped, page, table
from bgecheck.render.screen import Screen

WIDTH, HEIGHT, LEFT, BOTTOM = 860, 420, 70, 50
"""Of the drawing, and of the room for its labels, in pixels."""

COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf")
"""Of the batch sizes, which can be told apart by most people; labels stand beside the lines as well."""

STYLE = (
    "svg { max-width: 100%; height: auto; } svg text { font-size: 12px; fill: currentColor; } "
    "td { text-align: right; } td:last-child { text-align: left; }"
)

_LEGEND = Text(
    "Each setting was measured as it stands, one after the other; latency is that of a whole request.",
    "每种设置依次单独测量；延迟指整个请求的延迟。",
)


def bench_page(
    bench: Bench,
    advice: Advice,
    changes: Sequence[Tuning],
    texts: int | None,
    last: Words,
    holds: bool,
    *,
    screen: Screen,
    redactor: Redactor,
) -> str:
    """The whole page."""
    language = screen.language

    def spoken(words: Words) -> str:
        return escaped(redactor.text(say(words, language)))

    title = Text(f"bench of {bench.model} at {bench.url}", f"{bench.url} 上 {bench.model} 的性能")
    head = Text(
        f"texts of {bench.tokens:.0f} tokens on average, {bench.dims} dims, {bench.took:.0f} s",
        f"文本平均 {bench.tokens:.0f} token，{bench.dims} 维，用时 {bench.took:.0f} 秒",
    )
    lines = "".join(f"<p>{spoken(words)}</p>" for words in remarks(bench, advice, texts))
    for one in changes:
        words = Text("server: restart {what}, for {why}", "服务端：{what}重启，因为{why}")
        lines += f"<p>{spoken(words.filled({'what': one.words, 'why': one.reason}))}</p>"
        lines += f"<pre>{spoken(str(one.line))}</pre>" if one.line else ""
    shell = "".join(f"<pre>{spoken(line)}</pre>" for line in commands(bench, advice))
    code = f'<p class="{"pass" if holds else "fail"}"><b>{spoken(last)}</b></p>'
    body = (
        f"<h1>{spoken(title)}</h1>\n<p>{spoken(head)}</p>\n{code}\n{curves(bench, language)}\n{lines}{shell}\n"
        f"{_table(bench, advice, screen)}"
    )
    return page(redactor.text(say(title, language)), body, screen.say(_LEGEND), screen, STYLE)


def curves(bench: Bench, language: Language) -> str:
    """Throughput over median latency as SVG, a line for each batch size; empty where nothing answered."""
    usable = [one for one in sorted(bench.results.values(), key=lambda one: one.setting) if one.is_usable]
    if not usable:
        return ""
    low = math.log(min(one.quantile(0.5) for one in usable))
    high = max(math.log(max(one.quantile(0.5) for one in usable)), low + 0.1)
    top = max(one.rate for one in usable) * 1.05

    def place(one: Result) -> tuple[float, float]:
        x = LEFT + (math.log(one.quantile(0.5)) - low) / (high - low) * (WIDTH - LEFT - 60)
        return round(x, 1), round((HEIGHT - BOTTOM) * (1 - one.rate / top) + 5, 1)

    drawn = [_axes(low, high, top, language)]
    for number, size in enumerate(sorted({one.setting.batch for one in usable})):
        points = [one for one in usable if one.setting.batch == size]
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x},{y}" for x, y in map(place, points))
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for one in points:
            x, y = place(one)
            setting = one.setting
            shown = f"{setting.batch} x {setting.rate or setting.concurrency:g}: {one.rate:.0f}/s, p50 "
            shown += f"{milliseconds(one.quantile(0.5))} ms, p99 {milliseconds(one.quantile(0.99))} ms"
            drawn.append(f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"><title>{escaped(shown)}</title></circle>')
        x, y = place(points[-1])
        drawn.append(f'<text x="{x + 7}" y="{y + 4}" style="fill: {colour}">{size}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(drawn)}</svg>'


def _axes(low: float, high: float, top: float, language: Language) -> str:
    floor, right = HEIGHT - BOTTOM + 5, WIDTH - 60
    lines = [f'<path d="M{LEFT} 5V{floor}H{right}" fill="none" stroke="currentColor"/>']
    for share in (0.25, 0.5, 0.75, 1.0):
        y = round(floor - share * (HEIGHT - BOTTOM), 1)
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{top * share:.0f}</text>')
        lines.append(f'<path d="M{LEFT} {y}H{right}" stroke="currentColor" stroke-opacity=".15"/>')
    for share in (0.0, 0.5, 1.0):
        x = round(LEFT + share * (right - LEFT), 1)
        latency = milliseconds(math.exp(low + share * (high - low)))
        lines.append(f'<text x="{x}" y="{floor + 18}" text-anchor="middle">{latency}</text>')
    names = Text(
        "p50 in ms, logarithmic; texts/s; lines: batch sizes", "p50 毫秒（对数刻度）；条/秒；每条线是一种批大小"
    )
    lines.append(f'<text x="{LEFT}" y="{floor + 38}">{escaped(say(names, language))}</text>')
    return "".join(lines)


def _table(bench: Bench, advice: Advice, screen: Screen) -> str:
    heads = [Text("batch", "批大小"), Text("at once", "并发"), Text("texts/s", "条/秒"), Text("tokens/s", "token/秒")]
    heads += [Text(f"{name} ms", f"{name} 毫秒") for name in ("p50", "p90", "p99")]
    heads += [Text("requests", "请求数"), Text("errors", "错误"), Text("", "")]
    rows = []
    for one in sorted(bench.results.values(), key=lambda one: one.setting):
        setting = one.setting
        cells = [
            str(setting.batch),
            f"{setting.rate:g}/s" if setting.rate else str(setting.concurrency),
            f"{one.rate:.1f}",
            f"{one.tokens:.0f}",
            *(milliseconds(one.quantile(share)) for share in (0.5, 0.9, 0.99)),
            str(one.requests),
            screen.say(counts(one.errors)),
            ", ".join(screen.say(words) for words in mark(one, advice)),
        ]
        rows.append([escaped(cell) for cell in cells])
    return table(heads, rows, screen)
