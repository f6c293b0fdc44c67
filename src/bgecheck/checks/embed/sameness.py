"""Rows that compare vectors of the same text: repeated, in a batch, in another order, after and beside other texts."""

from __future__ import annotations

from bgecheck.checks.embed import measures
from bgecheck.checks.embed.facts import AREA, EmbedFacts, more_of, vectors_of
from bgecheck.checks.embed.measures import SAME_IN_BATCH, SAME_TEXT
from bgecheck.checks.embed.numbers import COMPARED
from bgecheck.engines.sglang.remedies import NO_CACHE_NO_CHUNKS, NO_CHUNKS_IN_BATCH
from bgecheck.http.bypass import DIRECT, WHO_LISTENS
from bgecheck.http.embeddings import Answer, Embedded, Refused, describe, is_busy, reason_of, shows_nothing, wanted
from bgecheck.http.failures import NotSent
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, absent, broken, holds, unclear
from bgecheck.model.expected import AtLeast

_MEASURED_IN_BATCHES = ("embed.semantic", "embed.golden")
"""Rows whose texts are sent in batches, so that wrongly paired vectors look like wrong weights."""


_DIRECT_AND_ANEW = Text(
    f"{DIRECT.en}; then re-embed everything embedded so far", f"{DIRECT.zh}；之后把已写进向量库的内容全部重新编码"
)


def _compared(subject: Text, worst: float, expected: AtLeast = SAME_IN_BATCH) -> Outcome:
    evidence = Evidence(subject, f"{worst:.4f}", str(expected))
    return (holds if expected.admits(worst) else broken)(evidence, cosine=worst)


@AREA.check(
    "repeatable",
    headline=True,
    title=Text("the same text gives the same vector", "同一文本得到同一向量"),
    cause=Text(
        "the same new text gives different vectors, so most vectors of this server are wrong. On sglang the prefix "
        "(radix) cache does this to every bidirectional encoder",
        "同一段新文本先后得到不同的向量，说明这个服务的大部分向量都不可信。"
        "sglang 上最常见的原因是双向编码器开着前缀缓存（radix cache）",
    ),
    fix=NO_CACHE_NO_CHUNKS,
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    variants={
        "turns": Advice(
            Text(
                "the same new text gets one vector, then another, then the first again: several replicas behind this "
                "address answer in turn, and they differ in model or settings",
                "同一段新文本先得到向量 A，再得到 B，然后又是 A：这个地址后面有多个副本轮流响应，"
                "它们的模型或参数不一致",
            ),
            Text(
                "query every server behind the address on its own port, fix the one that differs, then re-embed "
                "everything embedded so far",
                "绕开负载均衡逐个检查每个副本，修好不一致的那个，再把之前写进向量库的内容全部重新编码",
            ),
            ("bgecheck doctor --all",),
        ),
        "chance": Advice(
            Text(
                "the same new text got {count} vectors in {count} requests: something is random in each request "
                "(dropout left on, or memory that other requests write to)",
                "同一段新文本请求 {count} 次，得到 {count} 个不同的向量："
                "每次都有随机性（例如 dropout 没关，或显存被别的请求改写）",
            ),
            Text(
                "see which engine answers and switch its model to evaluation mode (model.eval()), then re-embed "
                "everything embedded so far",
                "先看响应的是哪个引擎，把模型切到推理模式（model.eval()），再把之前写进向量库的内容全部重新编码",
            ),
            ("bgecheck probe --only probe.engine --url {base_url}", WHO_LISTENS),
        ),
    },
    explains=COMPARED,
)
def same_text_same_vector(facts: EmbedFacts) -> Outcome:
    """The lowest cosine among three answers to one text that was never sent before."""
    vectors = [vectors_of(answer)[0] for answer in facts.repeats]
    subject = Text(
        f"the same new text embedded {len(vectors)} times: cosine",
        f"同一段新文本编码 {len(vectors)} 次：余弦相似度",
    )
    outcome = _compared(subject, measures.repeated(facts), SAME_TEXT)
    if outcome.holds:
        return outcome
    if measures.comes_back(facts):
        return outcome._replace(advice="turns")
    if count := measures.never_twice(facts):
        return outcome._replace(advice="chance", values={**outcome.values, "count": count})
    return outcome


