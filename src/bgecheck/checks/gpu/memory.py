"""The row of the GPU's memory: is there enough for the server."""

from __future__ import annotations

from typing import Any

from bgecheck.checks.gpu.facts import (
    AREA,
    UNPLACED,
    WHO,
    GpuFacts,
    elsewhere,
    label,
    moved,
    size_text,
)
from bgecheck.engines.sglang.footprint import Footprint
from bgecheck.machine.gpus import Gpu
from bgecheck.model import ANY_TIME, Advice, Evidence, Outcome, Shell, Text, absent, broken, holds

_TOO_LITTLE = Text(
    "{gpu}, where this launch would run, has {free} of {total} free, and the server needs {needed}: weights "
    "{model_weights}, the pool for one text {pool}, activations and CUDA's own {beside}",
    "这条命令要用的 {gpu} 只有 {free} 空闲（共 {total}），而服务需要 {needed}：权重 {model_weights}，"
    "容纳一条文本的 KV 缓存池 {pool}，激活值和 CUDA 自身 {beside}",
)


@AREA.check(
    "memory",
    headline=True,
    title=Text("there is GPU memory for the model", "显存放得下模型"),
    cause=Text(
        "only {free} of {total} is free on the emptiest GPU ({gpu}), and the model needs {needed}",
        "空闲显存最多的 GPU（{gpu}）只剩 {free}（共 {total}），而模型需要 {needed}",
    ),
    fix=Text("use a larger GPU, or a smaller model", "换更大的 GPU，或更小的模型"),
    commands=("nvidia-smi",),
    variants={
        "held": Advice(
            Text(
                "only {free} of {total} is free on the emptiest GPU ({gpu}), and the model needs {needed}. "
                "The rest is held by {holders}",
                "空闲显存最多的 GPU（{gpu}）只剩 {free}（共 {total}），而模型需要 {needed}。其余被 {holders} 占用",
            ),
            Text(
                "end those processes if they are not needed, or use another GPU",
                "若不再需要，结束这些进程；或换一块 GPU",
            ),
            WHO,
        ),
        "planned": Advice(
            _TOO_LITTLE, Text("use a larger GPU, or a smaller model", "换更大的 GPU，或更小的模型"), ("nvidia-smi",)
        ),
        "planned-held": Advice(
            _TOO_LITTLE,
            Text(
                "end the processes that hold the rest if they are not needed, or use another GPU: {holders}",
                "若不再需要，结束占用显存的进程，或换一块 GPU：{holders}",
            ),
            WHO,
        ),
        "planned-left-over": Advice(
            _TOO_LITTLE,
            Text(
                "workers whose server is gone hold the rest: {holders}. Look at them, then kill exactly these",
                "其余被残留的 sglang 子进程占着，它们的主服务已经退出：{holders}。确认后只结束这几个进程",
            ),
            ("ps -o pid,ppid,etime,args -p {pids}", "kill {pids_apart}"),
        ),
        "planned-elsewhere": Advice(
            _TOO_LITTLE,
            Text("start it on {other}, which has {other_free} free", "改在 {other} 上启动，它有 {other_free} 空闲"),
            ("{launch_line}",),
        ),
    },
    explains=(
        *("gpu.others", "logs.gpu-oom-weights", "logs.gpu-oom-kv-pool", "logs.gpu-oom-graph-capture"),
        *("logs.gpu-memory-held-by-others", "gpu.share"),
    ),
    moments=ANY_TIME,
)
def model_fits(facts: GpuFacts) -> Outcome:
    """For a server that runs: what its GPU holds; for one that does not: what is free against what it needs."""
    best = facts.emptiest
    if best is None or best.total is None:
        return absent(Text("the driver does not report the memory", "驱动没有给出显存信息"))
    if facts.serving:
        return holds(*(Evidence(label(g), f"{size_text(g.used)} / {size_text(g.total)}") for g in facts.serving[:8]))
    if facts.unplaced:
        return absent(UNPLACED)
    if facts.planned is not None:
        return _planned(facts)
    free, needed = size_text(best.free), size_text(facts.needed)
    evidence = Evidence(
        Text(f"free on {label(best)}", f"{label(best)} 空闲显存"), f"{free} / {size_text(best.total)}", f">= {needed}"
    )
    if (best.free or 0) >= facts.needed:
        return holds(evidence)
    others = ", ".join(facts.holder(h) for h in facts.others(best)[:4])
    values = {"gpu": label(best), "free": free, "total": size_text(best.total), "needed": needed, "holders": others}
    return broken(evidence, advice="held" if others else None, **values)


def _planned(facts: GpuFacts) -> Outcome:
    """Each GPU that a planned launch takes, against what one rank of it cannot do without."""
    need = facts.footprint
    if need is None:
        return absent(
            Text(
                "the model's size is not known: neither its folder nor its name tells it",
                "不知道模型大小：目录和名字都看不出",
            )
        )
    gpus = [g for g in facts.wanted or facts.chosen[:1] if g.free is not None]
    if not gpus:
        return absent(Text("the options do not tell which GPUs are used", "从启动参数看不出要用哪块卡"))
    least = min(gpus, key=lambda g: g.free or 0)
    free, needed = size_text(least.free), size_text(need.least)
    evidence = Evidence(
        Text(f"free on {label(least)}", f"{label(least)} 空闲显存"),
        f"{free} / {size_text(least.total)}",
        f">= {needed}",
    )
    if (least.free or 0) >= need.least:
        return holds(evidence)
    values = {"gpu": label(least), "free": free, "total": size_text(least.total), "needed": needed, **_parts(need)}
    return broken(evidence, **values, **_remedy(facts, least, need))


def _parts(need: Footprint) -> dict[str, str]:
    """What the need is made of."""
    beside = size_text(need.context + need.beside)
    return {"model_weights": size_text(need.weights), "pool": size_text(need.least_pool), "beside": beside}


def _remedy(facts: GpuFacts, gpu: Gpu, need: Footprint) -> dict[str, Any]:
    """What is nearest at hand: workers that nobody needs, a GPU with room, else who holds the rest."""
    others = facts.others(gpu)
    left_over = [h for h in others if h.pid in facts.left_over]
    if left_over and (gpu.free or 0) + sum(h.used or 0 for h in left_over) >= need.least:
        pids = [str(h.pid) for h in left_over]
        holders = ", ".join(facts.holder(h) for h in left_over[:4])
        apart = {"pids": ",".join(pids), "pids_apart": Shell(" ".join(pids))}
        return {"advice": "planned-left-over", "holders": holders, **apart}
    if other := elsewhere(facts, need.least):
        room = {"other": label(other), "other_free": size_text(other.free)}
        return {"advice": "planned-elsewhere", **room, **moved(facts, other)}
    if others:
        return {"advice": "planned-held", "holders": ", ".join(facts.holder(h) for h in others[:4])}
    return {"advice": "planned"}
