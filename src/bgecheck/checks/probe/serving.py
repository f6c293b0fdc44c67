"""Rows about whether the server embeds: nothing turns requests away, a real embedding comes, health tells the truth."""

from __future__ import annotations

from collections.abc import Mapping

from bgecheck.checks import refusals
from bgecheck.checks.probe.engines import ROUTER, health_pages
from bgecheck.checks.probe.facts import AREA, LEFT_OUT, ProbeFacts, is_unsteady, reply_of
from bgecheck.engines.sglang.remedies import FULL_BATCH, LARGER_BATCH, WITHOUT_OVERLAP
from bgecheck.http.bypass import DIRECT, WHO_LISTENS
from bgecheck.http.embeddings import Embedded, Refused, Unusable, describe, is_late, reason_of, shows_nothing, wanted
from bgecheck.http.failures import Failure, NotSent
from bgecheck.http.gateways import GATEWAYS
from bgecheck.http.reply import Reply
from bgecheck.model import (
    Advice,
    Evidence,
    Outcome,
    Severity,
    Text,
    Words,
    absent,
    broken,
    holds,
    not_yet,
    say,
    unclear,
)

_LOG = "bgecheck logs {log}"


@AREA.check(
    "rate-limit",
    title=Text("no gateway limits the request rate", "没有网关限流"),
    cause=Text(
        "something between here and the model answers HTTP 429. sglang never sends 429 (a full queue gives 503), "
        "so a gateway or proxy limits requests",
        "请求路径上有组件返回 429。sglang 从不返回 429（队列满时是 503），因此是网关或代理在限流",
    ),
    fix=Text(
        "raise the limit of the gateway, or send fewer requests at once; see, on that machine, which program listens "
        "at {address}",
        "调高网关限额，或降低并发；在 {address} 所在的机器上看是哪个程序在监听",
    ),
    commands=(WHO_LISTENS,),
    variants={kind: refusals.ADVICE[kind] for kind in (*sorted(refusals.NO_LIMIT), "busy")},
    needs=("probe.base-url",),
    explains=("probe.ready", "probe.openai-client", "embed.answers"),
)
def nothing_limits_requests(facts: ProbeFacts) -> Outcome:
    """Judged on every request of this run before a burst."""
    answers = [facts.models, *(facts.limits.answers() if facts.limits else ())]
    if not isinstance(facts.first, NotSent):
        answers.append(facts.first)
    limited = sum(isinstance(answer, Reply | Refused) and answer.status == 429 for answer in answers)
    count = Evidence(
        Text(f"HTTP 429 among {len(answers)} requests", f"{len(answers)} 个请求中的 HTTP 429"), str(limited), "0"
    )
    kind = refusals.kind_of(facts.first) if limited and isinstance(facts.first, Refused) else None
    if isinstance(facts.first, Refused) and (kind in refusals.NO_LIMIT or kind == "busy"):
        return broken(count, advice=kind, **refusals.values_of(facts.first, facts.target.model))
    return broken(count) if limited else holds(count)


