"""The row that compares with a reference: the same weights computed here, a recorded file, or another server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bgecheck.checks.embed.facts import AREA, LEFT_OUT, EmbedFacts
from bgecheck.checks.embed.numbers import dtype
from bgecheck.checks.embed.proof import Proof, Upgrade
from bgecheck.checks.likeness import NEAR, SAME_INDEX, UNIT_NORM, recipe_words
from bgecheck.engines.sglang.pages import SHOW_MODEL_PAGE
from bgecheck.engines.sglang.remedies import AGAIN, BOTH_WAYS, NO_CACHE_NO_CHUNKS, POOL_BY_CLS_OF_RELEASE, POOLS_LAST
from bgecheck.model import Advice, Evidence, Outcome, Text, Unavailable, absent, broken, holds, unclear
from bgecheck.model.expected import AtLeast
from bgecheck.model.state import changes

if TYPE_CHECKING:
    from bgecheck.reference.recipes import Match

SAME_WEIGHTS = AtLeast(0.999, "", "fp16 is off by 8e-6, another pooling by 0.02 to 0.6 (random BERT-large)")
SAME_WEIGHTS_BF16 = AtLeast(0.998, "", "bf16 is off by 8e-5 to 9e-4 (random BERT-large)")
SHARP = AtLeast(0.99999, "", "fp16 is off by 1e-6 to 8e-6; a text as near as this shows that noise is not the reason")
EXACT = ("half", "float16", "float", "float32")
"""The dtype of a server that computes in more than bf16."""

SAME_PRECISION = AtLeast(0.99999, "", "fp16 and fp32 of one model are 1e-6 to 8e-6 apart, bf16 8e-5 to 9e-4")
_AGAIN, _AGAIN_ZH = AGAIN.en, AGAIN.zh


@AREA.check(
    "reference",
    headline=True,
    title=Text("the vectors equal a reference", "向量与参考向量一致"),
    cause=Text(
        "no recipe gives the server's vectors from the weights in {folder}: the nearest, {recipe_en}, has cosine "
        "{cosine}. The server has other weights, did not load them, has another tokenizer, or computes them wrongly",
        "用 {folder} 的权重在本机计算，没有一种方式能得到服务的向量：最接近的是{recipe_zh}，余弦相似度 {cosine}。"
        "服务加载的是别的权重、没有加载权重、用了别的分词器，或计算有误",
    ),
    fix=Text(
        "see which folder the server has loaded; after each change ask again with a new text",
        "确认服务加载的是哪个目录；每改一处就用新文本再查一次",
    ),
    commands=(SHOW_MODEL_PAGE, "bgecheck doctor --url {base_url} --only 'launch.*,embed.*'"),
    variants={
        "last": Advice(
            Text(
                f"the vectors are the last token's ([SEP]), and this model pools {{wanted}}: {POOLS_LAST.en}",
                f"向量取的是最后一个 token（[SEP]），而模型应取 {{wanted}}：{POOLS_LAST.zh}",
            ),
            POOL_BY_CLS_OF_RELEASE,
            ("bgecheck doctor --url {base_url} --only 'probe.engine,launch.*'",),
        ),
        "cls": Advice(
            Text(
                "the vectors are the first token's ([CLS]), and this model pools {wanted}: sglang does not read "
                "the model's 1_Pooling, so none of its flags fixes it",
                "向量取的是首个 token（[CLS]），而模型应取 {wanted}：sglang 不读模型自带的 1_Pooling，没有参数能改",
            ),
            Text(
                "serve this model with an engine that reads it, for example text-embeddings-inference" + _AGAIN,
                "改用会读取该配置的引擎，例如 text-embeddings-inference" + _AGAIN_ZH,
            ),
        ),
        "mean": Advice(
            Text(
                "the vectors are the mean of all tokens, and this model pools {wanted}: no version of sglang "
                "does that; other engines fall back to the mean where 1_Pooling/config.json is missing",
                "向量是全部 token 的均值，而模型应取 {wanted}：各版本 sglang 对 BertModel 都不这样做；"
                "缺少 1_Pooling/config.json 时，别的引擎会退回均值",
            ),
            Text(
                "give the engine the model's 1_Pooling/config.json and modules.json, or its own option (--pooling cls "
                "of text-embeddings-inference)" + _AGAIN,
                "补上模型的 1_Pooling/config.json 和 modules.json，或用引擎自己的参数"
                "（text-embeddings-inference 是 --pooling cls）" + _AGAIN_ZH,
            ),
            ("ls -l {folder}/modules.json {folder}/1_Pooling/config.json",),
        ),
        "other": Advice(
            Text(
                "the vectors are {recipe_en}, and this model pools {wanted}",
                "向量取的是{recipe_zh}，而模型应取 {wanted}",
            ),
            Text(
                "see how the engine or the gateway in front of it pools a text into one vector" + _AGAIN,
                "查看引擎或它前面的网关用的是哪种池化方式" + _AGAIN_ZH,
            ),
            ("bgecheck probe --only probe.engine --url {base_url}",),
        ),
        "token": Advice(
            Text(
                "the vectors are those of tokens in the middle of the texts (number {positions}, counted from 0): the "
                "server pools the first token of what it computed, and took the beginning from its prefix cache",
                "向量取的是文本中间的 token（从 0 数第 {positions} 个）：服务取了本次实际计算部分的首个 token，"
                "前面的部分来自前缀缓存",
            ),
            NO_CACHE_NO_CHUNKS,
            ("bgecheck doctor --url {base_url} --only 'launch.*'",),
        ),
        "causal": Advice(
            Text(
                "the vectors are {recipe_en}: the attention kernel computes causal attention, and an encoder "
                "needs both directions. In sglang 0.4.6 to 0.4.8 only triton and torch_native support that; "
                "trtllm_mha does from 0.5.17 on",
                "向量是{recipe_zh}：注意力后端没有按双向计算。sglang 0.4.6 到 0.4.8 只有 triton 和 torch_native 支持，"
                "trtllm_mha 从 0.5.17 起支持",
            ),
            BOTH_WAYS,
            ("bgecheck doctor --url {base_url} --only 'launch.*'",),
        ),
        "instruction": Advice(
            Text(
                "the vectors are those of the texts with the model's query instruction before them: something "
                "between client and model adds it to the passages too",
                "向量对应的是加了查询指令的文本：客户端与模型之间有一层把指令也加到了文档上",
            ),
            Text(
                "remove the default prompt from the engine or the gateway; clients add it, to queries only" + _AGAIN,
                "去掉引擎或网关的默认 prompt；指令由客户端加，只加在查询上" + _AGAIN_ZH,
            ),
        ),
        "length": Advice(
            Text(
                "the server's vectors have {seen} dimensions, and those of {source} have {dims}: another model",
                "服务的向量是 {seen} 维，而 {source} 是 {dims} 维：不是同一个模型",
            ),
            Text("see which model folder the server has loaded", "确认服务加载的是哪个模型目录"),
            (SHOW_MODEL_PAGE,),
        ),
        "near": Advice(
            Text(
                "the vectors are close to those of {source}, but not the same (lowest cosine {cosine}): "
                "quantised weights, or lower-casing, truncation or special tokens are handled differently",
                "向量与 {source} 接近但不相同（最低余弦相似度 {cosine}）："
                "权重做过量化，或大小写、文本截断、特殊 token 的处理不同",
            ),
            Text(
                "compare dtype and quantisation on both sides; do not mix the two in one index",
                "核对两边的 dtype 和量化方式；两种向量不要放进同一个索引",
            ),
            ("bgecheck embed --full --url {base_url}",),
        ),
        "elsewhere": Advice(
            Text(
                "the vectors are not those of {source} (lowest cosine {cosine}): another model, another pooling, "
                "or another version of the engine; an index built with one cannot be searched with the other",
                "向量与 {source} 不一致（最低余弦相似度 {cosine}）：模型、池化方式或引擎版本不同；"
                "用一边建的索引，不能拿另一边来检索",
            ),
            Text(
                "find out which side is right by naming the model's folder with --model-path, then re-embed with "
                "that one",
                "用 --model-path 指定模型目录，判断哪一边是对的；再统一用它重新编码",
            ),
            ("bgecheck embed --full --url {base_url}",),
        ),
        "re-index": Advice(
            Text(
                "re-index: the vectors are not those recorded in {source} (lowest cosine {cosine}). {changed}",
                "需要重建索引：向量与 {source} 里记录的不一致（最低余弦相似度 {cosine}）。{changed}",
            ),
            Text(
                "re-embed everything with this server before it is searched, or go back to what the server was; an "
                "index must not hold both",
                "上线前用现在的服务重新编码全部内容，或退回之前的配置；同一个索引里不要混用两种向量",
            ),
            ("bgecheck embed --full --url {base_url}",),
        ),
    },
    explains=("embed.semantic", "embed.golden", "store.vectors"),
    needs=("embed.finite",),
)
def vectors_equal_the_reference(facts: EmbedFacts) -> Outcome:
    """Five fresh texts against every recipe of the same weights computed here; or recorded ones, or another server."""
    proof = facts.proof
    if proof is None:
        return absent(LEFT_OUT)
    if isinstance(proof, Unavailable):
        raise proof
    dims = len(proof.served.vectors[0])
    if dims != proof.dims:
        evidence = Evidence(Text("components", "维度"), str(dims), str(proof.dims))
        return broken(evidence, advice="length", seen=dims, dims=proof.dims, source=proof.source)
    return _elsewhere(proof) if proof.match is None else _weights(proof, proof.match, _bar(facts, proof, proof.match))


def _elsewhere(proof: Proof) -> Outcome:
    """A file or another server: text by text."""
    worst = min(proof.cosines, key=lambda c: c if math.isfinite(c) else -2.0)
    wrong = sum(not SAME_INDEX.admits(c) for c in proof.cosines)
    count = len(proof.cosines)
    subject = Text(
        f"{count} texts against {proof.source}: lowest cosine", f"{count} 条文本与 {proof.source} 比：最低余弦相似度"
    )
    evidence = [
        Evidence(subject, f"{worst:.4f}", str(SAME_INDEX)),
        Evidence(Text("texts that differ", "不一致的文本"), f"{wrong} / {count}", "0"),
    ]
    if proof.made_by:
        evidence.append(Evidence(Text("the other side is", "对比对象"), proof.made_by))
    values: dict[str, Any] = {"cosine": round(worst, 6), "source": proof.source}
    if proof.upgrade is not None:
        return _upgraded(proof.upgrade, worst, wrong > 0, evidence, values)
    if not wrong:
        return holds(*evidence, **values)
    return broken(*evidence, advice="near" if NEAR.admits(worst) else "elsewhere", **values)


COMPATIBLE = Text("index-compatible", "与旧索引兼容")
HARMLESS = Text("numerically different, harmless", "数值略有不同，不影响检索")
RE_INDEX = Text("re-index", "需要重建索引")


def _upgraded(
    upgrade: Upgrade, worst: float, differs: bool, evidence: list[Evidence], values: dict[str, Any]
) -> Outcome:
    """Vectors recorded by bgecheck: what an index that was built before may be used for, and what has changed."""
    verdict = RE_INDEX if differs else COMPATIBLE if SAME_PRECISION.admits(worst) else HARMLESS
    changed = list(changes(upgrade.before, upgrade.now))
    evidence = [Evidence(Text("verdict for an index built before", "对旧索引的结论"), verdict), *evidence]
    if upgrade.same_neighbours is not None:
        subject = Text(
            f"nearest {upgrade.neighbours} texts of each that stay its nearest",
            f"每条文本最近的 {upgrade.neighbours} 条中仍为最近的比例",
        )
        evidence.append(Evidence(subject, f"{upgrade.same_neighbours:.0%}"))
    evidence += [Evidence(name, f"{old} → {new}") for name, old, new in changed]
    evidence += _costs(upgrade)
    values |= {"compatibility": verdict.en, "since": upgrade.before.date}
    if not differs:
        return holds(*evidence, **values)
    return broken(*evidence, advice="re-index", changed=_in_words(changed), **values)


def _in_words(changed: Sequence[tuple[str, str, str]]) -> Text:
    if not changed:
        return Text(
            "No setting that the server shows has changed: compare the files of the model",
            "服务能看到的设置都没有变：请核对模型文件",
        )
    listed = ", ".join(f"{name} {old} → {new}" for name, old, new in changed)
    return Text(f"Changed since: {listed}", f"此后的变化：{listed}")


def _costs(upgrade: Upgrade) -> list[Evidence]:
    """What a text and the server's processes cost before and now; no verdict, for load and machine may differ."""
    before, now = upgrade.before, upgrade.now
    costs = (
        (Text("latency of a short text", "单条短文本的延迟"), before.latency, now.latency, "ms"),
        (Text("memory of the server's processes", "服务进程占用的内存"), before.memory, now.memory, "MiB"),
        (Text("GPU memory of the server's processes", "服务进程占用的显存"), before.gpu_memory, now.gpu_memory, "MiB"),
    )
    return [
        Evidence(subject, f"{old:g} → {new:g} {unit}", background=True)
        for subject, old, new, unit in costs
        if old is not None and new is not None
    ]


