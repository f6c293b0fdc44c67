"""The `gpu` area: does the driver show a GPU that this server can use, with memory that is its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from bgecheck.engines.sglang.options import FIRST_GPU, MEMORY_SHARE, ON_CPU
from bgecheck.machine.files import model_config, weights_size
from bgecheck.machine.gpus import Gpu, Gpus, Holder, read_gpus
from bgecheck.machine.processes import environment, snapshot
from bgecheck.machine.sockets import accepts, is_own
from bgecheck.model import (
    Advice,
    Area,
    Evidence,
    Outcome,
    Severity,
    Target,
    Text,
    Unavailable,
    Words,
    absent,
    broken,
    holds,
)
from bgecheck.model.expected import AtLeast

if TYPE_CHECKING:
    from bgecheck.run.context import Context

GIB = 2**30
BESIDE = 1.4 * GIB
"""Bytes that a server needs beside its weights: CUDA context 0.5 GB, activations, and the least of a pool."""
ENOUGH = 2 * GIB
"""Bytes for bge-large-zh-v1.5: 0.62 GB of fp16 weights and what stands beside them; 2 to 4 GB are enough."""
NOTABLE = AtLeast(0.5, "GiB", "less than one CUDA context: what desktops and monitors hold")
UNNAMED = AtLeast(2.0, "GiB", "the driver itself reserves up to about 1 GiB of a large card")
OLDEST_CUDA = AtLeast(12.0, "", "torch 2.6 to 2.9 (sglang 0.4.6 to 0.5.9) want CUDA 12, any minor version")
NEWEST_CUDA = AtLeast(13.0, "", "sglang 0.5.23 pins torch 2.14.1 and flashinfer for CUDA 13, driver 580 or newer")
OLDEST_CAPABILITY = AtLeast(7.5, "", "sglang 0.4.6 to 0.5.23: `SGLang only supports sm75 and above.`")
NEAR = 3
"""Degrees Celsius below the slowdown threshold that count as near: a margin of our own."""
_CONNECT = 0.5


class GpuFacts(NamedTuple):
    """The GPUs that the server may use, and whose memory is held by whom."""

    target: Target
    nvml: Gpus
    names: Mapping[int, str]
    """Names of the processes that hold memory, as far as they may be seen."""
    own: frozenset[int] = frozenset()
    """The pids of the server and its workers; empty when its process was not found."""
    answered: bool = False
    """Whether somebody takes connections on the server's port."""
    visible: str | None = None
    """CUDA_VISIBLE_DEVICES of the server."""
    chosen: tuple[Gpu, ...] = ()
    """The GPUs that this leaves to it."""
    needed: float = ENOUGH
    """Bytes that the model needs."""

    @property
    def serving(self) -> tuple[Gpu, ...]:
        """The GPUs on which the server is seen to hold memory."""
        return tuple(g for g in self.nvml.gpus if any(h.pid in self.own for h in g.holders or ()))

    @property
    def judged(self) -> tuple[Gpu, ...]:
        """The GPUs that matter: those on which the server computes, else those that it may use."""
        return self.serving or self.chosen

    @property
    def unplaced(self) -> bool:
        """Whether a server runs of which no GPU memory is seen: starting, or in a container of its own."""
        return bool(self.own or self.answered) and not self.serving

    @property
    def emptiest(self) -> Gpu | None:
        """The GPU with the most free memory."""
        measured = [g for g in self.judged if g.free is not None]
        return max(measured, key=lambda g: g.free or 0, default=None)

    @property
    def taken(self) -> tuple[Gpu, ...]:
        """The GPUs whose memory is the server's: before it runs the first, which sglang takes by itself."""
        return self.judged if self.own else self.judged[:1]

    def others(self, gpu: Gpu) -> list[Holder]:
        """Holders of memory that are not the server, largest first."""
        strangers = [holder for holder in gpu.holders or () if holder.pid not in self.own]
        return sorted(strangers, key=lambda h: -(h.used or 0))

    def holder(self, holder: Holder) -> str:
        """A holder as it stands in a message."""
        name = self.names.get(holder.pid)
        return f"pid {holder.pid}{f' {name}' if name else ''} ({_size(holder.used)})"


AREA = Area("gpu", seconds=8.0)


