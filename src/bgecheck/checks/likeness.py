"""How near vectors of one model lie to each other, and how a way of computing them is called: for several areas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgecheck.model import Text
from bgecheck.model.expected import AtLeast, AtMost

if TYPE_CHECKING:
    from bgecheck.reference.recipes import Recipe

UNIT_NORM = AtMost(5e-3, "", "abs(norm - 1): fp16 <= 5e-4, bf16 <= 4e-3, fp32 <= 1e-6 (random BERT-large)")

SAME_INDEX = AtLeast(0.998, "", "fp16, bf16 and fp32 of one model; what is below is quantised, cut, or another model")
NEAR = AtLeast(0.98, "", "quantised weights, or texts that are cut or closed in another way; another pooling is below")

_TOKENS = {"cls": "[CLS]", "last": "the last token", "mean": "the mean of all tokens"}
_TOKENS_ZH = {"cls": "[CLS] 的输出", "last": "最后一个 token 的输出", "mean": "全部 token 的均值"}
_OTHER = {
    "inner-mean": Text("the mean without [CLS] and [SEP]", "去掉 [CLS]、[SEP] 后的均值"),
    "max": Text("the largest of each component", "逐维最大值"),
    "pooler": Text("the pooler's output", "pooler 层的输出"),
    "token": Text("a token in the middle", "中间某个 token 的输出"),
}


def recipe_words(recipe: Recipe) -> Text:
    """A recipe in words."""
    what = _OTHER.get(recipe.pooling) or Text(_TOKENS[recipe.pooling], _TOKENS_ZH[recipe.pooling])
    after = Text(", the instruction before it", "，文本前加了指令") if recipe.instruction else Text("", "")
    if recipe.causal:
        after = Text(after.en + ", with causal attention", after.zh + "，注意力只看前文")
    return Text(what.en + after.en, what.zh + after.zh)
