"""Rows about the numbers of a vector: are there any, how many, finite, of length 1, of the precision asked for."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from bgecheck.checks import refusals
from bgecheck.checks.embed.facts import AREA, EmbedFacts, more_of, wanted_dims
from bgecheck.checks.first_vector import FirstVector
from bgecheck.checks.likeness import UNIT_NORM
from bgecheck.engines.sglang.options import FP16, MAY_BE_CUT, NO_WARM_UP, PRECISION
from bgecheck.engines.sglang.pages import SHOW_MODEL_PAGE
from bgecheck.engines.sglang.remedies import AGAIN, FULL_BATCH, LARGER_BATCH, WITHOUT_OVERLAP
from bgecheck.http.bypass import DIRECT, END_OF_REDIRECT, REDIRECT_SHOWN, WHO_LISTENS
from bgecheck.http.embeddings import Answer, Embedded, Refused, Unusable, counted, describe, is_late, reason_of, wanted
from bgecheck.http.failures import Failure, NotSent
from bgecheck.http.openai_client import OpenAIResult, Vectors
from bgecheck.http.openai_errors import described
from bgecheck.http.openai_vectors import first_numbers
from bgecheck.http.toolong import too_long
from bgecheck.knowledge.models import Model, lookup
from bgecheck.knowledge.vectors import cosine, is_finite, norm
from bgecheck.model import (
    Advice,
    Evidence,
    Outcome,
    Severity,
    Text,
    Unavailable,
    Words,
    absent,
    broken,
    holds,
    not_yet,
    unclear,
)

COMPARED = (
    "embed.prefix-independent",
    "embed.batch-equals-single",
    "embed.order",
    "embed.long-batch",
    "embed.concurrent",
    "embed.distinct",
    "embed.whole-text",
    "embed.token-count",
    "embed.semantic",
    "embed.golden",
    "embed.reference",
)
"""The rows that compare vectors: they fail too where the vectors are not numbers, or change by themselves."""


def dtype(vectors: Sequence[Sequence[float]]) -> str | None:
    """The dtype that the bits show; None when nothing finite is there.

    bf16 is looked for first: between 2^-14 and 1 every number of bf16 is one of fp16 as well (8 bits of 11), and
    sglang 0.5.23 in bfloat16 answers such vectors; of fp16's numbers only one in eight is one of bf16.
    """
    values = [x for vector in vectors for x in vector if math.isfinite(x)]
    if not any(values):
        return None
    return "bf16" if _are_bfloat(values) else "fp16" if _are_half(values) else "fp32"


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
        "late": Advice(
            Text(
                "the server took the request and did not answer it in time: it is slow or busy, or it hangs",
                "服务收到了请求，但超时未返回：计算太慢、负载太高，或已经卡住",
            ),
            Text(
                "give a request {longer} s; if it is answered then, clients need that time-out too. Where that changes "
                "nothing, see whether the server hangs",
                "把请求的时限调到 {longer} 秒再试；能返回的话，客户端的超时也要这么长。仍无结果，再查服务是否卡住",
            ),
            ("bgecheck embed --timeout {longer}s --url {base_url}", "bgecheck doctor --url {base_url}"),
        ),
        "stuck": Advice(
            Text(
                "{answered} short texts were answered, the fastest in {ms} ms, and {failed} not within {seconds} s: it "
                "is not slow, its scheduler hangs",
                "{answered} 条短文本有结果，最快 {ms} ms，另外 {failed} 条等了 {seconds} 秒仍没有："
                "不是慢，是调度进程卡住",
            ),
            Text("read the log from its end, then restart the server", "从日志末尾往前看，然后重启服务"),
            ("bgecheck logs {log}",),
        ),
        "full": Advice(FULL_BATCH, LARGER_BATCH, ("{launch_line}", "bgecheck logs {log}")),
        "refused": Advice(
            Text("the server refuses the request: HTTP {status}, {detail}", "服务拒绝了请求：HTTP {status}，{detail}"),
            Text("find out why it refuses", "查明原因"),
            ("bgecheck probe --url {base_url}",),
        ),
        "too-long": Advice(
            Text(
                "the text is longer than the model accepts: HTTP {status}, {detail}",
                "文本超过了模型能处理的长度：HTTP {status}，{detail}",
            ),
            Text(
                "shorten the text, or split it into pieces of fewer than {limit} tokens each (a Chinese character is "
                "about one token)",
                "缩短文本，或切成每段不到 {limit} 个 token（中文大约一字一个 token）分别编码",
            ),
        ),
        "too-long-somehow": Advice(
            Text(
                "the text is longer than the model accepts: HTTP {status}, {detail}",
                "文本超过了模型能处理的长度：HTTP {status}，{detail}",
            ),
            Text(
                "shorten the text, or split it into pieces and embed each (most bge models take 512 tokens)",
                "缩短文本，或切成几段分别编码（bge 系列大多只支持 512 个 token）",
            ),
            ("bgecheck probe --only probe.token-limit --url {base_url}",),
        ),
        "redirect": Advice(
            Text(
                "the server answers HTTP {status}, a redirect: a POST that follows it becomes a GET or loses its body",
                "服务返回 HTTP {status} 跳转：POST 跟随跳转时会变成 GET 或丢掉请求体",
            ),
            END_OF_REDIRECT,
            ("bgecheck embed --url {found}", REDIRECT_SHOWN),
        ),
        "too-large": Advice(
            Text(
                "the request is too large for what answers: HTTP 413, {detail}",
                "请求体太大，被拒绝：HTTP 413，{detail}",
            ),
            Text(
                "shorten the text or send fewer at once, or raise the gateway's limit (nginx: client_max_body_size "
                "16m;)",
                "缩短文本或减少一次发送的条数，或调大网关限制（nginx：client_max_body_size 16m;）",
            ),
        ),
        "unnamed": Advice(
            Text(
                "the server refuses the request: HTTP {status}, {detail}. No model was named, and of the {count} that "
                "it lists ({served}) the first was requested",
                "服务拒绝了请求：HTTP {status}，{detail}。没有指定模型，请求的是它列出的 {count} 个模型（{served}）里的"
                "第一个",
            ),
            Text("name the embedding model among them with --model", "用 --model 指定其中的 embedding 模型"),
            ("bgecheck embed --model {other} --url {base_url}",),
        ),
        "unusable": Advice(
            Text(
                "the answer is 200 and holds no vector: {detail}",
                "返回 200，但里面没有可用的向量：{detail}",
            ),
            DIRECT,
            (WHO_LISTENS,),
        ),
        "unsteady": Advice(
            Text(
                "of {sent} requests for one short text {failed} returned no embedding: {detail}. The server dies or "
                "hangs under them, or several replicas behind this address answer in turn",
                "{sent} 次单条短文本请求中有 {failed} 次没有得到向量：{detail}。服务中途退出或卡住，"
                "或这个地址后面有多个副本轮流响应",
            ),
            Text(
                "read the log from its end; behind a gateway query each replica on its own port",
                "从日志末尾往前看；若有网关，绕开它逐个检查后端",
            ),
            ("bgecheck logs {log}", WHO_LISTENS),
        ),
        **refusals.ADVICE,
        "reranker": refusals.RERANKER,
    },
    explains=("embed.repeatable", *COMPARED, "probe.openai-client", "embed.openai-client"),
)
def server_answers_with_vectors(facts: EmbedFacts) -> Outcome:
    """The entry row: 200, and one vector of numbers for each text."""
    answer = facts.asked
    if facts.reranker:
        return broken(Evidence(Text("model", "模型"), facts.reranker), advice="reranker", name=facts.reranker)
    match answer:
        case Embedded():
            evidence = Evidence("POST /v1/embeddings", _counted(answer))
            if failed := facts.unanswered():
                return _unsteady(facts, evidence, failed)
            first = _first(facts, answer)
            return holds(*_shown(facts, evidence), *_conditions(facts), **_values(facts, first))._replace(data=first)
        case Refused():
            return _refused(facts, answer, Evidence("POST /v1/embeddings", describe(answer), "HTTP 200"))
        case Unusable():
            evidence = Evidence("POST /v1/embeddings", describe(answer), wanted(answer, len(facts.texts)))
            if kind := refusals.kind_of(answer):
                return _explained(facts, answer, evidence, kind)
            return broken(evidence, *_of_openai(facts), advice="unusable", detail=answer.detail)
        case NotSent() | Failure(kind="cut-off"):
            return unclear(describe(answer))
        case Failure():
            evidence = Evidence("POST /v1/embeddings", describe(answer), "HTTP 200")
            if kind := refusals.kind_of(answer):
                return _explained(facts, answer, evidence, kind)
            if is_late(answer) and facts.running.may_hang_when_full:
                return broken(evidence, *_at_once(facts), advice="full", **_full(facts))
            late = {"longer": refusals.longer(answer.seconds)} if is_late(answer) else {}
            advice = "late" if late else None
            return not_yet(evidence, *_of_openai(facts), advice=advice, detail=answer.detail, **late)


def _refused(facts: EmbedFacts, answer: Refused, evidence: Evidence) -> Outcome:
    """Another status than 200: of its size, of a model that nobody named, or as who answers says."""
    values: dict[str, Any] = {"status": answer.status, "detail": reason_of(answer)}
    kind = refusals.kind_of(answer, listed=bool(facts.served))
    if kind is None and 300 <= answer.status < 400:
        end = refusals.end_of_redirect(answer.location, f"{facts.target.base_url}/embeddings")
        leads = Evidence("location", answer.location or "-")
        return broken(evidence, leads, *_of_openai(facts), advice="redirect", found=end, **values)
    if advice := _of_size(answer):
        limit = too_long(answer.message)
        return broken(evidence, *_of_openai(facts), advice=advice, limit=limit and limit.limit, **values)
    unnamed = facts.target.model is None and len(facts.served) > 1 and kind not in refusals.LOCKS
    if unnamed and 400 <= answer.status < 500:
        return broken(evidence, *_of_openai(facts), advice="unnamed", **values, **_choice(facts.served))
    if kind is None:
        return broken(evidence, *_of_openai(facts), advice="refused", **values)
    return _explained(facts, answer, evidence, kind)


def _explained(facts: EmbedFacts, answer: Refused | Unusable | Failure, evidence: Evidence, kind: str) -> Outcome:
    """A request without vectors, by who answered it and why."""
    asked, elsewhere = facts.target.model or next(iter(facts.served), None), next(iter(facts.elsewhere), None)
    values = {**refusals.values_of(answer, asked), "found": elsewhere}
    outcome = not_yet if kind in refusals.PENDING else broken
    return outcome(evidence, *_of_openai(facts), advice="route-found" if elsewhere else kind, **values)


def _of_size(answer: Refused) -> str | None:
    """The advice for a request that was refused because of its size; None for another refusal."""
    if length := too_long(answer.message):
        return "too-long" if length.limit else "too-long-somehow"
    return "too-large" if answer.status == 413 else None


def _choice(served: Sequence[str]) -> dict[str, Any]:
    """The models that a server lists, and the one that is more likely meant than the first: a known embedding model."""
    other = next(filter(lookup, served[1:]), served[1])
    return {"count": len(served), "served": ", ".join(served[:5]), "other": other}


def _shown(facts: EmbedFacts, ours: Evidence) -> list[Evidence]:
    """The call that is shown: openai's where it brought a vector, else our own, with the reason."""
    if isinstance(facts.openai, OpenAIResult) and isinstance(facts.openai.outcome, Vectors):
        return _of_openai(facts)
    return [ours, *_of_openai(facts)]


