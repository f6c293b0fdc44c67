"""What is collected of the GPUs: what the driver shows, who holds the memory, and what is to run or runs there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from bgecheck.checks.cards import VISIBLE, chosen, footprint_of, left_to, visible
from bgecheck.engines.planned import Form, Planned
from bgecheck.engines.sglang.discovery import orphans, running_servers
from bgecheck.engines.sglang.footprint import Footprint
from bgecheck.engines.sglang.options import ON_CPU
from bgecheck.engines.sglang.relaunch import launch_line, on_gpu
from bgecheck.engines.sglang.workers import cards
from bgecheck.machine.files import model_config, weights_size
from bgecheck.machine.gpus import Gpu, Gpus, Holder
from bgecheck.machine.kernellog import Xid, xids
from bgecheck.machine.processes import environment, snapshot
from bgecheck.machine.sockets import accepts, is_own
from bgecheck.machine.torchbuild import Build, builds
from bgecheck.model import Area, Shell, Target, Text, Unavailable

if TYPE_CHECKING:
    from bgecheck.model.processes import ProcessTable
    from bgecheck.run.context import Context

GIB = 2**30
BESIDE = 1.4 * GIB
"""Bytes that a server needs beside its weights: CUDA context 0.5 GB, activations, and the least of a pool."""
ENOUGH = 2 * GIB
"""Bytes for bge-large-zh-v1.5: 0.62 GB of fp16 weights and what stands beside them; 2 to 4 GB are enough."""
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
    """CUDAVISIBLE_DEVICES of the server."""
    chosen: tuple[Gpu, ...] = ()
    """The GPUs that this leaves to it."""
    needed: float = ENOUGH
    """Bytes that the model needs."""
    planned: Planned | None = None
    """What is to be launched."""
    places: tuple[int, ...] = ()
    """Where the GPUs that its options ask for stand among `chosen`; empty where they do not tell."""
    footprint: Footprint | None = None
    """What it takes of each of them; None where the model's size is not known."""
    builds: tuple[Build, ...] = ()
    """What it runs with, and the CUDA of each; empty where that is not known."""
    left_over: frozenset[int] = frozenset()
    """Workers of servers that are gone."""
    xids: tuple[Xid, ...] | None = None
    """Errors that the kernel's log has of the cards; None where it cannot be read."""

    @property
    def serving(self) -> tuple[Gpu, ...]:
        """The GPUs on which the server is seen to hold memory."""
        return tuple(g for g in self.nvml.gpus if any(h.pid in self.own for h in g.holders or ()))

    @property
    def wanted(self) -> tuple[Gpu, ...]:
        """The GPUs that a planned launch takes, as far as they are there."""
        return tuple(self.chosen[place] for place in self.places if place < len(self.chosen))

    @property
    def judged(self) -> tuple[Gpu, ...]:
        """The GPUs that matter: those on which the server computes or will, else those that it may use."""
        return self.serving or self.wanted or self.chosen

    @property
    def unplaced(self) -> bool:
        """Whether a server runs of which no GPU memory is seen: starting, or in a container of its own."""
        return bool(self.own or self.answered) and not self.serving

    @property
    def emptiest(self) -> Gpu | None:
        """The GPU with the most free memory, of those that the server may use."""
        measured = [g for g in self.serving or self.chosen if g.free is not None]
        return max(measured, key=lambda g: g.free or 0, default=None)

    @property
    def taken(self) -> tuple[Gpu, ...]:
        """The GPUs whose memory is the server's: before it runs the first, which sglang takes by itself."""
        return self.judged if self.own or self.wanted else self.judged[:1]

    def others(self, gpu: Gpu) -> list[Holder]:
        """Holders of memory that are not the server, largest first."""
        strangers = [holder for holder in gpu.holders or () if holder.pid not in self.own]
        return sorted(strangers, key=lambda h: -(h.used or 0))

    def holder(self, holder: Holder) -> str:
        """A holder as it stands in a message."""
        name = self.names.get(holder.pid)
        return f"pid {holder.pid}{f' {name}' if name else ''} ({size_text(holder.used)})"


AREA = Area("gpu", seconds=8.0)


