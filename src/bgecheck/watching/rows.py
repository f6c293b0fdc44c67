"""The rows of a watch: each judges what was sampled, as a pure function of it."""

from __future__ import annotations

from collections.abc import Callable

from bgecheck.model import (
    FOR_A_WHILE,
    Advice,
    Area,
    Evidence,
    Outcome,
    Severity,
    Text,
    absent,
    broken,
    holds,
    unclear,
)
from bgecheck.watching.amounts import clock_time, duration, rate, size
from bgecheck.watching.failures import counted_words
from bgecheck.watching.history import SAME_VECTOR, Facts, Segment
from bgecheck.watching.latency import FEWEST, SLOWER, Slowdown, slowdown
from bgecheck.watching.memory import DAY, FALLS, Growth, growth

AREA = Area("watch", moments=FOR_A_WHILE)

_NEARLY_A_DAY = 0.95 * DAY
"""The last sample of a watch of 24 hours comes a little earlier."""

FEWEST_FAILED = 2
"""Failed samples below which a share says nothing: of few samples a single one is more than a percent."""


@AREA.check(
    "sampled",
    title=Text("the server could be watched", "服务可以被观察"),
    cause=Text("no sample reached the server", "没有一次采样连上服务"),
    fix=Text("see why it does not answer", "先看它为什么不响应"),
    commands=("bgecheck doctor --url {url}",),
)
def server_was_watched(facts: Facts) -> Outcome:
    """The entry row: somebody answered, or a process was seen."""
    tally = facts.tally
    if not tally.samples:
        return unclear(Text("not one sample was taken", "一次采样都没有"))
    if tally.asked and tally.failed == tally.asked and not tally.seen_process:
        kinds = counted_words(tally.failures, 3)
        return unclear(
            Text(
                f"of {tally.asked} requests not one was answered, and no process of a server is seen: {kinds.en}",
                f"{tally.asked} 次请求都没有得到响应，也看不到服务进程：{kinds.zh}",
            )
        )
    time = duration(facts.seconds)
    shown = Text(f"{tally.samples} samples in {time.en}", f"{time.zh}内采样 {tally.samples} 次")
    return holds(Evidence(Text("watched", "观察"), shown), *_interruptions(facts), samples=tally.samples)


def _interruptions(facts: Facts) -> list[Evidence]:
    """What the samples do not cover, each where it happened."""
    tally, interruptions = facts.tally, []
    if held := sum(tally.held_back.values()):
        reasons = counted_words(tally.held_back, 3)
        words = Text(f"{held} samples without a request: {reasons.en}", f"{held} 次采样没有发送请求：{reasons.zh}")
        interruptions.append(Evidence(Text("held back", "未发送"), words))
    if tally.asleep:
        time = duration(tally.asleep)
        words = Text(f"the machine slept {time.en}", f"机器休眠了 {time.zh}")
        interruptions.append(Evidence(Text("not covered", "未覆盖"), words))
    if tally.clock_sets:
        words = Text(
            f"set {tally.clock_sets} times; durations are by a clock that nobody sets",
            f"被调整 {tally.clock_sets} 次；时长按单调时钟计算，不受影响",
        )
        interruptions.append(Evidence(Text("clock of the machine", "系统时钟"), words))
    if facts.unread:
        words = Text(
            f"{facts.unread} of {facts.lines} lines cannot be read and are left out",
            f"{facts.lines} 行中有 {facts.unread} 行无法读取，已略过",
        )
        interruptions.append(Evidence(Text("file", "文件"), words))
    return interruptions


_RESTART_LEAK = Text(
    "look for the change that began it (release, options, callers); until it is found restart within {until}, and not "
    "by the calendar",
    "查清是什么改动引起的（版本、参数、调用方）；查清之前，{until}内重启一次即可，不必按日历定期重启",
)
_LOAD = Advice(
    Text(
        "it grows by {rate}, and so does the number of requests: a daily rise of the load looks like this too",
        "内存以 {rate} 增长，而请求量也在上升：白天负载上升时就是这个样子",
    ),
    Text(
        "watch on until the load has fallen: what is not given back then is a leak",
        "继续观察到负载回落：那时还不释放的才是泄漏",
    ),
    ("bgecheck watch --url {url} --for 24h",),
    severity=Severity.WARNING,
)
_UNPROVEN = Advice(
    Text(
        "it grows by {rate} in less than a day, and how many requests came is not seen: the load of a day may do this",
        "观察不到一天，内存以 {rate} 增长，但看不到请求量：也可能只是白天的负载变化",
    ),
    Text(
        "watch a whole day, or let it see the requests: --log FILE, or a server that shows its metrics",
        "观察满一天；或者让它能看到请求量：用 --log 指定日志，或让服务开放 metrics",
    ),
    ("bgecheck watch --url {url} --for 24h",),
    severity=Severity.WARNING,
)


