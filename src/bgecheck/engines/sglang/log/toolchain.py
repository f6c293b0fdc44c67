"""What a kernel could not be compiled for: a CUDA toolkit that is too old, none at all, or another tool."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log.session import Hit, Session

_SINCE = {
    "cuda_fp8.h": "11.8",
    "cuda_fp6.h": "12.8",
    "cuda_fp4.h": "12.8",
    "c++20": "12.0",
}
"""What nvcc lacks when it is too old, and the toolkit that brought it."""

_ITEM = re.compile(
    r"fatal error: (?:\S*/)?(cuda_fp[468]\.h): No such file|Value '(c\+\+20)' is not defined for option 'std'"
)
_NO_TOOLKIT = re.compile(
    r"nvcc\b.*(?:not found|No such file)|(?:No such file|not find|cannot find).*\b(?:nvcc|CUDA_HOME)|CUDA_HOME|assert cuda_home|"
    r"fatal error: (?:cuda|cuda_runtime|cuda_runtime_api|cuda_bf16|cuda_fp16|cublas\w*|cusparse|nvrtc)\.h: No such file"
)

_NO_LIBCUDA = re.compile(r"cannot find -lcuda\b|libcuda\.so cannot found")
_FAILED = re.compile(r"ninja: build stopped|Ninja build failed|errors? detected in the compilation|\['(?:/\S+/)?ninja'")
"""What only says that a compiler ran and failed: had a tool been missing, a line would name it."""
_KINDS = (("toolkit", _ITEM), ("nvcc", _NO_TOOLKIT), ("failed", _FAILED))


def lack(session: Session, hit: Hit) -> str | None:
    """`toolkit` where it is too old, `nvcc` where there is none, `failed` where all are there; None for compilers and other headers.

    With triton in use already, it is not offered as a way without either.
    """
    if _NO_LIBCUDA.search(hit.text):
        return "libcuda"
    kind = next((kind for kind, words in _KINDS if words.search(hit.text)), None)
    return f"{kind}-triton" if kind and session.argument("attention_backend") == "triton" else kind


def values(session: Session, hit: Hit) -> dict[str, str]:
    """What is missing, and the toolkit that has it."""
    match = _ITEM.search(hit.text)
    if match is None:
        return {}
    missing = match[1] or match[2]
    return {"missing": missing, "release": _SINCE[missing]}


def relaunch(session: Session, hit: Hit) -> dict[str, str | None] | None:
    """The backend that compiles without nvcc, where it is not in use already."""
    if lack(session, hit) in (None, "libcuda") or session.argument("attention_backend") == "triton":
        return None
    return {"attention-backend": "triton"}
