"""The row about the true openai package: what a program that uses it would see."""

from __future__ import annotations

from bgecheck.checks.probe.facts import AREA, ProbeFacts
from bgecheck.model import Advice, Evidence, Outcome, Text, Unavailable, absent, broken, holds

_RAISES = Text("the exception that a program sees is {exception}", "程序会看到的异常是 {exception}")
_SEE_READY = Text("look at the other rows of this area, which say why", "原因见本区域的其他检查项")


@AREA.check(
    "openai-client",
    title=Text("the openai package gets a vector", "openai 包能拿到向量"),
    cause=_RAISES,
    fix=_SEE_READY,
    commands=("bgecheck probe --url {base_url}",),
    variants={
        "none": Advice(
            Text(
                "the answer is 200 and holds no vectors, which the package passes on or fails on ({exception}): "
                "this is where \"'NoneType' object has no attribute 'data'\" comes from; a gateway or another "
                "program answers like that",
                "服务返回 200 却没有向量，openai 包原样返回或直接报错（{exception}）："
                "'NoneType' object has no attribute 'data' 就是这样来的，通常是网关或别的程序在响应",
            ),
            Text("bypass the gateway and query sglang's own port directly", "绕开网关，直接请求 sglang 自己的端口"),
            ("bgecheck ports",),
        ),
        "dimension": Advice(
            Text(
                "the package decodes {found} numbers from a vector of {wanted}: it misreads the encoding",
                "openai 包解出 {found} 维，而向量是 {wanted} 维：编码被读错了",
            ),
            Text('send encoding_format="float"', '请求里加 encoding_format="float"'),
        ),
    },
    costly=True,
)
def openai_gets_a_vector(facts: ProbeFacts) -> Outcome:
    """One call as a program makes it, without retries, proxies and redirects."""
    if facts.sdk is None:
        return absent(Text("only run with --full, on a server that embeds", "只在 --full 且服务可用时运行"))
    if isinstance(facts.sdk, Unavailable):
        return absent(facts.sdk.reason)
    made, wanted = facts.sdk, getattr(facts.first, "vectors", ((),))[0]
    told = Evidence(f"openai {made.version}", made.exception or f"{made.dims}", str(len(wanted)) if wanted else None)
    if made.exception:
        return broken(told, advice="none" if made.empty else None, exception=made.exception)
    if wanted and made.dims != len(wanted):
        return broken(told, advice="dimension", found=made.dims, wanted=len(wanted))
    return holds(told)
