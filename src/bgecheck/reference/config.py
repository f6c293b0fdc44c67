"""What a model folder says of itself: the shape of its encoder, and how its vectors are pooled."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from bgecheck.machine.files import read_text
from bgecheck.model import Text, Unavailable

ENCODERS = frozenset({"BertModel", "BertForMaskedLM", "XLMRobertaModel", "XLMRobertaForMaskedLM", "RobertaModel"})
"""Architectures whose forward pass is written here; by source, their configurations share names and meaning."""

ACTIVATIONS = frozenset({"gelu", "gelu_new", "gelu_pytorch_tanh", "relu"})

_JSON_LIMIT = 2**20
_LARGEST = 2**20
"""More than any dimension of an encoder; a larger number is a mistake or a trap."""


class Shape(NamedTuple):
    """The shape of an encoder, as config.json gives it."""

    layers: int
    hidden: int
    heads: int
    intermediate: int
    vocabulary: int
    kinds: int
    """Rows of the token-type table; a single text is of the first kind."""
    positions: int
    """Rows of the position table; the first `position_offset` of them stand for no token."""
    position_offset: int
    """0 for BERT; padding_idx + 1 for the RoBERTa family, whose positions are counted from there."""
    epsilon: float
    activation: str

    @property
    def longest(self) -> int:
        """Tokens that one text may have."""
        return self.positions - self.position_offset


def shape_of(folder: str) -> Shape:
    """The encoder that config.json describes. Raises `Unavailable` for another kind of model, and where it is broken.

    `looked` is False for a model that is none of ours: nothing is wrong with it, it is not compared.
    """
    config = _json(folder, "config.json")
    kind = str(config.get("model_type", "bert"))
    names = config.get("architectures")
    architectures = [str(n) for n in names] if isinstance(names, list) else []
    _refuse_others(config, kind, architectures)
    shape = Shape(
        layers=_whole(config, "num_hidden_layers", 12),
        hidden=_whole(config, "hidden_size", 768),
        heads=_whole(config, "num_attention_heads", 12),
        intermediate=_whole(config, "intermediate_size", 3072),
        vocabulary=_whole(config, "vocab_size", 30522),
        kinds=_whole(config, "type_vocab_size", 2),
        positions=_whole(config, "max_position_embeddings", 512),
        position_offset=0 if kind == "bert" else _whole(config, "pad_token_id", 1, least=0) + 1,
        epsilon=_fraction(config, "layer_norm_eps", 1e-12),
        activation=str(config.get("hidden_act", "gelu")),
    )
    if shape.hidden % shape.heads or shape.longest < 1 or shape.activation not in ACTIVATIONS:
        raise Unavailable(
            Text(
                f"config.json: hidden_size {shape.hidden}, {shape.heads} heads, {shape.positions} positions, "
                f"{shape.activation}: no encoder has this shape",
                f"config.json：hidden_size {shape.hidden}、{shape.heads} 个头、{shape.positions} 个位置、"
                f"{shape.activation}，这不是编码器的形状",
            )
        )
    return shape


def _refuse_others(config: Mapping[str, Any], kind: str, architectures: list[str]) -> None:
    strange = [a for a in architectures if a not in ENCODERS]
    if strange or kind not in ("bert", "xlm-roberta", "roberta"):
        name = strange[0] if strange else kind
    elif config.get("position_embedding_type", "absolute") != "absolute":
        name = f"{kind}, {config['position_embedding_type']} positions"
    elif config.get("is_decoder") is True:
        name = f"{kind}, is_decoder"
    elif config.get("quantization_config"):
        name = f"{kind}, quantized"
    else:
        return
    raise Unavailable(
        Text(
            f"no reference is computed for this architecture: {name}; BERT and XLM-RoBERTa are",
            f"不支持在本机计算这种结构：{name}；只支持 BERT 和 XLM-RoBERTa",
        ),
        looked=False,
    )


def pooled_dimension(folder: str) -> int | None:
    """The dimension for which 1_Pooling/config.json was written; None where it names none."""
    try:
        config = _json(folder, os.path.join("1_Pooling", "config.json"))
    except Unavailable:
        return None
    # The second name is that of sentence-transformers from 5.0 on.
    dimension = config.get("word_embedding_dimension", config.get("embedding_dimension"))
    return dimension if isinstance(dimension, int) and not isinstance(dimension, bool) else None


def pooling_of(folder: str) -> str | None:
    """The pooling of 1_Pooling/config.json: cls, mean or last; None where the folder says none, or several."""
    try:
        config = _json(folder, os.path.join("1_Pooling", "config.json"))
    except Unavailable:
        return None
    names = {
        "pooling_mode_cls_token": "cls",
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_lasttoken": "last",
        "pooling_mode_max_tokens": "max",
        "pooling_mode_mean_sqrt_len_tokens": "mean-sqrt",
        "pooling_mode_weightedmean_tokens": "weighted-mean",
    }
    modes = [name for key, name in names.items() if config.get(key) is True]
    # From 5.0 on sentence-transformers writes one name in place of the seven switches.
    if isinstance(config.get("pooling_mode"), str):
        modes = [{"lasttoken": "last"}.get(config["pooling_mode"], config["pooling_mode"])]
    return modes[0] if len(modes) == 1 and modes[0] in ("cls", "mean", "last") else None


def _json(folder: str, name: str) -> Mapping[str, Any]:
    path = os.path.join(folder, name)
    try:
        payload = json.loads(read_text(path, _JSON_LIMIT))
    except (ValueError, RecursionError) as error:
        raise Unavailable(Text(f"{path} is not JSON", f"{path} 不是合法的 JSON")) from error
    if not isinstance(payload, Mapping):
        raise Unavailable(Text(f"{path} holds no JSON object", f"{path} 不是 JSON 对象"))
    return payload


def _whole(config: Mapping[str, Any], key: str, usual: int, *, least: int = 1) -> int:
    value = config.get(key)
    value = usual if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST:
        raise Unavailable(Text(f"config.json: {key} is {value!r:.40}", f"config.json：{key} 的值是 {value!r:.40}"))
    return value


def _fraction(config: Mapping[str, Any], key: str, usual: float) -> float:
    value = config.get(key, usual)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise Unavailable(Text(f"config.json: {key} is {value!r:.40}", f"config.json：{key} 的值是 {value!r:.40}"))
    return float(value)
