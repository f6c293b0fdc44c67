"""What is to be changed in the launch line of a session, for each cause that another launch line mends."""

from __future__ import annotations

import re

from bgecheck.engines.base import Changes
from bgecheck.engines.sglang.log.marks import BATCH
from bgecheck.engines.sglang.log.memory import FOR_AN_ENCODER, ROOM, memory
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.engines.sglang.relaunch import encoder_changes
from bgecheck.engines.sglang.releases import Release, newest
from bgecheck.knowledge.models import lookup
from bgecheck.model import Text, Words

LESS_MEMORY = Text("with --mem-fraction-static lowered by 0.05", "把 --mem-fraction-static 调小 0.05")
MORE_MEMORY = Text("with --mem-fraction-static raised by 0.05", "把 --mem-fraction-static 调大 0.05")

SHARE = "mem-fraction-static"
CHUNK = "chunked-prefill-size"
BATCH_TOKENS = "max-prefill-tokens"
BACKEND = "attention-backend"

_CHUNK_OF_LARGE_BATCHES = 8192
"""A chunk that every card since 2020 has room for, where there was none."""

LARGE = 65536
"""Tokens in one prefill that no card's kernels are tried with."""

_BACKENDS = ("triton", "flashinfer", "torch_native")
"""What is tried in this order; the first two on a GPU, the last anywhere."""

_IN_TEXT = {
    "fa3": re.compile(r"\bfa3\b|FlashAttention v3|flash_?attn|FlashAttention only"),
    "flashinfer": re.compile(r"(?i)\bflashinfer|AlignedAllocator|max_mma_kv|NUM_MMA"),
    "triton": re.compile(r"Triton Error|triton_ops|triton\.runtime|assert Lq in"),
    "trtllm_mha": re.compile(r"\btrtllm_mha\b"),
    "torch_native": re.compile(r"\btorch_native\b"),
}
"""How a backend shows itself in an error or its traceback."""


def generating(session: Session) -> bool:
    """Whether a session runs a generating model that nothing shows to be one for embeddings."""
    if session.encoder or session.argument("is_embedding") == "True":
        return False
    path = session.argument("model_path") or ""
    causal = re.search(r"(?:ForCausalLM|ForConditionalGeneration)$", session.architecture)
    return bool(causal) and lookup(path) is None and re.search(r"(?i)embed|gte|e5-|bge", path) is None


def as_embedding(session: Session, hit: Hit) -> Changes | None:
    """Start as an embedding server; None for a model that generates."""
    if generating(session):
        return None
    return {"is-embedding": ""} | (dict(for_an_encoder(session)) if session.encoder else {})


def for_an_encoder(session: Session) -> Changes:
    """What a bidirectional encoder needs and the session lacks, with a share that its weights leave room in."""
    given = {
        name.replace("_", "-"): "" if value == "True" else value
        for name in ("is_embedding", "disable_radix_cache", "chunked_prefill_size", "mem_fraction_static")
        if (value := session.argument(name)) not in (None, "None", "False")
    }
    return encoder_changes(given, f"{max(FOR_AN_ENCODER, (memory(session).weights or 0) + ROOM + 0.05):.2g}")


def vectors_right(session: Session, hit: Hit) -> Changes:
    """What a session needs that computes wrong vectors of an encoder."""
    return for_an_encoder(session)


def larger_share(session: Session, hit: Hit) -> Changes | None:
    """A larger share of memory, or a smaller one where torch ran out while the pool was reserved."""
    shares = memory(session, hit.text)
    share = shares.lower() if ran_out(session, hit) else shares.higher(session.encoder is not None)
    return None if share is None else {SHARE: f"{share:g}"}


def ran_out(session: Session, hit: Hit) -> str | None:
    """`lower` where torch itself ran out of memory for the pool; `too-large` where no share is large enough."""
    if "out of memory" in hit.text:
        return "lower"
    shares = memory(session, hit.text)
    too_large = shares.weights is not None and shares.higher(session.encoder is not None) is None
    return "too-large" if too_large else None


def smaller_prefill(session: Session, hit: Hit) -> Changes | None:
    """Less memory for the pool, and fewer tokens at once: by chunks for a causal model, by batches for an encoder."""
    lower = memory(session, hit.text).lower()
    share: dict[str, str | None] = {} if lower is None else {SHARE: f"{lower:g}"}
    return share | dict(fewer_tokens(session))


