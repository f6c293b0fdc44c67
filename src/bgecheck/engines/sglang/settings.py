"""The settings of a running sglang server that decide what a vector is, each from the surest source that has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bgecheck.engines.base import Setting, Sources
from bgecheck.engines.sglang.pages import MODEL_PAGE, SETTINGS_PAGE
from bgecheck.model import Text

COMMAND_LINE = Text("command line", "启动命令行")
LOG = Text("server_args= in the log", "日志 server_args=")

CHUNKS_OF_UNKNOWN_SIZE = Text("on, size unknown", "开启，大小未知")
"""The chunk size of a server that only says that chunking is on."""

_TYPES: Mapping[str, type] = {
    "version": str,
    "device": str,
    "disable_radix_cache": bool,
    "chunked_prefill_size": int,
    "is_embedding": bool,
    "attention_backend": str,
    "prefill_attention_backend": str,
}
"""Their names in `ServerArgs`, and the type of each."""


def settings(sources: Sources) -> dict[str, Setting]:
    """Each setting from the surest source that has it: the server's own pages, its log, its command line."""
    by_name = {} if sources.options is None else _of_command_line(sources.options)
    for payload, source in ((sources.logged, LOG), (sources.settings_page, SETTINGS_PAGE)):
        by_name |= {n: Setting(payload[n], source) for n, kind in _TYPES.items() if type(payload.get(n)) is kind}
    embedding = sources.model_page.get("embedding")
    return by_name | _of_model_page(embedding, by_name) if isinstance(embedding, Mapping) else by_name


def _of_command_line(options: Mapping[str, str]) -> dict[str, Setting]:
    given = {
        "disable_radix_cache": Setting("disable-radix-cache" in options, COMMAND_LINE),
        "is_embedding": Setting("is-embedding" in options, COMMAND_LINE),
    }
    if "chunked-prefill-size" in options:
        given["chunked_prefill_size"] = Setting(_number(options["chunked-prefill-size"]), COMMAND_LINE)
    for name in ("attention-backend", "prefill-attention-backend"):
        if name in options:
            given[name.replace("-", "_")] = Setting(options[name], COMMAND_LINE)
    return given


def _of_model_page(embedding: Mapping[str, Any], others: Mapping[str, Setting]) -> dict[str, Setting]:
    """The object `embedding` of the page (0.5.17 on): the pooling, and whether cache and chunking are off."""
    more = {}
    if isinstance(embedding.get("pooling"), str):
        more["pooling"] = Setting(embedding["pooling"], MODEL_PAGE)
    if isinstance(both := embedding.get("bidirectional_attention"), bool):
        more["bidirectional_attention"] = Setting(both, MODEL_PAGE)
    cache = embedding.get("cache")
    if not isinstance(cache, Mapping):
        return more
    if isinstance(cache.get("radix_cache_disabled"), bool) and "disable_radix_cache" not in others:
        more["disable_radix_cache"] = Setting(cache["radix_cache_disabled"], MODEL_PAGE)
    if isinstance(off := cache.get("chunked_prefill_disabled"), bool) and "chunked_prefill_size" not in others:
        more["chunked_prefill_size"] = Setting(-1 if off else CHUNKS_OF_UNKNOWN_SIZE, MODEL_PAGE)
    return more


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