def _bar(facts: EmbedFacts, proof: Proof, match: Match) -> AtLeast:
    """What the precision of the server admits; where neither bits, settings nor its best text tell it, that of bf16."""
    exact = (
        SHARP.admits(match.highest)
        or dtype(proof.served.vectors) == "fp16"
        or (facts.more is not None and facts.more.declared in EXACT)
    )
    return SAME_WEIGHTS if exact else SAME_WEIGHTS_BF16


def _weights(proof: Proof, match: Match, enough: AtLeast) -> Outcome:
    """The same weights: which recipe is the server's, and is it the model's."""
    values, evidence = _values(proof, match), _evidence(proof, match, enough)
    if not enough.admits(match.cosine):
        return broken(
            *evidence, advice="near" if NEAR.admits(match.cosine) and _usual(proof, match) else None, **values
        )
    recipe = match.recipe
    if recipe.causal or recipe.instruction:
        return broken(*evidence, advice="causal" if recipe.causal else "instruction", **values)
    if recipe.pooling == proof.wanted or (proof.wanted is None and recipe.pooling in ("cls", "mean")):
        return holds(*evidence, **values)
    if proof.wanted is None:
        words = recipe_words(recipe)
        return unclear(
            Text(
                f"they are {words.en}; the model's own pooling is not known",
                f"取的是{words.zh}；不知道模型应采用哪种池化方式",
            )
        )
    usual = recipe.pooling in ("last", "cls", "mean", "token")
    return broken(*evidence, advice=recipe.pooling if usual else "other", **values)


