"""Rows about what the server takes, learned from a few small requests: encodings, lengths, blanks, batches, bursts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bgecheck.checks.probe.engines import SGLANG
from bgecheck.checks.probe.facts import (
    AREA,
    BATCHES,
    BEYOND,
    BURST,
    EDGE,
    LEFT_OUT,
    Form,
    Limits,
    ProbeFacts,
    turned_away,
)
from bgecheck.engines.sglang.options import LONGEST, QUEUE, TRUNCATE
from bgecheck.engines.sglang.remedies import FULL_BATCH, LARGER_BATCH, WITHOUT_OVERLAP
from bgecheck.http.bypass import WHO_LISTENS
from bgecheck.http.embeddings import (
    Answer,
    Embedded,
    Refused,
    Unusable,
    describe,
    is_late,
    reason_of,
    shows_nothing,
    wanted,
)
from bgecheck.http.failures import Failure, NotSent
from bgecheck.http.gateways import LITELLM
from bgecheck.knowledge.vectors import cosine
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, Unavailable, Words, absent, broken, holds, unclear
from bgecheck.model.expected import AtLeast

SAME = AtLeast(0.9999, "", "the same float32 numbers, written twice")


def _limits(facts: ProbeFacts) -> Limits:
    if facts.limits is None:
        raise Unavailable(LEFT_OUT, looked=False)
    return facts.limits


def _not_alone(answer: Answer, limits: Limits) -> bool:
    """Whether other requests had no answer, or none with vectors, either: what is peculiar to this one is no cause."""
    if not isinstance(answer, Failure | Unusable):
        return False
    return any(other is not answer and isinstance(other, type(answer)) for other in limits.answers())


def _no_verdict(answer: Answer) -> Outcome:
    """The outcome of a request that was turned away, never answered or not sent: it shows nothing of the server."""
    if isinstance(answer, NotSent) and answer.spared:
        return absent(answer.reason)
    if shows_nothing(answer):
        return unclear(describe(answer))
    words = Text("the request was inconclusive: {response}", "请求的结果不足以判断：{response}")
    return unclear(words.filled({"response": describe(answer)}))


def _says_nothing(answer: Answer, limits: Limits) -> bool:
    """Whether a request was not sent, was turned away, or shared its failure with others."""
    return shows_nothing(answer) or turned_away(answer) or _not_alone(answer, limits)


@AREA.check(
    "base64",
    title=Text("base64 and float give the same vectors", "base64 与 float 两种编码结果一致"),
    cause=Text(
        "the openai SDKs request base64 by default, and this server refuses it or returns other numbers",
        "openai SDK 默认请求 base64，而这个服务拒绝它，或返回了不同的数值",
    ),
    fix=Text(
        'let clients send encoding_format="float", or use a server that supports base64',
        '客户端显式传 encoding_format="float"，或换成支持 base64 的服务',
    ),
    commands=(
        "curl -sS --noproxy '*' {base_url}/embeddings -H 'Content-Type: application/json' "
        '-d \'{{"input":"你好","encoding_format":"base64"}}\'',
    ),
    variants={
        "always": Advice(
            Text(
                "vectors come as base64 strings though floats were requested: the openai SDKs request base64 "
                "themselves and decode it, any other client that sends encoding_format=float or nothing fails",
                "请求的是 float，返回的却是 base64 字符串：openai SDK 自己请求 base64 并解码，不受影响；其他传 "
                "encoding_format=float 或不传该字段的客户端会出错",
            ),
            Text(
                "make the server or gateway honour encoding_format, or let every client decode base64 (little-endian "
                "float32)",
                "让服务或网关遵守 encoding_format，或让每个客户端自己解码 base64（小端 float32）",
            ),
            (
                "curl -sS --noproxy '*' {base_url}/embeddings -H 'Content-Type: application/json' "
                '-d \'{{"input":"你好","encoding_format":"float"}}\'',
            ),
        ),
    },
    severity=Severity.WARNING,
    needs=("probe.ready",),
    explains=("probe.openai-client",),
    costly=True,
)
def base64_is_float(facts: ProbeFacts) -> Outcome:
    """sglang ignores the field up to 0.5.16 and answers a list, which the Python SDK copes with."""
    limits, first = _limits(facts), facts.first
    if isinstance(first, Embedded) and first.packed:
        came, floats_wanted = Text("a base64 string", "base64 字符串"), Text("a list of floats", "浮点数列表")
        return broken(Evidence("encoding_format=float", came, floats_wanted), advice="always")
    packed = limits.packed
    if _says_nothing(packed, limits):
        return _no_verdict(packed)
    if not isinstance(packed, Embedded):
        return broken(Evidence("encoding_format=base64", describe(packed), wanted(packed)))
    if not packed.packed:
        return holds(Evidence("encoding_format=base64", Text("ignored, a list of floats", "被忽略，返回浮点数列表")))
    floats = [a.vectors[0] for a in (first, limits.again) if isinstance(a, Embedded)]
    dims, wanted_dims = len(packed.vectors[0]), len(floats[0])
    length = Evidence(Text("numbers in base64", "base64 解出的维数"), str(dims), str(wanted_dims))
    if dims != wanted_dims:
        return broken(length)
    closest = max((cosine(packed.vectors[0], other) for other in floats), default=-1.0)
    near = Evidence(Text("cosine to the floats", "与 float 的余弦相似度"), f"{closest:.4f}", str(SAME))
    if SAME.admits(closest):
        return holds(length, near)
    if len(floats) > 1 and SAME.admits(cosine(floats[0], floats[1])):
        return broken(near)
    return absent(Text("the floats differ from request to request", "float 结果本身就不稳定，无法比较"))


@AREA.check(
    "token-limit",
    title=Text("text beyond the limit is refused, and text below it is accepted", "超长文本被拒绝，未超长的都能处理"),
    cause=Text(
        f"a text of {{characters}} Chinese characters is not accepted: the server was started with a shorter {LONGEST}",
        f"{{characters}} 个汉字的文本不被接受：服务启动时设置了更短的 {LONGEST}",
    ),
    fix=Text(f"cut texts shorter, or restart the server without {LONGEST}", "把文本切得更短，或去掉这个参数重启"),
    commands=("bgecheck doctor --url {base_url} --only 'launch.*'",),
    variants={
        "body": Advice(
            Text(
                "a gateway refuses a request of this size: HTTP 413, before the server sees it",
                "网关拒绝了这么大的请求：HTTP 413，请求没有到达服务",
            ),
            Text(
                "raise the gateway's limit (nginx: client_max_body_size 16m;)",
                "调大网关限制（nginx：client_max_body_size 16m;）",
            ),
        ),
        "cut": Advice(
            Text(
                "the server silently cuts what is beyond its limit: two texts that differ only after "
                "{characters} characters have the same vector, and what comes after that cannot be searched",
                "服务会静默截断超长文本：只在第 {characters} 个字之后不同的两段文本得到同一向量，后面的内容检索不到",
            ),
            Text(
                f"cut texts to at most 500 characters before they are embedded; sglang refuses them without {TRUNCATE}",
                f"编码前把文本切到 500 字以内；sglang 去掉 {TRUNCATE} 就会报错而不是截断",
            ),
        ),
    },
    severity=Severity.WARNING,
    needs=("probe.ready",),
    costly=True,
)
def token_limit_is_honest(facts: ProbeFacts) -> Outcome:
    """509 Chinese characters and two marks are 511 tokens, sglang's limit at 512 (`>=`, every release read)."""
    limits = _limits(facts)
    if not limits.lengths:
        return absent(Text("how this model counts tokens is not known", "不知道这个模型的 token 计数方式"))
    table = [Evidence(Text(f"{n} characters", f"{n} 个汉字"), _short(a)) for n, a in limits.lengths.items()]
    if failed := next(
        (a for a in limits.lengths.values() if isinstance(a, Failure | Unusable | NotSent) or turned_away(a)), None
    ):
        return _no_verdict(failed)
    taken = [n for n, answer in limits.lengths.items() if isinstance(answer, Embedded)]
    if _too_large(limits.lengths.values()):
        return broken(*table, advice="body")
    if EDGE[0] not in taken:
        return broken(*table, characters=EDGE[0])
    tails = [a.vectors[0] for a in limits.tails or () if isinstance(a, Embedded)]
    if tails and isinstance(limits.again, Embedded) and SAME.admits(cosine(tails[0], limits.again.vectors[0])):
        return unclear(Text("texts that have nothing in common get one vector", "毫不相干的文本得到同一向量，无从判断"))
    if len(tails) == 2 and SAME.admits(cosine(*tails)):
        same = Evidence(
            Text(f"two texts of {BEYOND}: cosine", f"两段 {BEYOND} 字文本：余弦相似度"), f"{cosine(*tails):.4f}"
        )
        return broken(*table, same, advice="cut", characters=512)
    return holds(*table, characters=max(taken))


