"""Rows about whether the server embeds: nothing turns requests away, a real embedding comes, health tells the truth."""

from __future__ import annotations

from bgecheck.checks.probe.facts import AREA, LEFT_OUT, ProbeFacts, reply_of, seen
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, absent, broken, holds
from bgecheck.sources.embeddings import Embedded, Refused, Unusable
from bgecheck.sources.http import Failure, Reply

_LOG = "bgecheck logs {log}"


@AREA.check(
    "rate-limit",
    title=Text("no gateway turns requests away", "没有网关限流"),
    cause=Text(
        "something between here and the model answers 429. sglang never sends 429 (its full queue is a 503), "
        "so it is a gateway or proxy that limits requests",
        "请求路径上有组件返回 429。sglang 从不返回 429（队列满时是 503），因此是网关或代理在限流",
    ),
    fix=Text(
        "raise the limit of the gateway, send fewer requests at once, or ask sglang's own port",
        "调高网关限额、降低并发，或直接请求 sglang 自己的端口",
    ),
    commands=("bgecheck ports",),
    needs=("probe.base-url",),
    explains=("probe.ready", "embed.answers"),
)
def nothing_limits_requests(facts: ProbeFacts) -> Outcome:
    """Judged on every request of this run before a burst."""
    asked = [facts.models, facts.first, *(facts.limits.answers() if facts.limits else ())]
    limited = sum(isinstance(answer, Reply | Refused) and answer.status == 429 for answer in asked)
    seen = Evidence(Text(f"of {len(asked)} requests: HTTP 429", f"{len(asked)} 个请求中的 HTTP 429"), str(limited), "0")
    return broken(seen) if limited else holds(seen)


@AREA.check(
    "ready",
    title=Text("a real embedding is answered", "真实的 embedding 请求能成功"),
    cause=Text(
        "the server answers status pages and no embedding: it is still warming up, or its scheduler is stuck or dead",
        "服务能返回状态页，却算不出向量：还在预热，或调度进程卡住、已退出",
    ),
    fix=Text("read the log from its end", "从日志末尾往前看"),
    commands=(_LOG, "bgecheck doctor --wait 5m --url {base_url}"),
    variants={
        "refused": Advice(
            Text("the server refuses the request: {message}", "服务拒绝了请求：{message}"),
            Text("see what the log says of this request", "查看日志里这条请求的记录"),
            (_LOG,),
        ),
        "busy": Advice(
            Text(
                "the server is loading or its queue is full: HTTP 503",
                "服务还在加载，或请求队列已满：HTTP 503",
            ),
            Text(
                "wait until it is ready; if it stays so, raise --max-queued-requests",
                "等待就绪；若一直如此，调大 --max-queued-requests",
            ),
            ("bgecheck doctor --wait 5m --url {base_url}",),
        ),
        "unusable": Advice(
            Text(
                "the answer is 200 and holds no vector, which clients see as "
                "\"'NoneType' object has no attribute 'data'\": a gateway or another program answers in its own shape",
                "返回 200 但没有向量，客户端会报 'NoneType' object has no attribute 'data'："
                "是网关或其他程序按自己的格式返回的",
            ),
            Text("ask sglang's own port, without the gateway", "绕开网关，直接请求 sglang 自己的端口"),
            (
                "curl -sS --noproxy '*' {base_url}/embeddings -H 'Content-Type: application/json' "
                '-d \'{{"input":"你好"}}\'',
            ),
        ),
        "gateway": Advice(
            Text(
                "a gateway answers HTTP {status}: it cannot reach the server behind it",
                "网关返回 HTTP {status}：它连不上后面的服务",
            ),
            Text(
                "check the upstream address of the gateway and the server behind it", "检查网关的上游地址以及后端服务"
            ),
            ("bgecheck ports",),
        ),
    },
    needs=("probe.base-url",),
    explains=("embed.answers", "probe.health-agrees"),
)
def a_real_embedding_is_answered(facts: ProbeFacts) -> Outcome:
    """A status page proves nothing: `/v1/models` is 200 even with a dead scheduler (R on 0.5.23)."""
    first, told = facts.first, Evidence("POST /v1/embeddings", seen(facts.first), "HTTP 200")
    match first:
        case Embedded():
            times = {"ms": first, "warm_ms": facts.limits.again if facts.limits else None}
            known = {name: round(a.seconds * 1000, 1) for name, a in times.items() if isinstance(a, Embedded)}
            return holds(Evidence("POST /v1/embeddings", seen(first)), **known)
        case Refused(status=503):
            return broken(told, advice="busy")
        case Refused(status=502 | 504):
            return broken(told, advice="gateway", status=first.status)
        case Refused():
            return broken(told, advice="refused", message=first.message, status=first.status)
        case Unusable():
            return broken(told, advice="unusable")
        case _:
            return broken(told)


@AREA.check(
    "health-agrees",
    title=Text("the health page says what a real embedding says", "健康检查与真实请求的结论一致"),
    cause=Text(
        "GET /health says 200 and a real embedding is not answered: whoever polls /health sends clients to a server "
        "that does not serve. Up to 0.4.9 the page says 200 as soon as HTTP is up",
        "/health 返回 200，但真实 embedding 得不到结果：只看 /health 的探针会把请求导向不可用的服务。"
        "0.4.9 及更早版本只要 HTTP 起来 /health 就是 200",
    ),
    fix=Text("let the load balancer ask for a real embedding", "负载均衡和探针改用真实 embedding 请求"),
    commands=("bgecheck doctor --wait 5m --url {base_url}", _LOG),
    variants={
        "pessimist": Advice(
            Text(
                "embeddings are answered and GET /health does not say 200: under load sglang's own check waits 20 s "
                "behind real requests and then answers 503; whoever polls it restarts a server that works",
                "embedding 正常，但 /health 不是 200：高负载时 sglang 的健康检查排在真实请求后面，等满 20 秒返回 503；"
                "照它重启会误杀正常的服务",
            ),
            Text(
                "give the poller 25 s and several tries, or let it ask for a real embedding",
                "探针超时设为 25 秒并允许多次失败，或改用真实 embedding 请求",
            ),
            ("curl -sS -m 25 -o /dev/null -w '%{http_code} %{time_total}\\n' --noproxy '*' {url}/health",),
        )
    },
    severity=Severity.WARNING,
    needs=("probe.base-url", "probe.api-key", "probe.rate-limit"),
    costly=True,
)
def health_agrees(facts: ProbeFacts) -> Outcome:
    """`/health` takes a second by design from 0.5.3 on (measured 1006 ms): only a whole time-out is silence."""
    if facts.limits is None or facts.limits.health is None:
        return absent(LEFT_OUT)
    health, works = facts.limits.health, isinstance(facts.first, Embedded)
    table = (
        Evidence("GET /v1/models", seen(reply_of(facts))),
        Evidence("GET /health", _timed(health)),
        Evidence("POST /v1/embeddings", seen(facts.first)),
    )
    if isinstance(health, Reply) and health.status in (401, 403, 404, 405, 429):
        return absent(
            Text(f"there is no health page to ask: HTTP {health.status}", f"没有可用的 /health：HTTP {health.status}")
        )
    says = isinstance(health, Reply) and health.status == 200
    if says == works:
        return holds(*table)
    return broken(*table, advice="pessimist" if works else None)


def _timed(health: Reply | Failure) -> str:
    return f"{seen(health)} ({health.seconds * 1000:.0f} ms)"