@AREA.check(
    "ready",
    headline=True,
    title=Text("a real embedding is answered", "真实的 embedding 请求能成功"),
    cause=Text(
        "the server answers status pages but no embedding: it is still warming up, or its scheduler is stuck or dead",
        "服务能返回状态页，却算不出向量：还在预热，或调度进程卡住、已退出",
    ),
    fix=Text("read the log from its end", "从日志末尾往前看"),
    commands=(_LOG, "bgecheck doctor --wait 5m --url {base_url}"),
    variants={
        "full": Advice(FULL_BATCH, LARGER_BATCH, ("{launch_line}", _LOG)),
        "refused": Advice(
            Text("the server refuses the request: {message}", "服务拒绝了请求：{message}"),
            Text("see what the log says about this request", "查看日志里这条请求的记录"),
            (_LOG,),
        ),
        "unusable": Advice(
            Text(
                "the answer is 200 but holds no vector, which clients see as \"'NoneType' object has no attribute "
                "'data'\": a gateway or another program answers in its own format",
                "返回 200 但没有向量，客户端会报 'NoneType' object has no attribute 'data'："
                "是网关或其他程序按自己的格式返回的",
            ),
            DIRECT,
            (WHO_LISTENS,),
        ),
        "no-number": Advice(
            Text(
                "the answer has the right shape and no number in its vector, so that nothing can be searched with it: "
                "the model computes only NaN, or a gateway loses the numbers",
                "返回格式正确，但向量里没有一个数，无法用于检索：模型算出的全是 NaN，或网关把数值弄丢了",
            ),
            Text("see which texts and which numbers it concerns", "查看涉及哪些文本、哪些数值"),
            ("bgecheck embed --url {base_url}", _LOG),
        ),
        "zero": Advice(
            Text(
                "the answer has the right shape and its vector is all zeros, so that nothing can be searched with it: "
                "the weights are empty or were not loaded, or something on the way fills in what it could not compute",
                "返回格式正确，但向量全是 0，无法用于检索：权重是空的或没有加载，或中间有一层对算不出的文本填 0",
            ),
            Text("see which texts and which numbers it concerns", "查看涉及哪些文本、哪些数值"),
            ("bgecheck embed --url {base_url}", WHO_LISTENS, _LOG),
        ),
        "unsteady": Advice(
            Text(
                "one embedding is answered, and the same request once more is not: the server dies or hangs under it, "
                "or several replicas behind this address answer in turn",
                "第一次 embedding 成功，同样的请求再发一次却失败：服务中途退出或卡住，或这个地址后面有多个副本轮流响应",
            ),
            Text(
                "read the log from its end; behind a gateway query each replica on its own port",
                "从日志末尾往前看；若有网关，绕开它逐个检查后端",
            ),
            (_LOG, WHO_LISTENS),
        ),
        **refusals.ADVICE,
    },
    needs=("probe.base-url",),
    explains=("embed.answers", "probe.health-agrees", "probe.openai-client"),
)
def a_real_embedding_is_answered(facts: ProbeFacts) -> Outcome:
    """A status page proves nothing: `/v1/models` is 200 even with a dead scheduler (R on 0.5.23)."""
    first, response = facts.first, Evidence("POST /v1/embeddings", describe(facts.first), wanted(facts.first))
    match first:
        case NotSent():
            return absent(first.reason)
        case Failure(kind="cut-off"):
            return unclear(first.detail)
        case Embedded() if not first.has_numbers:
            return broken(response._replace(expected=_A_VECTOR), advice="no-number")
        case Embedded() if first.is_zero:
            return broken(response._replace(expected=_A_VECTOR), advice="zero")
        case Embedded():
            times = {"ms": first, "warm_ms": facts.limits.again if facts.limits else None}
            measured = {name: round(a.seconds * 1000, 1) for name, a in times.items() if isinstance(a, Embedded)}
            again = times["warm_ms"]
            warm = [Evidence(Text("the same request again", "再请求一次"), describe(again))] if again else []
            if again and is_late(again) and facts.running.may_hang_when_full:
                return _full(facts, *warm)
            if again and is_unsteady(again):
                return broken(Evidence("POST /v1/embeddings", describe(first)), *warm, advice="unsteady", **measured)
            return holds(Evidence("POST /v1/embeddings", describe(first)), *warm, **measured)
        case Refused() | Unusable() | Failure() if kind := refusals.kind_of(first, listed=_is_listed(facts)):
            return _explained(facts, first, kind, response)
        case Refused():
            refused = broken(response, advice="refused", message=reason_of(first), status=first.status)
            return refused._replace(data=first)
        case Unusable():
            return broken(response, advice="unusable")
        case _ if is_late(first) and facts.running.may_hang_when_full:
            return _full(facts, response)
        case _:
            return not_yet(response)._replace(data=first)


_A_VECTOR = Text("a vector of numbers", "由数字组成的向量")


def _full(facts: ProbeFacts, *evidence: Evidence) -> Outcome:
    """Nothing is answered by a server that stops for good at more texts than it computes at once."""
    running = facts.running
    values = {"limit": running.most_at_once, "version": running.version or "", **running.restarted(WITHOUT_OVERLAP)}
    return broken(*evidence, Evidence("max_running_requests", str(running.most_at_once)), advice="full", **values)


def _is_listed(facts: ProbeFacts) -> bool:
    return isinstance(facts.models, Reply) and facts.models.status == 200


def _explained(facts: ProbeFacts, answer: Refused | Unusable | Failure, kind: str, response: Evidence) -> Outcome:
    """A request without vectors, by who answered it and why."""
    front = [Evidence("server", answer.server)] if isinstance(answer, Refused) and answer.server else []
    asked = facts.target.model or next(iter(facts.served), None)
    values = refusals.values_of(answer, asked)
    if facts.engine.name in (*GATEWAYS, ROUTER):
        values["front"] = facts.engine.name
    if kind in refusals.PENDING:
        return not_yet(response, *front, advice=kind, **values)._replace(data=answer)
    return broken(response, *front, advice=kind, **values)._replace(data=answer)