def _first(facts: EmbedFacts, answer: Embedded) -> FirstVector:
    """The first vector in numbers, of openai's call where it brought one."""
    vector, tokens, ms = answer.vectors[0], answer.tokens, answer.seconds * 1000
    openai = facts.openai if isinstance(facts.openai, OpenAIResult) else None
    if openai is not None and isinstance(openai.outcome, Vectors):
        vector, tokens, ms = openai.outcome.vectors[0], openai.outcome.tokens, openai.milliseconds or 0.0
    return FirstVector(
        count=len(answer.vectors),
        dims=len(vector),
        norm=round(norm(vector), 6),
        first=tuple(first_numbers(vector)),
        tokens=tokens,
        ms=round(ms, 1),
        dtype=dtype((vector,)),
        openai=openai.openai if openai else None,
        cosines=_between(answer.vectors),
    )


def _between(vectors: Sequence[Sequence[float]]) -> tuple[tuple[int, int, float], ...]:
    """The cosine of each two vectors, of so few that a reader takes them in."""
    if not 1 < len(vectors) <= SHOWN_TOGETHER or not all(map(is_finite, vectors)):
        return ()
    numbered = list(enumerate(vectors, 1))
    cosines = ((n, other, cosine(a, b)) for (n, a), (other, b) in combinations(numbered, 2))
    return tuple((n, other, round(value, 4)) for n, other, value in cosines if math.isfinite(value))


