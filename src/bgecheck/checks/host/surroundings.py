"""The rows about what is around a server: a container that may hide the GPUs, and the processor it computes on."""

from __future__ import annotations

from bgecheck.checks.host.facts import AREA, HostFacts
from bgecheck.engines.sglang.options import AMX
from bgecheck.model import Evidence, Outcome, Severity, Text, absent, broken, holds


@AREA.check(
    "container",
    title=Text("the container, if any, has the GPUs", "容器（如果有）能用到显卡"),
    cause=Text(
        "the machine has NVIDIA's driver, and this container no GPU: it was started without them",
        "宿主机装有 NVIDIA 驱动，而容器里没有显卡：启动容器时没有传入",
    ),
    fix=Text(
        "start the container with the GPUs: docker run --gpus all, in a compose file `gpus: all`, in a pod the limit "
        "nvidia.com/gpu: 1",
        "启动容器时带上显卡：docker run --gpus all，compose 里写 `gpus: all`，Pod 里写 nvidia.com/gpu: 1",
    ),
    commands=("ls -l /dev/nvidia*",),
    explains=("logs.no-gpu-visible",),
)
def container_has_the_gpus(facts: HostFacts) -> Outcome:
    """/proc/driver/nvidia is seen in every container of such a machine, its devices only where they are passed in."""
    if facts.elsewhere:
        return absent(facts.elsewhere)
    around = facts.around
    if around.kind is None:
        return holds(Evidence(Text("container", "容器"), Text("none", "无")))
    cards = Text(f"{around.cards} GPUs", f"{around.cards} 张显卡")
    shown = Evidence(around.kind, Text(f"{cards.en}, user {facts.user}", f"{cards.zh}，用户 {facts.user}"))
    hides = around.driver and not around.cards and not facts.on_cpu
    return broken(shown) if hides else holds(shown)


@AREA.check(
    "cpu",
    title=Text("the processor has what the server asks of it", "CPU 支持所选的后端"),
    cause=Text(
        f"{AMX} is asked for, and this processor has no AMX (amx_tile is not among its flags): sglang takes "
        "torch_native in its place",
        f"指定了 {AMX}，而这颗 CPU 没有 AMX（flags 里没有 amx_tile）：sglang 会改用 torch_native",
    ),
    fix=Text(
        "write torch_native, which every processor runs, or use a processor with AMX, which is faster",
        "直接写 torch_native，任何 CPU 都能运行；要更快就换有 AMX 的 CPU",
    ),
    commands=("grep -c amx_tile /proc/cpuinfo",),
    severity=Severity.WARNING,
)
def processor_can_do_it(facts: HostFacts) -> Outcome:
    """Only where no GPU is asked for."""
    if not facts.on_cpu or facts.cores is None:
        return absent(Text("the server does not compute on the CPU", "服务不在 CPU 上计算"))
    cores = facts.cores
    kinds = [name for name in ("amx_tile", "avx512f", "avx2") if name in cores.flags]
    shown = Evidence(
        Text(f"{cores.number} cores, {cores.nodes} NUMA nodes", f"{cores.number} 个核，{cores.nodes} 个 NUMA 节点"),
        kinds[0] if kinds else Text("no AVX2", "没有 AVX2"),
    )
    if facts.attention == AMX and cores.flags and "amx_tile" not in cores.flags:
        return broken(shown._replace(expected="amx_tile"))
    return holds(shown)