def _memory_row(name: str, used: str, free: str, title: Text, cause: Text, missing: Callable[[Facts], Text]) -> None:
    """Declare a row that judges the growth of one kind of memory."""

    def judge(facts: Facts) -> Outcome:
        judged = [(segment, growth(segment, used, free)) for segment in facts.segments]
        grown = [(segment, one) for segment, one in judged if one.kind != "nothing"]
        if not grown:
            return absent(missing(facts))
        for kind in ("leak", "load"):
            for segment, one in reversed(grown):
                if one.kind == kind:
                    return _growing(facts, segment, one)
        return _not_growing(facts, *max(grown, key=lambda pair: len(pair[0].times)))

    judge.__doc__ = "A leak grows to the end, along a line, by more than noise, and gives nothing back."
    AREA.check(
        name,
        title=title,
        cause=cause,
        fix=_RESTART_LEAK,
        commands=("bgecheck doctor --url {url} -o json=doctor.json",),
        variants={"load": _LOAD, "unproven": _UNPROVEN},
        headline=True,
    )(judge)


def _growing(facts: Facts, segment: Segment, one: Growth) -> Outcome:
    trend, full = one.trend, one.until_full
    assert trend is not None
    grown, time, (low, high) = size(one.grown), duration(trend.seconds), (rate(trend.lower), rate(trend.upper))
    slope = Text(
        f"+{rate(trend.slope)} (95 %: {low} to {high}) over {time.en}",
        f"+{rate(trend.slope)}（95 % 区间 {low} 至 {high}），观察 {time.zh}",
    )
    evidence = [
        Evidence(_which(facts, segment), slope, Text("no growth", "不增长")),
        Evidence(Text("grown", "增长量"), Text(f"{grown}, to {size(one.last)}", f"{grown}，现为 {size(one.last)}")),
    ]
    if full is not None:
        evidence.append(_until_full(one, full))
    until = duration(full[0]) if full else Text("the time that memory lasts", "内存用完前的时间")
    urgent = full is not None and full[0] < DAY
    unproven = not one.load_known and facts.seconds < _NEARLY_A_DAY and not urgent
    advice = "load" if one.kind == "load" else "unproven" if unproven else None
    numbers = {"bytes_per_hour": round(trend.slope * 3600), "seconds_until_full": full and round(full[0])}
    return broken(*evidence, advice=advice, rate=rate(trend.slope), until=until, **numbers)


def _until_full(one: Growth, full: tuple[float, float, float | None]) -> Evidence:
    middle, earliest = duration(full[0]), duration(full[1])
    latest = duration(full[2]) if full[2] is not None else Text("never", "不会")
    free = size(one.free or 0)
    words = Text(
        f"in {middle.en} ({earliest.en} to {latest.en}), with {free} free",
        f"约 {middle.zh}后（{earliest.zh}至 {latest.zh}），目前剩余 {free}",
    )
    return Evidence(Text("memory is full", "内存耗尽"), words)


def _which(facts: Facts, segment: Segment) -> Text:
    """The trend of one start of the server, by its number where there were several."""
    if len(facts.segments) == 1:
        return Text("trend", "趋势")
    since = clock_time(segment.times[0])
    return Text(f"trend since the start seen at {since}", f"{since} 那次启动以来的趋势")


def _not_growing(facts: Facts, segment: Segment, one: Growth) -> Outcome:
    if one.kind == "too-little" or one.trend is None:
        return absent(_too_little(facts, one))
    time, upper = duration(one.trend.seconds), rate(max(0.0, one.trend.upper))
    words = Text(
        f"{size(one.level)}, no leak above {upper} (95 %) over {time.en}",
        f"{size(one.level)}，观察 {time.zh}，没有超过 {upper} 的泄漏（95 %）",
    )
    fall = one.largest_fall
    more = []
    if one.grown > 0 and fall > 0 and one.trend.lower > 0 and not FALLS.admits(one.grown / fall):
        given = Text(
            f"{size(fall)} at once, of {size(one.grown)} grown", f"一次释放 {size(fall)}，增长 {size(one.grown)}"
        )
        more.append(Evidence(Text("given back", "释放"), given))
    return holds(Evidence(_which(facts, segment), words), *more)