def _short(answer: Answer) -> Words:
    return f"HTTP {answer.status}" if isinstance(answer, Refused) else describe(answer)


@AREA.check(
    "blank-input",
    title=Text("a blank text in a batch is never dropped", "批次里的空白文本不会被悄悄丢掉"),
    cause=Text(
        "a batch with a blank text gets a different number of vectors, or a server error: texts and vectors no "
        "longer line up",
        "含空白文本的批次，返回的向量数量不对或服务端报错：文本与向量会错位",
    ),
    fix=Text("filter out blank texts before embedding", "编码前先过滤空白文本"),
    needs=("probe.ready",),
    costly=True,
)
def blanks_are_not_dropped(facts: ProbeFacts) -> Outcome:
    """sglang refuses the whole batch and names the place; other engines embed the blank. Both are honest."""
    limits = _limits(facts)
    answer = limits.blank
    if _says_nothing(answer, limits):
        return _no_verdict(answer)
    response = Evidence(Text("a batch with one blank text", "含一条空白文本的批次"), describe(answer), "HTTP 400")
    honest = isinstance(answer, Embedded) or (isinstance(answer, Refused) and answer.status < 500)
    return holds(response) if honest else broken(response)


@AREA.check(
    "batch-limit",
    title=Text("a request of 64 texts is accepted", "一次可以发送 64 条文本"),
    cause=Text(
        "the most texts that the server takes in one request: {most} (tried: 64 and fewer, down to 2)",
        "服务单次请求的条数上限：{most}（从 64 条往下试，直到 2 条）",
    ),
    fix=Text(
        "set the client's batch size (LangChain: chunk_size) to {taken}, or raise the server's limit "
        "(text-embeddings-inference: --max-client-batch-size)",
        "把客户端的批大小（LangChain 是 chunk_size）调到 {taken}，或调大服务端上限（text-embeddings-inference 是 "
        "--max-client-batch-size）",
    ),
    variants={
        "body": Advice(
            Text(
                "a gateway refuses {refused} texts in one request: HTTP 413, before the server sees them",
                "网关拒绝一次发送 {refused} 条：HTTP 413，请求没有到达服务",
            ),
            Text(
                "raise the gateway's limit (nginx: client_max_body_size 16m;), or let clients send {taken} at once",
                "调大网关限制（nginx：client_max_body_size 16m;），或把客户端的批大小调到 {taken}",
            ),
        ),
        "count": Advice(
            Text(
                "{refused} texts in one request return 200 but not {refused} vectors: a client that does not check "
                "the number pairs texts with wrong vectors",
                "一次发送 {refused} 条，返回 200 却不是 {refused} 条向量：不核对数量的客户端会把文本与向量配错",
            ),
            Text(
                "let clients send {taken} at once; if a gateway answers, query the server behind it at its own port",
                "客户端一次发 {taken} 条；如果响应的是网关，改为直连它后面的服务",
            ),
            (WHO_LISTENS,),
        ),
        "hangs": Advice(FULL_BATCH, LARGER_BATCH, ("{launch_line}",), Severity.ERROR),
    },
    severity=Severity.WARNING,
    needs=("probe.ready",),
    explains=("probe.token-limit", "probe.blank-input", "embed.batch-equals-single"),
    costly=True,
)
def batches_are_taken(facts: ProbeFacts) -> Outcome:
    """sglang has no limit of its own (1000 texts measured); other engines and gateways have.

    One release stops for good at more texts than it computes at once, so that no more are sent.
    """
    batches, running = _limits(facts).batches, facts.running
    if running.hangs_when_full and (running.most_at_once or 0) < max(BATCHES):
        most = Evidence("max_running_requests", str(running.most_at_once), f">= {max(BATCHES)}")
        values = {"limit": running.most_at_once, "version": running.version, **running.restarted(WITHOUT_OVERLAP)}
        return broken(most, advice="hangs", **values)
    table = [Evidence(Text(f"{n} texts", f"{n} 条"), describe(answer)) for n, answer in batches.items()]
    taken = next((n for n, answer in batches.items() if isinstance(answer, Embedded)), None)
    last = batches[min(batches)]
    if taken is None and (not isinstance(last, Refused | Unusable) or turned_away(last)):
        return _no_verdict(last)
    if taken == max(batches):
        return holds(*table, taken=taken) if taken == max(BATCHES) else absent(_spared(taken), taken=taken)
    silent = any(isinstance(answer, Unusable) for answer in batches.values())
    advice = "body" if _too_large(batches.values()) else "count" if silent else None
    surely, limit = _most(batches, taken or 1)
    return broken(*table, advice=advice, taken=surely, most=limit, refused=max(batches))


