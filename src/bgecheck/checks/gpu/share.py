"""The row of the memory share: does it cover the weights, and leave enough beside it."""

from __future__ import annotations

import re
from typing import Any

from bgecheck.checks.gpu.facts import AREA, GIB, GpuFacts, label, size_text
from bgecheck.engines.sglang.footprint import Footprint, fitting_share
from bgecheck.engines.sglang.options import MEMORY_SHARE, changes_in_words
from bgecheck.engines.sglang.relaunch import launch_line
from bgecheck.knowledge.models import lookup
from bgecheck.machine.gpus import Gpu
from bgecheck.model import BEFORE, Advice, Evidence, Outcome, Severity, Text, absent, broken, holds

_NAME = MEMORY_SHARE.lstrip("-")
_MOST_OF_IT = 0.6
"""From this share on little is left to others on the card."""


def share_of(facts: GpuFacts) -> float | None:
    """The share of memory that a planned launch asks for; None where it asks for none, or for no share."""
    given = facts.planned.options.get(_NAME, "") if facts.planned else ""
    part = float(given) if re.fullmatch(r"\d*\.?\d+", given) else 0.0
    return part if 0 < part < 1 else None


@AREA.check(
    "share",
    title=Text("the memory share covers the model and leaves room", "显存比例够放模型，也留有余地"),
    cause=Text(
        f"{MEMORY_SHARE} {{share}} is {{covered}} of the {{free}} that are free on {{gpu}}, and weights and the pool "
        "for one text take {needed}: the server ends with `Not enough memory. Please try to increase "
        f"{MEMORY_SHARE}`",
        f"{MEMORY_SHARE} {{share}} 相当于 {{gpu}} 空闲 {{free}} 中的 {{covered}}，"
        "而权重和容纳一条文本的缓存池要 {needed}："
        f"服务会以 `Not enough memory. Please try to increase {MEMORY_SHARE}` 退出",
    ),
    fix=Text("start it {changes}", "启动时{changes}"),
    commands=("{launch_line}",),
    variants={
        "large": Advice(
            Text(
                f"{MEMORY_SHARE} {{share}} takes {{covered}} of the {{free}} that are free on {{gpu}} and leaves "
                "{left}; a batch of long texts needs {needed} beside it: out of memory under load",
                f"{MEMORY_SHARE} {{share}} 会占掉 {{gpu}} 空闲 {{free}} 中的 {{covered}}，只剩 {{left}}；"
                "一批长文本的激活值等还要 {needed}：负载上来会显存不足",
            ),
            Text("start it {changes}", "启动时{changes}"),
            ("{launch_line}",),
            severity=Severity.WARNING,
        ),
        "of-others": Advice(
            Text(
                f"{MEMORY_SHARE} {{share}} takes {{covered}} of the {{free}} that are free on {{gpu}}, this encoder "
                "uses {used} of it; others compute on the same card and may run short: {holders}",
                f"{MEMORY_SHARE} {{share}} 会占掉 {{gpu}} 空闲 {{free}} 中的 {{covered}}，而编码器只用得上 {{used}}；"
                "同一张卡上还有其他进程，可能显存不足：{holders}",
            ),
            Text("start it {changes}", "启动时{changes}"),
            ("{launch_line}",),
            severity=Severity.WARNING,
        ),
    },
    needs=("gpu.devices",),
    explains=("launch.line",),
    moments=BEFORE,
)
def share_fits(facts: GpuFacts) -> Outcome:
    """A share is of what is free when the server starts, not of the whole card (model_runner.py, 0.4.6 to 0.5.23)."""
    need, part = facts.footprint, share_of(facts)
    if facts.planned is None:
        return absent(Text("no launch command was given", "没有给出启动命令"))
    if facts.own:
        return absent(Text("that server runs, and has taken its share", "这个服务正在运行，已经占用了它的份额"))
    if _NAME not in facts.planned.options:
        return absent(
            Text(
                f"no {MEMORY_SHARE}: sglang takes most of what is free by itself",
                f"没有 {MEMORY_SHARE}：sglang 会自动占用大部分空闲显存",
            )
        )
    gpus = [g for g in facts.wanted if g.free is not None]
    if part is None or need is None or not gpus:
        return absent(
            Text("the share, the model's size or the free memory is not known", "比例、模型大小或空闲显存未知")
        )
    least = min(gpus, key=lambda g: g.free or 0)
    free = float(least.free or 0)
    covered, left = need.covered(part, free), need.left(part, free)
    reserved = Evidence(
        Text(f"reserved on {label(least)}", f"在 {label(least)} 上占用"),
        Text(f"{size_text(covered)}, {size_text(left)} stay free", f"{size_text(covered)}，剩余 {size_text(left)}"),
    )
    values = {"share": f"{part:g}", "covered": size_text(covered), "free": size_text(free), "gpu": label(least)}
    if covered < need.weights_and_least:
        expected = reserved._replace(expected=f">= {size_text(need.weights_and_least)}")
        return broken(expected, **values, needed=size_text(need.weights_and_least), **_better(facts, need, least))
    if left < need.beside:
        lacking = {"left": size_text(left), "needed": size_text(need.beside)}
        return broken(reserved, advice="large", **values, **lacking, **_better(facts, need, least))
    if others := _kept_from_others(facts, need, least, part):
        values |= {"used": size_text(need.static), "holders": others}
        return broken(reserved, advice="of-others", **values, **_better(facts, need, least))
    return holds(reserved)


def _kept_from_others(facts: GpuFacts, need: Footprint, gpu: Gpu, part: float) -> str:
    """Who computes on the same card while an encoder reserves most of the rest for a cache that it never reads."""
    model = lookup(facts.planned.model if facts.planned else None)
    if part < _MOST_OF_IT or model is None or not model.bidirectional or need.static > (gpu.free or 0) / 4:
        return ""
    others = [holder for holder in facts.others(gpu) if (holder.used or 0) >= GIB]
    return ", ".join(facts.holder(holder) for holder in others[:4])


def _better(facts: GpuFacts, need: Footprint, gpu: Gpu) -> dict[str, Any]:
    """A share with which it runs here, and the line that has it; another GPU where there is none."""
    free = float(gpu.free or 0)
    part = fitting_share(need, free)
    if part is None or facts.planned is None:
        return {"changes": Text("on a GPU with more free memory", "换空闲显存更多的卡")}
    changed = {_NAME: f"{part:g}"}
    return {"changes": changes_in_words(changed), "launch_line": launch_line(facts.planned.launch, changed)}