SHOWN_TOGETHER = 6
"""Texts whose cosines with one another are shown: fifteen of them."""


def _values(facts: EmbedFacts, first: FirstVector) -> dict[str, Any]:
    """The same for a report."""
    shown = {name: value for name, value in asdict(first).items() if name not in ("count", "openai", "cosines")}
    values = {"vectors": first.count, **shown, "first": list(first.first), "sent": facts.sent()._asdict()}
    if first.cosines:
        values["cosines"] = [list(pair) for pair in first.cosines]
    if isinstance(facts.openai, OpenAIResult):
        values |= {"openai": facts.openai.openai, "http": f"{facts.openai.http} {facts.openai.http_version}"}
    return values


def _of_openai(facts: EmbedFacts) -> list[Evidence]:
    """What a program that uses openai gets for the same texts; nothing where it was not asked."""
    match facts.openai:
        case None:
            return []
        case Unavailable() as unavailable:
            return [Evidence(Text("openai package", "openai 包"), unavailable.reason)]
        case OpenAIResult() as result:
            return [Evidence(result.library, described(result))]


def _counted(answer: Embedded) -> Text:
    vectors, ms = len(answer.vectors), f"{answer.seconds * 1000:.0f} ms"
    numbers = counted(max(answer.nulls), len(answer.vectors[0]))
    return Text(f"HTTP 200, {vectors} x {numbers.en} in {ms}", f"HTTP 200，{vectors} x {numbers.zh}，用时 {ms}")