_NUMBER = re.compile(
    r"(?i)(?<![\w.\-\[])\d{1,4}(?![\w\-\]]|\.\d|\s*(?:[kmg]i?b\b|bytes?\b|m?s\b|sec|minute|token|char"
    r"|(?:validation )?error|秒|毫秒|分钟|字|个字))"
)
"""A whole number by itself: no part of a name, place or version, no size, no time and no count of tokens."""


def _most(batches: Mapping[int, Answer], taken: int) -> tuple[int, Words]:
    """The most texts that are surely taken, and the limit in words.

    It lies between the most that were taken and the fewest that were refused; a refusal may name it.
    """
    fewest = min(size for size in batches if size > taken)
    messages = [a.message for a in batches.values() if isinstance(a, Refused) and 400 <= a.status < 500]
    numbers = {int(number) for message in messages for number in _NUMBER.findall(message)}
    between = [number for number in numbers if taken <= number < fewest]
    if len(between) == 1:
        return between[0], str(between[0])
    if fewest - taken == 1:
        return taken, str(taken)
    return taken, Text(f"between {taken} and {fewest - 1}", f"{taken} 到 {fewest - 1} 之间")


def _spared(taken: int) -> Text:
    return Text(
        f"{taken} texts are taken; more were not sent, for the server computes no more at a time "
        "(max_running_requests)",
        f"一次 {taken} 条没问题；服务同时最多计算这么多（max_running_requests），没有发送更多",
    )