@AREA.check(
    "health-agrees",
    title=Text("the health page agrees with a real embedding", "健康检查与真实请求的结论一致"),
    cause=Text(
        "GET /health returns 200 but a real embedding gets no answer: a probe of /health sends clients to a server "
        "that cannot serve. Up to 0.4.9 the page returns 200 as soon as HTTP is up",
        "/health 返回 200，但真实 embedding 得不到结果：只看 /health 的探针会把请求导向不可用的服务。"
        "0.4.9 及更早版本只要 HTTP 起来 /health 就是 200",
    ),
    fix=Text("let the load balancer request a real embedding", "负载均衡和探针改用真实 embedding 请求"),
    commands=("bgecheck doctor --wait 5m --url {base_url}", _LOG),
    variants={
        "pessimist": Advice(
            Text(
                "embeddings are answered but GET /health does not return 200: under load sglang's own check waits 20 "
                "s behind real requests and then answers 503; a probe that polls it restarts a working server",
                "embedding 正常，但 /health 不是 200：高负载时 sglang 的健康检查排在真实请求后面，等满 20 秒返回 503；"
                "照它重启会误杀正常的服务",
            ),
            Text(
                "give the probe 25 s and several tries, or let it request a real embedding",
                "探针超时设为 25 秒并允许多次失败，或改用真实 embedding 请求",
            ),
            ("curl -sS -m 25 -o /dev/null -w '%{{http_code}} %{{time_total}}\\n' --noproxy '*' {url}/health",),
        ),
        "another": Advice(
            Text(
                "port {port} is held by pid {owners}, and the server being checked is pid {process}: another "
                "server answers, perhaps an older one",
                "端口 {port} 属于进程 {owners}，而要查的服务是进程 {process}：响应的是另一个服务，可能是旧的",
            ),
            Text(
                "stop the one that is not needed, or give the new one a free port",
                "停掉不要的那个，或让新服务换一个空闲端口",
            ),
            ("ss -ltnp sport = :{port}", "ps -o pid,ppid,lstart,args -p {owners}"),
        ),
        "log": Advice(
            Text(
                "embeddings are answered, but the state of the newest session in {log} is `{state}`: the log "
                "does not belong to the server that answers",
                "embedding 正常，而 {log} 里最近一次启动的状态是“{state}”：这份日志不是正在响应的那个服务的",
            ),
            Text("find the server that answers, and its log", "先找到正在响应的服务，再看它的日志"),
            (WHO_LISTENS, "bgecheck logs {log}"),
        ),
        "silent": Advice(
            Text(
                "the log says that the server is ready and its process is there, but no embedding is answered: "
                "the scheduler is stuck or dead",
                "日志显示已就绪、进程也在，但 embedding 得不到结果：调度进程卡住或已退出",
            ),
            Text("read the log from its end, then restart the server", "从日志末尾往前看，然后重启服务"),
            (_LOG,),
        ),
    },
    severity=Severity.WARNING,
    needs=("probe.base-url", "probe.api-key", "probe.rate-limit"),
    costly=True,
)
def health_agrees(facts: ProbeFacts) -> Outcome:
    """Every sign of life in one table. `/health` takes a second by design from 0.5.3 on: only a time-out is silence."""
    if isinstance(facts.first, NotSent):
        return absent(facts.first.reason)
    if shows_nothing(facts.first):
        return unclear(describe(facts.first))
    if facts.vitals is None:
        return absent(LEFT_OUT)
    table = _signs(facts)
    values = {"signs": {say(e.subject, "en"): say(e.observed, "en") for e in table}}
    vital, works = facts.vitals, isinstance(facts.first, Embedded)
    if vital.answered_by_another:
        owners = ",".join(map(str, vital.owners))
        return broken(*table, advice="another", owners=owners, process=vital.process, port=facts.target.port, **values)
    if works and vital.log in ("ended", "starting"):
        return broken(*table, advice="log", state=_LOG_STATES[vital.log], **values)
    pages = [vital.pages[path] for path in health_pages(facts.engine) if path in vital.pages]
    judged = [p for p in pages if not (p.status in _NO_PAGE if isinstance(p, Reply) else p.kind == "cut-off")]
    if any((isinstance(page, Reply) and page.status == 200) != works for page in judged):
        return broken(*table, advice="pessimist" if works else None, **values)
    if not works and vital.log == "ready" and vital.alive is not False:
        return broken(*table, advice="silent", **values)
    if not judged:
        statuses = ", ".join(f"HTTP {page.status}" for page in pages if isinstance(page, Reply))
        return absent(Text(f"there is no health page: {statuses}", f"没有可用的健康检查接口：{statuses}"), **values)
    return holds(*table, **values)


_NO_PAGE = (401, 403, 404, 405, 429)


def _signs(facts: ProbeFacts) -> list[Evidence]:
    """What each sign says, the real embedding among them."""
    vital = facts.vitals
    assert vital is not None, "asked for only where it is there"
    signs = [Evidence(f"GET {facts.prefix}/models", describe(reply_of(facts)))]
    signs += [Evidence(f"GET {path}", _timed(page)) for path, page in vital.pages.items()]
    signs.append(Evidence(f"POST {facts.prefix}/embeddings", describe(facts.first)))
    pid = f"pid {vital.process}"
    alive: dict[bool | None, Words] = {None: "-", True: pid, False: Text(f"{pid}: gone", f"{pid}：已退出")}
    owners = ", ".join(f"pid {pid}" for pid in vital.owners) or "-"
    return [
        *signs,
        Evidence(Text("process", "进程"), alive[vital.alive]),
        Evidence(Text("listener", "端口占用者"), owners),
        Evidence(Text("log", "日志"), _LOG_STATES.get(vital.log, "-")),
    ]


_LOG_STATES: Mapping[str | None, Words] = {
    "ready": Text("ready", "已就绪"),
    "starting": Text("starting", "启动中"),
    "ended": Text("ended", "已结束"),
}


def _timed(page: Reply | Failure) -> Words:
    ms = f"{page.seconds * 1000:.0f} ms"
    return Text(f"{{response}} ({ms})", f"{{response}}（{ms}）").filled({"response": describe(page)})
