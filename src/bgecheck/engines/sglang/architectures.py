"""The architectures for which sglang has a class of its own that makes embeddings."""

from collections.abc import Collection

from bgecheck.engines.sglang.releases import releases

EMBEDS = frozenset(
    {
        "BertModel",
        "CLIPModel",
        "Contriever",
        "EmbeddingGemma2Model",
        "EmbeddingGemmaModel",
        "Gemma3TextModel",
        "Lfm2BidirectionalModel",
        "LlamaEmbeddingModel",
        "MistralModel",
        "Qwen3Model",
        "XLMRobertaModel",
    }
)
"""By the classes of srt/models, and by what config.json of published embedding models names."""


def release_range() -> str:
    """The releases whose sources were read."""
    all_of_them = releases()
    return f"{all_of_them[0].version} - {all_of_them[-1].version}"


_GENERATORS = ("qwen3-embedding", "gte-qwen2")


def generates(architectures: Collection[str], name: str) -> bool:
    """Whether sglang takes a model for one that generates unless it is asked for embeddings."""
    if architectures:
        return all(one.endswith("ForCausalLM") for one in architectures)
    return name.startswith(_GENERATORS)
