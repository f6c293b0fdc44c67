"""The `embed` area: are the vectors right, as far as a handful of harmless requests can show."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bgecheck.model import (
    Advice,
    Area,
    Evidence,
    Outcome,
    Severity,
    Target,
    Text,
    Unavailable,
    absent,
    broken,
    holds,
)
from bgecheck.model.expected import AtLeast, AtMost
from bgecheck.model.registry import Model, lookup
from bgecheck.model.vectors import cosine, norm
from bgecheck.sources.context import Context
from bgecheck.sources.embeddings import Answer, Embedded, Refused, Unusable
from bgecheck.sources.http import Failure
from bgecheck.sources.server import Server

SAME_TEXT = AtLeast(0.9999, "", "measured on sglang 0.5.23: 1.0 with the prefix cache off, 0.40-0.46 with it on")
SAME_IN_BATCH = AtLeast(0.999, "", "measured on sglang 0.5.23: 1.0 with chunking off, 0.40 at a chunk border")
UNIT_NORM = AtMost(5e-3, "", "abs(norm - 1): fp16 <= 5e-4, bf16 <= 4e-3, fp32 <= 1e-6 (random BERT-large)")

_COMPARED = (
    "embed.prefix-independent",
    "embed.batch-equals-single",
    "embed.order",
    "embed.long-batch",
    "embed.concurrent",
    "embed.distinct",
    "embed.semantic",
    "embed.golden",
    "embed.reference",
)
"""The rows that compare vectors: they fail too where the vectors are not numbers, or change by themselves."""

_RESTART = Text(
    "restart with --disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3, "
    "then embed again everything that was embedded so far",
    "加上 --disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3 重启，并把之前的内容全部重新编码",
)

_COMMON = (
    "天气今明山水花草书店车站老师学校公园电影音乐城市春夏秋冬红蓝白黑大小新旧来去看听说写想走跑吃喝买卖开关上下左右"
)
"""Characters that every Chinese BERT vocabulary holds, one token each."""


CROWD = 8
"""Requests at the same time: enough to share a batch in the scheduler, few enough to harm nobody."""

LONG_TEXT, LARGEST_CHUNK = 200, 16384
"""Characters of one text of the long batch; tokens of the largest chunk that is overflowed, sglang's own maximum."""

COUNTED = (("北京天安门", 7), ("天", 3), ("你好", 4))
"""Texts and their tokens, [CLS] and [SEP] included, in the vocabulary of bert-base-chinese."""

GOLDEN_MODEL, GOLDEN_PAIR = "bge-large-zh-v1.5", ("The weather is lovely today.", "It's so sunny outside!")
GOLDEN_COSINE = 0.6119
GOLDEN_BAND = AtMost(0.02, "", "published in the unit tests of mindnlp for the model's own weights, tolerance 1e-3")
COLLAPSED = AtMost(0.9999, "", "texts whose tokens are all [UNK] have one vector: cosine 1.0 (sglang 0.5.23)")
MARGINS = AtLeast(0.75, "", "share of triples; a single miss decides nothing")

TRIPLES = (
    ("如何重置登录密码？", "忘记登录密码后怎样重新设置？", "今天的天气非常适合去公园散步"),
    ("手机屏幕碎了怎么维修？", "手机屏幕摔坏了去哪里修？", "这部电影的结局让人意想不到"),
    ("明天北京会下雨吗？", "北京明天的天气预报有雨吗？", "公司的年度财务报告已经发布"),
    ("怎样学好英语口语？", "提高英语口语水平的方法", "新能源汽车的电池寿命有多长"),
    ("这家餐厅的菜很好吃", "这家饭店的菜味道非常好", "服务器的内存不够用了"),
    ("如何申请退款？", "我想退款应该怎么申请？", "地球绕太阳公转一周需要一年"),
    ("孩子发烧了怎么办？", "小孩发烧应该如何处理？", "股票市场今天大幅下跌"),
    ("这本书的作者是谁？", "请问这本书是谁写的？", "周末我们去爬山吧"),
)
"""A text, one that means the same, and one that has nothing to do with it; any Chinese model tells them apart."""

