"""What was meant by an option or a value that sglang does not take: the nearest one that it does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from bgecheck.engines.sglang.releases import RENAMED, Release, newest, releases

FOREIGN: Mapping[str, tuple[str, str | None]] = {
    "max-batch-size": ("max-running-requests", None),
    "batch-size": ("max-running-requests", None),
    "max-concurrent-requests": ("max-running-requests", None),
    "max-num-seqs": ("max-running-requests", None),
    "max-num-batched-tokens": ("max-prefill-tokens", None),
    "max-batch-tokens": ("max-prefill-tokens", None),
    "gpu-memory-utilization": ("mem-fraction-static", None),
    "max-model-len": ("context-length", None),
    "max-seq-len": ("context-length", None),
    "max-length": ("context-length", None),
    "model-id": ("model-path", None),
    "model-name": ("served-model-name", None),
    "tokenizer": ("tokenizer-path", None),
    "task": ("is-embedding", ""),
    "runner": ("is-embedding", ""),
    "convert": ("is-embedding", ""),
    "embedding": ("is-embedding", ""),
    "embeddings": ("is-embedding", ""),
    "enforce-eager": ("disable-cuda-graph", ""),
    "no-enable-prefix-caching": ("disable-radix-cache", ""),
    "no-enable-chunked-prefill": ("chunked-prefill-size", "-1"),
    "fp16": ("dtype", "half"),
    "half": ("dtype", "half"),
    "bf16": ("dtype", "bfloat16"),
    "num-gpus": ("tp-size", None),
    "num-gpu": ("tp-size", None),
    "gpu-id": ("base-gpu-id", None),
    "device-id": ("base-gpu-id", None),
    "block-size": ("page-size", None),
    "disable-flashinfer": ("attention-backend", "triton"),
    "enable-flashinfer": ("attention-backend", "flashinfer"),
}
"""Options of vLLM, text-embeddings-inference, FastChat and guides, and sglang's; a value of its own, or that given."""

_VALUES = {"fp16": "half", "bf16": "bfloat16", "fp32": "float32", "f16": "half", "f32": "float32", "float": "float32"}
"""Names of dtypes that other programs have."""

_BACKENDS = {
    "flash_attn": "fa3",
    "flash_attention": "fa3",
    "flash_attention_2": "flashinfer",
    "fa2": "flashinfer",
    "sdpa": "torch_native",
    "torch": "torch_native",
    "xformers": "triton",
    "eager": "torch_native",
}
"""Names of attention kernels that other programs have: the nearest in spelling is of another kind of model."""

_SIZES = {"k": 1000, "K": 1024, "Ki": 1024, "m": 1000**2, "M": 1024**2}


def nearest(name: str, value: str, release: Release | None = None) -> dict[str, str]:
    """The option that was meant, with its value; nothing where none is near."""
    release = release or next((r for r in reversed(releases()) if r.option(name) is None), newest())
    plain = name.replace("_", "-").lower()
    if plain in FOREIGN:
        meant, own = FOREIGN[plain]
        return _accepted(release, meant, value if own is None else own)
    option = release.option(plain)
    if option is not None:  # one dash was typed, or it is spelled with an underscore: -tp 2
        return _accepted(release, option.name, value)
    slips = [option for option in release.options if _is_one_slip(plain, option)]
    candidates = [*RENAMED.get(plain, ()), *get_close_matches(plain, release.options, n=3, cutoff=0.85), *slips]
    for candidate in candidates:
        if accepted := _accepted(release, candidate, value):
            return accepted
    return {}


_SHORTEST = 4
"""Letters of a name from which on one wrong letter still leaves more that is right: `prot` is port, `tb` is not tp."""


def _is_one_slip(typed: str, option: str) -> bool:
    """Whether one letter is wrong, or two neighbours are swapped, in a name of the same length."""
    if len(typed) != len(option) or len(typed) < _SHORTEST:
        return False
    wrong = [at for at, pair in enumerate(zip(typed, option, strict=True)) if pair[0] != pair[1]]
    if len(wrong) != 2:  # a swap
        return len(wrong) == 1
    first, second = wrong
    return second == first + 1 and typed[first : second + 1] == option[first : second + 1][::-1]


def _accepted(release: Release, name: str, value: str) -> dict[str, str]:
    option = release.option(name)
    if option is None:
        return {}
    if option.switch:
        return {name: ""} if value.lower() not in ("false", "0", "no") else {}
    return {name: value} if option.takes(value) else {}


def near(value: str, allowed: Sequence[str]) -> list[str]:
    """The allowed value that is nearest in spelling, whatever marks are in it; none where none is near."""
    plain = {re.sub(r"[\W_]", "", each.lower()): each for each in allowed}
    close = get_close_matches(re.sub(r"[\W_]", "", value.lower()), plain, n=1, cutoff=0.5)
    return [plain[each] for each in close]


def as_number(value: str, kind: str) -> str | None:
    """A number as people write it, as the parser takes it."""
    decimal = kind == "float" and re.fullmatch(r"\d*,\d+", value.strip())
    text = value.strip().replace(",", "." if decimal else "").replace(" ", "")
    if percent := re.fullmatch(r"(\d+(?:\.\d+)?)%", text):
        return f"{float(percent[1]) / 100:g}" if kind == "float" else None
    if size := re.fullmatch(r"(\d+)(k|K|Ki|m|M)(?:i?B)?", text):
        return str(int(size[1]) * _SIZES[size[2]]) if kind != "float" else None
    if kind != "float" and re.fullmatch(r"\d+\.0+", text):
        return text.partition(".")[0]
    return text if re.fullmatch(r"-?\d+" if kind != "float" else r"-?\d*\.?\d+", text) and text != value else None


def choice(name: str, value: str, allowed: Sequence[str]) -> str | None:
    """The allowed value that was meant; None where none is near."""
    plain = value.lower().replace("-", "_")
    close = [_BACKENDS.get(plain, "triton")] if name.endswith("attention-backend") else near(value, allowed)
    return next((each for each in (_VALUES.get(plain), *close) if each in allowed), None)
