"""Rows of which GPUs there are for the server: what the driver shows, and how many its options ask for."""

from __future__ import annotations

from bgecheck.checks.gpu.facts import AREA, GpuFacts, label, size_text
from bgecheck.engines.sglang.options import FIRST_GPU, RANKS
from bgecheck.engines.sglang.relaunch import launch_line
from bgecheck.engines.sglang.workers import OF_SEVERAL_GPUS
from bgecheck.model import ANY_TIME, BEFORE, Advice, Evidence, Outcome, Shell, Text, absent, broken, holds


@AREA.check(
    "visible",
    title=Text("the driver shows a GPU that the server may use", "驱动能识别服务要用的 GPU"),
    cause=Text(
        "the server was started with CUDA_VISIBLE_DEVICES={visible}, and the driver shows no such GPU",
        "服务启动时设了 CUDA_VISIBLE_DEVICES={visible}，而驱动没有列出这块 GPU",
    ),
    fix=Text(
        "list the GPUs, and restart the server with an index or UUID from that list",
        "列出 GPU，用存在的编号或 UUID 重新启动服务",
    ),
    commands=("nvidia-smi -L",),
    variants={
        "planned": Advice(
            Text(
                "the launch has CUDA_VISIBLE_DEVICES={visible}, and the driver shows no such GPU",
                "启动命令设了 CUDA_VISIBLE_DEVICES={visible}，而驱动没有列出这块 GPU",
            ),
            Text("list the GPUs, and write an index or UUID from that list", "列出 GPU，改成存在的编号或 UUID"),
            ("nvidia-smi -L",),
        )
    },
    explains=("logs.no-gpu-visible",),
    moments=ANY_TIME,
)
def driver_shows_a_gpu(facts: GpuFacts) -> Outcome:
    """The entry row: NVML answered, and what it shows is left to the server."""
    evidence = [Evidence(label(g), f"{g.name}, {size_text(g.total)}") for g in facts.nvml.gpus[:8]]
    if not facts.judged:
        asked = Evidence("CUDA_VISIBLE_DEVICES", facts.visible or "", ", ".join(str(g.index) for g in facts.nvml.gpus))
        advice = "planned" if facts.planned else None
        return broken(asked, *evidence, advice=advice, visible=facts.visible)
    return holds(*evidence)


@AREA.check(
    "devices",
    title=Text("there are as many GPUs as the launch asks for", "GPU 数量满足启动参数"),
    cause=Text(
        f"the launch takes {{places}} ({RANKS}, {FIRST_GPU}), and {{shown}} left to it: its schedulers end with "
        "`invalid device ordinal`",
        f"启动参数要用{{places}}（{RANKS}、{FIRST_GPU}），而可用的只有 {{shown}}：scheduler 会以 "
        "`invalid device ordinal` 退出",
    ),
    fix=Text(
        f"an embedding model of this size needs one GPU: leave {RANKS} and {FIRST_GPU} out, or set "
        "CUDA_VISIBLE_DEVICES to as many GPUs as are asked for",
        f"embedding 模型用一块卡就够：去掉 {RANKS} 和 {FIRST_GPU}，或让 CUDA_VISIBLE_DEVICES 包含足够多的卡",
    ),
    commands=("nvidia-smi -L", "{launch_line}"),
    explains=("gpu.memory",),
    moments=BEFORE,
)
def as_many_gpus_as_asked_for(facts: GpuFacts) -> Outcome:
    """By place among those that CUDA shows: the first GPU, and one for each rank after it."""
    if facts.planned is None:
        return absent(Text("no launch command was given", "没有给出启动命令"))
    if not facts.places:
        return absent(Text("the options do not tell how many of this machine", "从启动参数看不出要用本机几块卡"))
    shown = len(facts.chosen)
    last = max(facts.places)
    evidence = Evidence(Text("GPUs left to it", "可用的 GPU"), str(shown), f">= {last + 1}")
    if last < shown:
        return holds(evidence)
    count = Text(f"{shown} is" if shown == 1 else f"{shown} are", f"{shown} 块")
    numbers = str(last) if last == facts.places[0] else f"{facts.places[0]}-{last}"
    places = Text(f"GPU {numbers} of those that it sees", f"第 {numbers} 号卡（从 0 数）")
    return broken(evidence, places=places, shown=count, **_on_one(facts))


def _on_one(facts: GpuFacts) -> dict[str, Shell]:
    """The launch line without the options that ask for more GPUs, where one has room for all that the ranks share."""
    need = facts.footprint
    if need is None or facts.planned is None or not facts.chosen:
        return {}
    whole = need.least + (len(facts.places) - 1) * need.weights_and_least
    if max(gpu.free or 0 for gpu in facts.chosen) < whole:
        return {}
    return {"launch_line": launch_line(facts.planned.launch, dict.fromkeys(OF_SEVERAL_GPUS))}
