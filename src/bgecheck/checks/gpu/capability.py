"""The row of the GPU's generation: does sglang have kernels for it."""

from __future__ import annotations

from bgecheck.checks.gpu.facts import AREA, GpuFacts, label
from bgecheck.model import ANY_TIME, Evidence, Outcome, Text, absent, broken, holds
from bgecheck.model.expected import AtLeast

OLDEST_CAPABILITY = AtLeast(7.5, "", "sglang 0.4.6 to 0.5.23: `SGLang only supports sm75 and above.`")


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
    moments=ANY_TIME,
)
def generation_is_supported(facts: GpuFacts) -> Outcome:
    """The oldest of the server's GPUs decides; before a server runs the newest, beside which a display card may sit."""
    capabilities = [(g.capability, g) for g in facts.judged if g.capability]
    if not capabilities:
        return absent(Text("the driver does not report it", "驱动没有给出计算能力"))
    pick = min if facts.own or facts.wanted else max
    (major, minor), gpu = pick(capabilities, key=lambda pair: pair[0])
    evidence = Evidence(f"{label(gpu)} {gpu.name}", f"{major}.{minor}", str(OLDEST_CAPABILITY))
    enough = OLDEST_CAPABILITY.admits(float(f"{major}.{minor}"))
    return holds(evidence) if enough else broken(evidence, name=gpu.name, capability=f"{major}.{minor}")
