"""The embedding models that are known by name: what a right answer of each looks like."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Pooling = Literal["cls", "mean", "last"]

BIDIRECTIONAL = frozenset(
    {
        "BertModel",
        "BertForMaskedLM",
        "XLMRobertaModel",
        "RobertaModel",
        "XLMRobertaForMaskedLM",
        "DistilBertModel",
        "NewModel",
        "NomicBertModel",
        "ModernBertModel",
        "GteModel",
        "JinaBertModel",
        "Contriever",
    }
)
"""Architectures whose attention looks both ways, so that a cached prefix is never valid for another text."""


class Model(NamedTuple):
    """What is known of one published embedding model."""

    name: str
    dims: int
    max_tokens: int
    pooling: Pooling
    normalized: bool
    bidirectional: bool = True
    query_prefix: str | None = None


_ZH = "为这个句子生成表示以用于检索相关文章："
_EN = "Represent this sentence for searching relevant passages: "

# Dims, lengths, pooling and prefixes as the models' cards and their 1_Pooling/config.json give them.
MODELS = (
    Model("bge-small-zh-v1.5", 512, 512, "cls", True, query_prefix=_ZH),
    Model("bge-base-zh-v1.5", 768, 512, "cls", True, query_prefix=_ZH),
    Model("bge-large-zh-v1.5", 1024, 512, "cls", True, query_prefix=_ZH),
    Model("bge-small-zh", 512, 512, "cls", True, query_prefix=_ZH),
    Model("bge-base-zh", 768, 512, "cls", True, query_prefix=_ZH),
    Model("bge-large-zh", 1024, 512, "cls", True, query_prefix=_ZH),
    Model("bge-small-en-v1.5", 384, 512, "cls", True, query_prefix=_EN),
    Model("bge-base-en-v1.5", 768, 512, "cls", True, query_prefix=_EN),
    Model("bge-large-en-v1.5", 1024, 512, "cls", True, query_prefix=_EN),
    Model("bge-m3", 1024, 8192, "cls", True),
    Model("qwen3-embedding-0.6b", 1024, 32768, "last", True, bidirectional=False),
    Model("qwen3-embedding-4b", 2560, 32768, "last", True, bidirectional=False),
    Model("qwen3-embedding-8b", 4096, 32768, "last", True, bidirectional=False),
    Model("gte-base", 768, 512, "mean", True),
    Model("gte-large", 1024, 512, "mean", True),
    Model("gte-base-zh", 768, 512, "cls", True),
    Model("gte-large-zh", 1024, 512, "cls", True),
    Model("gte-qwen2-1.5b-instruct", 1536, 32768, "last", True, bidirectional=False),
    Model("gte-qwen2-7b-instruct", 3584, 32768, "last", True, bidirectional=False),
    Model("multilingual-e5-large", 1024, 512, "mean", True, query_prefix="query: "),
    Model("e5-large-v2", 1024, 512, "mean", True, query_prefix="query: "),
    Model("jina-embeddings-v2-base-zh", 768, 8192, "mean", False),
    Model("jina-embeddings-v3", 1024, 8192, "mean", True),
    Model("m3e-base", 768, 512, "mean", False),
    Model("m3e-large", 1024, 512, "mean", False),
    Model("bce-embedding-base_v1", 768, 512, "cls", True),
    Model("text2vec-base-chinese", 768, 512, "mean", False),
    Model("text2vec-large-chinese", 1024, 512, "mean", False),
)
_BY_NAME = {model.name: model for model in MODELS}


def lookup(name: str | None) -> Model | None:
    """The model that a served name, hub id or folder stands for, or None when it is not known.

    The last path component decides, whatever its case; a hub cache folder
    (`models--BAAI--bge-m3/snapshots/<hash>`) is recognised by its own name, and one of ModelScope,
    which writes `___` for a dot (`bge-large-zh-v1___5`), as well.
    """
    if not name:
        return None
    cached = re.search(r"models--[^/\\]+?--([^/\\]+)", name)
    last = cached[1] if cached else re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    return _BY_NAME.get(last.lower().replace("___", "."))
