"""Whose accelerators a session runs on, as far as its log tells, and the commands that fit them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.model import Shell

Maker = Literal["amd", "ascend"]

_AMD = re.compile(
    r"\baiter\b|SGLANG_USE_AITER|\bROCm|/opt/rocm|\bHIP (?:error|out of memory|runtime|GPUs)|\bhipError|lib(?:amdhip|rocblas|hipblas|"
    r"hsa-runtime|rccl)|\brocdevice|HSA_STATUS|\bRCCL\b|\bgfx(?:9|1[012])\w{2}"
)
_ASCEND = re.compile(
    r"torch_npu|sgl_kernel_npu|\bNPU (?:error|out of memory|function)|/Ascend/|\bHCCL\b|lib(?:hccl|ascend|atb\b|runtime_common)|\baclnn|"
    r"\bCANN\b|\bascend_backend\b"
)
_BACKENDS: Mapping[str, Maker] = {"aiter": "amd", "wave": "amd", "ascend": "ascend"}
"""Attention backends that only one maker's accelerators have."""

_CARDS: Mapping[Maker, Shell] = {"amd": Shell("rocm-smi"), "ascend": Shell("npu-smi info")}


def maker(session: Session, hit: Hit) -> Maker | None:
    """The maker of the accelerators, where a line or the options tell of another than NVIDIA."""
    if session.argument("device") == "npu":
        return "ascend"
    if of_options := _BACKENDS.get(session.argument("attention_backend") or ""):
        return of_options
    shown = "\n".join((hit.text, *hit.frames, *hit.before, *(text for _, text in hit.also.values())))
    if _ASCEND.search(shown):
        return "ascend"
    return "amd" if _AMD.search(shown) else None


def tools(session: Session, hit: Hit) -> Mapping[str, Shell]:
    """The command that lists the cards, and what only NVIDIA's have: nvidia-smi, and pip, whose sglang is built for CUDA."""
    if (other := maker(session, hit)) is not None:
        return {"cards": _CARDS[other]}
    return {"cards": Shell("nvidia-smi"), "nvidia_smi": Shell("nvidia-smi"), "pip": Shell("pip")}
