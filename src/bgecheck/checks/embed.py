"""The `embed` area: are the vectors right, as far as a handful of harmless requests can show."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from bgecheck.model import Advice, Area, Evidence, Outcome, Target, Text, absent, broken, holds
from bgecheck.model.expected import AtLeast, AtMost
from bgecheck.model.registry import Model, lookup
from bgecheck.model.vectors import cosine, norm
from bgecheck.sources.context import Context
from bgecheck.sources.embeddings import Answer, Embedded, Refused, Unusable
from bgecheck.sources.http import Failure

SAME_TEXT = AtLeast(0.9999, "", "measured on sglang 0.5.23: 1.0 with the prefix cache off, 0.40-0.46 with it on")
SAME_IN_BATCH = AtLeast(0.999, "", "measured on sglang 0.5.23: 1.0 with chunking off, 0.40 at a chunk border")
UNIT_NORM = AtMost(5e-3, "", "abs(norm - 1): fp16 <= 5e-4, bf16 <= 4e-3, fp32 <= 1e-6 (random BERT-large)")

_RESTART = Text(
    "restart with --disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3, "
    "then embed again everything that was embedded so far",
    "加上 --disable-radix-cache --chunked-prefill-size -1 --mem-fraction-static 0.3 重启，并把之前的内容全部重新编码",
)

_COMMON = (
    "天气今明山水花草书店车站老师学校公园电影音乐城市春夏秋冬红蓝白黑大小新旧来去看听说写想走跑吃喝买卖开关上下左右"
)
"""Characters that every Chinese BERT vocabulary holds, one token each."""


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

    def _embedded(self) -> list[Embedded]:
        answers = (self.asked, *(a for a in self.repeats if a is not self.asked), self.batch)
        return [a for a in answers if isinstance(a, Embedded)]


AREA = Area("embed", Text("vectors", "向量"), seconds=30.0, needs=("probe.reachable",))


@AREA.collect
def collect(context: Context) -> EmbedFacts:
    """Send at most six short requests; stop at the first that brings no vector."""
    server = context.server()
    fresh = fresh_texts(random.Random(), 3)
    texts = context.texts or (fresh[1],)
    asked = server.embed(texts)
    repeats: list[Answer] = []
    batch: Answer | None = None
    if isinstance(asked, Embedded):
        # Fresh means never sent before: after two sends a broken prefix cache answers the same wrong vector.
        count = 2 if not context.texts else 3
        repeats = [server.embed([fresh[1]]) for _ in range(count)]
        repeats = repeats if context.texts else [asked, *repeats]
        batch = server.embed(list(fresh))
    return EmbedFacts(context.target, server.served(), tuple(texts), asked, tuple(repeats), batch)


def fresh_texts(dice: random.Random, count: int) -> list[str]:
    """`count` Chinese texts of 14 to 18 characters that no server has seen before."""
    return ["".join(dice.choices(_COMMON, k=14 + 2 * (n % 3))) for n in range(count)]


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
    return "fp16" if all(map(_is_half, values)) else "bf16" if all(map(_is_bfloat, values)) else "fp32"


def _is_half(value: float) -> bool:
    import struct

    try:
        return bool(struct.unpack("<e", struct.pack("<e", value))[0] == value)
    except OverflowError:
        return False


def _is_bfloat(value: float) -> bool:
    import struct

    try:
        return struct.pack("<f", value)[:2] == b"\0\0"
    except OverflowError:
        return False


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
            return holds(
                seen,
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
    explains=("embed.repeatable", "embed.batch-equals-single", "embed.semantic", "embed.golden", "embed.reference"),
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
    explains=(
        "embed.normalized",
        "embed.repeatable",
        "embed.batch-equals-single",
        "embed.semantic",
        "embed.golden",
        "embed.reference",
    ),
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
    explains=("embed.batch-equals-single", "embed.semantic", "embed.golden", "embed.reference"),
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
