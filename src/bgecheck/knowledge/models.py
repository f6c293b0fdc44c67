"""The embedding models that are known by name: what a right answer of each looks like."""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

Pooling = Literal["cls", "mean", "last"]

BIDIRECTIONAL = frozenset(
    {
        "AlbertModel",
        "BertForMaskedLM",
        "BertForSequenceClassification",
        "BertModel",
        "CamembertModel",
        "Contriever",
        "DistilBertModel",
        "ElectraModel",
        "GteModel",
        "JinaBertForMaskedLM",
        "JinaBertModel",
        "MPNetModel",
        "ModernBertModel",
        "NewModel",
        "NomicBertModel",
        "RobertaForMaskedLM",
        "RobertaModel",
        "XLMRobertaForMaskedLM",
        "XLMRobertaForSequenceClassification",
        "XLMRobertaModel",
    }
)
"""Architectures whose attention looks both ways, so that a cached prefix is never valid for another text."""

CAUSAL = re.compile(r".*ForCausalLM|(?:Qwen[23]|Llama|Mistral|Gemma|Gemma2)Model")
"""Architectures whose attention looks only backwards."""

ABSOLUTE = frozenset({"BertModel", "BertForMaskedLM", "RobertaModel", "XLMRobertaModel", "XLMRobertaForMaskedLM"})
"""Architectures with a table of positions, beyond which there is nothing to look up."""


def looks_both_ways(architectures: Iterable[str]) -> bool | None:
    """Whether a model of these architectures is a bidirectional encoder; None for one that is not known."""
    names = tuple(architectures)
    if any(name in BIDIRECTIONAL for name in names):
        return True
    return False if any(CAUSAL.fullmatch(name) for name in names) else None


def is_reranker(name: str | None) -> bool:
    """Whether the name is that of a reranker, which scores pairs and makes no embeddings."""
    return "rerank" in re.split(r"[/\\]", (name or "").rstrip("/\\"))[-1].lower()


class Model(NamedTuple):
    """What is known of one published embedding model."""

    name: str
    dims: int
    max_tokens: int
    pooling: Pooling
    normalized: bool
    architecture: str = "BertModel"
    """The class that config.json names; empty for a causal language model, of which sglang pools the last token."""
    query_prefix: str | None = None
    passage_prefix: str | None = None
    cut_short: bool = False
    """Whether sentence-transformers, as published, cuts its texts at 128 or 256 tokens."""
    shortest: int | None = None
    """The fewest components that its vectors may be cut to (MRL); None where they may not be cut, or nobody says so."""

    def may_be_cut_to(self, dims: int) -> bool:
        """Whether its vectors still mean something when cut to so many components."""
        return self.shortest is not None and self.shortest <= dims < self.dims

    @property
    def task_decides(self) -> bool:
        """Whether what is put before its texts depends on the task, so that none is right for all.

        By the cards: instruction-tuned language models, e5-instruct, EmbeddingGemma and jina-embeddings-v3.
        """
        return (
            self.architecture in ("", "Gemma3TextModel") or "instruct" in self.name or "jina-embeddings-v3" in self.name
        )

    @property
    def bidirectional(self) -> bool:
        """Whether its attention looks both ways."""
        return bool(self.architecture)


_ZH = "为这个句子生成表示以用于检索相关文章："
_EN = "Represent this sentence for searching relevant passages: "

_E5, _E5_PASSAGE = "query: ", "passage: "

