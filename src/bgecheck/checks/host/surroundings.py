"""The rows about what is around a server: its container with network, volumes and GPUs, and the processor."""

from __future__ import annotations

from bgecheck.checks.host.facts import AREA, HostFacts
from bgecheck.checks.loopback import is_loopback
from bgecheck.engines.planned import Form, Planned, Written
from bgecheck.engines.sglang.options import ALL_ADDRESSES, AMX, HOST, HOST_OF_ALL, PLAIN_IMAGE, PORT
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, absent, broken, holds


@AREA.check(
    "container",
    title=Text(
        "the container, if any, can be reached and has what the server needs",
        "容器（如果有）能从外面访问，所需资源齐全",
    ),
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
    variants={
        "published": Advice(
            Text(
                "the file publishes port {inside} of the container, and the server listens on {port}: whoever "
                "connects from outside is refused",
                "文件里映射的是容器的 {inside} 端口，而服务监听 {port}：从外面连接会被拒绝",
            ),
            Text(
                f"publish {{outside}}:{{port}}, or start the server with {PORT} {{inside}}",
                f"改成映射 {{outside}}:{{port}}，或启动时加 {PORT} {{inside}}",
            ),
            explains=(),
        ),
        "asked": Advice(
            Text(
                "{asked_by} goes to port {inside}, and the server listens on {port}: it never gets an answer there, "
                "and the container never counts as ready",
                "{asked_by}访问的是 {inside} 端口，而服务监听 {port}：永远得不到应答，容器一直不会就绪",
            ),
            Text(
                f"give both the same port: {PORT} {{inside}}, or {{port}} there",
                f"两边改成同一个端口：{PORT} {{inside}}，或那里写 {{port}}",
            ),
            explains=(),
        ),
        "killed": Advice(
            Text(
                "{asked_by} goes to port {inside}, and the server listens on {port}: it never gets an answer there, "
                "and the container is ended and started again and again",
                "{asked_by}访问的是 {inside} 端口，而服务监听 {port}：永远得不到应答，容器会被反复杀掉重启",
            ),
            Text(
                f"give both the same port: {PORT} {{inside}}, or {{port}} there",
                f"两边改成同一个端口：{PORT} {{inside}}，或那里写 {{port}}",
            ),
            explains=(),
        ),
        "loopback": Advice(
            Text(
                "the server listens on {host} of the container, which is the container's own: no published port, "
                "probe or other container gets to it",
                "服务监听的是容器自己的 {host}：端口映射、探针、其他容器都访问不到",
            ),
            Text(f"start it with {ALL_ADDRESSES}", f"启动时加 {ALL_ADDRESSES}"),
            explains=("launch.host",),
        ),
        "closed": Advice(
            Text(
                "no port of the container is published: only other containers of its network reach the server",
                "容器没有映射任何端口：只有同一网络里的其他容器能访问",
            ),
            Text(
                'publish it: docker run -p {port}:{port}, in compose ports: ["{port}:{port}"]',
                '映射端口：docker run -p {port}:{port}，compose 里写 ports: ["{port}:{port}"]',
            ),
            severity=Severity.WARNING,
            explains=(),
        ),
        "unmounted": Advice(
            Text(
                "no volume of the container holds {model}, and sglang's own image has no models in it: sglang takes "
                "the path for a name on the hub, and the start ends",
                "容器里没有挂载 {model}，而 sglang 官方镜像不带模型：sglang 会把路径当作 hub 上的名字，启动失败",
            ),
            Text(
                "mount the folder: docker run -v /FOLDER:{model}:ro, in compose volumes, in a pod volumeMounts",
                "挂载模型目录：docker run -v /目录:{model}:ro，compose 用 volumes，Pod 用 volumeMounts",
            ),
            explains=(),
        ),
        "cards": Advice(
            Text(
                "the file gives the container no GPU: unless NVIDIA's runtime is the default of its machine, sglang "
                "finds none",
                "文件没有给容器分配显卡：除非那台机器默认使用 NVIDIA 运行时，否则 sglang 找不到显卡",
            ),
            Text(
                "start it with the GPUs: docker run --gpus all, in compose `gpus: all`, in a pod the limit "
                "nvidia.com/gpu: 1",
                "启动时带上显卡：docker run --gpus all，compose 里写 `gpus: all`，Pod 里写 nvidia.com/gpu: 1",
            ),
            severity=Severity.WARNING,
            explains=(),
        ),
    },
    explains=("logs.no-gpu-visible",),
)
def container_has_what_it_needs(facts: HostFacts) -> Outcome:
    """Of a file what it says of its container; else what is around this process or the server's.

    /proc/driver/nvidia is seen in every container of a machine with the driver, its devices only where they are passed
    in.
    """
    planned = facts.planned
    if planned is not None and planned.contained and planned.written.form is not Form.PROCESS:
        return _of_file(planned, on_cpu=facts.on_cpu)
    if facts.elsewhere:
        return absent(facts.elsewhere)
    around = facts.around
    if around.kind is None:
        return holds(Evidence(Text("container", "容器"), Text("none", "无")))
    cards = Text(f"{around.cards} GPUs", f"{around.cards} 张显卡")
    shown = Evidence(around.kind, Text(f"{cards.en}, user {facts.user}", f"{cards.zh}，用户 {facts.user}"))
    hides = around.driver and not around.cards and not facts.on_cpu
    return broken(shown) if hides else holds(shown)


