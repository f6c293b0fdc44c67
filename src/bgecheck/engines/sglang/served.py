"""Which embedding models sglang serves rightly, by release, and with which options."""

from __future__ import annotations

from collections.abc import Sequence

from bgecheck.engines.base import Changes
from bgecheck.engines.sglang.options import EMBEDDING, ENCODER_OPTIONS
from bgecheck.engines.sglang.releases import numbers
from bgecheck.engines.sglang.running import backend_for
from bgecheck.knowledge.models import is_reranker, looks_both_ways
from bgecheck.model import Text

_POOLED_BY_CLS = frozenset({"BertModel", "XLMRobertaModel"})
"""Encoders that sglang has code for (bert.py and roberta.py, 0.4.6 to 0.5.23); it reads no pooling configuration."""
_POOLED_BY_MEAN = frozenset({"Gemma3TextModel"})
"""EmbeddingGemma, which 0.5.23 pools by the mean (embedding_model_spec.py)."""
_MEAN_FROM = (0, 5, 23, 0)
_BERT_BY_CLS_FROM = (0, 5, 9, 0)
_BOTH_WAYS_FROM = (0, 5, 17, 0)
"""The first release whose every backend for CUDA looks both ways."""

OTHER_ENGINE = Text(
    "serve it with an engine that reads 1_Pooling, for example text-embeddings-inference",
    "换用会读取 1_Pooling 的引擎，例如 text-embeddings-inference",
)


def refusal(name: str, architectures: Sequence[str], pooling: str | None, version: str) -> tuple[Text, Text] | None:
    """Why sglang gives no right vectors of a model, and what to do; None where it does."""
    if is_reranker(name) or any(each.endswith("ForSequenceClassification") for each in architectures):
        return _RERANKER
    release, both_ways = numbers(version), looks_both_ways(architectures)
    by_mean = release >= _MEAN_FROM and any(each in _POOLED_BY_MEAN for each in architectures)
    if by_mean or both_ways is None:
        return None if by_mean else _not_known(architectures)
    if both_ways and not _POOLED_BY_CLS & {*architectures}:
        return _without_code(version, architectures)
    taken = "cls" if both_ways else "last"
    if pooling not in (None, taken):
        return _pooled_otherwise(str(pooling), taken)
    if both_ways and "BertModel" in architectures and release < _BERT_BY_CLS_FROM:
        return _too_old(version)
    return None


_RERANKER = (
    Text("it is a reranker, which scores pairs of texts and has no vectors", "它是重排模型，给文本对打分，没有向量"),
    Text("leave it out here, and start it by itself", "去掉它，单独部署"),
)


def _not_known(architectures: Sequence[str]) -> tuple[Text, Text]:
    names = ", ".join(architectures) or "?"
    return (
        Text(
            f"how sglang pools this architecture is not known: {names}", f"不清楚 sglang 如何对这种结构做池化：{names}"
        ),
        Text("leave it out, and try it by itself with bgecheck embed", "去掉它，单独启动后用 bgecheck embed 检查"),
    )


def _without_code(version: str, architectures: Sequence[str]) -> tuple[Text, Text]:
    names = ", ".join(architectures)
    return Text(f"sglang {version} has no code for {names}", f"sglang {version} 不支持 {names}"), OTHER_ENGINE


def _pooled_otherwise(wanted: str, taken: str) -> tuple[Text, Text]:
    words = Text(
        f"it pools by {wanted.upper()}, and sglang by {taken.upper()} with any options: every vector would be wrong",
        f"它用 {wanted.upper()} 池化，而 sglang 固定用 {taken.upper()}，没有参数能改：所有向量都会是错的",
    )
    return words, OTHER_ENGINE


def _too_old(version: str) -> tuple[Text, Text]:
    return (
        Text(
            f"it pools by CLS, and sglang {version} pools BertModel by the last token: every vector would be wrong",
            f"它用 CLS 池化，而 sglang {version} 对 BertModel 取最后一个 token：所有向量都会是错的",
        ),
        Text("take sglang 0.5.9 or newer", "改用 sglang 0.5.9 或更新版本"),
    )


def options_for(architectures: Sequence[str], share: str, version: str, device: str | None) -> Changes:
    """The options that a model needs beside its path and address, with `share` as its part of the memory."""
    on_device = {"device": device} if device else {}
    if not looks_both_ways(architectures) and not _POOLED_BY_MEAN & {*architectures}:
        return {EMBEDDING.lstrip("-"): "", "mem-fraction-static": share, **on_device}
    backend = (
        {} if device is None and numbers(version) >= _BOTH_WAYS_FROM else {"attention-backend": backend_for(device)}
    )
    return {**ENCODER_OPTIONS, "mem-fraction-static": share, **backend, **on_device}
