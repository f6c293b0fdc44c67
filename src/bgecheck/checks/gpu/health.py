"""The row of the GPU's own state: errors of its memory, of its bus, throttling and heat."""

from __future__ import annotations

from bgecheck.checks.gpu.facts import AREA, GpuFacts, label
from bgecheck.machine.gpus import Gpu
from bgecheck.machine.kernellog import Xid
from bgecheck.model import ANY_TIME, Evidence, Outcome, Severity, Text, absent, broken, holds

NEAR = 3
"""Degrees Celsius below the slowdown threshold that count as near: a margin of our own."""


@AREA.check(
    "health",
    title=Text("the GPU reports no fault", "GPU 没有报告故障"),
    cause=Text(
        "a GPU reports a fault or runs too hot: {faults}",
        "GPU 报告了故障或过热：{faults_zh}",
    ),
    fix=Text(
        "look at its full state; a lost GPU and uncorrected ECC errors need a reset or a new card, heat needs "
        "better cooling",
        "查看完整状态；GPU 掉卡或有不可纠正的 ECC 错误需要复位或更换，过热要检查散热",
    ),
    commands=("nvidia-smi -q -d ECC,TEMPERATURE,PERFORMANCE", "sudo dmesg -T | grep -i xid"),
    severity=Severity.WARNING,
    moments=ANY_TIME,
)
def no_fault_is_reported(facts: GpuFacts) -> Outcome:
    """ECC, throttling and temperature as NVML tells them; past Xid errors stand in the kernel's log only."""
    faults = [f for g in facts.judged for f in _faults(g)] + [_lost(*lost) for lost in facts.nvml.lost]
    faults += [_reported(xid) for xid in facts.xids or ()]
    if faults:
        values = {"faults": "; ".join(f.en for f in faults[:4]), "faults_zh": "；".join(f.zh for f in faults[:4])}
        return broken(*(Evidence(Text("fault", "故障"), fault) for fault in faults[:6]), **values)
    warmest = max((g.temperature for g in facts.judged if g.temperature is not None), default=None)
    if warmest is None:
        return absent(Text("the driver reports neither temperature nor errors", "驱动没有给出温度和错误计数"))
    return holds(Evidence(Text("temperature", "温度"), f"{warmest} °C"), _xid(facts))


def _xid(facts: GpuFacts) -> Evidence:
    if facts.xids is None:
        return Evidence(
            "Xid", Text("not checked: only the kernel log (dmesg) records them", "未检查：只有内核日志（dmesg）里才有")
        )
    return Evidence("Xid", Text("none of the hardware in the kernel log", "内核日志里没有硬件类的记录"))


def _reported(xid: Xid) -> Text:
    times = f" ({xid.times} times)" if xid.times > 1 else ""
    return Text(
        f"the kernel log has Xid {xid.number} of the card at {xid.bus}{times}",
        f"内核日志有位于 {xid.bus} 的卡的 Xid {xid.number}" + (f"（{xid.times} 次）" if times else ""),
    )


def _lost(index: int, message: str) -> Text:
    return Text(f"GPU {index} is lost ({message})", f"GPU {index} 已掉线（{message}）")


_REASONS = {
    "hardware slowdown": "硬件限制",
    "software thermal": "软件检测到过热",
    "hardware thermal": "硬件检测到过热",
    "power brake": "外部供电限制",
}


def _faults(gpu: Gpu) -> list[Text]:
    name = label(gpu)
    faults = [
        Text(f"{name} is throttled: {reason}", f"{name} 降频：{_REASONS[reason]}") for reason in gpu.throttled or ()
    ]
    if gpu.uncorrected:
        faults.append(
            Text(
                f"{name} has {gpu.uncorrected} uncorrected ECC errors",
                f"{name} 有 {gpu.uncorrected} 个不可纠正的 ECC 错误",
            )
        )
    if gpu.pending:
        faults.append(Text(f"{name}: pending row remapping, reset required", f"{name} 有待重映射的坏显存行，需要复位"))
    if gpu.temperature is not None and gpu.slows_down_at and gpu.temperature >= gpu.slows_down_at - NEAR:
        faults.append(
            Text(
                f"{name} is at {gpu.temperature} °C and slows down at {gpu.slows_down_at} °C",
                f"{name} 温度 {gpu.temperature} °C，到 {gpu.slows_down_at} °C 会降频",
            )
        )
    return faults