_OWN_LIMIT = re.compile(r"(?i)\bbatch size\b|\btokens?\b")
"""How text-embeddings-inference words its 413: by texts or tokens, where a gateway counts bytes."""


def _too_large(answers: Iterable[Answer]) -> bool:
    """Whether a gateway found a request too long."""
    return any(
        isinstance(answer, Refused) and answer.status == 413 and (answer.html or not _OWN_LIMIT.search(answer.message))
        for answer in answers
    )


@AREA.check(
    "dimensions",
    title=Text(
        "a request for fewer dimensions is refused or really honoured", "dimensions 参数要么被拒绝，要么真正生效"
    ),
    cause=Text(
        "`dimensions` is ignored: {asked} were requested and {found} silently returned, which a vector store of "
        "{asked} dimensions refuses",
        "`dimensions` 被忽略：请求 {asked} 维，返回的仍是 {found} 维且没有提示，按 {asked} 维建的库会写入失败",
    ),
    fix=Text(
        "leave `dimensions` out in every client: this server returns {found} whatever is requested",
        "所有客户端都不要传 dimensions：无论请求多少维，这个服务都返回 {found} 维",
    ),
    variants={
        "length": Advice(
            Text(
                "vectors are cut to {asked} dimensions and not normalised again (length {norm}): an inner "
                "product of them is not the cosine",
                "向量被截到 {asked} 维后没有重新归一化（长度 {norm}）：内积不再等于余弦相似度",
            ),
            Text(
                "leave `dimensions` out in every client, or normalise the result yourself",
                "客户端不要传 dimensions，或自行归一化",
            ),
        ),
        "error": Advice(
            Text(
                "a request with `dimensions` ends in a server error: {message}",
                "带 dimensions 的请求返回服务端错误：{message}",
            ),
            Text("leave `dimensions` out in every client", "所有客户端都不要传 dimensions"),
        ),
    },
    severity=Severity.WARNING,
    needs=("probe.ready",),
    costly=True,
)
def dimensions_are_honest(facts: ProbeFacts) -> Outcome:
    """sglang ignores it up to 0.5.3 and refuses it from 0.5.7 on for bge; Infinity cuts and leaves the length."""
    answer = _limits(facts).fewer
    whole = len(facts.first.vectors[0]) if isinstance(facts.first, Embedded) else 0
    asked = whole // 2
    if whole and not asked:
        return absent(Text("a vector of one dimension cannot be cut", "向量只有一维，无法截断"))
    if turned_away(answer) or isinstance(answer, Failure | NotSent):
        return _no_verdict(answer)
    response = Evidence(f"dimensions={asked}", describe(answer), "HTTP 400")
    if isinstance(answer, Refused) and answer.status < 500:
        return holds(response, takes=False)
    if not isinstance(answer, Embedded):
        return broken(response, advice="error", asked=asked, message=describe(answer))
    returned = len(answer.vectors[0])
    if returned != asked:
        return broken(response, asked=asked, found=returned)
    norm = math.hypot(*answer.vectors[0])
    length = Evidence(Text("length of the vector", "向量长度"), f"{norm:.4f}", str(UNIT))
    if not UNIT.admits(norm):
        return broken(response, length, advice="length", asked=asked, norm=f"{norm:.3f}")
    return holds(response, length, takes=True)


