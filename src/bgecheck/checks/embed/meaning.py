"""Rows about what the vectors mean: different texts differ, tokens count alike, meaning and figures are kept."""

from __future__ import annotations

import math

from bgecheck.checks.embed import measures
from bgecheck.checks.embed.facts import AREA, EmbedFacts, more_of, vectors_of
from bgecheck.checks.embed.measures import (
    COLLAPSED,
    GOLDEN_BAND,
    GOLDEN_COSINE,
    MARGINS,
    MEAN_MARGIN,
    NO_MEANING,
    READ_ALIKE,
    SAME_IN_BATCH,
    SAME_TEXT,
)
from bgecheck.checks.embed.texts import COUNTED, GOLDEN_MODEL, SHARED, TAIL, folds_case
from bgecheck.engines.sglang.pages import SHOW_MODEL_PAGE
from bgecheck.engines.sglang.remedies import BOTH_WAYS_OR_NEWER, BOTH_WAYS_OR_WEIGHTS
from bgecheck.engines.sglang.running import BOTH_WAYS_BACKENDS, backend_for
from bgecheck.http.bypass import WHO_LISTENS
from bgecheck.http.embeddings import Embedded, Refused
from bgecheck.knowledge.vectors import closest_pair
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, absent, broken, holds

_SETTINGS = "bgecheck doctor --url {base_url} --only 'launch.*'"
_COMPARED_HERE = "bgecheck embed --full --url {base_url} --model-path {model_path}"


@AREA.check(
    "distinct",
    title=Text("different texts have different vectors", "不同文本的向量不同"),
    cause=Text(
        "different texts of equal length have one and the same vector: every character became [UNK], because "
        "tokenizer.json or vocab.txt is missing in the model folder (sglang 0.5.23 starts all the same)",
        "等长的不同文本得到同一个向量：每个字都变成了 [UNK]，模型目录缺少 tokenizer.json 或 vocab.txt"
        "（sglang 0.5.23 照样能启动）",
    ),
    fix=Text(
        "fetch the tokenizer files, restart, then re-embed everything embedded so far",
        "补齐分词器文件后重启，并把之前写进向量库的内容全部重新编码",
    ),
    commands=("ls -l {model_path}/tokenizer.json {model_path}/vocab.txt",),
    variants={
        "attention": Advice(
            Text(
                "texts of different lengths have one and the same vector too: with the attention backend {backend} on "
                "{device}, {release} does no encoder attention, so that the first token sees none of the others",
                "长短不同的文本也得到同一个向量：{release} 在 {device} 上的注意力后端 {backend} "
                "不支持编码器的双向注意力，首个 token 看不到其余内容",
            ),
            BOTH_WAYS_OR_NEWER,
            ("{launch_line}", _SETTINGS),
        ),
        "either": Advice(
            Text(
                "texts of different lengths have one and the same vector too, so that it is not the tokenizer: an "
                "attention backend that does no encoder attention on this device, or weights that were not loaded",
                "长短不同的文本也得到同一个向量，因此不是分词器的问题：该设备上的注意力后端不支持编码器的双向注意力，"
                "或权重没有加载",
            ),
            BOTH_WAYS_OR_WEIGHTS,
            (_SETTINGS, "bgecheck logs {log}"),
        ),
        "weights": Advice(
            Text(
                "texts of different lengths have one and the same vector too, so that it is not the tokenizer: the "
                "weights were not loaded, are damaged or collapsed in training, or a layer in between answers with "
                "one stored vector",
                "长短不同的文本也得到同一个向量，因此不是分词器的问题：权重没有加载、已损坏或在训练中坍缩，"
                "或中间有一层总是返回同一条缓存的向量",
            ),
            Text(
                "see in the log whether all weights were loaded, compare with the model's folder, and query the server "
                "behind a gateway; then re-embed everything embedded so far",
                "查看日志里权重是否全部加载，与模型目录对比，有网关时直连后面的服务；"
                "之后把之前写进向量库的内容全部重新编码",
            ),
            ("bgecheck logs {log}", _COMPARED_HERE, WHO_LISTENS),
        ),
    },
    # Two texts of which the end differs have one vector too, as if they had been cut.
    explains=("embed.whole-text", "probe.token-limit", "embed.semantic", "embed.golden", "embed.reference"),
    needs=("embed.finite",),
)
def different_texts_differ(facts: EmbedFacts) -> Outcome:
    """The closest two of random texts of 16 characters; where they are one, also a text three times as long."""
    vectors = measures.of_one_length(facts)
    closest = closest_pair(vectors)
    subject = Text(
        f"{len(vectors)} different texts: cosine of the closest two",
        f"{len(vectors)} 条不同文本中最接近的两条：余弦相似度",
    )
    evidence = [Evidence(subject, f"{closest:.4f}", str(COLLAPSED))]
    if COLLAPSED.admits(closest):
        return holds(*evidence)
    if not math.isfinite(across := measures.of_two_lengths(facts)):
        return broken(*evidence)
    lengths = Text("a text of 16 characters and one of 48: cosine", "16 字与 48 字的文本：余弦相似度")
    evidence.append(Evidence(lengths, f"{across:.4f}", str(COLLAPSED)))
    return broken(*evidence) if COLLAPSED.admits(across) else _one_for_all(facts, evidence)