@AREA.collect
def collect(context: Context) -> GpuFacts:
    """Ask NVML on the machine of the server."""
    target, server = context.target, context.target.server
    seconds = context.deadline.timeout(_CONNECT)
    if server is None and not target.is_local and not is_own(target.host, seconds):
        raise Unavailable(
            Text(
                f"{target.host} is another machine: run bgecheck gpu there",
                f"{target.host} 是另一台机器，请在那台机器上运行 bgecheck gpu",
            ),
            looked=False,
        )
    if server and server.flags.get("device") == "cpu":
        raise Unavailable(
            Text(f"the server computes on the CPU ({ON_CPU})", f"服务在 CPU 上运行（{ON_CPU}）"), looked=False
        )
    gpus = read_gpus()
    visible = environment(server.pid, "CUDA_VISIBLE_DEVICES") if server else None
    if visible is not None and visible.strip() in ("", "-1"):
        raise Unavailable(
            Text(
                f"no GPU is visible to the server (CUDA_VISIBLE_DEVICES='{visible}')",
                f"服务被设为不使用任何 GPU（CUDA_VISIBLE_DEVICES='{visible}'）",
            ),
            looked=False,
        )
    by_bus = server is not None and environment(server.pid, "CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    return GpuFacts(
        target=target,
        nvml=gpus,
        names=_names(gpus),
        own=frozenset((server.pid, *server.children)) if server else frozenset(),
        answered=bool(target.port) and accepts(target.host, target.port, seconds),
        visible=visible,
        chosen=gpus.gpus if visible is None else chosen(gpus.gpus, visible, by_bus=by_bus),
        needed=memory_needed(target.model_path),
    )