UNIT = AtLeast(0.99, "", "length 1, as the whole vector has it; what is cut gets shorter")


_SENDERS: Mapping[Form, Text] = {
    "alone": Text("input as a string (Dify, openai with one text)", "input 是字符串（Dify、openai 单条调用）"),
    "unnamed": Text("no encoding_format (curl, most clients)", "不带 encoding_format（curl 和多数客户端）"),
    "null": Text("encoding_format=null (LiteLLM from 1.80.11)", "encoding_format 为 null（LiteLLM 1.80.11 起）"),
    "dimensions": Text("dimensions={dims}, its own (Coze, Dify)", "dimensions={dims}，即模型自己的维度（Coze、Dify）"),
}
"""The forms of request beside the usual one, and who sends them."""


@AREA.check(
    "request-forms",
    title=Text("requests in the forms that clients send are answered", "各种客户端的请求写法都能得到向量"),
    cause=Text(
        "`input` as a string is refused ({message}), as a list it is not: clients that send one text as a string get "
        "no vectors here, Dify and openai with a single text among them{also}",
        "`input` 写成字符串会被拒绝（{message}），写成列表则正常：把单条文本写成字符串的客户端拿不到向量，如 "
        "Dify、openai 单条调用{also}",
    ),
    fix=Text(
        "send a list of one text, or use a server or gateway that takes a string as OpenAI's API does",
        "把单条文本写成只有一项的列表，或换成像 OpenAI 接口那样接受字符串的服务或网关",
    ),
    variants={
        "unnamed": Advice(
            Text(
                "a request without `encoding_format`, as curl and most clients send it, is refused ({message}); one "
                "that names it is answered{also}",
                "不带 `encoding_format` 的请求会被拒绝（{message}），curl 和多数客户端都这样写；"
                "写明它的请求则正常{also}",
            ),
            Text(
                'let every client send encoding_format="float", or let the gateway add it',
                '让每个客户端都写 encoding_format="float"，或由网关补上',
            ),
        ),
        "litellm": Advice(
            Text(
                "a request without `encoding_format`, as most clients send it, is refused ({message}); one that names "
                "it is answered. LiteLLM from 1.80.11 on passes `encoding_format: null` on where a client names none, "
                "and the engine behind it refuses null{also}",
                "不带 `encoding_format` 的请求会被拒绝（{message}），多数客户端都这样写；写明它的请求则正常。LiteLLM "
                "1.80.11 起会在客户端没写时传 `encoding_format: null`，而后面的引擎不接受 null{also}",
            ),
            Text(
                "set encoding_format: float for this model in LiteLLM (litellm_params), upgrade LiteLLM, or let every "
                'client send encoding_format="float"',
                "在 LiteLLM 里给这个模型设置 encoding_format: float（litellm_params），或升级 LiteLLM，或让客户端都写 "
                'encoding_format="float"',
            ),
            ("pip install -U litellm",),
        ),
        "dimensions": Advice(
            Text(
                "any `dimensions` is refused, {dims} too, the model's own ({message}): clients that always send the "
                "dimension of the index (Coze, Dify) get no vectors, others do{also}",
                "只要带 `dimensions` 就会被拒绝，写模型自己的 {dims} 也一样（{message}）：总是带上索引维度的客户端"
                "（Coze、Dify）拿不到向量，不带的客户端则正常{also}",
            ),
            Text(
                "leave `dimensions` out in the client; the server gives {dims} by itself. Only for a model that was "
                "trained to be cut: vLLM with --hf-overrides '{{\"is_matryoshka\": true}}'",
                "在客户端里去掉 dimensions，服务本来就返回 {dims} 维。只有训练时支持截断的模型，才给 vLLM 加 "
                "--hf-overrides '{{\"is_matryoshka\": true}}'",
            ),
        ),
    },
    severity=Severity.WARNING,
    needs=("probe.ready",),
    costly=True,
)
def request_forms_are_answered(facts: ProbeFacts) -> Outcome:
    """A string and no encoding are what OpenAI's API takes; engines refuse null and any `dimensions` by their nature.

    These two are shown; that of the index, which clients send as `dimensions`, is one fault where it was given.
    """
    limits = _limits(facts)
    dims = len(facts.first.vectors[0]) if isinstance(facts.first, Embedded) else 0
    judged = {form: answer for form, answer in limits.forms.items() if not _says_nothing(answer, limits)}
    refused = {form: answer for form, answer in judged.items() if not isinstance(answer, Embedded)}
    # Those that are refused first: of many pieces of evidence a screen shows the first.
    table = [
        Evidence(_SENDERS[form].filled({"dims": dims}), describe(answer))
        for form, answer in {**refused, **judged}.items()
    ]
    values = {"refused": [str(form) for form in refused], "dims": dims}
    faults = [form for form in _GRAVEST if form in refused and _is_fault(form, facts)]
    if faults:
        answer = refused[faults[0]]
        message = reason_of(answer) if isinstance(answer, Refused) else describe(answer)
        values |= {"message": message, "also": _also([form for form in refused if form != faults[0]], dims)}
        return broken(*table, advice=_form_advice(faults[0], facts), **values)
    if not judged:
        return _no_verdict(next(iter(limits.forms.values()), limits.again))
    return holds(*table, **values)