@AREA.check(
    "batch-equals-single",
    headline=True,
    title=Text("a text in a batch has the same vector as alone", "批量与单条的向量一致"),
    cause=Text(
        "the vector of a text depends on what else is in the request: its neighbours' tokens get into it through the "
        "cache or through chunking",
        "一条文本的向量受同批其他文本影响：相邻文本的 token 因缓存或切分混了进来",
    ),
    fix=NO_CACHE_NO_CHUNKS,
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    variants={
        "padding": Advice(
            Text(
                "the vector of a text depends on what else is in the request, though nothing is kept from one request "
                "to the next: next to longer texts the padding enters attention or the mean, or the batch is cut into "
                "chunks",
                "一条文本的向量受同批其他文本影响，而先后的请求之间互不影响：与更长的文本同批时，padding "
                "参与了注意力或均值，或者这一批被切成了多个分块",
            ),
            Text(
                "apply the attention mask in the model and in the mean (another engine, or its newest version); "
                f"{NO_CHUNKS_IN_BATCH.en}; then re-embed everything embedded so far",
                "计算注意力和均值时都要用 attention_mask（换引擎或升级到最新版）；"
                f"{NO_CHUNKS_IN_BATCH.zh}；再把之前写进向量库的内容全部重新编码",
            ),
            ("bgecheck doctor --url {base_url} --only 'launch.*'",),
        ),
        "shuffled": Advice(
            Text(
                "each text's own vector is in the answer, at another place: those of texts {belong} stand at {moved} "
                "(counted from 0), so that texts and vectors are paired wrongly",
                "每条文本自己的向量都在返回里，但位置不对：第 {belong} 条的向量出现在第 {moved} 位（从 0 数），"
                "文本与向量会配错",
            ),
            _DIRECT_AND_ANEW,
            (WHO_LISTENS,),
        ),
        "none": Advice(
            Text(
                "single texts are answered, and a request of three does not return three vectors: a gateway does not "
                "accept batches, or the server cannot compute them",
                "单条请求成功，一次发 3 条却得不到 3 条向量：网关不支持批量，或服务算不了批量",
            ),
            Text(
                "see which program listens at {address}, and what the log says about this request; until then send "
                "texts one by one",
                "看 {address} 上监听的是哪个程序，并查看日志里这条请求的记录；在此之前先逐条发送",
            ),
            (WHO_LISTENS, "bgecheck logs {log}"),
        ),
        "few": Advice(
            Text(
                "a request of {refused} texts is refused ({message}) and one of {taken} is answered: the server or a "
                "gateway limits the texts of one request",
                "一次发 {refused} 条被拒绝（{message}），发 {taken} 条正常：服务或网关限制了单次请求的条数",
            ),
            Text(
                "set the client's batch size (LangChain: chunk_size) to {taken}, or raise the limit",
                "把客户端的批大小（LangChain 是 chunk_size）设为 {taken}，或调大这个上限",
            ),
            ("bgecheck probe --only probe.batch-limit --url {base_url}", WHO_LISTENS),
            Severity.WARNING,
        ),
    },
    explains=_MEASURED_IN_BATCHES,
)
def batch_equals_single(facts: EmbedFacts) -> Outcome:
    """Texts alone, the fresh one by its first answer, against the same texts in one request."""
    single, batch = facts.repeats[0] if facts.repeats else None, facts.batch
    if isinstance(facts.too_many, Refused) and (batch is None or isinstance(batch, Embedded)):
        return _few(facts, facts.too_many)
    if not isinstance(single, Embedded) or batch is None:
        reason = Text("the text alone got no vector", "单条请求没有得到向量")
        return absent(reason if not isinstance(single, Embedded) else _ONE_AT_A_TIME)
    if not isinstance(batch, Embedded):
        return _no_batch(batch)
    return _alone_and_together(facts, len(batch.vectors))