def _one_for_all(facts: EmbedFacts, evidence: list[Evidence]) -> Outcome:
    """One vector for texts of any length, and what the settings make the likeliest reason."""
    running, model = facts.running, facts.own_model or facts.model
    settings = ", ".join(filter(None, (running.backend, running.device)))
    if settings:
        evidence.append(Evidence(Text("attention backend, device", "注意力后端、设备"), settings))
    if running.backend in BOTH_WAYS_BACKENDS or (model and not model.bidirectional):
        return broken(*evidence, advice="weights")
    other = backend_for(running.device)
    values = running.restarted({"attention-backend": other, "prefill-attention-backend": None})
    if running.backend is None:
        return broken(*evidence, advice="either", **values)
    device = running.device or Text("this device", "该设备")
    release = f"sglang {running.version or ''}".rstrip()
    return broken(*evidence, advice="attention", backend=running.backend, device=device, release=release, **values)


@AREA.check(
    "whole-text",
    title=Text("a text of 300 characters is read to its end", "300 字的文本被完整编码"),
    cause=Text(
        "two texts of {length} characters that differ after the first {shared} have one vector: texts are "
        "silently cut before that, or vectors are cached by the beginning of their text. Whatever comes later "
        "cannot be searched. sglang itself refuses what is too long",
        "两段 {length} 字的文本只有前 {shared} 字相同，向量却一样：文本在此之前被静默截断，"
        "或有一层按文本开头缓存向量，后面的内容检索不到。sglang 自身遇到超长文本会直接报错",
    ),
    fix=Text(
        "raise the length in the engine (max_seq_length in sentence_bert_config.json), or remove the truncation "
        "or the cache from the gateway, then re-embed long texts",
        "调大引擎的长度上限（sentence_bert_config.json 里的 max_seq_length），"
        "或去掉网关的截断、缓存，再把长文本重新编码",
    ),
    commands=("grep -s max_seq_length {model_path}/sentence_bert_config.json",),
    needs=("embed.finite",),
    costly=True,
)
def texts_are_read_to_their_end(facts: EmbedFacts) -> Outcome:
    """Two new texts in one request, alike but for their last characters: their vectors must differ."""
    whole = more_of(facts).whole
    if whole is None:
        return absent(
            Text(
                f"neither the registry nor the server's max_model_len shows that the model takes {SHARED + TAIL} "
                "characters",
                f"从内置模型表和服务的 max_model_len 都看不出模型支持 {SHARED + TAIL} 字",
            )
        )
    if isinstance(whole, Refused) and whole.status in _TOO_LONG:
        return absent(
            Text(
                f"such texts are refused, not cut: HTTP {whole.status}",
                f"这么长的文本会被拒绝，而不是截断：HTTP {whole.status}",
            )
        )
    cosine_of_pair = measures.ends_alike(facts)
    subject = Text(
        f"2 texts that differ after {SHARED} of {SHARED + TAIL} characters: cosine",
        f"两段 {SHARED + TAIL} 字、第 {SHARED} 字之后不同的文本：余弦相似度",
    )
    evidence = Evidence(subject, f"{cosine_of_pair:.8f}", str(READ_ALIKE))
    if READ_ALIKE.admits(cosine_of_pair):
        return holds(evidence)
    return broken(evidence, length=SHARED + TAIL, shared=SHARED)


_TOO_LONG = (400, 413, 422)
"""How engines refuse a text that is too long."""


