"""Rows about the prefix cache and chunked prefill, which a bidirectional encoder cannot have."""

from __future__ import annotations

from typing import Any

from bgecheck.checks.launch.facts import AREA, RESTART, LaunchFacts, not_an_encoder, restart
from bgecheck.engines.base import Setting
from bgecheck.engines.sglang.remedies import RESTART_WITH_CHANGES, START_WITH_CHANGES
from bgecheck.engines.sglang.settings import COMMAND_LINE
from bgecheck.model import ANY_TIME, Evidence, Outcome, Text, absent, broken, holds


@AREA.check(
    "prefix-cache",
    headline=True,
    title=Text("the prefix cache is off for a bidirectional encoder", "双向编码器已关闭前缀缓存"),
    cause=Text(
        "the prefix (radix) cache is on, and this model is a bidirectional encoder: a text that begins like an "
        "earlier one gets a wrong vector, and all texts begin with [CLS]",
        "前缀缓存（radix cache）开着，而这是双向编码器：开头相同的文本，后算的那条向量是错的；"
        "所有文本都以 [CLS] 开头，所以大部分向量都不可信",
    ),
    fix=RESTART_WITH_CHANGES,
    commands=RESTART,
    moments=ANY_TIME,
    before=START_WITH_CHANGES,
    explains=(
        "embed.repeatable",
        "embed.prefix-independent",
        "embed.batch-equals-single",
        "embed.order",
        "embed.concurrent",
        "embed.long-batch",
        "embed.distinct",
        "embed.token-count",
        "embed.semantic",
        "embed.golden",
        "embed.reference",
        "logs.encoder-vectors-wrong",
        "launch.line",
    ),
)
def prefix_cache_is_off(facts: LaunchFacts) -> Outcome:
    """No release read switches it off for BertModel; only EmbeddingGemma is exempt (sglang PR 32481)."""
    if other := not_an_encoder(facts):
        return other
    setting = facts.get("disable_radix_cache")
    if setting is None:
        return absent(Text("whether the cache is on is not known", "无法得知缓存是否开启"))
    evidence = Evidence(setting.label("disable_radix_cache"), str(setting.value), "True")
    return holds(evidence) if setting.value is True else broken(evidence, **restart(facts))


@AREA.check(
    "chunked-prefill",
    headline=True,
    title=Text("chunked prefill is off for a bidirectional encoder", "双向编码器已关闭分块预填充"),
    cause=Text(
        "chunked prefill is on ({chunk}): in a batch with more tokens than one chunk, the texts that are cut at "
        "a chunk boundary get wrong vectors",
        "分块预填充（chunked prefill）开着（{chunk}）：一批文本的 token 总数超过一个分块时，被切断的那几条向量是错的",
    ),
    fix=RESTART_WITH_CHANGES,
    commands=RESTART,
    moments=ANY_TIME,
    before=START_WITH_CHANGES,
    explains=("embed.long-batch", "launch.line"),
)
def chunked_prefill_is_off(facts: LaunchFacts) -> Outcome:
    """Measured on 0.5.23: 3 of 60 texts wrong in one request with the default chunk, none with -1."""
    if other := not_an_encoder(facts):
        return other
    setting = facts.get("chunked_prefill_size")
    if setting is None:
        by_default = facts.flags is not None and "chunked-prefill-size" not in facts.flags
        if not by_default:
            return absent(Text("the chunk size is not known", "无法得知分块大小"))
        setting = Setting(Text("the default, by GPU memory", "默认值，按显存自动取"), COMMAND_LINE)
    evidence = Evidence(
        setting.label("chunked_prefill_size"),
        setting.value if isinstance(setting.value, Text) else str(setting.value),
        "-1",
    )
    off = setting.value == -1
    return holds(evidence) if off else broken(evidence, chunk=_size(setting.value), **restart(facts))


def _size(chunk: Any) -> Text:
    if isinstance(chunk, Text):
        return Text("auto", "自动")
    return Text(f"{chunk} tokens", f"{chunk} 个 token")
