"""The row of who else holds the GPU's memory."""

from __future__ import annotations

from bgecheck.checks.gpu.facts import AREA, GIB, UNPLACED, WHO, GpuFacts, elsewhere, label, size_text
from bgecheck.checks.gpu.share import share_of
from bgecheck.engines.sglang.options import FIRST_GPU, MEMORY_SHARE
from bgecheck.machine.gpus import Gpu, Holder
from bgecheck.model import ANY_TIME, Advice, Evidence, Outcome, Severity, Shell, Text, Words, absent, broken, holds
from bgecheck.model.expected import AtLeast

NOTABLE = AtLeast(0.5, "GiB", "less than one CUDA context: what desktops and monitors hold")
UNNAMED = AtLeast(2.0, "GiB", "the driver itself reserves up to about 1 GiB of a large card")


@AREA.check(
    "others",
    title=Text("the GPU's memory is the server's own", "显存没有被其他进程占用"),
    cause=Text(
        "other processes hold memory of {gpu}: {holders}. If they take more, the server may run short",
        "其他进程占着 {gpu} 的显存：{holders}。它们再多占一些，服务就可能显存不足",
    ),
    fix=Text(
        f"move them to another GPU, or give sglang a fixed share with {MEMORY_SHARE}",
        f"把它们移到别的 GPU，或用 {MEMORY_SHARE} 固定 sglang 的显存比例",
    ),
    commands=WHO,
    variants={
        "elsewhere": Advice(
            Text(
                "other processes hold memory of {gpu}, the one sglang uses by default: {holders}. {other} has "
                "{free} free",
                "其他进程占着 {gpu} 的显存：{holders}，而 sglang 默认用这块卡。{other} 有 {free} 空闲",
            ),
            Text(
                f"start the server with CUDA_VISIBLE_DEVICES={{index}}, or with {FIRST_GPU} {{index}}",
                f"启动服务时设 CUDA_VISIBLE_DEVICES={{index}}，或加 {FIRST_GPU} {{index}}",
            ),
            WHO,
        ),
        "left-over": Advice(
            Text(
                "workers of servers that are gone still hold memory of {gpu}: {holders}",
                "主服务已经退出的 sglang 子进程仍占着 {gpu} 的显存：{holders}",
            ),
            Text("look at them, then kill exactly these", "确认后只结束这几个进程"),
            ("ps -o pid,ppid,etime,args -p {pids}", "kill {pids_apart}"),
        ),
    },
    severity=Severity.WARNING,
    moments=ANY_TIME,
)
def memory_is_the_servers(facts: GpuFacts) -> Outcome:
    """Every holder that is not the server or its worker, from half a GiB in sum."""
    strangers = [(g, h) for g in facts.taken for h in facts.others(g)]
    held = sum(h.used or 0 for _, h in strangers)
    if (reason := _cannot_tell(facts, strangers, held)) is not None:
        return absent(reason)
    evidence = Evidence(Text("held by others", "其他进程占用"), size_text(held), f"< {NOTABLE.value:g} {NOTABLE.unit}")
    if (left_over := _left_over(facts, strangers)) is not None:
        return left_over
    if not NOTABLE.admits(held / GIB) or _has_its_own(facts):
        return holds(evidence._replace(expected=None) if held else evidence)
    holders = ", ".join(facts.holder(h) for _, h in strangers[:4])
    values = {"gpu": ", ".join(dict.fromkeys(label(g) for g, _ in strangers)), "holders": holders}
    return broken(evidence, **values, **_elsewhere(facts))


def _cannot_tell(facts: GpuFacts, strangers: list[tuple[Gpu, Holder]], held: int) -> Words | None:
    """Why nothing can be said of who holds memory; None when something can."""
    if all(g.holders is None for g in facts.taken):
        return Text("the driver does not report who holds memory", "驱动没有给出占用显存的进程")
    if facts.unplaced and any(h.pid not in facts.names for _, h in strangers):
        return UNPLACED
    if NOTABLE.admits(held / GIB):
        return None
    if any(h.used is None for _, h in strangers):
        return Text(
            f"{len(strangers)} other processes hold memory, and the driver does not report how much",
            f"另有 {len(strangers)} 个进程占用显存，驱动没有给出各占多少",
        )
    unnamed = max(((g.used or 0) - sum(h.used or 0 for h in g.holders or ()) for g in facts.taken), default=0)
    own = any(h.used is None for g in facts.taken for h in g.holders or ())
    if UNNAMED.admits(unnamed / GIB) and not own:
        return Text(
            f"{size_text(unnamed)} are in use by processes that are not shown here (another container or user)",
            f"有 {size_text(unnamed)} 被这里看不到的进程占用（在另一个容器里，或属于其他用户）",
        )
    return None


def _left_over(facts: GpuFacts, strangers: list[tuple[Gpu, Holder]]) -> Outcome | None:
    """What workers of dead servers hold is nobody's, however little it is."""
    remains = [(g, h) for g, h in strangers if h.pid in facts.left_over]
    if not remains:
        return None
    pids = [str(h.pid) for _, h in remains]
    return broken(
        *(Evidence(label(g), facts.holder(h)) for g, h in remains[:4]),
        advice="left-over",
        gpu=", ".join(dict.fromkeys(label(g) for g, _ in remains)),
        holders=", ".join(facts.holder(h) for _, h in remains[:4]),
        pids=",".join(pids),
        pids_apart=Shell(" ".join(pids)),
    )


def _has_its_own(facts: GpuFacts) -> bool:
    """Whether a planned launch takes a fixed part of what is free: others on the card are then no matter to it."""
    need, part = facts.footprint, share_of(facts)
    if need is None or part is None:
        return False
    return all(need.fits(part, g.free or 0) for g in facts.wanted)


def _elsewhere(facts: GpuFacts) -> dict[str, str]:
    """Before a server runs: the GPU that has room, when it is not the one that sglang would take."""
    other = elsewhere(facts, facts.footprint.least if facts.footprint else facts.needed)
    if other is None or facts.visible is not None:
        return {}
    return {"advice": "elsewhere", "other": label(other), "free": size_text(other.free), "index": str(other.index)}
