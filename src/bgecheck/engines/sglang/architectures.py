"""The architectures for which sglang has a class of its own that makes embeddings."""

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
    known = releases()
    return f"{known[0].version} - {known[-1].version}"