_DIMS = Text("dims", "维度")


def _unsteady(facts: EmbedFacts, first: Evidence, failed: Sequence[Answer]) -> Outcome:
    """Some of the requests for one short text returned no embedding."""
    sent, first_failed = len(facts.alone()), describe(failed[0])
    share = Evidence(
        Text("requests for one short text without a vector", "没有得到向量的单条请求"), f"{len(failed)} / {sent}", "0"
    )
    evidence = (first, share, Evidence(Text("the first of them", "其中第一个"), first_failed))
    values: dict[str, Any] = {"failed": len(failed), "sent": sent, "detail": first_failed}
    if not all(is_late(answer) for answer in failed):
        return broken(*evidence, advice="unsteady", **values)
    if facts.running.may_hang_when_full:
        return broken(*evidence, *_at_once(facts), advice="full", **values, **_full(facts))
    times = [answer.seconds for answer in facts.alone() if isinstance(answer, Embedded)]
    waited = min(answer.seconds for answer in failed if isinstance(answer, Failure))
    if not times or waited < _HANGS * min(times):
        return broken(*evidence, advice="late", longer=refusals.longer(waited), **values)
    values |= {"answered": len(times), "ms": round(min(times) * 1000), "seconds": f"{waited:.1f}"}
    return broken(*evidence, advice="stuck", **values)


_HANGS = 20
"""How many times as long as it took for another a short text may take on a server that is only slow."""


def _at_once(facts: EmbedFacts) -> list[Evidence]:
    return [Evidence("max_running_requests", str(facts.running.most_at_once))]


def _full(facts: EmbedFacts) -> dict[str, Any]:
    """The values of a server that may have stopped at a full batch."""
    running = facts.running
    return {
        "limit": running.most_at_once,
        "version": running.version or "",
        **running.restarted(WITHOUT_OVERLAP),
    }


def _conditions(facts: EmbedFacts) -> list[Evidence]:
    """What the rows of vectors expect, and what they cost the server."""
    sent, model = facts.sent(), facts.model
    unknown = Text("not in the registry: judged by invariants only", "不在内置模型表里：只做与模型无关的检查")
    after = f", long batch {sent.long_requests} / {sent.long_tokens}" if sent.long_requests else ""
    return [
        Evidence(Text("judged as", "按此模型判断"), model.name if model else unknown),
        Evidence(
            Text("requests / tokens sent for the rows of vectors", "本领域共发送的请求数 / token 数"),
            f"{sent.requests} / {sent.tokens}{after}",
            f"<= {MOST_REQUESTS} / {MOST_TOKENS}",
        ),
    ]


MOST_REQUESTS, MOST_TOKENS = 40, 4000
"""What the rows of vectors may cost a server, beside the long batch."""

_NO_COMPARING = ("embed.normalized", "embed.repeatable", *COMPARED)
"""The rows that vectors of a wrong length, or of misread numbers, can not pass."""