def chosen(gpus: tuple[Gpu, ...], visible: str, *, by_bus: bool) -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, by index or by the beginning of a UUID.

    As CUDA reads it, the list ends at the first entry that names nothing. Without CUDA_DEVICE_ORDER=PCI_BUS_ID
    CUDA counts the fastest card first and NVML by the bus: among unlike cards an index then says nothing, and
    all are kept.
    """
    words = [word.strip() for word in visible.split(",")]
    if any(w.isdigit() for w in words) and not by_bus and len({(g.name, g.capability, g.total) for g in gpus}) > 1:
        return gpus
    kept: list[Gpu] = []
    for word in words:
        chosen = [g for g in gpus if (word == str(g.index) if word.isdigit() else word and g.uuid.startswith(word))]
        if not chosen:
            break
        kept += [g for g in chosen if g not in kept]
    return tuple(kept)


def _names(gpus: Gpus) -> dict[int, str]:
    held = {h.pid for g in gpus.gpus for h in g.holders or ()}
    processes = snapshot().processes if held else {}
    return {pid: processes[pid].name for pid in held if pid in processes}


def memory_needed(folder: str | None) -> float:
    """From the weights in the model folder; sglang serves an fp32 checkpoint as fp16 unless told otherwise."""
    on_disk = weights_size(folder) if folder else None
    if not on_disk:
        return ENOUGH
    config = model_config(folder) if folder else {}
    halved = config.get("torch_dtype", config.get("dtype")) == "float32"
    return max(ENOUGH, (on_disk / 2 if halved else on_disk) + BESIDE)


def _size(size: float | None) -> str:
    if size is None:
        return "? GiB"
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.0f} MiB"


def _label(gpu: Gpu) -> str:
    return f"GPU {gpu.index}"


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
    explains=("logs.no-gpu-visible",),
)
def driver_shows_a_gpu(facts: GpuFacts) -> Outcome:
    """The entry row: NVML answered, and what it shows is left to the server."""
    evidence = [Evidence(_label(g), f"{g.name}, {_size(g.total)}") for g in facts.nvml.gpus[:8]]
    if not facts.judged:
        asked = Evidence("CUDA_VISIBLE_DEVICES", facts.visible or "", ", ".join(str(g.index) for g in facts.nvml.gpus))
        return broken(asked, *evidence, visible=facts.visible)
    return holds(*evidence)


@AREA.check(
    "driver",
    title=Text("the driver is new enough for sglang's CUDA", "驱动版本满足 sglang 所用的 CUDA"),
    cause=Text(
        "the driver runs CUDA up to {cuda}: too old for the torch that sglang installs, which needs 12 or newer",
        "驱动最高只支持 CUDA {cuda}，而 sglang 所装的 torch 要求 12 以上",
    ),
    fix=Text(
        "update the NVIDIA driver (580 or newer runs every sglang, 525 or newer those up to 0.5.9)",
        "升级 NVIDIA 驱动（580 以上可运行所有版本的 sglang，525 以上可运行到 0.5.9）",
    ),
    commands=("nvidia-smi --query-gpu=driver_version --format=csv",),
    explains=("logs.cuda-driver-too-old",),
)
def driver_is_new_enough(facts: GpuFacts) -> Outcome:
    """By the newest CUDA that the driver itself names; a server that computes on a GPU proves it."""
    if facts.nvml.cuda is None:
        return absent(Text("the driver does not report its CUDA version", "驱动没有给出 CUDA 版本"))
    cuda = f"{facts.nvml.cuda[0]}.{facts.nvml.cuda[1]}"
    number = float(cuda)
    evidence = Evidence(f"driver {facts.nvml.driver or '?'}", f"CUDA <= {cuda}", str(OLDEST_CUDA))
    if facts.serving or NEWEST_CUDA.admits(number):
        return holds(evidence)
    if OLDEST_CUDA.admits(number):
        return absent(_depends(cuda), cuda=cuda)
    return broken(evidence, cuda=cuda)


def _depends(cuda: str) -> Text:
    return Text(
        f"it runs CUDA {cuda}: enough for sglang up to 0.5.9, too old for 0.5.23 (CUDA 13, driver 580); which version "
        "will run is not known",
        f"驱动支持到 CUDA {cuda}：可运行 sglang 0.5.9 及以前的版本，不能运行 0.5.23（需 CUDA 13、驱动 580）；"
        "无法得知要运行哪个版本",
    )


_WHO = ("nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv",)


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
            _WHO,
        )
    },
    explains=(
        *("gpu.others", "logs.gpu-oom-weights", "logs.gpu-oom-kv-pool", "logs.gpu-oom-graph-capture"),
        "logs.gpu-memory-held-by-others",
    ),
)
def model_fits(facts: GpuFacts) -> Outcome:
    """For a server that runs: what its GPU holds; for one that does not: what is free against what it needs."""
    best = facts.emptiest
    if best is None or best.total is None:
        return absent(Text("the driver does not report the memory", "驱动没有给出显存信息"))
    if facts.serving:
        return holds(*(Evidence(_label(g), f"{_size(g.used)} / {_size(g.total)}") for g in facts.serving[:8]))
    if facts.unplaced:
        return absent(_UNPLACED)
    free, needed = _size(best.free), _size(facts.needed)
    evidence = Evidence(
        Text(f"free on {_label(best)}", f"{_label(best)} 空闲显存"), f"{free} / {_size(best.total)}", f">= {needed}"
    )
    if (best.free or 0) >= facts.needed:
        return holds(evidence)
    others = ", ".join(facts.holder(h) for h in facts.others(best)[:4])
    values = {"gpu": _label(best), "free": free, "total": _size(best.total), "needed": needed, "holders": others}
    return broken(evidence, advice="held" if others else None, **values)


_UNPLACED = Text(
    "a server runs, but its process is not among those that hold GPU memory (still starting, or in a container)",
    "有服务在运行，但占用显存的进程里没有它（还在启动，或在另一个容器里）",
)


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
    commands=_WHO,
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
            _WHO,
        )
    },
    severity=Severity.WARNING,
)
def memory_is_the_servers(facts: GpuFacts) -> Outcome:
    """Every holder that is not the server or its worker, from half a GiB in sum."""
    strangers = [(g, h) for g in facts.taken for h in facts.others(g)]
    held = sum(h.used or 0 for _, h in strangers)
    if (reason := _cannot_tell(facts, strangers, held)) is not None:
        return absent(reason)
    evidence = Evidence(Text("held by others", "其他进程占用"), _size(held), f"< {NOTABLE.value:g} {NOTABLE.unit}")
    if not NOTABLE.admits(held / GIB):
        return holds(evidence)
    holders = ", ".join(facts.holder(h) for _, h in strangers[:4])
    values = {"gpu": ", ".join(dict.fromkeys(_label(g) for g, _ in strangers)), "holders": holders}
    return broken(evidence, **values, **_elsewhere(facts))


def _cannot_tell(facts: GpuFacts, strangers: list[tuple[Gpu, Holder]], held: int) -> Words | None:
    """Why nothing can be said of who holds memory; None when something can."""
    if all(g.holders is None for g in facts.taken):
        return Text("the driver does not report who holds memory", "驱动没有给出占用显存的进程")
    if facts.unplaced and any(h.pid not in facts.names for _, h in strangers):
        return _UNPLACED
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
            f"{_size(unnamed)} are in use by processes that are not shown here (another container or user)",
            f"有 {_size(unnamed)} 被这里看不到的进程占用（在另一个容器里，或属于其他用户）",
        )
    return None


def _elsewhere(facts: GpuFacts) -> dict[str, str]:
    """Before a server runs: the GPU that has room, when it is not the one that sglang would take."""
    best = facts.emptiest
    if facts.own or facts.answered or best is None or best in facts.taken or best.index == facts.taken[0].index:
        return {}
    if (best.free or 0) < facts.needed or best.mig:
        return {}
    return {"advice": "elsewhere", "other": _label(best), "free": _size(best.free), "index": str(best.index)}


@AREA.check(
    "capability",
    title=Text("sglang supports this GPU generation", "sglang 支持这一代 GPU"),
    cause=Text(
        "{name} has compute capability {capability}: sglang has no kernels below 7.5",
        "{name} 的计算能力是 {capability}：sglang 没有 7.5 以下的算子",
    ),
    fix=Text(
        "use a T4 or newer, or serve the model on the CPU, for instance with text-embeddings-inference",
        "换 T4 或更新的显卡，或在 CPU 上部署（例如用 text-embeddings-inference 的 CPU 镜像）",
    ),
    commands=("nvidia-smi --query-gpu=name,compute_cap --format=csv",),
    explains=("logs.gpu-arch-unsupported",),
)
def generation_is_supported(facts: GpuFacts) -> Outcome:
    """The oldest of the server's GPUs decides; before a server runs the newest, beside which a display card may sit."""
    capabilities = [(g.capability, g) for g in facts.judged if g.capability]
    if not capabilities:
        return absent(Text("the driver does not report it", "驱动没有给出计算能力"))
    pick = min if facts.own else max
    (major, minor), gpu = pick(capabilities, key=lambda pair: pair[0])
    evidence = Evidence(f"{_label(gpu)} {gpu.name}", f"{major}.{minor}", str(OLDEST_CAPABILITY))
    enough = OLDEST_CAPABILITY.admits(float(f"{major}.{minor}"))
    return holds(evidence) if enough else broken(evidence, name=gpu.name, capability=f"{major}.{minor}")


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
)
def no_fault_is_reported(facts: GpuFacts) -> Outcome:
    """ECC, throttling and temperature as NVML tells them; past Xid errors stand in the kernel's log only."""
    faults = [f for g in facts.judged for f in _faults(g)] + [_lost(*lost) for lost in facts.nvml.lost]
    if faults:
        values = {"faults": "; ".join(f.en for f in faults[:4]), "faults_zh": "；".join(f.zh for f in faults[:4])}
        return broken(*(Evidence(Text("fault", "故障"), fault) for fault in faults[:6]), **values)
    warmest = max((g.temperature for g in facts.judged if g.temperature is not None), default=None)
    if warmest is None:
        return absent(Text("the driver reports neither temperature nor errors", "驱动没有给出温度和错误计数"))
    return holds(Evidence(Text("temperature", "温度"), f"{warmest} °C"), _NO_XID)


_NO_XID = Evidence(
    "Xid", Text("not checked: only the kernel log (dmesg) records them", "未检查：只有内核日志（dmesg）里才有")
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
    label = _label(gpu)
    faults = [
        Text(f"{label} is throttled: {reason}", f"{label} 降频：{_REASONS[reason]}") for reason in gpu.throttled or ()
    ]
    if gpu.uncorrected:
        faults.append(
            Text(
                f"{label} has {gpu.uncorrected} uncorrected ECC errors",
                f"{label} 有 {gpu.uncorrected} 个不可纠正的 ECC 错误",
            )
        )
    if gpu.pending:
        faults.append(
            Text(f"{label}: pending row remapping, reset required", f"{label} 有待重映射的坏显存行，需要复位")
        )
    if gpu.temperature is not None and gpu.slows_down_at and gpu.temperature >= gpu.slows_down_at - NEAR:
        faults.append(
            Text(
                f"{label} is at {gpu.temperature} °C and slows down at {gpu.slows_down_at} °C",
                f"{label} 温度 {gpu.temperature} °C，到 {gpu.slows_down_at} °C 会降频",
            )
        )
    return faults
