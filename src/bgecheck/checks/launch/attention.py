"""The row about the attention kernels: do they look both ways, as an encoder must."""

from typing import NamedTuple

from bgecheck.checks.launch.facts import AREA, RESTART, LaunchFacts, not_an_encoder, restart
from bgecheck.engines.base import Setting
from bgecheck.engines.sglang.remedies import BOTH_WAYS_ANYWHERE, START_WITH_CHANGES
from bgecheck.engines.sglang.running import backend_for
from bgecheck.model import ANY_TIME, Evidence, Outcome, Text, absent, broken, holds

Release = tuple[int, int, int]


class Kernels(NamedTuple):
    """Releases up to which a backend masks what comes later, and from which it looks both ways.

    Between the two nothing was read.
    """

    masks_until: Release | None
    both_ways_from: Release


# Which backends treat AttentionType.ENCODER_ONLY in srt/layers/attention: 0.4.6, 0.4.8, 0.4.9, 0.5.3, 0.5.9, 0.5.16,
# 0.5.17 and 0.5.23 were read. intel_xpu is reported to mask in sglang #35213, ascend in #11696 (0.5.3.post1: one vector
# for all texts), which #16199 mended in January 2026.
BACKENDS = {
    "triton": Kernels(None, (0, 4, 6)),
    "torch_native": Kernels(None, (0, 4, 6)),
    "flashinfer": Kernels((0, 4, 8), (0, 4, 9)),
    "ascend": Kernels((0, 5, 3), (0, 5, 8)),
    "fa3": Kernels((0, 4, 9), (0, 5, 3)),
    "flex_attention": Kernels((0, 4, 9), (0, 5, 3)),
    "trtllm_mha": Kernels((0, 5, 16), (0, 5, 17)),
    "intel_amx": Kernels((0, 5, 9), (0, 5, 23)),
    "intel_xpu": Kernels((0, 5, 9), (0, 5, 23)),
}


def looks_both_ways(backend: str, release: Release) -> bool | None:
    """Whether a backend of a release honours bidirectional attention; None where that is not known."""
    support = BACKENDS.get(backend)
    if support is None:
        return None
    if support.masks_until is not None and release <= support.masks_until:
        return False
    return True if release >= support.both_ways_from else None


def in_force(facts: LaunchFacts) -> Setting | None:
    """The backend that computes a prefill, which is all that an embedding is."""
    return facts.get("prefill_attention_backend") or facts.get("attention_backend")


@AREA.check(
    "attention-backend",
    title=Text("the attention backend attends in both directions", "注意力后端按双向计算"),
    cause=Text(
        "sglang {version} computes causal attention only with {backend}, and this model is a bidirectional "
        "encoder: every vector is wrong, with [CLS] pooling all texts have the same vector, and no error is shown",
        "sglang {version} 的 {backend} 注意力后端只看前文，而这是双向编码器：每条向量都是错的"
        "（按 [CLS] 池化时所有文本得到同一个向量），且没有任何报错",
    ),
    fix=BOTH_WAYS_ANYWHERE,
    commands=RESTART,
    moments=ANY_TIME,
    before=START_WITH_CHANGES,
    explains=("embed.reference", "embed.golden", "embed.semantic", "embed.distinct", "embed.whole-text", "launch.line"),
)
def attention_looks_both_ways(facts: LaunchFacts) -> Outcome:
    """By release and backend, as the sources of the releases say; unknown combinations stay unknown."""
    if other := not_an_encoder(facts):
        return other
    setting, release = in_force(facts), facts.release
    if release is None:
        return absent(Text("sglang's version is not known", "无法得知 sglang 版本"))
    version = ".".join(map(str, release))
    if setting is None:
        return absent(_BY_DEFAULT)
    backend = str(setting.value)
    honours = looks_both_ways(backend, release)
    evidence = Evidence(setting.label("attention_backend"), f"{backend}, sglang {version}")
    if honours is None:
        return absent(
            Text(
                f"whether {backend} of sglang {version} attends in both directions is not known",
                f"不清楚 sglang {version} 的 {backend} 是否支持双向注意力",
            )
        )
    if not honours:
        device = facts.get("device")
        both_ways = backend_for(device.value if device else None)
        changed = restart(facts, {"attention-backend": both_ways, "prefill-attention-backend": None})
        return broken(evidence, version=version, backend=backend, **changed)
    return holds(evidence)


_BY_DEFAULT = Text(
    "no backend was asked for, and the server does not report which one it chose; its log does: "
    '"Attention backend not set. Use ... backend by default."',
    "启动参数没有指定注意力后端，服务也没有说明实际用了哪个；日志里有一行 "
    "“Attention backend not set. Use ... backend by default.”",
)
