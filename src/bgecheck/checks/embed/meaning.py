"""Rows about what the vectors mean: different texts differ, tokens count alike, meaning and figures are kept."""

from __future__ import annotations

from bgecheck.checks.embed import measures
from bgecheck.checks.embed.facts import AREA, EmbedFacts, more_of, vectors_of
from bgecheck.checks.embed.measures import COLLAPSED, GOLDEN_BAND, GOLDEN_COSINE, MARGINS, MEAN_MARGIN
from bgecheck.checks.embed.pattern import suspicion
from bgecheck.checks.embed.texts import COUNTED, GOLDEN_MODEL
from bgecheck.model import Evidence, Outcome, Severity, Text, absent, broken, holds
from bgecheck.sources.embeddings import Embedded


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
        "fetch the tokenizer files, restart, then embed again what was embedded so far",
        "补齐分词器文件后重启，并把之前的内容重新编码",
    ),
    commands=("ls -l {model_path}/tokenizer.json {model_path}/vocab.txt",),
    explains=("embed.semantic", "embed.golden", "embed.reference"),
    needs=("embed.finite",),
    costly=True,
)
def different_texts_differ(facts: EmbedFacts) -> Outcome:
    """The closest two of eight random texts of 16 characters, in one request."""
    count, closest = len(more_of(facts).crowd), measures.closest(facts)
    subject = Text(f"{count} different texts, the closest two: cosine", f"{count} 条不同文本中最接近的两条：余弦相似度")
    seen = Evidence(subject, f"{closest:.4f}", str(COLLAPSED))
    return holds(seen) if COLLAPSED.admits(closest) else broken(seen, *suspicion(facts, "distinct"))


@AREA.check(
    "token-count",
    title=Text("the tokenizer counts as the model's does", "分词结果与模型一致"),
    cause=Text(
        "{seen} tokens were counted for texts of {wanted}: another tokenizer, or [CLS] and [SEP] are not added",
        "应计 {wanted} 个 token 的文本，服务计了 {seen} 个：用的是别的分词器，或没有加 [CLS]、[SEP]",
    ),
    fix=Text("see which model folder the server has loaded", "确认服务加载的是哪个模型目录"),
    commands=("curl -sS --noproxy '*' {url}/model_info", "ls -l {model_path}"),
    severity=Severity.WARNING,
    needs=("embed.finite",),
    costly=True,
)
def tokens_are_counted_alike(facts: EmbedFacts) -> Outcome:
    """`usage.prompt_tokens` of three texts, where each Chinese character is one token."""
    more = more_of(facts)
    if more.counted is None:
        return absent(
            Text(
                "the model's tokenizer is not in the registry, or the engine counts characters",
                "登记表里没有该模型的分词器，或该引擎按字符计数",
            )
        )
    vectors_of(more.counted)
    assert isinstance(more.counted, Embedded)
    wanted = sum(count for _, count in COUNTED)
    if more.counted.tokens is None:
        return absent(Text("the server counts no tokens", "服务没有返回 token 数"))
    seen = Evidence("usage.prompt_tokens", str(more.counted.tokens), str(wanted))
    same = more.counted.tokens == wanted
    return holds(seen) if same else broken(seen, seen=more.counted.tokens, wanted=wanted)


@AREA.check(
    "semantic",
    title=Text("texts that mean the same are closer than strangers", "意思相近的文本更接近"),
    cause=Text(
        "{right} of {count} texts are closer to one that means the same than to a stranger, by {margin} on average: "
        "these are not the vectors of {name}",
        "{count} 组里有 {right} 组是近义文本更接近，平均只差 {margin}：这不是 {name} 应有的向量",
    ),
    fix=Text("see which weights the server has loaded, and how it pools them", "确认服务加载的权重，以及池化方式"),
    commands=("curl -sS --noproxy '*' {url}/model_info",),
    needs=("embed.finite",),
    costly=True,
)
def meaning_is_kept(facts: EmbedFacts) -> Outcome:
    """Triples of text, relative and stranger; a single miss decides nothing."""
    more = more_of(facts)
    if more.demo:
        return absent(Text("the demo server has no meaning to test", "演示服务不含语义，无从检查"))
    if more.meaning is None or facts.model is None:
        return absent(Text("the model is not in the registry", "模型不在登记表里"))
    found = measures.meaning(facts)
    closer = Text("closer to the relative than to the stranger", "近义文本更接近的组数")
    by = Text("by how much, on average: cosine", "平均差距：余弦相似度")
    seen = (
        Evidence(closer, f"{found.right} / {found.triples}", f">= {MARGINS.value:.0%}"),
        Evidence(by, f"{found.margin:.4f}", str(MEAN_MARGIN)),
    )
    if found.kept:
        return holds(*seen)
    return broken(
        *seen,
        *suspicion(facts, "semantic"),
        right=found.right,
        count=found.triples,
        margin=f"{found.margin:.4f}",
        name=facts.model.name,
    )


@AREA.check(
    "golden",
    title=Text("the published pair has its published cosine", "公开样例对的余弦相似度吻合"),
    cause=Text(
        "two published sentences have cosine {cosine} and should have {wanted}: these are not the [CLS] vectors "
        "of {name}",
        "两句公开样例的余弦相似度是 {cosine}，应为 {wanted}：这不是 {name} 的 [CLS] 向量",
    ),
    fix=Text("see which weights the server has loaded, and how it pools them", "确认服务加载的权重，以及池化方式"),
    commands=("curl -sS --noproxy '*' {url}/model_info",),
    severity=Severity.WARNING,
    needs=("embed.finite",),
    costly=True,
)
def published_pair_matches(facts: EmbedFacts) -> Outcome:
    """One published figure, of one source: a strong hint, and no more."""
    more = more_of(facts)
    if more.demo:
        return absent(Text("the demo server has no meaning to test", "演示服务不含语义，无从检查"))
    if more.pair is None:
        return absent(Text(f"published for {GOLDEN_MODEL} only", f"只有 {GOLDEN_MODEL} 有公开样例"))
    seen = measures.published_pair(facts)
    evidence = Evidence(
        Text("the published pair: cosine", "公开样例对：余弦相似度"),
        f"{seen:.4f}",
        f"{GOLDEN_COSINE} ± {GOLDEN_BAND.value:g}",
    )
    if GOLDEN_BAND.admits(abs(seen - GOLDEN_COSINE)):
        return holds(evidence)
    return broken(evidence, *suspicion(facts, "golden"), cosine=f"{seen:.4f}", wanted=GOLDEN_COSINE, name=GOLDEN_MODEL)