@AREA.collect
def collect(context: Context) -> GpuFacts:
    """Ask NVML on the machine of the server."""
    if context.settings.before_launch:
        return _before_launch(context)
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
    gpus = context.gpus()
    seen_by_it = environment(server.pid, VISIBLE) if server else None
    _some_gpu(seen_by_it)
    by_bus = server is not None and environment(server.pid, "CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    return GpuFacts(
        target=target,
        nvml=gpus,
        names=_names(gpus),
        own=frozenset((server.pid, *server.children)) if server else frozenset(),
        answered=bool(target.port) and accepts(target.host, target.port, seconds),
        visible=seen_by_it,
        chosen=gpus.gpus if seen_by_it is None else chosen(gpus.gpus, seen_by_it, by_bus=by_bus),
        needed=memory_needed(target.model_path),
        xids=xids(),
    )


def _some_gpu(visible: str | None) -> None:
    """Raise `Unavailable` where a server is kept from all GPUs."""
    if visible is not None and visible.strip() in ("", "-1"):
        raise Unavailable(
            Text(
                f"no GPU is visible to the server ({VISIBLE}='{visible}')",
                f"服务被设为不使用任何 GPU（{VISIBLE}='{visible}'）",
            ),
            looked=False,
        )


def _before_launch(context: Context) -> GpuFacts:
    """The GPUs of this machine, and what is to be launched on them."""
    planned = context.planned
    options: Mapping[str, str] = planned.options if planned else {}
    device = options.get("device", "cuda")
    if device != "cuda":
        raise Unavailable(
            Text(f"the server will compute on the device {device}", f"服务将在 {device} 上运行"), looked=False
        )
    gpus = _gpus_for(context)
    left = visible(planned)
    _some_gpu(left)
    names = _names(gpus)
    table = context.processes()
    model_path = context.target.model_path
    return GpuFacts(
        target=context.target,
        nvml=gpus,
        names=names,
        own=_running_already(planned, table),
        visible=left,
        chosen=left_to(gpus.gpus, left),
        needed=memory_needed(model_path),
        planned=planned,
        places=cards(options) if planned else (),
        footprint=footprint_of(model_path, options),
        builds=builds(planned.interpreter) if planned and planned.interpreter else (),
        left_over=frozenset(orphan.pid for orphan in orphans(table)) if names else frozenset(),
        xids=xids(),
    )


def _running_already(planned: Planned | None, table: ProcessTable) -> frozenset[int]:
    """The processes of the server whose own line is judged, which hold their memory by right."""
    if planned is None or planned.written.form is not Form.PROCESS:
        return frozenset()
    servers = (s for s in running_servers(table) if tuple(s.argv) == planned.written.values)
    return frozenset(pid for server in servers for pid in (server.pid, *server.children))


def _gpus_for(context: Context) -> Gpus:
    """The GPUs of this machine. Raises `Unavailable`: of one without a driver with what that means for the launch."""
    try:
        return context.gpus()
    except Unavailable as error:
        if error.looked or context.planned is None or not isinstance(error.reason, Text):
            raise
        reason = error.reason
        raise Unavailable(
            Text(
                f"{reason.en}: started here the server needs {ON_CPU}, or an accelerator of another kind",
                f"{reason.zh}：在本机启动需要加 {ON_CPU}，或有其他类型的加速卡",
            ),
            looked=False,
        ) from None


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


def size_text(size: float | None) -> str:
    """Bytes as a message has them."""
    if size is None:
        return "? GiB"
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.0f} MiB"


def label(gpu: Gpu) -> str:
    """A GPU as a message names it."""
    return f"GPU {gpu.index}"


UNPLACED = Text(
    "a server runs, but its process is not among those that hold GPU memory (still starting, or in a container)",
    "有服务在运行，但占用显存的进程里没有它（还在启动，或在另一个容器里）",
)

WHO = ("nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv",)
"""The command that shows who holds memory."""


def elsewhere(facts: GpuFacts, needed: float) -> Gpu | None:
    """A GPU with room for a server that takes one, and is not to run there: the one with the most."""
    if facts.own or facts.answered or len(facts.taken) != 1:
        return None
    free = [g for g in facts.nvml.gpus if g not in facts.taken and g.index != facts.taken[0].index and not g.mig]
    best = max(free, key=lambda g: g.free or 0, default=None)
    return best if best is not None and (best.free or 0) >= needed else None


def moved(facts: GpuFacts, gpu: Gpu) -> dict[str, Shell]:
    """The value `{launch_line}` of a planned launch, on another GPU."""
    if facts.planned is None:
        return {}
    return {"launch_line": launch_line(on_gpu(facts.planned.launch, str(gpu.index)), {})}