def _too_little(facts: Facts, one: Growth) -> Text:
    """That nothing can be said yet, and after which time it could."""
    so_far, needed = duration(facts.seconds), duration(max(one.needed, facts.seconds))
    if one.trend is None:
        bounds = Text("", "")
    else:
        low, high = rate(one.trend.lower), rate(one.trend.upper)
        bounds = Text(f": the slope is between {low} and {high}", f"：目前斜率在 {low} 到 {high} 之间")
    return Text(
        f"too little data after {so_far.en}{bounds.en}; it takes about {needed.en} in all",
        f"数据不足（已观察 {so_far.zh}）{bounds.zh}；总共约需 {needed.zh}",
    )


_memory_row(
    "gpu-memory",
    "gpu",
    "gpu_free",
    Text("the server's GPU memory does not grow", "服务的显存不增长"),
    Text(
        "the server's processes take more and more GPU memory, {rate}; what it reserves at its start is not counted",
        "服务进程的显存以 {rate} 的速度持续增加，没有停下来的迹象；启动时的预留不算在内",
    ),
    lambda facts: facts.watched.no_gpu,
)
_memory_row(
    "host-memory",
    "rss",
    "ram_free",
    Text("the server's main memory does not grow", "服务的内存不增长"),
    Text(
        "the server's processes take more and more main memory, {rate}",
        "服务进程的内存以 {rate} 的速度持续增加，没有停下来的迹象",
    ),
    lambda facts: facts.watched.no_rss,
)


@AREA.check(
    "vectors",
    title=Text("the same text keeps its vector", "同一文本的向量一直不变"),
    cause=Text(
        "the server gives a text another vector than when the watch began: other weights, another release or setting "
        "after a restart, or memory that goes bad. What is embedded now does not fit what is in the index",
        "同一文本的向量与观察开始时不同：重启后换了权重、版本或参数，或者显存出错。现在算出的向量与索引里的不匹配",
    ),
    fix=Text(
        "stop writing to the index; see what changed, then embed anew what was embedded since {since}",
        "先停止写入索引；查清变化的原因，再把 {since} 之后的内容重新编码",
    ),
    commands=("bgecheck doctor --url {url}",),
    headline=True,
)
def same_text_keeps_its_vector(facts: Facts) -> Outcome:
    """By cosine with the first vector, which this does not judge: whether that one is right is for `doctor`."""
    tally = facts.tally
    if not tally.compared and not tally.odd:
        return absent(Text("no second vector of the text came", "没有得到可以比较的第二条向量"))
    subject = Text("cosine with its first vector, the lowest", "与第一条向量的余弦，最低")
    lowest = "-" if tally.lowest is None else f"{tally.lowest:.6f}"
    evidence = [Evidence(subject, lowest, str(SAME_VECTOR))]
    if tally.odd:
        evidence.append(Evidence(Text("not comparable", "无法比较"), f"{tally.odd} x {tally.odd_words}"))
    if tally.first_wrong_at is None:
        return holds(*evidence)
    since = clock_time(tally.first_wrong_at)
    words = Text(
        f"{tally.wrong} of {tally.compared + tally.odd} samples, the first {since} after the beginning",
        f"{tally.compared + tally.odd} 次采样中有 {tally.wrong} 次，首次在开始后 {since}",
    )
    shown = Text(f"{since} after the beginning", f"观察开始 {since} ")
    return broken(*evidence, Evidence(Text("other vectors", "向量不同"), words), since=shown)


@AREA.check(
    "cached-tokens",
    title=Text("nothing is taken from a prefix cache", "没有命中前缀缓存"),
    cause=Text(
        "the server takes tokens from its prefix cache, which makes the vectors of a bidirectional encoder wrong",
        "服务命中了前缀缓存，而这是双向编码器：这样算出的向量是错的",
    ),
    fix=Text("restart it without a prefix cache; doctor prints the line", "关闭前缀缓存后重启；doctor 会给出启动命令"),
    commands=("bgecheck doctor --url {url} --only launch,embed",),
)
def nothing_is_cached(facts: Facts) -> Outcome:
    """By the answers' usage, and by the server's metrics where it shows them."""
    tally = facts.tally
    if facts.watched.encoder is False:
        return absent(
            Text("the model reads from left to right: a prefix cache is right", "模型是单向的，前缀缓存不影响结果")
        )
    if not tally.cached_known:
        return absent(
            Text("neither the answers nor a page of metrics tell", "响应的 usage 和 metrics 页面都没有给出这一项")
        )
    evidence = Evidence(Text("cached tokens", "命中缓存的 token"), str(tally.cached), "0")
    if tally.cached and facts.watched.encoder is None:
        return absent(
            Text(
                f"{tally.cached} tokens; whether the model is an encoder is not known",
                f"{tally.cached} 个 token；不清楚模型是否是双向编码器",
            )
        )
    return broken(evidence) if tally.cached else holds(evidence)