_MAY_BE_CUT = MAY_BE_CUT.replace("{", "{{").replace("}", "}}")


@AREA.check(
    "dimension",
    title=Text("the vectors have the model's dimension", "向量维度与模型一致"),
    cause=Text(
        "the server gives {dims} dimensions and {wanted} were expected: another model is served under this name",
        "返回 {dims} 维，而应为 {wanted} 维：这个模型名背后是另一个模型",
    ),
    fix=Text("see which model folder the server has loaded", "确认服务加载的是哪个模型目录"),
    commands=("bgecheck probe --only probe.model-name --url {base_url}", SHOW_MODEL_PAGE),
    variants={
        "base64": Advice(
            Text(
                "{dims} is a quarter of {wanted}: four bytes of base64 were read as one number each time",
                "{dims} 正好是 {wanted} 的四分之一：base64 的 4 个字节被当成了 1 个数",
            ),
            Text(
                "let clients ask for encoding_format=float, or fix the gateway in between",
                "客户端显式传 encoding_format=float，或修正中间的网关",
            ),
            explains=_NO_COMPARING,
        ),
        "doubles": Advice(
            Text(
                "{dims} is twice {wanted}, and the vectors came as base64 though floats were asked for: something in "
                "between packs float64, where clients read float32",
                "{dims} 正好是 {wanted} 的两倍，而且请求的是 float，返回的却是 base64：中间有一层按 float64 打包，"
                "客户端会按 float32 解读",
            ),
            Text(
                "fix the program that listens at {address}, or query the server behind it: base64 is of little-endian "
                "float32",
                "修正 {address} 上监听的程序，或直连它后面的服务：base64 应是小端 float32",
            ),
            (WHO_LISTENS, "bgecheck probe --only probe.base64 --url {base_url}"),
            explains=_NO_COMPARING,
        ),
        "index": Advice(
            Text(
                "{dims} dimensions are right for {name}: the index of {wanted} was made with another model",
                "{dims} 维正是 {name} 的维度：{wanted} 维的索引是用别的模型建的",
            ),
            Text(
                "make a new collection of {dims} dimensions and re-embed everything into it, or serve the model that "
                "the index was made with",
                "新建 {dims} 维的 collection，把全部内容重新编码写入；或改为部署建索引时用的模型",
            ),
            (SHOW_MODEL_PAGE,),
            explains=(),  # the vectors are right
        ),
        "index-or-model": Advice(
            Text(
                "the server gives {dims} dimensions and the index has {wanted}: they are of two models; which one "
                "this server has is not known",
                "服务返回 {dims} 维，索引是 {wanted} 维：两者来自不同的模型；不知道这个服务加载的是哪个",
            ),
            Text(
                "see which model is loaded: if it is the right one, make a new collection of {dims} dimensions and "
                "re-embed everything; if not, serve the model that the index was made with",
                "先看服务加载的是哪个模型：若没错，新建 {dims} 维的 collection 并把全部内容重新编码；"
                "若不对，部署建索引时用的模型",
            ),
            (SHOW_MODEL_PAGE,),
        ),
        "cut-index": Advice(
            Text(
                "{dims} dimensions are right for {name}, whose vectors may be cut: the index of {wanted} holds vectors "
                "of it that were cut to {wanted} (MRL), or those of another model",
                "{dims} 维正是 {name} 的维度，而它的向量允许截短（MRL）：{wanted} 维的索引存的可能是截短后的向量，"
                "也可能是别的模型的向量",
            ),
            Text(
                "if the index was made with {name}, let every client send dimensions={wanted} (where sglang refuses "
                f"it: restart with {_MAY_BE_CUT}; up to 0.5.3 it is ignored); if not, make a new collection of "
                "{dims} dimensions and re-embed everything into it",
                "索引若是用 {name} 建的，让所有客户端都传 dimensions={wanted}（sglang 拒绝时，加上 "
                f"{_MAY_BE_CUT} 重启；0.5.3 及以前会忽略它）；"
                "若不是，新建 {dims} 维的 collection，把全部内容重新编码写入",
            ),
            ("bgecheck probe --only probe.dimensions --url {base_url}", SHOW_MODEL_PAGE),
        ),
        "cut": Advice(
            Text(
                "the server gives {dims} dimensions and {name} has {wanted}: something shortens the vectors (MRL: a "
                "gateway or an engine that sets `dimensions`), or another model is served under this name",
                "返回 {dims} 维，而 {name} 是 {wanted} 维：有一层把向量截短了（MRL，网关或引擎设了 dimensions），"
                "或这个模型名背后是另一个模型",
            ),
            Text(
                "see whether an index of {dims} dimensions is wanted; if not, remove `dimensions` from the gateway or "
                "the engine's settings. Vectors of both lengths do not go together",
                "确认需要的是不是 {dims} 维的索引；若不是，去掉网关或引擎里设的 dimensions。两种长度的向量不能混用",
            ),
            (WHO_LISTENS, SHOW_MODEL_PAGE),
        ),
        "swapped": Advice(
            Text(
                "two servers are swapped: {one_url} gives {other_expected} dimensions, which {other} should, and "
                "{other_url} gives {one_expected}, which {one} should",
                "两个服务接反了：{one_url} 返回 {other} 应有的 {other_expected} 维，{other_url} 返回 {one} 应有的 "
                "{one_expected} 维",
            ),
            Text(
                "swap the two addresses where they are configured, or restart each with its own model folder",
                "在配置里把两个地址对调，或用各自的模型目录重启两个服务",
            ),
            ("curl -s {one_url}/models", "curl -s {other_url}/models"),
        ),
        "mixed": Advice(
            Text("the vectors are not all of one length", "返回的向量长度不一致"),
            DIRECT,
            (WHO_LISTENS,),
            explains=_NO_COMPARING,
        ),
    },
    explains=("embed.whole-text", "embed.token-count", "embed.semantic", "embed.golden", "embed.reference"),
)
def dimension_is_the_models(facts: EmbedFacts) -> Outcome:
    """Expected is what `--expect-dim` says, else what the registry says of the model served."""
    lengths = sorted({len(v) for v in facts.vectors()})
    wanted = wanted_dims(facts)
    if len(lengths) > 1:
        return broken(Evidence(_DIMS, ", ".join(map(str, lengths)), str(wanted or "")), advice="mixed")
    if wanted is None:
        return absent(
            Text(
                f"the model is not in the registry and no --expect-dim was given; seen: {lengths[0]}",
                f"模型不在内置模型表里，也没有给 --expect-dim；实际 {lengths[0]} 维",
            )
        )
    evidence = Evidence(_DIMS, str(lengths[0]), str(wanted))
    if lengths[0] == wanted:
        return holds(evidence)
    values = {"dims": lengths[0], "wanted": wanted}
    if facts.target.expect_dim and (right := _right_for(facts, lengths[0])):
        advice = "cut-index" if right.may_be_cut_to(wanted) else "index"
        return broken(evidence, advice=advice, **values, name=right.name)
    if (model := facts.model) and _is_cut(facts, model, lengths[0]):
        return broken(evidence, advice="cut", **{**values, "wanted": model.dims}, name=model.name)
    doubles = lengths[0] == 2 * wanted and _packed(facts)
    own = facts.own_model is not None and facts.own_model.dims == lengths[0]
    if (lengths[0] * 4 == wanted and not own) or doubles:
        return broken(evidence, advice="doubles" if doubles else "base64", **values)
    return broken(evidence, advice="index-or-model" if facts.target.expect_dim and not facts.model else None, **values)


