"""The row that compares what the openai package makes of a text with a plain request for it."""

from __future__ import annotations

import math

from bgecheck.checks.embed import measures
from bgecheck.checks.embed.facts import AREA, EmbedFacts
from bgecheck.checks.embed.measures import SAME_IN_BATCH, SAME_TEXT
from bgecheck.http.embeddings import Embedded
from bgecheck.http.openai_client import Raised, Vectors
from bgecheck.http.openai_errors import ADVICE, described, kind_of
from bgecheck.http.openai_vectors import misread
from bgecheck.http.proxies import is_near
from bgecheck.knowledge.vectors import cosine
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, Unavailable, absent, broken, holds

_NOT_ASKED = Text(
    "checked by bgecheck embed, and by probe.openai-client", "由 bgecheck embed 和 probe.openai-client 检查"
)

_SHAKY = Text("the server's vectors are not repeatable: nothing to compare", "服务对同一文本的结果不稳定，无法比较")


@AREA.check(
    "openai-client",
    title=Text("the openai package gets the same vector as a plain request", "openai 包得到的向量与直接请求一致"),
    cause=Text(
        "a plain request gets a vector for this text, and a program gets an exception: {exception}",
        "同一文本，直接请求能拿到向量，程序却抛出异常：{exception}",
    ),
    fix=Text("see probe.openai-client", "见 probe.openai-client"),
    commands=("bgecheck probe --only probe.openai-client --url {base_url}",),
    variants={
        **ADVICE,
        "differs": Advice(
            Text(
                "for the same text openai decodes another vector than a plain request gets, though the server's "
                "results are repeatable: the base64 that openai requests holds other numbers than the floats",
                "同一文本，openai 解码出的向量与直接请求的不同，而服务的结果是稳定的：openai 请求的 base64 与 float "
                "数值不一致",
            ),
            Text(
                'send encoding_format="float", or query the server\'s own port directly',
                '请求里加 encoding_format="float"，或直连服务自己的端口',
            ),
            ("bgecheck probe --only probe.base64 --url {base_url}",),
        ),
        "proxy": Advice(
            Text(
                "openai was called without the proxy that {variable} names; a program in this environment sends the "
                "request for {host} to that proxy, and gets 502, 503 or an empty answer",
                "这次调用 openai 绕开了 {variable} 的代理；同样环境里的程序会把发给 {host} 的请求交给代理，"
                "得到 502、503 或空响应",
            ),
            Text(
                "exempt the server from the proxy, in the program's environment too",
                "把服务地址加入 no_proxy，程序的运行环境也要设置",
            ),
            ("export no_proxy={no_proxy}", "bgecheck probe --only probe.proxy --url {base_url}"),
            Severity.WARNING,
        ),
    },
    needs=("embed.repeatable",),
)
def openai_gets_the_same_vector(facts: EmbedFacts) -> Outcome:
    """The cosine of both answers to each text; judged only where the server repeats itself."""
    result, ours = facts.openai, facts.asked
    if result is None:
        return absent(_NOT_ASKED)
    if isinstance(result, Unavailable):
        return absent(result.reason)
    assert isinstance(ours, Embedded), "the entry row is needed"
    if not isinstance(result.outcome, Vectors):
        expected = Text(f"{len(ours.vectors[0])} dims", f"{len(ours.vectors[0])} 维")
        exception = str(result.outcome) if isinstance(result.outcome, Raised) else None
        status = result.outcome.status if isinstance(result.outcome, Raised) else None
        used = result.authorities.used if result.authorities else None
        return broken(
            Evidence(result.library, described(result), expected),
            advice=kind_of(result.outcome),
            exception=exception,
            status=status,
            openai=result.openai,
            used=used,
        )
    theirs = result.outcome.vectors
    if len(theirs) != len(ours.vectors):
        counted = Text("vectors", "向量数")
        return broken(Evidence(counted, str(len(theirs)), str(len(ours.vectors))), advice="differs")
    for decoded, written in zip(theirs, _as_they_came(ours), strict=True):
        if wrong := misread(decoded, written):
            decoded_as, wanted = wrong.values()["found"], wrong.values()["wanted"]
            unit = Text("dims", "维度") if wrong.kind == "dimension" else Text("norm", "范数")
            return broken(Evidence(unit, decoded_as, wanted), advice=wrong.kind, found=decoded_as, wanted=wanted)
    cosines = [cosine(a, b) for a, b in zip(theirs, _as_they_came(ours), strict=True)]
    if not SAME_TEXT.admits(measures.repeated(facts)):  # also where embed.repeatable is not selected
        return absent(_SHAKY)
    lowest = min(cosines, key=lambda value: -math.inf if math.isnan(value) else value)
    evidence = Evidence(
        Text(f"{result.library} and a plain request: cosine", f"{result.library} 与直接请求：余弦相似度"),
        f"{lowest:.4f}",
        str(SAME_IN_BATCH),
    )
    if not SAME_IN_BATCH.admits(lowest):
        return broken(evidence, advice="differs", cosine=round(lowest, 6))
    variable = facts.way.of(result.http)
    if variable is None:
        return holds(evidence)
    proxy = Evidence(Text(f"proxy of {variable}", f"{variable} 的代理"), Text("not used", "没有使用"))
    if not is_near(facts.target.host):  # the proxy may be intended
        return holds(evidence, proxy)
    return broken(proxy, evidence, advice="proxy", variable=variable, no_proxy=facts.way.no_proxy)


def _as_they_came(ours: Embedded) -> list[tuple[float, ...]]:
    """The vectors in the order of the answer, as a program takes them that does not look at `index`."""
    indexes = [index for index in ours.indexes if index is not None]
    in_order = sorted(indexes) == list(range(len(ours.vectors)))
    return [ours.vectors[index] for index in indexes] if in_order else list(ours.vectors)