@AREA.check(
    "errors",
    title=Text("requests are answered", "请求都有响应"),
    cause=Text("{failed} of {count} requests failed: {detail}", "{count} 次请求失败 {failed} 次：{detail}"),
    fix=Text("see what fails now, and what the log says of then", "看现在什么在失败，再看当时的日志"),
    commands=("bgecheck doctor --url {url}", "bgecheck logs {log}"),
    headline=True,
)
def requests_are_answered(facts: Facts) -> Outcome:
    """By the share of samples whose request failed, once there are two."""
    tally, bound = facts.tally, facts.watched.most_failed
    if not tally.asked:
        return absent(Text("no request was sent", "没有发送请求"))
    share = tally.failed / tally.asked
    words = Text(
        f"{tally.failed} of {tally.asked} failed ({share:.2%})",
        f"{tally.asked} 次中失败 {tally.failed} 次（{share:.2%}）",
    )
    kinds = counted_words(tally.failures, 5)
    evidence = [Evidence(Text("requests", "请求"), words, f"<= {bound:.2%}")]
    evidence += [Evidence(Text("failures", "失败原因"), kinds)] if tally.failures else []
    if tally.failed < FEWEST_FAILED or share <= bound:
        return holds(*evidence)
    return broken(*evidence, failed=tally.failed, count=tally.asked, detail=kinds)


@AREA.check(
    "latency",
    title=Text("the server does not become slower", "服务没有变慢"),
    cause=Text(
        "a short text takes {times} times as long as at the beginning, and neither heat nor load explains it",
        "同样的短文本耗时是开始时的 {times} 倍，温度和负载都解释不了",
    ),
    fix=Text("see what else computes on this machine", "看这台机器上还有什么在占用算力"),
    commands=("bgecheck gpu --url {url}", "top -b -n 1 | head -20"),
    variants={
        "heat": Advice(
            Text(
                "the card is hot and slows itself down: latency follows its temperature and clock. The server does not "
                "decay, and a restart changes nothing",
                "显卡过热降频：延迟随温度和频率变化。服务本身没有退化，重启没有用",
            ),
            Text("see to its cooling, or limit its power", "改善散热，或限制功耗"),
            ("nvidia-smi -q -d TEMPERATURE,CLOCK,PERFORMANCE",),
        ),
        "load": Advice(
            Text("more requests come: latency follows their number", "请求变多了：延迟随请求量变化"),
            Text("add a server, or let clients send less at once", "增加服务实例，或降低客户端的并发"),
        ),
    },
    severity=Severity.WARNING,
)
def server_does_not_become_slower(facts: Facts) -> Outcome:
    """By the medians of the last and the first quarter, with their quartiles apart."""
    slow = slowdown(facts)
    if slow.slower is None:
        return absent(
            Text(
                f"too little data: {slow.samples} latencies, and it takes {FEWEST.value:g}",
                f"数据不足：只有 {slow.samples} 个延迟，至少要 {FEWEST.value:g} 个",
            )
        )
    evidence = [_latencies(slow)]
    if not slow.slower:
        return holds(*evidence)
    if slow.correlation is not None:
        names = {"heat": Text("temperature or clock", "温度或频率"), "load": Text("load", "负载")}
        evidence.append(
            Evidence(
                Text("correlation by ranks with {what}", "与{what}的秩相关").filled({"what": names[slow.why]}),
                f"{slow.correlation:+.2f}",
            )
        )
    advice = None if slow.why == "unknown" else slow.why
    return broken(*evidence, advice=advice, times=f"{slow.last / slow.first:.1f}")


def _latencies(slow: Slowdown) -> Evidence:
    first, last = slow.first * 1000, slow.last * 1000
    words = Text(
        f"{first:.0f} ms in the first quarter, {last:.0f} ms in the last",
        f"前四分之一 {first:.0f} ms，后四分之一 {last:.0f} ms",
    )
    return Evidence(Text("median", "中位数"), words, Text(f"<= {SLOWER.value:g}x", f"<= {SLOWER.value:g} 倍"))