@AREA.check(
    "token-count",
    title=Text("the token count is that of the model's tokenizer", "分词结果与模型一致"),
    cause=Text(
        "the server counts {seen} tokens where there are {wanted}: another tokenizer, or [CLS] and [SEP] are not added",
        "文本应为 {wanted} 个 token，服务计为 {seen} 个：分词器不是该模型的，或没有加 [CLS]、[SEP]",
    ),
    fix=Text("see which model folder the server has loaded", "确认服务加载的是哪个模型目录"),
    commands=(SHOW_MODEL_PAGE, "ls -l {model_path}"),
    variants={
        "added": Advice(
            Text(
                "the server counts {seen} tokens where there are {wanted}: {each} are added to each of {count} "
                "texts{instruction}",
                "文本应为 {wanted} 个 token，服务计为 {seen} 个：{count} 条文本每条都多了 {each} 个{instruction_zh}",
            ),
            Text(
                "remove the default prompt from the engine or the gateway; clients add it, to queries only, then "
                "re-embed everything embedded so far",
                "去掉引擎或网关的默认 prompt；指令由客户端加，只加在查询上。之后把之前写进向量库的内容全部重新编码",
            ),
            explains=("embed.golden", "embed.reference"),
        ),
        "case": Advice(
            Text(
                "upper and lower case give different vectors, and the vocabulary of {name} is lower case only: words "
                "with capitals become [UNK]",
                "大写与小写字母的向量不同，而 {name} 的词表只有小写：含大写的词会变成 [UNK]",
            ),
            Text(
                'set "do_lower_case": true in tokenizer_config.json, fetch the published tokenizer files, restart',
                '在 tokenizer_config.json 里设 "do_lower_case": true，或换回官方的分词器文件，再重启',
            ),
            ("grep do_lower_case {model_path}/tokenizer_config.json",),
            explains=("embed.reference",),
        ),
    },
    explains=("embed.semantic", "embed.golden", "embed.reference"),
    severity=Severity.WARNING,
    needs=("embed.finite",),
    costly=True,
)
def tokens_are_counted_alike(facts: EmbedFacts) -> Outcome:
    """`usage.prompt_tokens` of five texts, each Chinese character one token; a capital against a small letter."""
    more = more_of(facts)
    if more.counted is None:
        return absent(
            Text(
                "the model's tokenizer is not in the registry, or the engine counts characters",
                "内置模型表里没有该模型的分词器，或该引擎按字符计数",
            )
        )
    vectors_of(more.counted)
    assert isinstance(more.counted, Embedded)
    wanted = sum(count for _, count in COUNTED)
    tokens, case = more.counted.tokens, _case(facts)
    if tokens is not None and tokens != wanted:
        return _counted_otherwise(facts, tokens, wanted, case)
    counts = [] if tokens is None else [Evidence("usage.prompt_tokens", str(tokens), str(wanted))]
    if case and facts.model and not SAME_IN_BATCH.admits(measures.case_apart(facts)):
        return broken(*case, advice="case", name=facts.model.name)
    if tokens is None:
        return absent(Text("the server counts no tokens", "服务没有返回 token 数"))
    return holds(*counts, *case)


def _case(facts: EmbedFacts) -> list[Evidence]:
    """The cosine of a text with a capital and with a small letter, where the model makes one of both.

    Where one and the same text has no one vector, two say nothing of the tokenizer.
    """
    if not folds_case(facts.model) or not SAME_TEXT.admits(measures.repeated(facts)):
        return []
    subject = Text("A and a in the same text: cosine", "同一文本里 A 与 a：余弦相似度")
    return [Evidence(subject, f"{measures.case_apart(facts):.4f}", str(SAME_IN_BATCH))]


def _counted_otherwise(facts: EmbedFacts, tokens: int, wanted: int, case: list[Evidence]) -> Outcome:
    """Another count; where it is as many more for each text, that something was put before them."""
    evidence = [Evidence("usage.prompt_tokens", str(tokens), str(wanted)), *case]
    each, rest = divmod(tokens - wanted, len(COUNTED))
    if rest or each <= 0:
        return broken(*evidence, seen=tokens, wanted=wanted)
    prefix = facts.model.query_prefix if facts.model else None
    fits = prefix is not None and not prefix.isascii() and len(prefix) == each
    return broken(
        *evidence,
        advice="added",
        seen=tokens,
        wanted=wanted,
        each=each,
        count=len(COUNTED),
        instruction=", as many as the model's query instruction has" * fits,
        instruction_zh="，正好是该模型查询指令的长度" * fits,
    )


