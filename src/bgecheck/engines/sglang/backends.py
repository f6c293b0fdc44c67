"""Attention backends by release, device and card: which one looks both ways, which runs where, which is taken."""

from __future__ import annotations

from typing import NamedTuple

from bgecheck.engines.sglang.options import AMX
from bgecheck.model import Text

Release = tuple[int, int, int]
Capability = tuple[int, int]


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


_OF_DEVICE = {
    "fa3": "cuda",
    "fa4": "cuda",
    "flashinfer": "cuda",
    "trtllm_mha": "cuda",
    "intel_amx": "cpu",
    "intel_xpu": "xpu",
    "ascend": "npu",
}
"""Backends that are made for one device (attention_registry.py, server_args.py; fa3 has one for MUSA as well)."""
_WORDS = {
    "cuda": Text("for NVIDIA GPUs", "只用于 NVIDIA GPU"),
    "cpu": Text("for CPUs", "只用于 CPU"),
    "xpu": Text("for Intel GPUs", "只用于 Intel GPU"),
    "npu": Text("for Ascend NPUs", "只用于昇腾 NPU"),
}
_TRTLLM_ON_MORE = (0, 5, 17)
"""The first release that may run trtllm_mha for a prefill on other cards than those of SM100; 0.5.23 does."""


def misplaced(backend: str, device: str | None, capability: Capability | None, release: Release) -> Text | None:
    """Why a backend does not run on a device or card; None where it does, or that is not known."""
    kind = _OF_DEVICE.get(backend)
    if kind is not None and device in _WORDS and kind != device:
        words = _WORDS[kind]
        return Text(f"{backend} is {words.en}, not for the device {device}", f"{backend} {words.zh}，不能用于 {device}")
    if capability is None or device not in (None, "cuda"):
        return None
    card = f"{capability[0]}.{capability[1]}"
    if backend == "fa3" and capability[0] not in (8, 9):
        return Text(
            f"fa3 runs on cards of compute capability 8.0 to 9.0, and this one has {card}",
            f"fa3 只支持计算能力 8.0 到 9.0 的卡，这张是 {card}",
        )
    needed = (10,) if release < _TRTLLM_ON_MORE else (9, 10, 12)
    if backend == "trtllm_mha" and capability[0] not in needed:
        names = ", ".join(f"{major}.x" for major in needed)
        return Text(
            f"trtllm_mha runs on cards of compute capability {names}, and this one has {card}",
            f"trtllm_mha 只支持计算能力 {names} 的卡，这张是 {card}",
        )
    return None


def by_default(device: str | None, capability: Capability | None, amx: bool | None, release: Release) -> str | None:
    """The backend that an encoder is given where none is asked for, as far as it is decided by what is known here.

    On a CPU intel_amx, which falls back to torch_native without AMX (0.4.10 to 0.5.23); on SM100 trtllm_mha from 0.5.8
    on, on Hopper fa3.
    """
    if device == "cpu":
        return None if amx is None else AMX if amx else "torch_native"
    if device not in (None, "cuda") or capability is None or release < (0, 5, 8):
        return None
    return {10: "trtllm_mha", 9: "fa3"}.get(capability[0])
