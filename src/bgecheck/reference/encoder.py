"""The forward pass of BERT and XLM-RoBERTa in numpy, float32, one layer's weights at a time.

Texts are laid end to end, so that no token is padding: what is done to each token runs over all of them at
once, and attention over each text alone. A text's states cannot depend on its neighbours, and no mask is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgecheck.model import Text, Unavailable
from bgecheck.reference.config import Shape
from bgecheck.reference.mapped import Floats
from bgecheck.reference.weights import Weights

Pace = Callable[[int, int], None]
"""Called before each layer with its number and how many there are; ends the pass by raising."""


def states(
    shape: Shape, weights: Weights, ids: Sequence[Sequence[int]], *, causal: bool = False, pace: Pace | None = None
) -> list[Floats]:
    """The last hidden states of each text, of shape (tokens, hidden).

    `causal` lets a token see only itself and those before it, which is what a server computes whose attention
    kernel ignores that an encoder looks both ways. Raises `Unavailable` for ids or weights that do not fit `shape`.
    """
    _fitting(shape, ids)
    ends = np.cumsum([len(text) for text in ids])
    texts = [slice(end - len(text), end) for end, text in zip(ends, ids, strict=True)]
    x = _embedded(shape, weights, ids)
    for number in range(shape.layers):
        if pace:
            pace(number, shape.layers)
        x = _layer(_Layer(shape, weights, number), x, texts, causal)
        weights.release()
    return [x[text] for text in texts]


def pooled(shape: Shape, weights: Weights, first: Floats) -> Floats | None:
    """BertModel's pooler over the states of first tokens, (texts, hidden); None where the weights have none."""
    if "pooler.dense.weight" not in weights:
        return None
    weight = weights.get("pooler.dense.weight", shape.hidden, shape.hidden)
    y: Floats = np.tanh(first @ weight.T + weights.get("pooler.dense.bias", shape.hidden))
    return y


def _fitting(shape: Shape, ids: Sequence[Sequence[int]]) -> None:
    for text in ids:
        if not 0 < len(text) <= shape.longest:
            raise Unavailable(
                Text(
                    f"a text has {len(text)} tokens, and the model takes 1 to {shape.longest}",
                    f"有文本为 {len(text)} 个 token，模型接受 1 到 {shape.longest} 个",
                )
            )
        if max(text) >= shape.vocabulary or min(text) < 0:
            raise Unavailable(
                Text(
                    f"the tokenizer gives the id {max(text)}, and the vocabulary has {shape.vocabulary} entries",
                    f"分词器给出的 id 是 {max(text)}，而词表只有 {shape.vocabulary} 条",
                )
            )


def _embedded(shape: Shape, weights: Weights, ids: Sequence[Sequence[int]]) -> Floats:
    tokens = np.array([token for text in ids for token in text], np.int64)
    positions = np.concatenate([np.arange(len(text), dtype=np.int64) + shape.position_offset for text in ids])
    x = weights.get("embeddings.word_embeddings.weight", shape.vocabulary, shape.hidden, rows=tokens)
    x = x + weights.get("embeddings.position_embeddings.weight", shape.positions, shape.hidden, rows=positions)
    first = np.zeros(1, np.int64)
    x = x + weights.get("embeddings.token_type_embeddings.weight", shape.kinds, shape.hidden, rows=first)
    layer = _Layer(shape, weights, None)
    return layer.normed("embeddings.LayerNorm", x)


class _Layer(NamedTuple):
    """The weights of one layer, read as they are used; without a number, those before the first."""

    shape: Shape
    weights: Weights
    number: int | None

    def linear(self, name: str, x: Floats, outputs: int) -> Floats:
        weight = self.weights.get(f"{self._prefix}{name}.weight", outputs, x.shape[1])
        y: Floats = x @ weight.T
        y += self.weights.get(f"{self._prefix}{name}.bias", outputs)
        return y

    def normed(self, name: str, x: Floats) -> Floats:
        gain = self.weights.get(f"{self._prefix}{name}.weight", x.shape[1])
        return layer_norm(x, gain, self.weights.get(f"{self._prefix}{name}.bias", x.shape[1]), self.shape.epsilon)

    @property
    def _prefix(self) -> str:
        return "" if self.number is None else f"encoder.layer.{self.number}."


