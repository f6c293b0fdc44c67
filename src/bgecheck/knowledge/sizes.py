"""How large embedding models are: what decides the memory that a server of one takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from bgecheck.knowledge.models import BIDIRECTIONAL, lookup


class Size(NamedTuple):
    """The numbers of a model's configuration that decide what it takes."""

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    cached: int
    """Components of the keys, and as many of the values, that a layer keeps for a token."""
    longest: int
    """Tokens of the longest text."""


_LARGEST = 2**24
"""More than any number of a configuration; a larger one is a mistake or a trap."""


def size_of(config: Mapping[str, Any]) -> Size | None:
    """The size that a config.json describes; None where its numbers are missing, or are those of no transformer."""
    layers, hidden = _whole(config, "num_hidden_layers"), _whole(config, "hidden_size")
    heads, intermediate = _whole(config, "num_attention_heads"), _whole(config, "intermediate_size")
    vocabulary, positions = _whole(config, "vocab_size"), _whole(config, "max_position_embeddings")
    if not (layers and hidden and heads and intermediate and vocabulary and positions):
        return None
    width = _whole(config, "head_dim") or hidden // heads
    cached = width * (_whole(config, "num_key_value_heads") or heads)
    encoder = any(name in BIDIRECTIONAL for name in _names(config))
    attention = 2 * hidden * width * heads + 2 * hidden * cached
    layer = attention + (2 if encoder else 3) * hidden * intermediate
    tables = hidden * (vocabulary + (positions if encoder else 0))
    # The family of RoBERTa counts its positions from the one behind padding.
    spare = 2 if "roberta" in str(config.get("model_type", "")) else 0
    return Size(layers * layer + tables, layers, hidden, intermediate, cached, positions - spare)


def _names(config: Mapping[str, Any]) -> list[str]:
    names = config.get("architectures")
    return [str(name) for name in names] if isinstance(names, list) else []


def _whole(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST else 0


_SMALL_EN, _BASE, _LARGE = (12, 384, 1536, 384), (12, 768, 3072, 768), (24, 1024, 4096, 1024)
"""BERT's usual shapes: layers, hidden and intermediate size, and what is kept for a token."""

# Parameters in millions, then the shape: from the config.json and the weights of the published models.
_KNOWN = {
    r"bge-small-zh": (24, (4, 512, 2048, 512)),
    r"(?:bge|gte)-base-zh": (102, _BASE),
    r"(?:bge|gte)-large-zh": (326, _LARGE),
    r"bge-small-en|snowflake-arctic-embed-s$": (33, _SMALL_EN),
    r"bge-base-en|snowflake-arctic-embed-m$": (109, _BASE),
    r"bge-large-en|mxbai-embed-large-v1|snowflake-arctic-embed-l$": (335, _LARGE),
    r"bce-embedding-base_v1": (278, _BASE),
    r"bge-m3|snowflake-arctic-embed-l-v2\.0": (568, _LARGE),
    r"qwen3-embedding-0\.6b": (596, (28, 1024, 3072, 1024)),
    r"qwen3-embedding-4b": (4022, (36, 2560, 9728, 1024)),
    r"qwen3-embedding-8b": (7568, (36, 4096, 12288, 1024)),
    r"gte-qwen2-1\.5b-instruct": (1777, (28, 1536, 8960, 256)),
    r"gte-qwen2-7b-instruct": (7613, (28, 3584, 18944, 512)),
    r"e5-mistral-7b-instruct": (7111, (32, 4096, 14336, 1024)),
    r"bge-multilingual-gemma2": (9242, (42, 3584, 14336, 2048)),
}


def known_size(name: str | None) -> Size | None:
    """The size of a published model by its name; None where it is not known."""
    model = lookup(name)
    if model is None:
        return None
    entry = next((value for pattern, value in _KNOWN.items() if re.match(pattern, model.name)), None)
    return Size(entry[0] * 10**6, *entry[1], model.max_tokens) if entry else None