def _of_file(planned: Planned, *, on_cpu: bool) -> Outcome:
    """From what keeps every client or the model away to what may be meant so."""
    written, allotted, port = planned.written, planned.written.allotted, planned.port
    if "$" not in planned.options.get("port", "") and (outcome := _of_ports(planned, port)):
        return outcome
    if planned.model and _is_missing(planned.model, written):
        volumes = Text(", ".join(allotted.mounted or ()) or "none", "、".join(allotted.mounted or ()) or "无")
        shown = Evidence(Text("volumes stand at", "挂载点"), volumes, planned.model)
        return broken(shown, advice="unmounted", model=planned.model)
    if written.own_network and is_loopback(planned.host) and written.form is not Form.DOCKERFILE:
        return broken(Evidence(HOST, planned.host, HOST_OF_ALL), advice="loopback", host=planned.host)
    if written.own_network and allotted.published == () and not allotted.open_to_peers:
        return broken(Evidence(Text("published ports", "映射的端口"), Text("none", "无")), advice="closed", port=port)
    if allotted.cards is False and not on_cpu:
        return broken(Evidence(Text("GPUs in the file", "文件里的显卡"), Text("none", "无")), advice="cards")
    ports = ", ".join(f"{one.outside or '*'}:{one.inside}" for one in allotted.published or ())
    more = [Evidence(Text("published ports", "映射的端口"), ports)] if ports else []
    return holds(Evidence(Text("container of", "容器来自"), written.form.words), *more)


def _of_ports(planned: Planned, port: int) -> Outcome | None:
    """A port of the file at which nobody listens; None where each one leads to the server."""
    allotted, values = planned.written.allotted, {"port": port}
    for one in allotted.asked:
        if one.port != port:
            shown = Evidence(one.by, str(one.port), str(port))
            return broken(shown, advice="killed" if one.kills else "asked", asked_by=one.by, inside=one.port, **values)
    ports = allotted.published or ()
    if not planned.written.own_network or not ports or any(one.inside == port for one in ports):
        return None
    first = ports[0]
    outside = first.outside or first.inside
    shown = Evidence(Text("published", "映射"), f"{outside}:{first.inside}", f"{outside}:{port}")
    return broken(shown, advice="published", inside=first.inside, outside=outside, **values)


def _is_missing(model: str, written: Written) -> bool:
    """Whether a folder is in no volume of a container whose image holds no models."""
    mounted, image = written.allotted.mounted, written.image or ""
    if mounted is None or not model.startswith("/") or "$" in model or not PLAIN_IMAGE.search(image):
        return False
    return not any(model == place or model.startswith(place.rstrip("/") + "/") for place in mounted)


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
