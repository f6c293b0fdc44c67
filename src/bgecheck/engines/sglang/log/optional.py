"""The optional part of sglang in which a session failed: what switched it on is to be left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.engines.sglang.serverargs import server_args

_INNERMOST = 5
"""Frames of a traceback in which a part is looked for: those above them only call it."""

_ELSEWHERE: Mapping[str, str] = {
    "enable_symm_mem": r"pynccl_allocator|(?<!torch_)symm_mem",
    "enable_flashinfer_allreduce_fusion": r"flashinfer_comm_fusion|allreduce_fusion",
    "enable_aiter_allreduce_fusion": r"aiter.*allreduce|allreduce.*aiter",
    "enable_torch_compile": r"torch[/.]_(?:dynamo|inductor)",
    "enable_hierarchical_cache": r"hiradix|hicache|memory_pool_host",
    "enable_deterministic_inference": r"batch_invariant",
    "enable_nccl_nvls": r"(?i)\bnvls",
    "enable_lora": r"/lora/",
    "enable_dynamic_batch_tokenizer": r"async_dynamic_batch_tokenizer",
}
"""Switches whose part bears another name than they do."""

_NO_PART = frozenset({"enable_dp_attention", "enable_metrics", "enable_multimodal", "enable_trace"})
"""Switches whose words stand in paths that every server goes through."""

CUSTOM_ALL_REDUCE = "disable-custom-all-reduce"
_CUSTOM = re.compile(r"custom_?all_?reduce", re.IGNORECASE)


def dropped(session: Session, hit: Hit) -> tuple[str, ...]:
    """The switches, by long name, that were given and whose part a line or the frames above it name."""
    told = "\n".join((hit.text, *hit.frames[-_INNERMOST:]))
    return tuple(name.replace("_", "-") for name in _given(session) if re.search(_mark(name), told))


def _given(session: Session) -> Iterator[str]:
    for name, value in server_args(session.args).items():
        if value is True and name.startswith("enable_") and name not in _NO_PART:
            yield name


def _mark(name: str) -> str:
    stem = name.removeprefix("enable_")
    return _ELSEWHERE.get(name) or rf"\b(?:enable[-_])?{stem.replace('_', '[-_]?')}(?![a-z])"


def in_custom_all_reduce(session: Session, hit: Hit) -> bool:
    """Whether sglang's own all-reduce failed, which is on unless it is switched off."""
    told = "\n".join((hit.text, *hit.frames[-_INNERMOST:]))
    return _CUSTOM.search(told) is not None and session.argument(CUSTOM_ALL_REDUCE.replace("-", "_")) != "True"


def without(session: Session, hit: Hit) -> dict[str, str | None] | None:
    """What is to be changed in the launch line; None where no optional part is named."""
    if names := dropped(session, hit):
        return dict.fromkeys(names)
    return {CUSTOM_ALL_REDUCE: ""} if in_custom_all_reduce(session, hit) else None