def _is_cut(facts: EmbedFacts, model: Model, dims: int) -> bool:
    """Whether the vectors may be the model's, shortened: not longer than 1, as bytes that were read wrongly are."""
    if not model.may_be_cut_to(dims) or facts.own_model not in (None, model):
        return False
    return UNIT_NORM.admits(max(map(norm, facts.vectors())) - 1)


def _right_for(facts: EmbedFacts, dims: int) -> Model | None:
    """The model that is meant and has so many dimensions, where it is the index that has others.

    None where the model that was asked for has what the index has: then it is the server that has another.
    """
    asked, own = lookup(facts.target.model), facts.own_model
    if asked and asked.dims == facts.target.expect_dim:
        return None
    return next((model for model in (own, asked) if model and model.dims == dims), None)


def _packed(facts: EmbedFacts) -> bool:
    """Whether the vectors came as base64, which these rows never ask for."""
    return any(a.packed for a in facts.answers() if isinstance(a, Embedded))


def _swapped(facts: EmbedFacts) -> bool:
    """Whether vectors that came as base64 are of length 1 once the bytes of each number are turned round."""
    if not _packed(facts):
        return False
    numbers = array("f", facts.vectors()[0])
    numbers.byteswap()
    return UNIT_NORM.admits(abs(norm(numbers) - 1))