def _layer(layer: _Layer, x: Floats, texts: Sequence[slice], causal: bool) -> Floats:
    hidden, heads = layer.shape.hidden, layer.shape.heads
    q, k, v = (layer.linear(f"attention.self.{name}", x, hidden) for name in ("query", "key", "value"))
    context = np.concatenate([attention(q[t], k[t], v[t], heads, causal) for t in texts])
    x = layer.normed("attention.output.LayerNorm", layer.linear("attention.output.dense", context, hidden) + x)
    inner = activated(layer.linear("intermediate.dense", x, layer.shape.intermediate), layer.shape.activation)
    return layer.normed("output.LayerNorm", layer.linear("output.dense", inner, hidden) + x)


def attention(q: Floats, k: Floats, v: Floats, heads: int, causal: bool = False) -> Floats:
    """Scaled dot-product attention of one text; all of shape (tokens, hidden)."""
    tokens, hidden = q.shape
    apart = (tokens, heads, hidden // heads)
    q, k, v = (a.reshape(apart).transpose(1, 0, 2) for a in (q, k, v))
    scores = q @ k.transpose(0, 2, 1)
    scores *= np.float32(1 / math.sqrt(hidden // heads))
    if causal:
        scores[:, ~np.tri(tokens, dtype=np.bool_)] = -np.inf
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    mixed: Floats = (scores @ v).transpose(1, 0, 2).reshape(tokens, hidden)
    return mixed


def layer_norm(x: Floats, gain: Floats, bias: Floats, epsilon: float) -> Floats:
    """Mean 0 and variance 1 over the last axis, then scaled and moved."""
    centred: Floats = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    # float32 knows 1e-12, the epsilon of BERT, as a number of its own beside a variance near zero.
    centred /= np.sqrt(variance + np.float32(epsilon))
    centred *= gain
    centred += bias
    return centred


def activated(x: Floats, name: str) -> Floats:
    """The activation that config.json names."""
    y: Floats
    if name == "relu":
        y = np.maximum(x, np.float32(0))
    elif name == "gelu":
        y = np.float32(0.5) * x * (np.float32(1) + erf(x * np.float32(math.sqrt(0.5))))
    else:
        cubic = x + np.float32(0.044715) * x * x * x
        y = np.float32(0.5) * x * (np.float32(1) + np.tanh(np.float32(math.sqrt(2 / math.pi)) * cubic))
    return y


_ABOVE = (
    1.128378976449644,
    0.19624915340236937,
    0.053467499034261554,
    0.004003651872473776,
    0.0002880413036808391,
    1.974825790432978e-06,
)
_BELOW = (
    1.0,
    0.5072524428519788,
    0.1164764967282737,
    0.015444435254851797,
    0.0012163608255348116,
    3.7480810949630114e-05,
)
"""x P(x^2) / Q(x^2), fitted to `math.erf` on [0, 4] at 4001 Chebyshev points: off by at most 2.2e-8 there."""


def erf(x: NDArray[np.float32]) -> Floats:
    """The error function in float32, off by less than 5e-7, most of it rounding; numpy has none."""
    x = np.clip(x, np.float32(-4), np.float32(4))  # erf(4) is 1 - 1.5e-8: 1 in float32
    square = x * x
    y: Floats = x * _polynomial(_ABOVE, square) / _polynomial(_BELOW, square)
    return y


def _polynomial(factors: Sequence[float], x: Floats) -> Floats:
    y = np.full_like(x, factors[-1])
    for factor in reversed(factors[:-1]):
        y *= x
        y += np.float32(factor)
    return y