def _alone_and_together(facts: EmbedFacts, count: int) -> Outcome:
    subject = Text(f"alone and in a batch of {count}: lowest cosine", f"单条与 {count} 条一批：最低余弦相似度")
    outcome = _compared(subject, measures.in_batch(facts))
    if outcome.holds:
        return outcome
    if moved := measures.moved_in_batch(facts):
        values = {"belong": ", ".join(map(str, range(count))), "moved": ", ".join(map(str, moved))}
        return outcome._replace(advice="shuffled", values={**outcome.values, **values})
    return outcome._replace(advice="padding") if measures.keeps_nothing(facts) else outcome


def _few(facts: EmbedFacts, refused: Refused) -> Outcome:
    """Three texts are refused and fewer are taken: these are compared, and the limit is told."""
    taken = len(vectors_of(facts.batch)) if facts.batch else 1
    compared = _alone_and_together(facts, taken) if facts.batch else None
    if compared and not compared.holds:
        return compared
    response = Evidence(Text("a batch of 3 texts", "3 条一批"), describe(refused), wanted(refused, 3))
    evidence = (response, *(compared.evidence if compared else ()))
    return broken(*evidence, advice="few", refused=3, taken=taken, message=reason_of(refused))


_ONE_AT_A_TIME = Text("no batch was sent: the server computes one text at a time", "没有发送批次：服务一次只计算 1 条")


def _no_batch(batch: Answer) -> Outcome:
    if isinstance(batch, NotSent) and batch.spared:
        return absent(batch.reason)
    if shows_nothing(batch) or is_busy(batch):
        return unclear(Text("a request of three texts was not answered", "3 条一批的请求没有得到向量"))
    response = Evidence(Text("a batch of 3 texts", "3 条一批"), describe(batch), wanted(batch, 3))
    return broken(response, advice="none")


@AREA.check(
    "prefix-independent",
    title=Text("a text does not depend on one that begins like it", "文本的向量不受开头相同的文本影响"),
    cause=Text(
        "after a text with the same beginning, this text has another vector: what the server kept of the first one "
        "is used for the second. On sglang that is the prefix (radix) cache",
        "先算过一段开头相同的文本后，这段文本的向量变了：服务把前一段的中间结果用在了后一段上，"
        "在 sglang 上就是前缀缓存（radix cache）",
    ),
    fix=NO_CACHE_NO_CHUNKS,
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    needs=("embed.finite",),
    costly=True,
)
def text_is_independent_of_its_relatives(facts: EmbedFacts) -> Outcome:
    """The fresh text alone, and again after a text that shares its first half."""
    subject = Text(
        "cosine, alone vs. after a text with the same beginning", "单独计算与在同前缀文本之后计算：余弦相似度"
    )
    return _compared(subject, measures.after_relative(facts))


@AREA.check(
    "order",
    title=Text("the vectors come in the order of the texts", "向量顺序与文本一致"),
    cause=Text(
        "the same texts in the opposite order have other vectors: answers are mixed up, or depend on their neighbours",
        "同样的文本倒序发送，得到的向量对不上：返回顺序错乱，或受相邻文本影响",
    ),
    fix=DIRECT,
    commands=(
        WHO_LISTENS,
        "bgecheck doctor --url {base_url} --only 'launch.*'",
    ),
    variants={
        "index": Advice(
            Text(
                "the `index` fields of the answer do not count up from 0: a client that sorts by them pairs "
                "texts and vectors differently from one that takes them in order",
                "返回的 index 字段没有从 0 依次递增：按 index 排序的客户端与按返回顺序取用的客户端，拿到的向量会对不上",
            ),
            DIRECT,
            (WHO_LISTENS,),
        ),
        "shuffled": Advice(
            Text(
                "{count} texts in one request come back in another order: the vector of text {place} is at "
                "position {found} (counted from 0)",
                "一次发送 {count} 条，返回的向量换了顺序：第 {place} 条文本的向量排在第 {found} 位（从 0 数）",
            ),
            DIRECT,
            (WHO_LISTENS,),
        ),
    },
    explains=(
        "embed.batch-equals-single",
        "embed.concurrent",
        "embed.long-batch",
        "embed.token-count",
        "embed.semantic",
        "embed.golden",
        "embed.reference",
    ),
    needs=("embed.finite",),
    costly=True,
)
def order_is_kept(facts: EmbedFacts) -> Outcome:
    """A batch of three against its reverse, text by text; the `index` fields must count up from 0."""
    if isinstance(facts.batch, Embedded) and facts.batch.indexes != tuple(range(len(facts.batch.indexes))):
        indexes = ", ".join("-" if i is None else str(i)[:20] for i in facts.batch.indexes)
        return broken(Evidence("data[].index", indexes, "0, 1, 2"), advice="index")
    if moved := measures.shuffled(facts):
        position, belong = moved
        evidence = Evidence(
            Text("positions of the texts' vectors", "各文本向量所在的位置"),
            ", ".join(map(str, position)),
            ", ".join(map(str, belong)),
        )
        count = len(vectors_of(more_of(facts).crowd_batch))
        first = next(n for n, (seen_at, place) in enumerate(zip(position, belong, strict=True)) if seen_at != place)
        return broken(
            evidence,
            advice="shuffled",
            count=count,
            place=belong[first],
            found=position[first],
        )
    subject = Text("lowest cosine, batch of 3 vs. the same batch reversed", "3 条一批与倒序发送：最低余弦相似度")
    return _compared(subject, measures.in_reverse(facts))


