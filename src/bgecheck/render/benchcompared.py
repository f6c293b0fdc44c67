"""How two runs are shown beside each other: a row for each setting, and one verdict."""

from __future__ import annotations

import json

from bgecheck.benching.comparison import Comparison, Pair, percent
from bgecheck.benching.statistics import Interval
from bgecheck.model import Text
from bgecheck.render.prose import Prose
from bgecheck.render.screen import Screen, drawn

VERDICTS = {
    "faster": Text("faster", "变快"),
    "slower": Text("slower", "变慢"),
    "cannot tell": Text("cannot tell", "无法判断"),
}


def compared_in_words(comparison: Comparison, screen: Screen) -> str:
    """The table of pairs, and the verdict as the last line."""
    console = screen.console()
    table = screen.table(head=True)
    heads = [Text("setting", "设置"), Text("before", "之前"), Text("now", "现在")]
    heads += [Text("throughput (95 %)", "吞吐（95% 区间）"), Text("p50", "p50"), Text("p99", "p99")]
    for heading in heads:
        table.add_column(screen.say(heading), overflow="fold")
    for pair in comparison.pairs:
        table.add_row(*_cells(pair))
    console.print(table)
    console.print(Prose(screen.say(last_line(comparison))))
    return drawn(console)


def _cells(pair: Pair) -> list[str]:
    setting = pair.setting
    load = f"{setting.rate:g}/s" if setting.rate else str(setting.concurrency)
    return [
        f"{setting.batch} x {load}",
        f"{pair.old.rate:.0f}",
        f"{pair.new.rate:.0f}",
        _interval(pair.rate),
        _interval(pair.p50),
        _interval(pair.p99),
    ]


def _interval(ratio: Interval) -> str:
    low, high = (percent(end).removesuffix(" %") for end in (ratio.low, ratio.high))
    return f"{percent(ratio.ratio)} ({low}, {high})"


def last_line(comparison: Comparison) -> Text:
    """The verdict with its figure and interval."""
    whole, words, count = comparison.whole, VERDICTS[comparison.verdict], len(comparison.pairs)
    what, what_zh = (
        ("median latency, as speed", "按中位延迟换算的速度") if comparison.is_open else ("throughput", "吞吐")
    )
    settings = f"{count} setting{'s' * (count > 1)}"
    return Text(
        f"{words.en}: {what} {percent(whole.ratio)}, 95 % interval {percent(whole.low)} to {percent(whole.high)}, "
        f"over {settings} in common",
        f"{words.zh}：{what_zh} {percent(whole.ratio)}，95% 区间 {percent(whole.low)} 到 {percent(whole.high)}，"
        f"共同的设置 {count} 组",
    )


def compared_as_json(comparison: Comparison) -> str:
    """The comparison for programs; ratios new to old."""
    payload = {
        "schema": "bgecheck.bench-comparison/1",
        "verdict": comparison.verdict,
        "speed": _as_json(comparison.whole),
        "settings": [
            {
                "batch": pair.setting.batch,
                "concurrency": pair.setting.concurrency,
                "rate": pair.setting.rate or None,
                "throughput": _as_json(pair.rate),
                "p50": _as_json(pair.p50),
                "p99": _as_json(pair.p99),
            }
            for pair in comparison.pairs
        ],
    }
    return json.dumps(payload, ensure_ascii=False, indent=2) + "\n"


def _as_json(ratio: Interval) -> dict[str, float]:
    return {name: round(value, 5) for name, value in ratio._asdict().items()}