# find, since a glob without a match is an error, and most folders hold one kind of file only.
_HASHES = (
    "find -L {model_path} -maxdepth 1 -name '*.safetensors' -exec sha256sum {{}} + "
    "-o -name '*.bin' -exec sha256sum {{}} +"
)


@AREA.check(
    "finite",
    title=Text("every number is finite, and no vector is zero", "数值中没有 NaN 和 inf，也没有零向量"),
    cause=Text(
        "the model computes NaN: broken or half-downloaded weights, or fp16 overflow; "
        f"sglang hides it as null with status 200 when it was started with {NO_WARM_UP}",
        f"模型算出了 NaN：权重损坏或没下全，或 fp16 溢出；带 {NO_WARM_UP} 启动时，sglang 会照样返回 200 和 null",
    ),
    fix=Text(
        f"check the weight files against their hash, then start without {NO_WARM_UP}",
        f"核对权重文件的哈希，再去掉 {NO_WARM_UP} 重启",
    ),
    commands=(_HASHES,),
    variants={
        "overflow": Advice(
            Text(
                "{bad} of {count} vectors hold NaN and the others do not, and the numbers are fp16: some texts go "
                "beyond the range of fp16, which ends at 65504",
                "{count} 条向量里有 {bad} 条含 NaN，其余正常，而数值是 fp16：部分文本超出了 fp16 的范围（最大 65504）",
            ),
            Text(
                "restart {changes} (float32 on a GPU below sm80)" + AGAIN.en,
                "{changes} 重启（sm80 以下的显卡用 float32）" + AGAIN.zh,
            ),
            ("{launch_line}",),
        ),
        "either": Advice(
            Text(
                "the model computes NaN for every text: broken or half-downloaded weights, or fp16, if the server "
                "computes in it, whose numbers end at 65504",
                "模型对所有文本都算出 NaN：权重损坏或没下全，或者服务用的是 fp16（最大只到 65504）而溢出",
            ),
            Text(
                "check the weight files against their hash; where they are right, restart the server {changes} "
                "(float32 on a GPU below sm80)",
                "核对权重文件的哈希；文件没问题就{changes} 重启（sm80 以下的显卡用 float32）",
            ),
            (_HASHES, "{launch_line}"),
        ),
        "zero": Advice(
            Text(
                "{bad} of {count} vectors are all zeros, which are as near to every text as to none: the weights are "
                "empty or were not loaded, or a layer in between fills in zeros for what it could not embed",
                "{count} 条向量里有 {bad} 条全是 0，与任何文本都谈不上远近：权重是空的或没有加载，"
                "或中间有一层对算不出的文本填 0",
            ),
            Text(
                "see in the log whether all weights were loaded, and query the server behind a gateway; then re-embed "
                "everything embedded so far",
                "查看日志里权重是否全部加载，有网关时直连后面的服务；之后把之前写进向量库的内容全部重新编码",
            ),
            ("bgecheck logs {log}", WHO_LISTENS),
        ),
        "byte-order": Advice(
            Text(
                "the vectors came as base64 though floats were asked for, with the bytes of each number "
                "reversed: something in between packs big-endian, where clients read little-endian",
                "请求的是 float，返回的却是 base64，而且每个数的字节序是反的：中间有一层按大端打包，客户端会按小端解读",
            ),
            Text(
                "fix the program that listens at {address}, or query the server behind it: base64 is of little-endian "
                "float32",
                "修正 {address} 上监听的程序，或直连它后面的服务：base64 应是小端 float32",
            ),
            (WHO_LISTENS, "bgecheck probe --only probe.base64 --url {base_url}"),
        ),
    },
    explains=("embed.normalized", "embed.repeatable", "probe.ready", *COMPARED),
)
def every_number_is_finite(facts: EmbedFacts) -> Outcome:
    """null, NaN, infinity and the zero vector, per vector, over all that was answered."""
    vectors, nulls = facts.vectors(), facts.nulls()
    swapped = _swapped(facts)
    # The bytes of fp16's numbers the wrong way round are numbers near 1e-40: as good as zero.
    bad = [n for n, v in enumerate(vectors) if swapped or not is_finite(v) or not any(v)]
    if not bad:
        return holds(
            Evidence(Text("vectors", "向量"), Text(f"{len(vectors)}, all finite", f"{len(vectors)} 条，数值均有限"))
        )
    first = vectors[bad[0]]
    odd = sum(not math.isfinite(x) for x in first)
    zeros = [n for n in bad if not any(vectors[n])]
    advice = "byte-order" if swapped else "zero" if len(zeros) == len(bad) else _of_precision(facts, bad)
    changed = facts.running.restarted({"dtype": "bfloat16"}) if advice in ("overflow", "either") else {}
    return broken(
        Evidence(
            Text("vectors with null, NaN, inf or only zeros", "含 null、NaN、inf 或全零的向量"),
            f"{len(bad)} / {len(vectors)}",
            "0",
        ),
        Evidence(
            Text("in the first of them", "其中第一条"),
            _zeros(len(first)) if bad[0] in zeros else _odd(odd, len(first), nulls[bad[0]]),
            None if bad[0] in zeros else "0",
        ),
        advice=advice,
        bad=len(bad),
        count=len(vectors),
        **changed,
    )