@AREA.check(
    "long-batch",
    title=Text("a batch longer than a prefill chunk is right", "超过一个预填充分块的批次结果正确"),
    cause=Text(
        "in a request with more tokens than one prefill chunk ({chunk}), {wrong} of {count} texts have another "
        "vector than in a smaller request: they are cut at the chunk boundary",
        "一次请求的 token 数超过一个预填充分块（{chunk}）时，{count} 条里有 {wrong} 条与小批量的结果不同："
        "它们在分块边界被切断了",
    ),
    fix=NO_CACHE_NO_CHUNKS,
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    needs=("embed.finite",),
    costly=True,
)
def long_batch_is_right(facts: EmbedFacts) -> Outcome:
    """One and a half chunks in one request, against the same texts in two requests that fill none."""
    more = more_of(facts)
    if more.chunk is not None and more.chunk <= 0:
        return absent(Text("chunked prefill is off: there is no chunk to overflow", "分块预填充已关闭，不存在分块边界"))
    if more.long_spared is not None:
        return absent(more.long_spared)
    if more.long_left_out is not None:
        return unclear(more.long_left_out)
    if more.long is None:
        chunk = "-" if more.chunk is None else str(more.chunk)
        return absent(Text(f"the prefill chunk is not known or too large ({chunk})", f"分块大小未知或太大（{chunk}）"))
    cosines = measures.in_chunks(facts)
    wrong = sum(not SAME_IN_BATCH.admits(c) for c in cosines)
    subject = Text(
        f"{len(cosines)} texts in one request and in two: wrong", f"{len(cosines)} 条一次发送与分两次发送：不一致的条数"
    )
    evidence = Evidence(subject, f"{wrong} / {len(cosines)}", "0")
    return broken(evidence, chunk=more.chunk, wrong=wrong, count=len(cosines)) if wrong else holds(evidence)


@AREA.check(
    "concurrent",
    title=Text("concurrent requests do not mix", "并发请求互不影响"),
    cause=Text(
        "texts sent concurrently get other vectors than in one request: concurrent requests contaminate each other",
        "同时发送的文本，与放在一个请求里的结果不同：并发请求之间串了数据",
    ),
    fix=NO_CACHE_NO_CHUNKS,
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    explains=_MEASURED_IN_BATCHES,
    needs=("embed.finite",),
    costly=True,
)
def requests_do_not_mix(facts: EmbedFacts) -> Outcome:
    """Different texts, each in its own request at the same time, against all of them in one."""
    more = more_of(facts)
    count = len(more.crowd)
    one = Text(
        f"{count} at the same time and in one request: lowest cosine",
        f"{count} 条并发发送与一次发送：最低余弦相似度",
    )
    apart = Text(
        f"{count} at the same time and one request after the other: lowest cosine",
        f"{count} 条并发发送与依次发送：最低余弦相似度",
    )
    subject = apart if more.crowd_apart else one
    return _compared(subject, measures.at_once(facts))