_GRAVEST: tuple[Form, ...] = ("unnamed", "alone", "dimensions")
"""The forms whose refusal is a fault, by how many clients send them."""


def _is_fault(form: Form, facts: ProbeFacts) -> bool:
    return form != "dimensions" or (facts.target.expect_dim is not None and facts.engine.name != SGLANG)


def _also(forms: Sequence[Form], dims: int) -> Text:
    """What is refused besides, with the clients that it breaks, as a remark behind the gravest; empty where nothing."""
    if not forms:
        return Text("", "")
    senders = [_SENDERS[form].filled({"dims": dims}) for form in forms]
    en, zh = "; ".join(words.en for words in senders), "；".join(words.zh for words in senders)
    return Text(f". Refused too: {en}", f"。同样被拒绝的还有：{zh}")


def _form_advice(form: Form, facts: ProbeFacts) -> str | None:
    if form == "unnamed" and facts.engine.name == LITELLM:
        return "litellm"
    return None if form == "alone" else form


@AREA.check(
    "token-ids",
    title=Text("token ids in place of text do no harm", "用 token id 代替文本的请求不会出问题"),
    cause=Text(
        "two small token ids end in a server error: a client that sends ids (LangChain's default does) gets no vectors "
        "here, and may hurt the server",
        "两个很小的 token id 就让服务端报错：发送 id 的客户端（LangChain 默认如此）拿不到向量，还可能影响服务",
    ),
    fix=Text(
        "let clients send text (LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False))",
        "让客户端发送文本（LangChain：OpenAIEmbeddings(check_embedding_ctx_length=False)）",
    ),
    commands=("bgecheck snippet langchain --url {base_url}",),
    severity=Severity.WARNING,
    needs=("probe.ready",),
    costly=True,
)
def small_token_ids_do_no_harm(facts: ProbeFacts) -> Outcome:
    """Ids that every vocabulary has. sglang takes any and checks no range, so that larger ones are never sent."""
    limits = _limits(facts)
    answer = limits.ids
    # A server that is only slow shows nothing; one that closes the connection may have died of it.
    if is_late(answer) or _says_nothing(answer, limits):
        return _no_verdict(answer)
    response = Evidence("input=[[101, 102]]", describe(answer))
    if isinstance(answer, Embedded):
        means = Text(
            "taken, as [CLS] [SEP]: LangChain's OpenAIEmbeddings must have check_embedding_ctx_length=False, else it "
            "sends ids of another vocabulary, and one beyond this model's crashes an sglang server",
            "会被接受：LangChain 的 OpenAIEmbeddings 必须设 check_embedding_ctx_length=False，否则发送的是别的词表的 "
            "id，超出本模型词表的 id 会让整个 sglang 服务退出",
        )
        return holds(response, Evidence(Text("what it means", "含义"), means), taken=True)
    if isinstance(answer, Refused) and answer.status < 500:
        return holds(response, taken=False)
    return broken(response)