def _of_precision(facts: EmbedFacts, bad: Sequence[int]) -> str | None:
    """The advice for vectors that are no numbers: fp16 is too small where others show it, or may be where all are."""
    good = [vector for n, vector in enumerate(facts.vectors()) if n not in bad]
    declared = _DTYPES.get(facts.running.dtype or "")
    if not good and declared in (None, "fp16"):
        return "either"
    return "overflow" if good and "fp16" in (declared, declared or dtype(good[:4])) else None


def _zeros(dims: int) -> Text:
    return Text(f"all {dims} numbers are 0", f"{dims} 个数全是 0")


def _odd(odd: int, dims: int, null: int) -> Words:
    if not null:
        return f"{odd} / {dims}"
    return Text(f"{odd} / {dims}, null {null} of them", f"{odd} / {dims}，其中 {null} 个 null")


@AREA.check(
    "normalized",
    title=Text("the vectors have length 1", "向量已归一化"),
    cause=Text(
        "the vectors are not L2-normalised (norm {norm}): this does not come straight from sglang, which always "
        "normalises; an inner product is then not the cosine similarity",
        "向量没有做 L2 归一化（范数 {norm}）：sglang 自身的输出总是归一化的；此时内积不等于余弦相似度",
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
    evidence = Evidence(
        Text("norm, the farthest from 1", "范数（离 1 最远的）"), f"{worst:.6g}", f"1 ± {UNIT_NORM.value:g}"
    )
    return holds(evidence) if UNIT_NORM.admits(abs(worst - 1)) else broken(evidence, norm=f"{worst:.4g}")


_DTYPES = {"half": "fp16", "float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "float": "fp32"}


@AREA.check(
    "precision",
    title=Text("the vectors have the precision that was asked for", "向量精度与启动参数一致"),
    cause=Text(
        f"the server was started with {PRECISION} {{declared}}, and the bit pattern of its numbers is {{seen}}: the "
        "GPU cannot do better (below sm80 sglang falls back to float16), or something on the way rounds the numbers",
        f"启动参数是 {PRECISION} {{declared}}，而从位模式看，返回的数值是 {{seen}}：显卡不支持（sm80 以下 sglang "
        "会退回 float16），或中间环节降低了精度",
    ),
    fix=Text(
        f"if fp16 is enough, say so with {FP16}; cosines change by less than 1e-5",
        f"fp16 够用的话直接写 {FP16}，余弦相似度的变化小于 1e-5",
    ),
    commands=("nvidia-smi --query-gpu=name,compute_cap --format=csv",),
    severity=Severity.WARNING,
    needs=("embed.finite",),
    costly=True,
)
def precision_is_the_one_asked_for(facts: EmbedFacts) -> Outcome:
    """Whether every component can be held in bf16, else in fp16, else neither; against the dtype that was asked for."""
    shown = dtype(facts.vectors()[:4])
    declared = more_of(facts).declared
    wanted = _DTYPES.get(declared or "")
    if shown is None:
        return absent(Text("no number to read it off", "没有可用的数值"))
    if wanted is None:
        return absent(
            Text(f"the bits show {shown}; no dtype was asked for", f"从位模式看是 {shown}；启动参数没有指定 dtype")
        )
    evidence = Evidence(Text("bits of the numbers", "数值的位模式"), shown, wanted)
    return holds(evidence) if shown == wanted else broken(evidence, declared=declared, seen=shown)
