"""What an sglang server takes of a card: what its memory share has to cover, and what it takes beside it.

The share (`--mem-fraction-static`) is of what is free when a server starts, before it loads the weights; what it covers
are the weights and the pool, which is made as large as the share allows. Activations and the work space of kernels come
from what is left (model_runner.py, from 0.5.16 on kv_cache_configurator.py; 0.4.6 to 0.5.23 alike).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from bgecheck.knowledge.sizes import Size
from bgecheck.machine.files import weights_size

GIB = 2**30

CONTEXT = 0.5 * GIB
"""Bytes of a CUDA context, which are taken before the share is measured."""
WORK_SPACE = 0.4 * GIB
"""Bytes that attention kernels take for themselves: flashinfer alone 384 MiB (global_config.py)."""
ON_CPU = 2.3 * GIB
"""Bytes of the three processes of a server on the CPU, beside weights and pool (0.5.23: 0.95, 0.70 and 0.66 GB)."""
PREFILL = 16384
"""Tokens that sglang computes at once, unless `--max-prefill-tokens` says otherwise."""

_REQUESTS = 2048
"""Requests for each of which a row of the longest text is kept, of 4 bytes a token: the fewest without an option."""

_BYTES = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2}
_QUANTIZED = {"fp8": 1.0, "w8a8_int8": 1.0, "w8a8_fp8": 1.0, "awq": 0.55, "awq_marlin": 0.55, "gptq": 0.55}
"""Bytes of a weight by what `--quantization` is given, scales included."""


MOST = 0.95
"""The largest share that leaves CUDA and the activations anything."""
_STEP = 100
"""Shares are multiples of one part in so many."""


class Footprint(NamedTuple):
    """Bytes that one rank of a server takes of its card."""

    weights: float
    pool: float
    """For one batch of the longest texts; what an encoder has of it beyond that is never used."""
    least_pool: float
    """For one text of the longest."""
    activations: float
    context: float = CONTEXT
    work_space: float = WORK_SPACE

    @property
    def static(self) -> float:
        """What the share has to cover."""
        return self.weights + self.pool

    @property
    def beside(self) -> float:
        """What has to be left beside the share, once the share is measured."""
        return self.activations + self.work_space

    @property
    def whole(self) -> float:
        """All that it takes."""
        return self.context + self.static + self.beside

    @property
    def weights_and_least(self) -> float:
        """What a share cannot be below: the weights, and the pool for one text."""
        return self.weights + self.least_pool

    @property
    def least(self) -> float:
        """What it cannot do without: the pool for one text alone."""
        return self.whole - self.pool + self.least_pool

    def covered(self, share: float, free: float) -> float:
        """Bytes that a share is of what is free when the server starts."""
        return share * max(0.0, free - self.context)

    def left(self, share: float, free: float) -> float:
        """Bytes that stay free beside it."""
        return free - self.context - self.covered(share, free)

    def fits(self, share: float, free: float) -> bool:
        """Whether a share covers what cannot be done without, and leaves what is needed beside it."""
        return self.covered(share, free) >= self.weights_and_least and self.left(share, free) >= self.beside


def share_for(size: float, measured: float) -> float:
    """The share that covers so many bytes of what is measured, in two digits."""
    return math.ceil(size / measured * _STEP - 1e-6) / _STEP if measured > 0 else 1.0


def fitting_share(need: Footprint, free: float) -> float | None:
    """A share with which it runs where so much is free; None where there is none."""
    shares = (share_for(size, free - need.context) for size in (need.static, need.weights_and_least))
    return next((share for share in shares if share <= MOST and need.fits(share, free)), None)


def footprint(size: Size, options: Mapping[str, str], *, stored: float | None = None) -> Footprint:
    """What a server with these options takes for a model; `stored` are the bytes of its weights as served."""
    width = element(options.get("dtype"))
    ranks = _number(options, "tp-size", 1) * _number(options, "pp-size", 1)
    longest = min(size.longest, _number(options, "context-length", size.longest))
    batch = max(_number(options, "max-prefill-tokens", PREFILL), longest)
    pooled = min(batch, _number(options, "max-total-tokens", batch))
    token = 2 * size.layers * size.cached * (1 if "fp8" in options.get("kv-cache-dtype", "") else width)
    on_cpu = options.get("device") == "cpu"
    return Footprint(
        weights=(size.parameters * per_weight(options) if stored is None else stored) / ranks,
        pool=pooled * token / ranks,
        least_pool=min(longest, pooled) * token / ranks,
        activations=batch * (8 * size.hidden + 2 * size.intermediate) * width + _REQUESTS * longest * 4,
        context=ON_CPU if on_cpu else CONTEXT,
        work_space=0.0 if on_cpu else WORK_SPACE,
    )


def served_bytes(folder: str | None, config: Mapping[str, Any], options: Mapping[str, str]) -> float | None:
    """Bytes of the weights of a folder as a server with these options holds them; None where it has none."""
    whole = weights_size(folder) if folder else None
    if whole is None:
        return None
    stored = _BYTES.get(str(config.get("torch_dtype") or config.get("dtype") or "float32"), 2)
    if config.get("quantization_config"):
        return float(whole)
    return whole * per_weight(options) / stored


def element(dtype: str | None) -> int:
    """Bytes of a number by what `--dtype` is given: fp16 by itself, to which fp32 weights are turned (0.4.6 on)."""
    return _BYTES.get(dtype or "", 2)


def per_weight(options: Mapping[str, str]) -> float:
    """Bytes of a weight as it is served."""
    return _QUANTIZED.get(options.get("quantization", ""), element(options.get("dtype")))


def _number(options: Mapping[str, str], name: str, usual: int) -> int:
    text = options.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else usual