@AREA.check(
    "burst",
    title=Text("a burst of 160 short requests is answered", "连续 160 个短请求全部成功"),
    cause=Text(
        "after {answered} requests one got no answer: sglang is known to hang after 100 to 140 requests when it "
        "is started after a killed server on the same port",
        "成功 {answered} 个请求后不再响应：已知 sglang 在被强杀的旧服务的端口上重启后，处理 100 到 140 个请求会卡住",
    ),
    fix=Text(
        "stop what is left of the old server, then start it again on another port",
        "清理残留的旧进程，换一个端口重新启动",
    ),
    commands=(WHO_LISTENS, "bgecheck logs {log}"),
    variants={
        "limited": Advice(
            Text("a gateway refused {count} of {sent} with HTTP 429", "网关以 429 拒绝了 {sent} 个请求中的 {count} 个"),
            Text("raise its limit, or let clients send fewer at once", "调高网关限额，或降低客户端并发"),
            (WHO_LISTENS,),
        ),
        "busy": Advice(
            Text(
                "the queue was full for {count} of {sent}: HTTP 503",
                "{sent} 个请求中有 {count} 个遇到队列已满：HTTP 503",
            ),
            Text(f"raise {QUEUE}, or send fewer at once", f"调大 {QUEUE}，或降低并发"),
            ("bgecheck doctor --url {base_url} --only 'launch.*'",),
        ),
        "refused": Advice(
            Text(
                "{count} of {sent} short requests were refused: {message}",
                "{sent} 个短请求中有 {count} 个被拒绝：{message}",
            ),
            Text("see what the log says about them", "查看日志里这些请求的记录"),
            ("bgecheck logs {log}",),
        ),
    },
    needs=("probe.ready",),
    costly=True,
)
def a_burst_is_answered(facts: ProbeFacts) -> Outcome:
    """Eight at a time; it ends with the first request that gets no answer."""
    if facts.burst is None:
        return absent(Text("a burst is only sent with --full", "只有 --full 才会发送突发请求"))
    answers = [answer for answer in facts.burst if not shows_nothing(answer)]
    counts = Counter(map(_kind, answers))
    sent, answered = len(answers), counts["answered"]
    table = [Evidence(Text(f"of {sent}: {kind}", f"{sent} 个请求：{kind}"), str(n)) for kind, n in counts.items()]
    for kind, advice in (("no answer", None), ("HTTP 429", "limited"), ("HTTP 503", "busy"), ("refused", "refused")):
        if counts[kind]:
            message = next(describe(answer) for answer in answers if _kind(answer) == kind)
            return broken(*table, advice=advice, answered=answered, count=counts[kind], sent=sent, message=message)
    return (
        holds(*table)
        if answered >= BURST
        else unclear(Text("the time ran out before all were sent", "时间不够，没有发完"))
    )


def _kind(answer: Answer) -> str:
    if isinstance(answer, Embedded):
        return "answered"
    if isinstance(answer, Refused):
        return f"HTTP {answer.status}" if answer.status in (429, 503) else "refused"
    return "no answer" if isinstance(answer, Failure) else "refused"