TRIPLES_EN = (
    (
        "How do I reset my password?",
        "I forgot my password, how can I set a new one?",
        "The weather is fine for a walk.",
    ),
    ("My phone screen is broken.", "The display of my phone is cracked.", "The ending of this film surprised me."),
    ("Will it rain in Paris tomorrow?", "Is rain expected in Paris tomorrow?", "The annual report was published."),
    ("How can I improve my spoken English?", "Ways to get better at speaking English", "Batteries age slowly."),
    ("The food in this restaurant is great.", "This restaurant serves delicious food.", "The disk is full."),
    ("How do I ask for a refund?", "I want my money back, what must I do?", "The earth goes round the sun."),
    ("My child has a fever, what can I do?", "What helps a child with a fever?", "Shares fell sharply today."),
    ("Who wrote this book?", "Who is the author of this book?", "Let us go hiking at the weekend."),
)


@dataclass(frozen=True, slots=True)
class More:
    """The answers that prove what a batch of three cannot."""

    after_relative: Answer
    """The fresh text once more, after a text that begins like it."""
    reversed: Answer
    """The batch of three, in the opposite order."""
    crowd: tuple[Answer, ...]
    """Different texts of equal length, one in each of as many requests at the same time."""
    crowd_batch: Answer
    """The same texts in one request."""
    chunk: int | None
    """Tokens of one prefill chunk, as the server tells; -1 when chunking is off, None when it does not tell."""
    long: tuple[Answer, Answer, Answer] | None
    """A batch of one and a half chunks, then its two halves, none of which fills a chunk."""
    counted: Answer | None
    """`COUNTED` in one request, when the tokenizer is known."""
    meaning: Answer | None
    """The texts of the model's language, as triples of text, relative and stranger."""
    pair: Answer | None
    """The published pair, when the model is the one it was published for."""
    declared: str | None
    """The dtype that the server was started with."""
    demo: bool
    """Whether the server says that it is bgecheck's own demo, which has no meaning."""

    def answers(self) -> list[Answer]:
        """Every answer."""
        told = [self.after_relative, self.reversed, *self.crowd, self.crowd_batch, *(self.long or ())]
        return told + [a for a in (self.counted, self.meaning, self.pair) if a is not None]


@dataclass(frozen=True, slots=True)
class EmbedFacts:
    """What the server answered: one fresh text three times, and once between two others in a batch."""

    target: Target
    served: tuple[str, ...]
    texts: tuple[str, ...]
    """The texts that the user asked for, or the fresh one."""
    asked: Answer
    """The vectors of `texts`."""
    repeats: tuple[Answer, ...]
    """The fresh text, alone, three times."""
    batch: Answer | None
    """A batch of three whose middle text is the fresh one."""
    more: More | None = None
    """What the rows that cost more asked; None when they were left out."""

    @property
    def model(self) -> Model | None:
        """What the registry knows of the model that is served."""
        names = (*self.served, self.target.model, self.target.model_path)
        return next((m for m in map(lookup, names) if m), None)

    def vectors(self) -> list[tuple[float, ...]]:
        """Every vector that was answered."""
        return [v for a in self._embedded() for v in a.vectors]

    def nulls(self) -> list[int]:
        """For each of `vectors`, how many components were null."""
        return [n for a in self._embedded() for n in a.nulls]

    def answers(self) -> list[Answer]:
        """Every answer, each once."""
        told = [self.asked, *(a for a in self.repeats if a is not self.asked), self.batch]
        told += self.more.answers() if self.more else []
        return [a for a in told if a is not None]

    def _embedded(self) -> list[Embedded]:
        return [a for a in self.answers() if isinstance(a, Embedded)]


AREA = Area("embed", Text("vectors", "向量"), seconds=30.0, needs=("probe.reachable",))


@AREA.collect
def collect(context: Context) -> EmbedFacts:
    """Send short texts that no server has seen before; stop at the first that brings no vector."""
    server = context.server()
    dice = random.Random()
    fresh = fresh_texts(dice, 3)
    texts = context.texts or (fresh[1],)
    asked = server.embed(texts)
    if not isinstance(asked, Embedded):
        return EmbedFacts(context.target, server.served(), tuple(texts), asked, (), None)
    # Fresh means never sent before: after two sends a broken prefix cache answers the same wrong vector.
    first = server.embed([fresh[1]]) if context.texts else asked
    repeats = (first, *(server.embed([fresh[1]]) for _ in range(2)))
    batch = server.embed(list(fresh))
    facts = EmbedFacts(context.target, server.served(), tuple(texts), asked, repeats, batch)
    return facts if context.quick else replace(facts, more=_more(context, facts.model, fresh, dice))