# Dims, lengths, pooling and prefixes as the models' cards and their 1_Pooling/config.json give them; the length is
# what the model has positions for, not where sentence-transformers cuts; `shortest` as the card of a model trained
# with MRL has it. `normalized` False: the card does not say
# that vectors have length 1, so that their length is not judged.
MODELS = (
    *(
        Model(f"bge-{size}-zh{version}", dims, 512, "cls", True, query_prefix=_ZH)
        for size, dims in (("small", 512), ("base", 768), ("large", 1024))
        for version in ("", "-v1.5")
    ),
    Model("bge-large-zh-noinstruct", 1024, 512, "cls", True),
    *(
        Model(f"bge-{size}-en{version}", dims, 512, "cls", True, query_prefix=_EN)
        for size, dims in (("small", 384), ("base", 768), ("large", 1024))
        for version in ("", "-v1.5")
    ),
    Model("bge-m3", 1024, 8192, "cls", True, architecture="XLMRobertaModel"),
    Model("bge-multilingual-gemma2", 3584, 8192, "last", True, architecture=""),
    Model("qwen3-embedding-0.6b", 1024, 32768, "last", True, architecture="", shortest=32),
    Model("qwen3-embedding-4b", 2560, 32768, "last", True, architecture="", shortest=32),
    Model("qwen3-embedding-8b", 4096, 32768, "last", True, architecture="", shortest=32),
    Model("gte-small", 384, 512, "mean", True),
    Model("gte-base", 768, 512, "mean", True),
    Model("gte-large", 1024, 512, "mean", True),
    Model("gte-small-zh", 512, 512, "cls", True),
    Model("gte-base-zh", 768, 512, "cls", True),
    Model("gte-large-zh", 1024, 512, "cls", True),
    Model("gte-base-en-v1.5", 768, 8192, "cls", True, architecture="NewModel"),
    Model("gte-large-en-v1.5", 1024, 8192, "cls", True, architecture="NewModel"),
    Model("gte-multilingual-base", 768, 8192, "cls", True, architecture="NewModel", shortest=128),
    Model("gte-qwen2-1.5b-instruct", 1536, 32768, "last", True, architecture=""),
    Model("gte-qwen2-7b-instruct", 3584, 32768, "last", True, architecture=""),
    *(
        Model(name, dims, 512, "mean", True, query_prefix=_E5, passage_prefix=_E5_PASSAGE)
        for size, dims in (("small", 384), ("base", 768), ("large", 1024))
        for name in (f"e5-{size}-v2", f"e5-{size}")
    ),
    Model("multilingual-e5-small", 384, 512, "mean", True, query_prefix=_E5, passage_prefix=_E5_PASSAGE),
    *(
        Model(
            f"multilingual-e5-{size}",
            dims,
            512,
            "mean",
            True,
            architecture="XLMRobertaModel",
            query_prefix=_E5,
            passage_prefix=_E5_PASSAGE,
        )
        for size, dims in (("base", 768), ("large", 1024))
    ),
    Model("multilingual-e5-large-instruct", 1024, 512, "mean", True, architecture="XLMRobertaModel"),
    Model("e5-mistral-7b-instruct", 4096, 32768, "last", True, architecture=""),
    Model("jina-embeddings-v2-small-en", 512, 8192, "mean", False, architecture="JinaBertModel"),
    Model("jina-embeddings-v2-base-en", 768, 8192, "mean", False, architecture="JinaBertModel"),
    Model("jina-embeddings-v2-base-zh", 768, 8192, "mean", False, architecture="JinaBertModel"),
    Model("jina-embeddings-v2-base-code", 768, 8192, "mean", False, architecture="JinaBertModel"),
    Model("jina-embeddings-v3", 1024, 8192, "mean", True, architecture="XLMRobertaModel", shortest=32),
    Model("m3e-small", 512, 512, "mean", False),
    Model("m3e-base", 768, 512, "mean", False),
    Model("m3e-large", 1024, 512, "mean", False),
    Model("bce-embedding-base_v1", 768, 512, "cls", True, architecture="XLMRobertaModel"),
    Model("text2vec-base-chinese", 768, 512, "mean", False, cut_short=True),
    Model("text2vec-large-chinese", 1024, 512, "mean", False, cut_short=True),
    Model("all-minilm-l6-v2", 384, 512, "mean", True, cut_short=True),
    Model("all-minilm-l12-v2", 384, 512, "mean", True, cut_short=True),
    Model("paraphrase-multilingual-minilm-l12-v2", 384, 512, "mean", False, cut_short=True),
    Model(
        "paraphrase-multilingual-mpnet-base-v2",
        768,
        512,
        "mean",
        False,
        architecture="XLMRobertaModel",
        cut_short=True,
    ),
    Model("mxbai-embed-large-v1", 1024, 512, "cls", False, query_prefix=_EN, shortest=128),
    Model("snowflake-arctic-embed-s", 384, 512, "cls", True, query_prefix=_EN),
    Model("snowflake-arctic-embed-m", 768, 512, "cls", True, query_prefix=_EN),
    Model("snowflake-arctic-embed-l", 1024, 512, "cls", True, query_prefix=_EN),
    Model(
        "snowflake-arctic-embed-l-v2.0",
        1024,
        8192,
        "cls",
        True,
        architecture="XLMRobertaModel",
        query_prefix=_E5,
        shortest=256,
    ),
    Model("embeddinggemma-300m", 768, 2048, "mean", True, architecture="Gemma3TextModel", shortest=128),
)
_LOWER_CASE = {
    **{f"bge-{size}-zh{version}": size != "small" for size in ("small", "base", "large") for version in ("", "-v1.5")},
}
"""Whether a model's tokenizer lower-cases its texts, where the cards or files of both kinds were seen."""


def lower_cases(name: str) -> bool | None:
    """Whether a model of the registry was trained on lower-cased texts; None where that was not looked up."""
    return _LOWER_CASE.get(name)


_BY_NAME = {model.name: model for model in MODELS}


_OWNERS = {"bge": "BAAI", "qwen3": "Qwen", "e5": "intfloat", "multilingual": "intfloat", "m3e": "moka-ai"}
"""Who publishes a family of models, by the first part of its name."""


_SPELLED = {
    "qwen3-embedding-0.6b": "Qwen3-Embedding-0.6B",
    "qwen3-embedding-4b": "Qwen3-Embedding-4B",
    "qwen3-embedding-8b": "Qwen3-Embedding-8B",
}
"""Names with capitals on the hub, by how they are kept here."""


def repository(model: str) -> str:
    """The hub id of a model that a folder or a hub id names; its owner is left open where the family is not known."""
    entry, name = lookup(model), model.rstrip("/").rsplit("/", 1)[-1]
    if entry and (owner := _OWNERS.get(entry.name.split("-")[0])):
        # Names are kept in lower case here, and their capitals on the hub.
        spelled = name if name.lower() == entry.name and name != entry.name else _SPELLED.get(entry.name, entry.name)
        return f"{owner}/{spelled}"
    return model if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", model) else f"<owner>/{name}"


def lookup(name: str | None) -> Model | None:
    """The model that a served name, hub id or folder stands for, or None when it is not known.

    The last path component decides, whatever its case; a hub cache folder
    (`models--BAAI--bge-m3/snapshots/<hash>`) is recognised by its own name, and one of ModelScope,
    which writes `___` for a dot (`bge-large-zh-v1___5`), as well; so are Ollama's tag and conversions
    (`bge-m3:latest`, `bge-m3-gguf`, `bge-m3-onnx`).
    """
    if not name:
        return None
    cached = re.search(r"models--[^/\\]+?--([^/\\]+)", name)
    last = cached[1] if cached else re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    plain = last.lower().replace("___", ".").partition(":")[0]
    return _BY_NAME.get(re.sub(r"[-_](?:gguf|onnx|fp16|fp32|safetensors)$", "", plain))