@AREA.check(
    "semantic",
    title=Text("texts that mean the same are closer than unrelated ones", "近义文本的向量更接近"),
    cause=Text(
        "{right} of {count} texts are closer to a paraphrase than to an unrelated text, by {margin} on average: "
        "these are not the vectors of {name}",
        "{count} 组样例中有 {right} 组近义文本更接近，平均差距 {margin}：这不是 {name} 应有的向量",
    ),
    fix=Text("see which weights the server has loaded, and how it pools them", "确认服务加载的权重，以及池化方式"),
    commands=(SHOW_MODEL_PAGE,),
    variants={
        "random": Advice(
            Text(
                "texts that mean the same are no closer than unrelated ones (by {margin} on average, random numbers "
                "have 0.002 to 0.019): the server computes with weights that were not loaded, or these are not the "
                "vectors of {name}",
                "近义文本并不比无关文本更接近（平均差距 {margin}，随机数是 0.002 到 0.019）："
                "权重没有真正加载，服务在用随机数计算，或这根本不是 {name} 的向量",
            ),
            Text(
                "see in the log whether weights were not found or newly initialised, and compare with the model's "
                "folder; then re-embed everything embedded so far",
                "查看日志里是否有权重找不到或被重新初始化，并与模型目录对比；之后把之前写进向量库的内容全部重新编码",
            ),
            ("bgecheck logs {log}", _COMPARED_HERE, SHOW_MODEL_PAGE),
        ),
    },
    needs=("embed.finite",),
)
def meaning_is_kept(facts: EmbedFacts) -> Outcome:
    """Triples of text, relative and stranger; a single miss decides nothing."""
    if facts.demo:
        return absent(_DEMO)
    if facts.model is None:
        return absent(_OF_ANY_LANGUAGE)
    if facts.meaning is None:
        return absent(_NOT_ASKED)
    measured = measures.meaning(facts)
    closer = Text("closer to the paraphrase than to the unrelated text", "近义文本更接近的组数")
    by = Text("by how much, on average: cosine", "平均差距：余弦相似度")
    evidence = (
        Evidence(closer, f"{measured.right} / {measured.triples}", f">= {MARGINS.value:.0%}"),
        Evidence(by, f"{measured.margin:.4f}", str(MEAN_MARGIN)),
    )
    if measured.kept:
        return holds(*evidence)
    return broken(
        *evidence,
        advice="random" if NO_MEANING.admits(abs(measured.margin)) else None,
        right=measured.right,
        count=measured.triples,
        margin=f"{measured.margin:.4f}",
        name=facts.model.name,
    )


_DEMO = Text("the demo server's vectors carry no meaning", "演示服务的向量没有语义，无法检查")
_OF_ANY_LANGUAGE = Text(
    "the model is not in the registry: which languages it knows is not known, and a right model of another language "
    "would fail; with its folder its own weights are compared (--model-path)",
    "模型不在内置模型表里，不知道它支持哪些语言，别的语言的正确模型也会不通过；给出模型目录（--model-path）"
    "可与它自己的权重比对",
)
_NOT_ASKED = Text("the texts for it were not sent", "没有发送所需的文本")


@AREA.check(
    "golden",
    title=Text("the published pair has its published cosine", "公开样例对的余弦相似度与公布值一致"),
    cause=Text(
        "two published sentences have cosine {cosine} and should have {wanted}: these are not the [CLS] vectors "
        "of {name}",
        "两句公开样例的余弦相似度是 {cosine}，应为 {wanted}：这不是 {name} 的 [CLS] 向量",
    ),
    fix=Text("see which weights the server has loaded, and how it pools them", "确认服务加载的权重，以及池化方式"),
    commands=(SHOW_MODEL_PAGE,),
    severity=Severity.WARNING,
    needs=("embed.finite",),
)
def published_pair_matches(facts: EmbedFacts) -> Outcome:
    """One published figure, of one source: a strong hint, and no more."""
    if facts.demo:
        return absent(_DEMO)
    if facts.pair is None:
        return absent(Text(f"published for {GOLDEN_MODEL} only", f"只有 {GOLDEN_MODEL} 有公开样例"))
    published = measures.published_pair(facts)
    evidence = Evidence(
        Text("the published pair: cosine", "公开样例对：余弦相似度"),
        f"{published:.4f}",
        f"{GOLDEN_COSINE} ± {GOLDEN_BAND.value:g}",
    )
    if GOLDEN_BAND.admits(abs(published - GOLDEN_COSINE)):
        return holds(evidence)
    return broken(evidence, cosine=f"{published:.4f}", wanted=GOLDEN_COSINE, name=GOLDEN_MODEL)