def _more(context: Context, model: Model | None, fresh: Sequence[str], dice: random.Random) -> More:
    server = context.server()
    info, told = server.model_info() or {}, server.server_info() or {}
    demo, name = info.get("bgecheck_demo") is True, model.name if model else ""
    relative = fresh[1][: len(fresh[1]) // 2] + fresh_texts(dice, 1)[0]
    server.embed([relative])
    after_relative = server.embed([fresh[1]])
    crowd = fresh_texts(dice, CROWD, same_length=True)
    chunk = told.get("chunked_prefill_size")
    chunk = chunk if isinstance(chunk, int) and not isinstance(chunk, bool) else None
    dtype_told = told.get("dtype")
    return More(
        after_relative=after_relative,
        reversed=server.embed(list(reversed(fresh))),
        crowd=_at_once(server, crowd),
        crowd_batch=server.embed(crowd),
        chunk=chunk,
        long=_long(server, chunk, dice),
        counted=server.embed([text for text, _ in COUNTED]) if _chinese_bert(name) else None,
        meaning=server.embed([t for triple in _triples(name) for t in triple]) if _triples(name) and not demo else None,
        pair=server.embed(list(GOLDEN_PAIR)) if name == GOLDEN_MODEL and not demo else None,
        declared=dtype_told if isinstance(dtype_told, str) else None,
        demo=demo,
    )


def _at_once(server: Server, texts: Sequence[str]) -> tuple[Answer, ...]:
    """Each text in a request of its own, all at the same time; each ends by itself at its time-out."""
    answers: list[Answer] = [Failure("timeout", "the time for this run is over")] * len(texts)

    def ask(number: int) -> None:
        with suppress(Unavailable):
            answers[number] = server.embed([texts[number]])

    threads = [threading.Thread(target=ask, args=(n,), daemon=True) for n in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tuple(answers)


def _long(server: Server, chunk: int | None, dice: random.Random) -> tuple[Answer, Answer, Answer] | None:
    """One and a half chunks in one request, then each half; None where there is no chunk to overflow."""
    if chunk is None or not 0 < chunk <= LARGEST_CHUNK:
        return None
    count = math.ceil(1.5 * chunk / (LONG_TEXT + 2))
    texts = ["".join(dice.choices(_COMMON, k=LONG_TEXT)) for _ in range(count)]
    half = count // 2
    return server.embed(texts), server.embed(texts[:half]), server.embed(texts[half:])


def _chinese_bert(name: str) -> bool:
    """Whether the model has the vocabulary of bert-base-chinese."""
    return name.startswith("bge-") and "-zh" in name


def _triples(name: str) -> tuple[tuple[str, str, str], ...]:
    """The triples in a language that the model knows; none for a model that is not known."""
    if not name:
        return ()
    return (
        TRIPLES_EN
        if name.endswith(("-en", "-en-v1.5")) or name in ("e5-large-v2", "gte-base", "gte-large")
        else TRIPLES
    )


def fresh_texts(dice: random.Random, count: int, *, same_length: bool = False) -> list[str]:
    """`count` Chinese texts of 14 to 18 characters (16 with `same_length`) that no server has seen before."""
    return ["".join(dice.choices(_COMMON, k=16 if same_length else 14 + 2 * (n % 3))) for n in range(count)]


def _first_numbers(vector: Sequence[float]) -> list[float]:
    return [round(x, 4) if math.isfinite(x) else x for x in vector[:5]]


def dtype(vectors: Sequence[Sequence[float]]) -> str | None:
    """The dtype that the bits show: every component of an fp16 server is exactly representable in fp16.

    Checked for fp16 first, then bf16 (the low half of the float32 is zero), else fp32; None when
    nothing finite is there. Source: measured on sglang 0.5.23 and random BERT-large.
    """
    values = [x for vector in vectors for x in vector if math.isfinite(x)]
    if not any(values):
        return None
    return "fp16" if _are_half(values) else "bf16" if _are_bfloat(values) else "fp32"


def _are_half(values: Sequence[float]) -> bool:
    """Whether every number comes out of fp16 as it went in."""
    import struct

    form = f"<{len(values)}e"
    try:
        return struct.unpack(form, struct.pack(form, *values)) == tuple(values)
    except OverflowError:
        return False


def _are_bfloat(values: Sequence[float]) -> bool:
    """Whether the low half of every number as float32 is zero."""
    import struct

    try:
        packed = struct.pack(f"<{len(values)}f", *values)
    except OverflowError:
        return False
    return not any(packed[0::4]) and not any(packed[1::4])


@AREA.check(
    "answers",
    title=Text("the server answers with vectors", "服务能返回向量"),
    cause=Text("no connection: {detail}", "连不上服务：{detail}"),
    fix=Text("find out whether the server is up", "先确认服务是否启动"),
    commands=("bgecheck doctor --url {base_url}",),
    variants={
        "refused": Advice(
            Text("the server refuses the request: HTTP {status}, {detail}", "服务拒绝了请求：HTTP {status}，{detail}"),
            Text("find out why", "查明原因"),
            ("bgecheck probe --url {base_url}",),
        ),
        "unusable": Advice(
            Text(
                "the answer is 200 and holds no vector: {detail}",
                "返回 200，但里面没有可用的向量：{detail}",
            ),
            Text("ask sglang's own port, without a gateway", "绕开网关，直接请求 sglang 自己的端口"),
            ("bgecheck probe --url {base_url}",),
        ),
    },
)
def server_answers_with_vectors(facts: EmbedFacts) -> Outcome:
    """The entry row: 200, and one vector of numbers for each text."""
    answer = facts.asked
    match answer:
        case Embedded():
            vector = answer.vectors[0]
            ms = answer.seconds * 1000
            seen = Evidence(
                "POST /v1/embeddings", f"HTTP 200, {len(answer.vectors)} x {len(vector)} floats in {ms:.0f} ms"
            )
            requests, sent = (
                len(facts.answers()),
                sum(a.tokens or 0 for a in facts.answers() if isinstance(a, Embedded)),
            )
            return holds(
                seen,
                Evidence(Text("sent for all rows of vectors", "本区检查共发送"), f"{requests} requests, {sent} tokens"),
                dims=len(vector),
                norm=round(norm(vector), 6),
                first=_first_numbers(vector),
                tokens=answer.tokens,
                ms=round(ms, 1),
                dtype=dtype(answer.vectors[:1]),
            )
        case Refused():
            seen = Evidence("POST /v1/embeddings", f"HTTP {answer.status}: {answer.message}", "HTTP 200")
            return broken(seen, advice="refused", status=answer.status, detail=answer.message)
        case Unusable():
            seen = Evidence("POST /v1/embeddings", f"HTTP 200, {answer.kind}: {answer.detail}")
            return broken(seen, advice="unusable", detail=answer.detail)
        case Failure():
            return broken(Evidence("POST /v1/embeddings", answer.detail, "HTTP 200"), detail=answer.detail)


@AREA.check(
    "dimension",
    title=Text("the vectors have the model's dimension", "向量维度与模型一致"),
    cause=Text(
        "the server gives {dims} dimensions and {wanted} were expected: another model is served under this name",
        "返回 {dims} 维，而应为 {wanted} 维：这个名字下面跑的是另一个模型",
    ),
    fix=Text("see which model folder the server has loaded", "确认服务加载的是哪个模型目录"),
    commands=("bgecheck probe --only probe.model-name --url {base_url}", "curl -sS --noproxy '*' {url}/model_info"),
    variants={
        "base64": Advice(
            Text(
                "{dims} is a quarter of {wanted}: four bytes of base64 were read as one number",
                "{dims} 正好是 {wanted} 的四分之一：base64 的 4 个字节被当成了 1 个数",
            ),
            Text(
                "let clients ask for encoding_format=float, or mend the gateway in between",
                "客户端显式传 encoding_format=float，或修正中间的网关",
            ),
        ),
        "mixed": Advice(
            Text("the vectors differ in length among themselves", "返回的向量长度不一致"),
            Text("ask sglang's own port, without a gateway", "绕开网关，直接请求 sglang 自己的端口"),
        ),
    },
    explains=(*_COMPARED, "embed.repeatable"),
)
def dimension_is_the_models(facts: EmbedFacts) -> Outcome:
    """Expected is what `--expect-dim` says, else what the registry says of the model served."""
    lengths = sorted({len(v) for v in facts.vectors()})
    wanted = facts.target.expect_dim or (facts.model.dims if facts.model else None)
    if len(lengths) > 1:
        return broken(Evidence("dims", ", ".join(map(str, lengths)), str(wanted or "")), advice="mixed")
    if wanted is None:
        return absent(
            Text(
                f"the model is not in the registry and no --expect-dim was given; seen: {lengths[0]}",
                f"模型不在登记表里，也没有给 --expect-dim；实际 {lengths[0]} 维",
            )
        )
    seen = Evidence("dims", str(lengths[0]), str(wanted))
    if lengths[0] == wanted:
        return holds(seen)
    return broken(seen, advice="base64" if lengths[0] * 4 == wanted else None, dims=lengths[0], wanted=wanted)


@AREA.check(
    "finite",
    title=Text("every number is finite, and no vector is zero", "数值全部有限，没有零向量"),
    cause=Text(
        "the model computes NaN: broken or half-downloaded weights, or fp16 overflow; "
        "sglang hides it as null with status 200 when it was started with --skip-server-warmup",
        "模型算出了 NaN：权重损坏或没下全，或 fp16 溢出；带 --skip-server-warmup 启动时，sglang 会照样返回 200 和 null",
    ),
    fix=Text(
        "check the weight files against their hash, then start without --skip-server-warmup",
        "核对权重文件的哈希，再去掉 --skip-server-warmup 重启",
    ),
    commands=("sha256sum {model_path}/*.safetensors {model_path}/*.bin",),
    explains=("embed.normalized", "embed.repeatable", *_COMPARED),
)
def every_number_is_finite(facts: EmbedFacts) -> Outcome:
    """null, NaN, infinity and the zero vector, per vector, over all that was answered."""
    vectors, nulls = facts.vectors(), facts.nulls()
    bad = [n for n, v in enumerate(vectors) if not all(map(math.isfinite, v)) or not any(v)]
    if not bad:
        return holds(
            Evidence(Text("vectors", "向量"), Text(f"{len(vectors)}, all finite", f"{len(vectors)} 条，全部有限"))
        )
    first = vectors[bad[0]]
    odd = sum(not math.isfinite(x) for x in first)
    return broken(
        Evidence(
            Text("vectors with null, NaN, inf or only zeros", "含 null、NaN、inf 或全零的向量"),
            f"{len(bad)} / {len(vectors)}",
            "0",
        ),
        Evidence(Text("in the first of them", "其中第一条"), f"{odd} / {len(first)} (null: {nulls[bad[0]]})", "0"),
    )


@AREA.check(
    "normalized",
    title=Text("the vectors have length 1", "向量已归一化"),
    cause=Text(
        "the vectors are not L2-normalised (norm {norm}): this is not sglang's own output, which always is; "
        "inner product is then not cosine similarity",
        "向量没有做 L2 归一化（范数 {norm}）：sglang 自己的输出总是归一化的；此时内积不等于余弦相似度",
    ),
    fix=Text(
        "normalise before you store or compare, use the COSINE metric, or serve with an engine that normalises",
        "入库和比较前先归一化，或用 COSINE 度量，或换会做归一化的引擎",
    ),
    commands=("bgecheck probe --only probe.engine --url {base_url}",),
)
def vectors_have_length_one(facts: EmbedFacts) -> Outcome:
    """Every vector's norm within `UNIT_NORM` of 1, unless the model is published without normalisation."""
    if facts.model and not facts.model.normalized:
        return absent(Text(f"{facts.model.name} is published without it", f"{facts.model.name} 本就不做归一化"))
    norms = [norm(v) for v in facts.vectors()]
    worst = max(norms, key=lambda n: abs(n - 1) if math.isfinite(n) else math.inf)
    seen = Evidence(
        Text("norm, the farthest from 1", "范数（离 1 最远的）"), f"{worst:.6g}", f"1 ± {UNIT_NORM.value:g}"
    )
    return holds(seen) if UNIT_NORM.admits(abs(worst - 1)) else broken(seen, norm=f"{worst:.4g}")


@AREA.check(
    "repeatable",
    title=Text("the same text gives the same vector", "同一文本得到同一向量"),
    cause=Text(
        "the same new text gives different vectors, so most vectors of this server are wrong. On sglang the prefix "
        "(radix) cache does this to every bidirectional encoder",
        "同一段新文本先后得到不同的向量，说明这个服务的大部分向量都不可信。"
        "sglang 上最常见的原因是双向编码器开着前缀缓存（radix cache）",
    ),
    fix=_RESTART,
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    explains=_COMPARED,
)
def same_text_same_vector(facts: EmbedFacts) -> Outcome:
    """The lowest cosine among three answers to one text that was never sent before."""
    vectors = [a.vectors[0] for a in facts.repeats if isinstance(a, Embedded)]
    if len(vectors) < len(facts.repeats):
        failed = next(a for a in facts.repeats if not isinstance(a, Embedded))
        return broken(
            Evidence(Text("a repeat of the request", "重复同一请求"), type(failed).__name__.lower(), "HTTP 200")
        )
    cosines = [cosine(vectors[0], other) for other in vectors[1:]]
    worst = min(cosines, key=lambda c: c if math.isfinite(c) else -2.0)
    seen = Evidence(
        Text(
            f"the same new text embedded {len(vectors)} times: cosine",
            f"同一段新文本编码 {len(vectors)} 次：余弦相似度",
        ),
        f"{worst:.4f}",
        str(SAME_TEXT),
    )
    return holds(seen, cosine=worst) if SAME_TEXT.admits(worst) else broken(seen, cosine=worst)


@AREA.check(
    "batch-equals-single",
    title=Text("a text in a batch has the same vector as alone", "批量与单条的向量一致"),
    cause=Text(
        "the vector of a text depends on what else is in the request: its neighbours' tokens are cached or cut into it",
        "一条文本的向量受同批其他文本影响：相邻文本的 token 被缓存或切分进来了",
    ),
    fix=_RESTART,
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
)
def batch_equals_single(facts: EmbedFacts) -> Outcome:
    """The fresh text alone (its first answer) against the same text between two others."""
    single, batch = facts.repeats[0] if facts.repeats else None, facts.batch
    if not isinstance(single, Embedded) or batch is None:
        return absent(Text("the text alone got no vector", "单条请求没有得到向量"))
    if not isinstance(batch, Embedded):
        detail = f"HTTP {batch.status}: {batch.message}" if isinstance(batch, Refused) else batch.detail
        return broken(Evidence(Text("a batch of 3 texts", "3 条一批"), detail, "HTTP 200"))
    seen = cosine(single.vectors[0], batch.vectors[1])
    evidence = Evidence(
        Text("alone and in a batch of 3: cosine", "单条与 3 条一批：余弦相似度"), f"{seen:.4f}", str(SAME_IN_BATCH)
    )
    return holds(evidence, cosine=seen) if SAME_IN_BATCH.admits(seen) else broken(evidence, cosine=seen)


_LEFT_OUT = Text("left out by --quick", "--quick 未包含此项")


def _more_of(facts: EmbedFacts) -> More:
    """What the costly rows asked. Raises `Unavailable` when they were left out."""
    if facts.more is None:
        raise Unavailable(_LEFT_OUT, looked=False)
    return facts.more


def _vectors_of(answer: Answer | None) -> tuple[tuple[float, ...], ...]:
    """The vectors of an answer. Raises `Unavailable` with what came instead."""
    if isinstance(answer, Embedded):
        return answer.vectors
    said = f"HTTP {answer.status}: {answer.message}" if isinstance(answer, Refused) else getattr(answer, "detail", "-")
    raise Unavailable(Text(f"a request of this row brought no vector: {said}", f"本项的请求没有得到向量：{said}"))


def _lowest(pairs: Iterable[tuple[Sequence[float], Sequence[float]]]) -> float:
    """The lowest cosine of pairs; one that is not a number counts as the lowest."""
    return min((cosine(a, b) for a, b in pairs), key=lambda c: c if math.isfinite(c) else -2.0)


def _compared(subject: Text, worst: float, expected: AtLeast) -> Outcome:
    seen = Evidence(subject, f"{worst:.4f}", str(expected))
    return holds(seen, cosine=worst) if expected.admits(worst) else broken(seen, cosine=worst)


@AREA.check(
    "prefix-independent",
    title=Text("a text does not depend on one that begins like it", "文本的向量不受开头相同的文本影响"),
    cause=Text(
        "after a text with the same beginning, this text has another vector: what the server kept of the first one "
        "is used for the second. On sglang that is the prefix (radix) cache",
        "先算过一段开头相同的文本后，这段文本的向量变了：服务把前一段的中间结果用在了后一段上，"
        "在 sglang 上就是前缀缓存（radix cache）",
    ),
    fix=_RESTART,
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    needs=("embed.finite",),
    costly=True,
)
def text_is_independent_of_its_relatives(facts: EmbedFacts) -> Outcome:
    """The fresh text alone, and again after a text that shares its first half."""
    after = _vectors_of(_more_of(facts).after_relative)[0]
    subject = Text("alone, and after one with the same beginning: cosine", "单独，与先算开头相同的文本之后：余弦相似度")
    return _compared(subject, cosine(_vectors_of(facts.repeats[0])[0], after), SAME_IN_BATCH)


@AREA.check(
    "order",
    title=Text("the vectors come in the order of the texts", "向量顺序与文本一致"),
    cause=Text(
        "the same texts in the opposite order have other vectors: answers are mixed up, or depend on their neighbours",
        "同样的文本倒序发送，得到的向量对不上：返回顺序错乱，或受相邻文本影响",
    ),
    fix=Text(
        "ask sglang's own port, without a gateway; then look at the settings", "绕开网关直连 sglang，再检查启动参数"
    ),
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    needs=("embed.finite",),
    costly=True,
)
def order_is_kept(facts: EmbedFacts) -> Outcome:
    """A batch of three against its reverse, text by text; the `index` fields must count up from 0."""
    forward, backward = _vectors_of(facts.batch), _vectors_of(_more_of(facts).reversed)
    subject = Text("3 texts and the same in reverse, the lowest: cosine", "3 条文本与其倒序（最低）：余弦相似度")
    return _compared(subject, _lowest(zip(forward, reversed(backward), strict=True)), SAME_IN_BATCH)


@AREA.check(
    "long-batch",
    title=Text("a batch longer than a prefill chunk is right", "超过一个 prefill 分块的批次结果正确"),
    cause=Text(
        "in a request with more tokens than one prefill chunk ({chunk}), {wrong} of {count} texts have another vector "
        "than in a smaller request: they are cut at the chunk's border",
        "一次请求的 token 数超过一个 prefill 分块（{chunk}）时，{count} 条里有 {wrong} 条与小批量的结果不同："
        "它们在分块边界被切断了",
    ),
    fix=_RESTART,
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    needs=("embed.finite",),
    costly=True,
)
def long_batch_is_right(facts: EmbedFacts) -> Outcome:
    """One and a half chunks in one request, against the same texts in two requests that fill none."""
    more = _more_of(facts)
    if more.chunk is not None and more.chunk <= 0:
        return absent(
            Text("chunked prefill is off: there is no chunk to overflow", "分块 prefill 已关闭，不存在分块边界")
        )
    if more.long is None:
        told = "-" if more.chunk is None else str(more.chunk)
        return absent(
            Text(f"the prefill chunk is not known or too large ({told})", f"不知道分块大小，或分块太大（{told}）")
        )
    whole, halves = _vectors_of(more.long[0]), (*_vectors_of(more.long[1]), *_vectors_of(more.long[2]))
    cosines = [cosine(a, b) for a, b in zip(whole, halves, strict=True)]
    wrong = sum(not SAME_IN_BATCH.admits(c) for c in cosines)
    subject = Text(f"{len(whole)} texts in one request and in two: wrong", f"{len(whole)} 条一次发送与分两次：不一致")
    seen = Evidence(subject, f"{wrong} / {len(whole)}", "0")
    return broken(seen, chunk=more.chunk, wrong=wrong, count=len(whole)) if wrong else holds(seen)


@AREA.check(
    "concurrent",
    title=Text("requests at the same time do not mix", "并发请求互不影响"),
    cause=Text(
        "texts that were sent at the same time have other vectors than in one request: requests contaminate each other",
        "同时发送的文本，与放在一个请求里的结果不同：并发请求之间串了数据",
    ),
    fix=_RESTART,
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    needs=("embed.finite",),
    costly=True,
)
def requests_do_not_mix(facts: EmbedFacts) -> Outcome:
    """Different texts, each in its own request at the same time, against all of them in one."""
    more = _more_of(facts)
    alone, together = [_vectors_of(a)[0] for a in more.crowd], _vectors_of(more.crowd_batch)
    subject = Text(
        f"{len(alone)} at the same time and in one request, the lowest: cosine",
        f"{len(alone)} 条并发与一次发送（最低）：余弦相似度",
    )
    return _compared(subject, _lowest(zip(alone, together, strict=True)), SAME_IN_BATCH)


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
    vectors = _vectors_of(_more_of(facts).crowd_batch)
    closest = max((cosine(a, b) for n, a in enumerate(vectors) for b in vectors[n + 1 :]), default=math.nan)
    subject = Text(
        f"{len(vectors)} different texts, the closest two: cosine",
        f"{len(vectors)} 条不同文本中最接近的两条：余弦相似度",
    )
    seen = Evidence(subject, f"{closest:.4f}", str(COLLAPSED))
    return holds(seen) if COLLAPSED.admits(closest) else broken(seen)


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
    more = _more_of(facts)
    if more.counted is None:
        return absent(Text("the model's tokenizer is not in the registry", "登记表里没有该模型的分词器"))
    _vectors_of(more.counted)
    assert isinstance(more.counted, Embedded)
    wanted = sum(count for _, count in COUNTED)
    if more.counted.tokens is None:
        return absent(Text("the server counts no tokens", "服务没有返回 token 数"))
    seen = Evidence("usage.prompt_tokens", str(more.counted.tokens), str(wanted))
    same = more.counted.tokens == wanted
    return holds(seen) if same else broken(seen, seen=more.counted.tokens, wanted=wanted)


_DTYPES = {"half": "fp16", "float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "float": "fp32"}


@AREA.check(
    "precision",
    title=Text("the vectors have the precision that was asked for", "向量精度与启动参数一致"),
    cause=Text(
        "the server was started with --dtype {declared}, and the bits of its numbers are {seen}: the GPU cannot do "
        "better (below sm80 sglang falls back to float16), or something rounds on the way",
        "启动参数是 --dtype {declared}，而数值的位模式是 {seen}：显卡不支持（sm80 以下 sglang 会退回 float16），"
        "或中间环节做了截断",
    ),
    fix=Text(
        "if fp16 is enough, say so with --dtype half; cosines change by less than 1e-5",
        "fp16 够用的话直接写 --dtype half，余弦相似度的变化小于 1e-5",
    ),
    commands=("nvidia-smi --query-gpu=name,compute_cap --format=csv",),
    severity=Severity.WARNING,
    needs=("embed.finite",),
    costly=True,
)
def precision_is_the_one_asked_for(facts: EmbedFacts) -> Outcome:
    """Whether every component can be held in fp16, else in bf16, else neither; against the server's own --dtype."""
    seen = dtype(facts.vectors()[:4])
    declared = _more_of(facts).declared
    wanted = _DTYPES.get(declared or "")
    if seen is None:
        return absent(Text("no number to read it off", "没有可用的数值"))
    if wanted is None:
        return absent(Text(f"the bits show {seen}; no dtype was asked for", f"位模式是 {seen}；启动参数没有指定 dtype"))
    evidence = Evidence(Text("bits of the numbers", "数值的位模式"), seen, wanted)
    return holds(evidence) if seen == wanted else broken(evidence, declared=declared, seen=seen)


@AREA.check(
    "semantic",
    title=Text("texts that mean the same are closer than strangers", "意思相近的文本更接近"),
    cause=Text(
        "only {right} of {count} texts are closer to one that means the same than to a stranger: these are not the "
        "vectors of {name}",
        "{count} 组里只有 {right} 组是近义文本更接近：这不是 {name} 应有的向量",
    ),
    fix=Text("see which weights the server has loaded, and how it pools them", "确认服务加载的权重，以及池化方式"),
    commands=("curl -sS --noproxy '*' {url}/model_info",),
    needs=("embed.finite",),
    costly=True,
)
def meaning_is_kept(facts: EmbedFacts) -> Outcome:
    """Triples of text, relative and stranger; a single miss decides nothing."""
    more = _more_of(facts)
    if more.demo:
        return absent(Text("the demo server has no meaning to test", "演示服务不含语义，无从检查"))
    if more.meaning is None or facts.model is None:
        return absent(Text("the model is not in the registry", "模型不在登记表里"))
    vectors = _vectors_of(more.meaning)
    triples = [vectors[n : n + 3] for n in range(0, len(vectors), 3)]
    right = sum(cosine(a, b) > cosine(a, c) for a, b, c in triples)
    subject = Text("closer to the relative than to the stranger", "近义文本更接近的组数")
    seen = Evidence(subject, f"{right} / {len(triples)}", f">= {MARGINS.value:.0%}")
    if MARGINS.admits(right / len(triples)):
        return holds(seen)
    return broken(seen, right=right, count=len(triples), name=facts.model.name)


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
    more = _more_of(facts)
    if more.demo:
        return absent(Text("the demo server has no meaning to test", "演示服务不含语义，无从检查"))
    if more.pair is None:
        return absent(Text(f"published for {GOLDEN_MODEL} only", f"只有 {GOLDEN_MODEL} 有公开样例"))
    first, second = _vectors_of(more.pair)
    seen = cosine(first, second)
    evidence = Evidence(
        Text("the published pair: cosine", "公开样例对：余弦相似度"),
        f"{seen:.4f}",
        f"{GOLDEN_COSINE} ± {GOLDEN_BAND.value:g}",
    )
    if GOLDEN_BAND.admits(abs(seen - GOLDEN_COSINE)):
        return holds(evidence)
    return broken(evidence, cosine=f"{seen:.4f}", wanted=GOLDEN_COSINE, name=GOLDEN_MODEL)