def _usual(proof: Proof, match: Match) -> bool:
    """Whether the nearest recipe is the model's own."""
    recipe = match.recipe
    return recipe.pooling == proof.wanted and not recipe.causal and not recipe.instruction


def _values(proof: Proof, match: Match) -> dict[str, Any]:
    words = recipe_words(match.recipe)
    return {
        "folder": proof.source,
        "source": proof.source,
        "recipe": str(match.recipe),
        "recipe_en": words.en,
        "recipe_zh": words.zh,
        "cosine": round(match.cosine, 6),
        "wanted": (proof.wanted or "?").upper(),
        "positions": ", ".join(map(str, match.positions)),
        "normalized": UNIT_NORM.admits(abs(match.norm - 1)),
    }


def _evidence(proof: Proof, match: Match, enough: AtLeast) -> list[Evidence]:
    words, count = recipe_words(match.recipe), len(proof.served.vectors)
    subject = Text(
        f"{count} texts computed here from {proof.source}; nearest is {words.en}: lowest cosine",
        f"用 {proof.source} 在本机计算 {count} 条文本，最接近的是{words.zh}：最低余弦相似度",
    )
    evidence = [Evidence(subject, f"{match.cosine:.6f}", str(enough))]
    if others := [f"{recipe} {cosine:.4f}" for recipe, cosine in match.others if not recipe.causal][:3]:
        evidence.append(Evidence(Text("the next: cosine", "其次：余弦相似度"), "; ".join(others)))
    if not match.complete:
        untried = Text("causal attention, or the instruction before it", "因果注意力、文本前加指令")
        evidence.append(Evidence(untried, Text("not finished for lack of time", "时间不够，未算完")))
    if not UNIT_NORM.admits(abs(match.norm - 1)):
        subject = Text(
            "norm of the server's vector, and of ours before it is normalised", "服务向量的范数，与本机归一化前的范数"
        )
        evidence.append(Evidence(subject, f"{match.norm:.4g}", f"1 ({match.own_norm:.4g})"))
    if proof.counted is not None and proof.served.tokens not in (None, proof.counted):
        evidence.append(
            Evidence(
                Text("tokens counted by the server", "服务计的 token 数"), str(proof.served.tokens), str(proof.counted)
            )
        )
    return evidence
