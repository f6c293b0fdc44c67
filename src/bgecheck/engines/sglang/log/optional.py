"""The optional part of sglang in which a session failed: what switched it on is to be left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.engines.sglang.serverargs import server_args
from bgecheck.model import Advice, Text

PART = Advice(
    Text(
        "sglang failed in an optional part of its own, which {dropped} switches on: the message or the "
        "traceback names it",
        "sglang 在自己的一个可选功能里出错，它由 {dropped} 打开：报错或调用栈里就是它",
    ),
    Text(
        "start without {dropped}; if it is needed, use a newer sglang, or stay below what failed (shorter inputs, fewer cards)",
        "去掉 {dropped} 启动；确实需要它时升级 sglang，或避开出错的条件（更短的输入、更少的卡）",
    ),
    ("{launch_line}",),
)
NO_PACKAGE = Advice(
    Text(
        "{dropped} switches on an optional part of sglang, and the package that it needs is not installed, or is of another version",
        "{dropped} 打开了 sglang 的一个可选功能，而它依赖的包没有安装，或版本不对",
    ),
    Text(
        "start without {dropped}, or install the package that the line names",
        "去掉 {dropped} 启动，或安装报错里写的那个包",
    ),
    ("{launch_line}",),
)
OWN_ALL_REDUCE = Advice(
    Text(
        "sglang's own all-reduce between the cards failed, which is on by default: the message or the traceback names it",
        "sglang 自带的多卡 all-reduce 出错（默认开启）：报错或调用栈里就是它",
    ),
    Text(
        "start with --disable-custom-all-reduce, which leaves the all-reduce to NCCL; or use one card, where the model fits it",
        "加 --disable-custom-all-reduce 启动，改由 NCCL 做 all-reduce；单卡放得下就用单卡",
    ),
    ("{launch_line}",),
)

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
    return switches_in(session, "\n".join((hit.text, *hit.frames[-_INNERMOST:])))


def switches_in(session: Session, text: str) -> tuple[str, ...]:
    """The switches that were given and whose part a text names."""
    return tuple(name.replace("_", "-") for name in _given(session) if re.search(_mark(name), text))


def _given(session: Session) -> Iterator[str]:
    for name, value in server_args(session.args).items():
        if value is True and name.startswith("enable_") and name not in _NO_PART:
            yield name


def _mark(name: str) -> str:
    stem = name.removeprefix("enable_")
    return _ELSEWHERE.get(name) or rf"\b(?:enable[-_])?{stem.replace('_', '[-_]?')}(?![a-z])"


def in_custom_all_reduce(session: Session, hit: Hit) -> bool:
    """Whether sglang's own all-reduce failed, which is on unless it is switched off."""
    shown = "\n".join((hit.text, *hit.frames[-_INNERMOST:]))
    return _CUSTOM.search(shown) is not None and session.argument(CUSTOM_ALL_REDUCE.replace("-", "_")) != "True"


def without(session: Session, hit: Hit) -> dict[str, str | None] | None:
    """What is to be changed in the launch line; None where no optional part is named."""
    if names := dropped(session, hit):
        return dict.fromkeys(names)
    return {CUSTOM_ALL_REDUCE: ""} if in_custom_all_reduce(session, hit) else None


def variant(session: Session, hit: Hit) -> str | None:
    """Which part it was: one that was switched on, sglang's own all-reduce, or none that is optional."""
    if dropped(session, hit):
        return "option"
    return "custom-all-reduce" if in_custom_all_reduce(session, hit) else None


def values(session: Session, hit: Hit) -> dict[str, str]:
    """The switches that are to be left out."""
    return {"dropped": written(dropped(session, hit))}


def written(names: tuple[str, ...]) -> str:
    """Switches as they stand on a launch line."""
    return " ".join(f"--{name}" for name in names)
