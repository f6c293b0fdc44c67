"""The `gpu` area: does the driver show a GPU that this server can use, with memory that is its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bgecheck.model import Area, Evidence, Outcome, Severity, Target, Text, Unavailable, absent, broken, holds
from bgecheck.model.expected import AtLeast
from bgecheck.sources.context import Context
from bgecheck.sources.gpus import Gpu, Gpus, Holder, read_gpus
from bgecheck.sources.processes import Table, environment

GIB = 2**30
ENOUGH = AtLeast(2.0, "GiB", "0.62 GB of fp16 weights, 0.5 GB CUDA context and activations: 2 to 4 GB are enough")
NOTABLE = AtLeast(0.5, "GiB", "less than a CUDA context is held by desktops and monitors")
OLDEST_CUDA = AtLeast(12.0, "", "torch 2.6 to 2.9 (sglang 0.4.6 to 0.5.9) are built for CUDA 12, sglang 0.5.23 for 13")
OLDEST_CAPABILITY = AtLeast(7.5, "", "sglang 0.4.6 to 0.5.23: `SGLang only supports sm75 and above.`")


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The GPUs that the server may use, and whose memory is held by whom."""

    target: Target
    seen: Gpus
    names: Mapping[int, str]
    """Names of the processes that hold memory, as far as they may be seen."""
    own: frozenset[int]
    """The pids of the server and its workers."""

    def others(self, gpu: Gpu) -> list[Holder]:
        """Holders of memory that are not the server."""
        return [holder for holder in gpu.holders or () if holder.pid not in self.own]

    @property
    def serving(self) -> list[Gpu]:
        """The GPUs on which the server itself holds memory."""
        return [g for g in self.seen.gpus if any(h.pid in self.own for h in g.holders or ())]

    @property
    def judged(self) -> list[Gpu]:
        """The GPUs that matter: those of the server, else all."""
        return self.serving or list(self.seen.gpus)


AREA = Area("gpu", Text("GPU", "GPU"), seconds=8.0)


@AREA.collect
def collect(context: Context) -> GpuFacts:
    """Ask NVML on the machine of the server."""
    target = context.target
    if not target.is_local:
        raise Unavailable(
            Text(
                f"{target.host} is another machine: run bgecheck gpu there",
                f"{target.host} 是另一台机器，请在那台机器上运行 bgecheck gpu",
            ),
            looked=False,
        )
    seen = read_gpus()
    table = Table.now()
    names = {h.pid: table.processes[h.pid].name for g in seen.gpus for h in g.holders or () if h.pid in table.processes}
    server = target.server
    own = frozenset((server.pid, *server.children)) if server else frozenset()
    return GpuFacts(target, _chosen(seen, server.pid if server else None), names, own)