@AREA.check(
    "heat",
    title=Text("no GPU slows itself down", "GPU 没有过热降频"),
    cause=Text(
        "a GPU of the server was at {degrees} °C and slowed itself down", "服务所用的 GPU 到了 {degrees} °C，自动降频"
    ),
    fix=Text("see to its cooling, or limit its power", "改善散热，或限制功耗"),
    commands=("nvidia-smi -q -d TEMPERATURE,CLOCK,PERFORMANCE",),
    severity=Severity.WARNING,
    explains=("watch.latency",),
)
def no_gpu_is_throttled(facts: Facts) -> Outcome:
    """By what the driver says of why clocks are low."""
    tally = facts.tally
    if not tally.temperatures:
        return absent(facts.watched.no_gpu)
    words = Text(
        f"{tally.throttled} of {tally.temperatures} samples throttled, at most {tally.hottest} °C",
        f"{tally.temperatures} 次采样中有 {tally.throttled} 次降频，最高 {tally.hottest} °C",
    )
    evidence = Evidence("GPU", words, Text("none", "没有"))
    return broken(evidence, degrees=tally.hottest) if tally.throttled else holds(evidence)


@AREA.check(
    "log",
    title=Text("no cause of a failure comes up in the log", "日志里没有出现新的故障原因"),
    cause=Text("the log tells of {names}", "日志里出现了 {names}"),
    fix=Text("read its page, and what the log says with it", "查看对应的说明和日志"),
    commands=("bgecheck logs {log}",),
    variants={
        "survived": Advice(
            Text("the log tells of {names}; the server goes on", "日志里出现了 {names}；服务仍在运行"),
            Text("read its page, and what the log says with it", "查看对应的说明和日志"),
            ("bgecheck logs {log}",),
            severity=Severity.WARNING,
            explains=(),
        )
    },
    explains=("watch.restarts", "watch.errors"),
)
def log_tells_of_no_failure(facts: Facts) -> Outcome:
    """What was in the log before is not counted: that is for `doctor` and `logs`."""
    if not facts.watched.log:
        return absent(Text("no log was found: name it with --log FILE", "没有找到日志，用 --log 文件 指定"))
    if not facts.causes:
        return holds(Evidence(Text("causes that came up", "新出现的原因"), Text("none", "无")))
    shown = [Evidence(f"logs.{cause.name}", _after(cause.text, cause.at)) for cause in facts.causes]
    names = ", ".join(f"logs.{cause.name}" for cause in facts.causes)
    return broken(*shown, advice=None if any(cause.fatal for cause in facts.causes) else "survived", names=names)


def _after(text: Text, at: float) -> Text:
    since = clock_time(at)
    return Text(f"{since} after the beginning: {text.en}", f"开始后 {since}：{text.zh}")


@AREA.check(
    "restarts",
    title=Text("the server runs on", "服务一直在运行"),
    cause=Text(
        "the server started anew while it was watched, {count} times; its memory is judged from each start on",
        "观察期间服务重启了 {count} 次；内存从每次启动重新判断",
    ),
    fix=Text("if nobody restarted it, its log and the kernel's say why it ended", "如果不是人为重启，看它和内核的日志"),
    commands=("bgecheck logs {log}", "journalctl -k --since -24h | grep -i -E 'oom|killed process|xid'"),
    variants={
        "gone": Advice(
            Text("the server has ended, and is not back", "服务已经退出，没有恢复"),
            Text("its log and the kernel's say why; start it again", "看它和内核的日志，再重新启动"),
            ("bgecheck logs {log}", "journalctl -k --since -24h | grep -i -E 'oom|killed process|xid'"),
            severity=Severity.ERROR,
        )
    },
    severity=Severity.WARNING,
    explains=("watch.errors",),
)
def server_runs_on(facts: Facts) -> Outcome:
    """By its process, or by counters of its metrics that begin anew."""
    tally = facts.tally
    ends = [when for when in facts.events if when.event.kind in ("restart", "gone", "back")]
    shown = [Evidence(clock_time(when.elapsed), when.event.text) for when in ends[-6:]]
    if ends and ends[-1].event.kind == "gone":
        return broken(*shown, advice="gone", count=tally.restarts)
    if tally.restarts:
        return broken(*shown, count=tally.restarts)
    return holds(Evidence(Text("restarts seen", "观察到的重启"), "0"))
