"""How measurements are shown on a screen: what was loaded, a row for each setting, the curve, and what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bgecheck.benching.advice import Advice, seconds_for
from bgecheck.benching.benching import Bench
from bgecheck.benching.measured import Result
from bgecheck.engines.sglang.tuning import Tuning
from bgecheck.model import Text, Words, clean
from bgecheck.render.curve import drawn_curve
from bgecheck.render.prose import Prose
from bgecheck.render.screen import Screen, drawn

_WIDE, _MIDDLE = 100, 60
"""Columns from which on the table has all its columns, and from which on it has more than the most needed ones."""

_HEAD = (
    Text("batch", "批大小"),
    Text("at once", "并发"),
    Text("texts/s", "条/秒"),
    Text("tokens/s", "token/秒"),
    Text("p50 ms", "p50 毫秒"),
    Text("p90 ms", "p90 毫秒"),
    Text("p99 ms", "p99 毫秒"),
    Text("requests", "请求数"),
    Text("", ""),
)
_SOME, _FEW = (0, 1, 2, 4, 6, 8), (0, 1, 2, 6)
"""The columns that a screen of 60 and one of 40 has room for; sentences below say which setting to use."""

FEW_REQUESTS = 20
"""Of the advised setting, below which the advice is said to rest on few."""

ERRORS = {
    "busy": Text("busy (429, 503)", "繁忙（429、503）"),
    "late": Text("no answer in time", "超时无响应"),
    "fault": Text("server error or cut connection", "服务出错或连接中断"),
    "gone": Text("nobody there", "连接不上"),
    "barred": Text("refused for good", "被拒绝（key、路径或模型）"),
    "refused": Text("refused", "请求被拒"),
    "too-long": Text("text too long", "文本过长"),
}
WRONG = {
    "dimension": Text("another dimension", "维度变了"),
    "not-finite": Text("NaN or infinite", "NaN 或无穷"),
    "norm": Text("wrong norm", "范数不对"),
    "control": Text("the control text has another vector under load", "有负载时对照文本的向量变了"),
    "after": Text("the control text has another vector after the load", "加压之后对照文本的向量变了"),
}


def in_words(bench: Bench, advice: Advice, changes: Sequence[Tuning], texts: int | None, screen: Screen) -> str:
    """The whole report but its last line."""
    console = screen.console()
    for words in _head(bench):
        console.print(Prose(screen.say(words)))
    results = shown(bench, advice, screen.verbose)
    if results:
        console.print(_table(results, advice, bench, screen))
    left_out = len(bench.results) - len(results)
    if left_out:
        words = Text(f"({left_out} more settings were measured: -v)", f"（另外还测了 {left_out} 组设置：-v 显示）")
        console.print(Prose(screen.say(words)))
    if curve := drawn_curve(bench, screen):
        console.print(curve)
    for words in remarks(bench, advice, texts):
        console.print(Prose(screen.say(words)))
    text = drawn(console)
    return text + "".join(f"  {line}\n" for line in commands(bench, advice)) + _changes(changes, screen)


def _head(bench: Bench) -> list[Text]:
    limit = f"at most {bench.grid.in_flight} in flight"
    limit_zh = f"在途最多 {bench.grid.in_flight} 条"
    if bench.at_once:
        limit += " (max_running_requests)"
        limit_zh += "（max_running_requests）"
    model = clean(bench.model or "?", 80)
    return [
        Text(
            f"{model} at {bench.url} | texts of {bench.tokens:.0f} tokens on average | {limit}",
            f"{bench.url} 上的 {model} | 文本平均 {bench.tokens:.0f} token | {limit_zh}",
        )
    ]


def shown(bench: Bench, advice: Advice, everything: bool) -> list[Result]:
    """The settings that are listed: of each batch size the fastest, what is marked, and what went wrong."""
    ordered = sorted(bench.results.values(), key=lambda one: one.setting)
    if everything or bench.options.rates:
        return ordered
    marked = [advice.best, advice.knee, advice.chosen, advice.nearest]
    fastest: dict[int, Result] = {}
    for one in ordered:
        if one.rate > fastest.get(one.setting.batch, one).rate or one.setting.batch not in fastest:
            fastest[one.setting.batch] = one
    first = next(iter(ordered), None)
    return [one for one in ordered if one in marked or one in fastest.values() or not one.is_usable or one is first]


def _table(results: Sequence[Result], advice: Advice, bench: Bench, screen: Screen) -> object:
    table = screen.table(head=True)
    columns = tuple(range(len(_HEAD))) if screen.width >= _WIDE else _SOME if screen.width >= _MIDDLE else _FEW
    heads = [screen.say(words) for words in _HEAD]
    if bench.options.rates:
        heads[1] = screen.say(Text("due/s", "到达/秒"))
    for column in columns:
        last = column == len(_HEAD) - 1
        table.add_column(
            heads[column], justify="left" if last else "right", overflow="fold", min_width=12 if last else None
        )
    for result in results:
        cells = _cells(result, advice, screen)
        table.add_row(*(cells[column] for column in columns))
    return table


def _cells(result: Result, advice: Advice, screen: Screen) -> list[str]:
    setting = result.setting
    return [
        str(setting.batch),
        f"{setting.rate:g}" if setting.rate else str(setting.concurrency),
        f"{result.rate:.0f}" if result.rate >= 10 else f"{result.rate:.1f}",
        f"{result.tokens:.0f}" if result.tokens else "-",
        *(milliseconds(result.quantile(share)) for share in (0.5, 0.9, 0.99)),
        str(result.requests),
        screen.separator.join(screen.say(words) for words in mark(result, advice)),
    ]


def milliseconds(seconds: float) -> str:
    """A latency for a table."""
    if math.isinf(seconds):
        return "-"
    return f"{seconds * 1000:.0f}" if seconds >= 0.01 else f"{seconds * 1000:.1f}"


def mark(result: Result, advice: Advice) -> list[Text]:
    """What a setting is, and what is to be known of it."""
    marks: list[Text] = []
    if result is advice.chosen:
        marks.append(Text("use this", "建议"))
    if result is advice.best:
        marks.append(Text("fastest", "最快"))
    if result is advice.nearest:
        marks.append(Text("nearest", "最接近"))
    if result.wrong:
        marks.append(Text("WRONG VECTORS", "向量错误"))
    marks += [
        Text(f"{count} x {ERRORS[kind].en}", f"{ERRORS[kind].zh} {count} 次") for kind, count in result.errors.items()
    ]
    if result.falls_behind:
        marks.append(Text("falls behind", "跟不上"))
    if result.client_is_limit:
        marks.append(Text("limited by this client", "受限于本客户端"))
    return marks


def remarks(bench: Bench, advice: Advice, texts: int | None) -> list[Text]:
    """What to know and do, in sentences."""
    lines: list[Text] = []
    chosen, best = advice.chosen, advice.best
    if chosen is not None and chosen.setting.rate:
        lines.append(_highest(chosen))
    elif chosen is not None and best is not None:
        lines.append(_to_use(chosen, best))
    if texts is not None and chosen is not None:
        duration = clock(seconds_for(texts, chosen))
        lines.append(
            Text(f"{texts:,} texts take {duration} at this rate", f"按这个速度，{texts:,} 条文本需要 {duration}")
        )
    marked = [one for one in (chosen, best) if one is not None]
    if any(one.client_is_limit for one in marked):
        lines.append(
            Text(
                "this client was at its limit (a core of Python): the server may do more; bench from several machines",
                "本客户端已到极限（Python 占满一个核）：服务可能更快，可在多台机器上同时测",
            )
        )
    once = max((one for one in bench.results.values() if one.is_usable), key=lambda one: one.rate, default=None)
    if once is not None and best is not None and once.rate > best.rate:
        lines.append(_once(once))
    if chosen is not None and chosen.requests < FEW_REQUESTS:
        lines.append(
            Text(
                f"it rests on {chosen.requests} requests: a longer --budget makes it surer",
                f"只依据 {chosen.requests} 个请求：把 --budget 加长更可靠",
            )
        )
    if bench.repeated > 1:
        lines.append(
            Text(
                f"each text of the file was sent {bench.repeated:.1f} times: a cache may have answered",
                f"文件里每条文本平均发送了 {bench.repeated:.1f} 次，可能命中缓存",
            )
        )
    lines += [_wrong(result) for result in bench.results.values() if result.wrong]
    return lines


def _to_use(chosen: Result, best: Result) -> Text:
    setting, share = chosen.setting, 100 * chosen.rate / best.rate
    en = f"use batch {setting.batch} with {setting.concurrency} requests at once: {chosen.rate:.0f} texts/s, "
    zh = f"建议每批 {setting.batch} 条、{setting.concurrency} 个并发请求：{chosen.rate:.0f} 条/秒，"
    p50, p99 = milliseconds(chosen.quantile(0.5)), milliseconds(chosen.quantile(0.99))
    en, zh = f"{en}p50 {p50} ms, p99 {p99} ms", f"{zh}p50 {p50} 毫秒，p99 {p99} 毫秒"
    if chosen is best:
        return Text(f"{en}, the fastest", f"{zh}，也是最快的")
    top = best.setting
    return Text(
        f"{en}; {share:.0f} % of the fastest ({best.rate:.0f} at batch {top.batch} x {top.concurrency}), with fewer "
        "texts in flight",
        f"{zh}；是最快一组的 {share:.0f}%（每批 {top.batch} 条 × {top.concurrency} 并发，{best.rate:.0f} 条/秒），"
        "在途更少",
    )


def _once(result: Result) -> Text:
    """Of a setting that was faster than the best of those that were measured again."""
    batch, requests, rate = result.setting.batch, result.setting.concurrency, f"{result.rate:.0f}"
    return Text(
        f"batch {batch} x {requests} had {rate} texts/s and was measured once only: among many settings one is fast by "
        "luck, so it does not count",
        f"每批 {batch} 条 × {requests} 并发测到过 {rate} 条/秒，但只测了一次：设置多了难免有一组碰巧快，不作数",
    )


def _highest(chosen: Result) -> Text:
    setting = chosen.setting
    p50, p99 = milliseconds(chosen.quantile(0.5)), milliseconds(chosen.quantile(0.99))
    return Text(
        f"it keeps up with {setting.rate:g} requests/s of {setting.batch} texts: p50 {p50} ms, p99 {p99} ms from the "
        "moment each was due",
        f"每秒 {setting.rate:g} 个请求（每个 {setting.batch} 条）跟得上：从该发送的时刻算起，p50 {p50} 毫秒，"
        f"p99 {p99} 毫秒",
    )


def _wrong(result: Result) -> Text:
    en = ", ".join(f"{count} x {WRONG[name].en}" for name, count in result.wrong.items())
    zh = "、".join(f"{WRONG[name].zh} {count} 次" for name, count in result.wrong.items())
    setting = result.setting
    return Text(
        f"wrong vectors at batch {setting.batch} x {setting.concurrency}: {en} (lowest cosine {result.cosine:.4f})",
        f"每批 {setting.batch} 条 × {setting.concurrency} 并发时向量错误：{zh}（最低余弦相似度 {result.cosine:.4f}）",
    )


def commands(bench: Bench, advice: Advice) -> list[str]:
    """The command that embeds a file with the advised setting."""
    chosen = advice.chosen
    if chosen is None or chosen.setting.rate:
        return []
    setting = chosen.setting
    options = f"--batch {setting.batch} --concurrency {setting.concurrency}"
    return [f"bgecheck embed --url {bench.url} --input FILE --to vectors.npy {options}"]


def _changes(changes: Sequence[Tuning], screen: Screen) -> str:
    text = ""
    for one in changes:
        console = screen.console()
        words = Text("server: restart {what}, for {why}", "服务端：{what}重启，因为{why}")
        console.print(Prose(screen.say(words.filled({"what": one.words, "why": one.reason}))))
        text += drawn(console) + (f"  {one.line}\n" if one.line else "")
    return text


def clock(seconds: float) -> str:
    """A duration as `3:12:05`, days before it."""
    whole = round(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    shown = f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"{days} d {shown}" if days else shown


def verdict(bench: Bench, advice: Advice, wanted: Sequence[object]) -> tuple[bool, Words]:
    """Whether the run is all right, and the last line."""
    wrong = [result for result in bench.results.values() if result.wrong]
    if wrong:
        return False, Text(
            f"FAIL wrong vectors under load: bgecheck doctor --url {bench.url}",
            f"未通过 有负载时向量错误：bgecheck doctor --url {bench.url}",
        )
    if bench.ended:
        count = len(bench.results)
        return False, Text(
            f"FAIL ended after {count} settings: {{why}}", f"未通过 测完 {count} 组设置后中断：{{why}}"
        ).filled({"why": bench.ended})
    if advice.chosen is not None:
        return True, Text("ok", "通过") if not wanted else Text(
            f"ok {_listed(wanted)} is met", f"通过 满足 {_listed(wanted)}"
        )
    if advice.nearest is None:
        return False, Text("FAIL no setting gave vectors", "未通过 没有一组设置得到向量")
    return False, _missed(advice)


def _missed(advice: Advice) -> Text:
    nearest = advice.nearest
    assert nearest is not None
    figures = ", ".join(
        f"{one.name} {milliseconds(one.figure(nearest))} ms"
        if one.is_latency
        else f"{one.name} {one.figure(nearest):.0f}"
        for one in advice.missed
    )
    setting = nearest.setting
    where = f"batch {setting.batch} x {setting.concurrency}"
    where_zh = f"每批 {setting.batch} 条 × {setting.concurrency} 并发"
    if setting.rate:
        where, where_zh = f"{setting.rate:g} requests/s", f"每秒 {setting.rate:g} 个请求"
    missed = _listed(advice.missed)
    return Text(
        f"FAIL no setting meets {missed}; nearest is {where} with {figures}",
        f"未通过 没有一组设置满足 {missed}；最接近的是{where_zh}：{figures}",
    )


def _listed(wanted: Sequence[object]) -> str:
    return ", ".join(map(str, wanted))


def counts(errors: Mapping[str, int]) -> Text:
    """Errors by cause, in words."""
    return Text(
        ", ".join(f"{count} x {ERRORS[kind].en}" for kind, count in errors.items()),
        "、".join(f"{ERRORS[kind].zh} {count} 次" for kind, count in errors.items()),
    )