def _chosen(seen: Gpus, pid: int | None) -> Gpus:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves to the server, by index or UUID; all when it cannot be told."""
    visible = environment(pid, "CUDA_VISIBLE_DEVICES") if pid else None
    if not visible:
        return seen
    wanted = [word.strip() for word in visible.split(",")]
    kept = tuple(g for g in seen.gpus if str(g.index) in wanted or any(w and g.uuid.startswith(w) for w in wanted))
    return Gpus(seen.driver, seen.cuda, kept or seen.gpus)


def _gib(size: int | None) -> str:
    return "?" if size is None else f"{size / GIB:.1f} GiB"


@AREA.check(
    "visible",
    title=Text("the driver shows a GPU", "驱动能看到 GPU"),
    cause=Text("the driver shows no GPU that the server may use", "驱动没有给出服务可用的 GPU"),
    fix=Text("see what the driver says", "查看驱动状态"),
    commands=("nvidia-smi -L",),
)
def driver_shows_a_gpu(facts: GpuFacts) -> Outcome:
    """The entry row: NVML answered and named at least one GPU."""
    return holds(*(Evidence(f"GPU {g.index}", f"{g.name}, {_gib(g.total)}") for g in facts.seen.gpus[:8]))


@AREA.check(
    "driver",
    title=Text("the driver is new enough for sglang's CUDA", "驱动满足 sglang 所用的 CUDA"),
    cause=Text(
        "the driver runs CUDA up to {cuda}: too old for the torch that sglang installs",
        "驱动最高只支持 CUDA {cuda}，低于 sglang 所装 torch 的要求",
    ),
    fix=Text(
        "update the NVIDIA driver (580 or newer for sglang 0.5.23)", "升级 NVIDIA 驱动（sglang 0.5.23 需要 580 以上）"
    ),
    commands=("nvidia-smi --query-gpu=driver_version --format=csv",),
    explains=("logs.cuda-driver-too-old",),
)
def driver_is_new_enough(facts: GpuFacts) -> Outcome:
    """By the newest CUDA that the driver itself names; a server that computes on a GPU proves it."""
    if facts.seen.cuda is None:
        return absent(Text("the driver does not tell its CUDA version", "驱动没有给出 CUDA 版本"))
    cuda = f"{facts.seen.cuda[0]}.{facts.seen.cuda[1]}"
    seen = Evidence(f"driver {facts.seen.driver or '?'}", f"CUDA up to {cuda}", str(OLDEST_CUDA))
    enough = OLDEST_CUDA.admits(facts.seen.cuda[0] + facts.seen.cuda[1] / 10)
    return holds(seen) if enough or facts.serving else broken(seen, cuda=cuda)


@AREA.check(
    "memory",
    title=Text("there is GPU memory for the model", "显存放得下模型"),
    cause=Text(
        "only {free} of {total} are free on the emptiest GPU, and the model needs {needed}",
        "最空的一块 GPU 只剩 {free}（共 {total}），而模型需要 {needed}",
    ),
    fix=Text("free memory, or take another GPU", "腾出显存，或换一块 GPU"),
    commands=("nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv",),
    explains=("logs.gpu-oom-weights", "logs.gpu-oom-kv-pool"),
)
def model_fits(facts: GpuFacts) -> Outcome:
    """For a server that runs: what its GPU holds; for one that does not: what is free against 2 GiB."""
    known = [g for g in facts.judged if g.free is not None and g.total is not None]
    if not known:
        return absent(Text("the driver does not tell the memory", "驱动没有给出显存信息"))
    seen = [Evidence(f"GPU {g.index}", f"{_gib(g.used)} of {_gib(g.total)} used") for g in known[:8]]
    if facts.serving or facts.target.server:
        return holds(*seen)
    best = max(known, key=lambda g: g.free or 0)
    if ENOUGH.admits((best.free or 0) / GIB):
        return holds(Evidence(f"GPU {best.index}", f"{_gib(best.free)} free of {_gib(best.total)}", str(ENOUGH)))
    return broken(*seen, free=_gib(best.free), total=_gib(best.total), needed=f"{ENOUGH.value:g} GiB")


@AREA.check(
    "others",
    title=Text("the GPU's memory is the server's own", "显存没有被其他进程占用"),
    cause=Text(
        "other processes hold memory of the server's GPU: {holders}. What they take later, the server may lack",
        "其他进程占着服务所用 GPU 的显存：{holders}。它们继续申请时，服务可能不够用",
    ),
    fix=Text(
        "move them to another GPU, or give sglang a fixed share with --mem-fraction-static",
        "把它们移到别的 GPU，或用 --mem-fraction-static 给 sglang 固定份额",
    ),
    commands=("nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv",),
    severity=Severity.WARNING,
)
def memory_is_the_servers(facts: GpuFacts) -> Outcome:
    """Every holder that is not the server or its worker, from half a GiB in sum."""
    if all(g.holders is None for g in facts.judged):
        return absent(Text("the driver does not tell who holds memory", "驱动没有给出占用显存的进程"))
    found = [(g, h) for g in facts.judged for h in facts.others(g)]
    if found and facts.target.server and not facts.serving:
        return absent(
            Text(
                "the server's own process is not among the holders (another pid namespace): they cannot be told apart",
                "占用者里看不到服务自己的进程（pid 命名空间不同），无法区分",
            )
        )
    total = sum(h.used or 0 for _, h in found)
    named = [Evidence(f"GPU {g.index}", f"pid {h.pid} {facts.names.get(h.pid, '')} {_gib(h.used)}") for g, h in found]
    if not NOTABLE.admits(total / GIB):
        return holds(Evidence(Text("held by others", "其他进程占用"), _gib(total)))
    return broken(*named[:6], holders=", ".join(f"pid {h.pid} ({_gib(h.used)})" for _, h in found[:4]))


@AREA.check(
    "capability",
    title=Text("sglang supports this GPU generation", "sglang 支持这一代 GPU"),
    cause=Text(
        "{name} has compute capability {capability}: sglang has no kernels below 7.5",
        "{name} 的计算能力是 {capability}：sglang 没有 7.5 以下的算子",
    ),
    fix=Text(
        "take a T4 or newer, or serve the model with text-embeddings-inference",
        "换 T4 或更新的显卡，或用 text-embeddings-inference 部署",
    ),
    commands=("nvidia-smi --query-gpu=name,compute_cap --format=csv",),
    explains=("logs.gpu-arch-unsupported",),
)
def generation_is_supported(facts: GpuFacts) -> Outcome:
    """The oldest of the GPUs that matter decides."""
    known = [(g.capability, g) for g in facts.judged if g.capability]
    if not known:
        return absent(Text("the driver does not tell it", "驱动没有给出计算能力"))
    (major, minor), oldest = min(known, key=lambda pair: pair[0])
    seen = Evidence(f"GPU {oldest.index} {oldest.name}", f"{major}.{minor}", str(OLDEST_CAPABILITY))
    enough = OLDEST_CAPABILITY.admits(major + minor / 10)
    return holds(seen) if enough else broken(seen, name=oldest.name, capability=f"{major}.{minor}")


@AREA.check(
    "health",
    title=Text("the GPU reports no fault", "GPU 没有报告故障"),
    cause=Text(
        "a GPU reports a fault or runs too hot: {faults}",
        "GPU 报告了故障或过热：{faults}",
    ),
    fix=Text(
        "look at its full state; uncorrected ECC errors want a reset or a replacement, heat wants cooling",
        "查看完整状态；不可纠正的 ECC 错误需要复位或更换，过热要检查散热",
    ),
    commands=("nvidia-smi -q -d ECC,TEMPERATURE,PERFORMANCE", "sudo dmesg -T | grep -i xid"),
    severity=Severity.WARNING,
)
def no_fault_is_reported(facts: GpuFacts) -> Outcome:
    """ECC, throttling and temperature as NVML tells them; past Xid errors stand in the kernel's log only."""
    faults = [f"GPU {g.index}: {fault}" for g in facts.judged for fault in _faults(g)]
    if faults:
        return broken(*(Evidence(Text("fault", "故障"), fault) for fault in faults[:6]), faults="; ".join(faults[:4]))
    warmest = max((g.temperature for g in facts.judged if g.temperature is not None), default=None)
    if warmest is None:
        return absent(Text("the driver tells neither temperature nor errors", "驱动没有给出温度和错误计数"))
    return holds(Evidence(Text("temperature", "温度"), f"{warmest} °C"))


def _faults(gpu: Gpu) -> list[str]:
    found = [f"throttled by {reason}" for reason in gpu.throttled or ()]
    if gpu.uncorrected:
        found.append(f"{gpu.uncorrected} uncorrected ECC errors")
    if gpu.temperature is not None and gpu.slows_down_at and gpu.temperature >= gpu.slows_down_at:
        found.append(f"{gpu.temperature} °C, slows down at {gpu.slows_down_at} °C")
    return found