def fewer_tokens(session: Session) -> Changes:
    """Half the tokens of a prefill; an encoder's texts must not be cut, so that only its batches get smaller."""
    chunk = _number(session.argument("chunked_prefill_size"))
    if session.encoder is None and chunk is not None and chunk > 0:
        return {CHUNK: str(max(chunk // 2, 512))}
    if session.encoder is None and session.architecture:
        return {CHUNK: str(_CHUNK_OF_LARGE_BATCHES)}
    return {BATCH_TOKENS: str(max((_number(session.argument("max_prefill_tokens")) or 16384) // 2, 512))}


def without_graphs(session: Session, hit: Hit) -> Changes | None:
    """No CUDA graphs where a model only embeds; a generating one gets more memory for them."""
    if not generating(session) and session.argument("disable_cuda_graph") != "True":
        return {"disable-cuda-graph": ""}
    return smaller_share(session, hit)


def smaller_share(session: Session, hit: Hit) -> Changes | None:
    """A share that what was free has room for; None where the weights leave none."""
    lower = memory(session, hit.text).lower()
    return None if lower is None else {SHARE: f"{lower:g}"}


def larger_pool(session: Session, hit: Hit) -> Changes | None:
    """Fewer requests at once where their slots ran out, else a larger share of memory for tokens."""
    running = _number(session.argument("max_running_requests"))
    if "max-running-requests" in hit.text or "req_slots" in hit.text:
        return {"max-running-requests": str(max((running or 512) // 2, 1))}
    share = memory(session).higher(session.encoder is not None)
    return None if share is None else {SHARE: f"{share:g}"}


def smaller_dtype(session: Session, hit: Hit) -> Changes | None:
    """Half precision, where the session computes in fp32."""
    if session.argument("dtype") not in ("float32", "float"):
        return None
    return {"dtype": "half" if session.encoder else "bfloat16"}


def other_dtype(session: Session, hit: Hit) -> Changes:
    """fp16, or fp32 where fp16 is what cannot be computed, as on old CPUs; without what asks for fp8."""
    return {"dtype": "float32" if "'Half'" in hit.text else "float16"} | {
        name.replace("_", "-"): None
        for name in ("quantization", "kv_cache_dtype")
        if "fp8" in (session.argument(name) or "")
    }


def other_kernels(session: Session, hit: Hit) -> Changes:
    """Another attention backend than the one in use, and fewer tokens at once after an enormous prefill."""
    fewer = fewer_tokens(session) if last_prefill(session) > LARGE else {}
    return {**other_backend(session, hit), **fewer}


def last_prefill(session: Session) -> int:
    """Tokens of the last prefill batch; 0 where none is near the end of the log."""
    batches = (BATCH.search(line) for line in reversed(session.recent))
    return next((int(batch[1]) for batch in batches if batch), 0)


def other_backend(session: Session, hit: Hit) -> Changes:
    """Another attention backend than the one in use."""
    used = in_use(session, hit)
    if session.argument("device") in ("cpu", "npu"):
        return {BACKEND: "torch_native"}
    changed: dict[str, str | None] = {BACKEND: next(name for name in _BACKENDS if name != used)}
    given = session.argument("prefill_attention_backend")
    return changed | ({} if given in (None, "None") else {"prefill-attention-backend": None})


def in_use(session: Session, hit: Hit) -> str | None:
    """The attention backend of a session, by its arguments, else by the error and the frames above it."""
    for name in ("prefill_attention_backend", "attention_backend"):
        if (given := session.argument(name)) not in (None, "None"):
            return given
    shown = "\n".join((*hit.before, hit.text))
    return next((name for name, mark in _IN_TEXT.items() if mark.search(shown)), None)


def _number(argument: str | None) -> int | None:
    return int(argument) if argument and argument.lstrip("-").isdigit() else None


def values(session: Session, hit: Hit) -> dict[str, Words]:
    """What the texts of causes tell of a session's memory, batch and device."""
    return {
        "weights": _weights(session),
        "floor": _floor(session),
        "tokens": str(last_prefill(session)),
        "architecture": session.architecture,
    }


def _weights(session: Session) -> Text:
    """What the weights take of what was free, as a remark behind them."""
    free = session.free.get("begin")
    if session.weights is None or not free:
        return Text("", "")
    return Text(f" ({session.weights:.2f} of {free:.2f} GiB)", f"（{session.weights:.2f} GiB，空闲 {free:.2f} GiB）")


def _floor(session: Session) -> Text:
    weights = memory(session).weights
    if weights is None:
        return Text("", "")
    return Text(f", never below {weights:.2f}, which the weights take", f"（不能低于权重所占的 {weights:.2f}）")


def on_release(session: Session) -> Release | None:
    """The release that a corrected line is for, where only a newer one mends a session: BertModel before 0.5.9."""
    model = lookup(session.argument("model_path"))
    by_cls = model is None or model.pooling == "cls"
    return newest() if session.before_cls is not None and session.architecture == "BertModel" and by_cls else None
