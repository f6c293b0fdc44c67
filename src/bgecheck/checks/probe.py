"""The `probe` area: does HTTP work as a client of this server needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from bgecheck.model import (
    Advice,
    Area,
    Evidence,
    Outcome,
    Severity,
    Target,
    Text,
    absent,
    broken,
    holds,
    unclear,
)
from bgecheck.sources.context import Context
from bgecheck.sources.embeddings import Answer, Embedded, Refused, Unusable
from bgecheck.sources.http import Failure, Reply
from bgecheck.sources.server import Server

PROBE_TEXT = "你好，世界"
"""What is embedded to see whether the server works: harmless, short, and in its language."""

SHAPES = ("/v1/models", "/models", "/v1/v1/models")
"""Where OpenAI-compatible servers and gateways keep their model list."""


class Engine(NamedTuple):
    """Which server answers, as far as it tells."""

    name: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What the server answered to a handful of harmless requests."""

    target: Target
    models: Reply | Failure
    without_key: Reply | Failure | None
    """The model list asked for without the key, when there is one."""
    elsewhere: Mapping[str, int]
    """Base URLs that answered in place of the one given, with the status of their model list."""
    engine: Engine
    served: tuple[str, ...]
    first: Answer
    proxies: tuple[str, ...]
    """Names of the proxy variables that are set here."""


AREA = Area("probe", Text("HTTP", "HTTP 接口"), seconds=30.0)


@AREA.collect
def collect(context: Context) -> ProbeFacts:
    """Ask the model list, the info pages and one real embedding."""
    server = context.server()
    models = server.page("/v1/models")
    if isinstance(models, Failure):
        return ProbeFacts(context.target, models, None, {}, Engine(None, None), (), models, _proxies())
    return ProbeFacts(
        target=context.target,
        models=models,
        without_key=server.get("/v1/models", with_key=False) if context.target.api_key else None,
        elsewhere=_elsewhere(server) if models.status == 404 else {},
        engine=_engine(server, models),
        served=server.served(),
        first=server.first_embedding(PROBE_TEXT),
        proxies=_proxies(),
    )


def _proxies() -> tuple[str, ...]:
    import os

    names = ("http_proxy", "https_proxy", "all_proxy")
    return tuple(sorted(n for n in os.environ if n.lower() in names and os.environ[n]))


def _elsewhere(server: Server) -> dict[str, int]:
    """Base URLs near the given one whose model list answers something else than 404."""
    target = server.target
    origin = "/".join(target.url.split("/", 3)[:3])
    found = {}
    for root in dict.fromkeys((target.url, origin)):
        for shape in SHAPES:
            if (root, shape) == (target.url, "/v1/models"):
                continue
            reply = server.get(shape, root=root)
            if isinstance(reply, Reply) and reply.status in (200, 401, 403):
                found[root + shape.removesuffix("/models")] = reply.status
    return found


def _engine(server: Server, models: Reply) -> Engine:
    if models.status in (401, 403):
        return Engine("sglang" if models.json() == {"error": "Unauthorized"} else None, None)
    owner = _owner(models.json())
    info, settings = server.model_info(), server.server_info()
    if owner == "sglang" or (info and "is_generation" in info):
        version = settings.get("version") if settings else None
        return Engine("sglang", version if isinstance(version, str) else None)
    return _other_engine(server, owner, models)


def _owner(payload: Any) -> str | None:
    data = payload.get("data") if isinstance(payload, Mapping) else None
    card = data[0] if isinstance(data, list) and data and isinstance(data[0], Mapping) else {}
    owner = card.get("owned_by")
    return owner if isinstance(owner, str) else None


def _other_engine(server: Server, owner: str | None, models: Reply) -> Engine:
    if owner == "vllm":
        page = server.page("/version")
        payload = page.json() if isinstance(page, Reply) else None
        version = payload.get("version") if isinstance(payload, Mapping) else None
        return Engine("vLLM", version if isinstance(version, str) else None)
    if owner in ("infinity", "library"):
        return Engine({"infinity": "Infinity", "library": "Ollama"}[owner], None)
    front = models.headers.get("server", "")
    if models.status == 404 and front and "uvicorn" not in front:
        return Engine(front, None)
    return Engine(None, None)


_LOG = "bgecheck logs {log}"
_CURL = "curl -sS --noproxy '*' {base_url}/models"


def _seen(answer: Reply | Answer) -> str:
    match answer:
        case Failure():
            return answer.detail
        case Refused():
            return f"HTTP {answer.status}: {answer.message}"
        case Unusable():
            return f"HTTP 200, {answer.kind}: {answer.detail}"
        case Embedded():
            return f"HTTP 200, {len(answer.vectors[0])} floats in {answer.seconds * 1000:.0f} ms"
        case _:
            return f"HTTP {answer.status}"


@AREA.check(
    "reachable",
    title=Text("the server answers HTTP", "服务能响应 HTTP 请求"),
    cause=Text(
        "nothing listens at {host}:{port}: the server was not started, has exited, is still loading, "
        "or uses another --port (sglang's default is 30000)",
        "{host}:{port} 没有程序在监听：服务没启动、已退出、还在加载，或换了 --port（sglang 默认 30000）",
    ),
    fix=Text(
        "read the start-up log, then see which port is in use",
        "先看启动日志，再确认服务实际用的端口",
    ),
    commands=(_LOG, "ss -ltnp sport = :{port}"),
    variants={
        "dns": Advice(
            Text("the host name {host} has no address here", "主机名 {host} 在本机解析不到地址"),
            Text("use the address of the machine, or mend the name", "改用机器的 IP，或修好域名解析"),
            ("getent hosts {host}",),
        ),
        "unreachable": Advice(
            Text(
                "there is no way to {host}:{port}: a firewall, a wrong address, or another network",
                "到 {host}:{port} 网络不通：防火墙、地址写错，或不在同一网络",
            ),
            Text("check the address and the firewall between here and there", "检查地址以及中间的防火墙"),
            ("ping -c 3 {host}",),
        ),
        "timeout": Advice(
            Text(
                "the port accepts connections and nobody answers: the server hangs, or another program holds the port",
                "端口能连上但没有响应：服务卡住，或端口被别的程序占用",
            ),
            Text("see who owns the port and what the log says last", "看端口归谁、日志停在哪一行"),
            ("ss -ltnp sport = :{port}", _LOG),
        ),
        "cut": Advice(
            Text(
                "the connection was cut before an answer: the server died, or a proxy closed it",
                "连接在返回前被断开：服务已崩溃，或被代理切断",
            ),
            Text("read the end of the log", "看日志末尾"),
            (_LOG,),
        ),
        "not-http": Advice(
            Text(
                "what listens at {host}:{port} does not speak (plain) HTTP: another program, or https is needed",
                "{host}:{port} 上的程序说的不是 HTTP：是别的程序，或需要用 https",
            ),
            Text(
                "see who owns the port; if it serves TLS, use --url https://...",
                "看端口归谁；若是 TLS，改用 --url https://...",
            ),
            ("ss -ltnp sport = :{port}",),
        ),
        "tls": Advice(
            Text("the TLS connection cannot be made", "TLS 连接建立失败"),
            Text(
                "if the certificate is private, name its CA in SSL_CERT_FILE; if the port is plain, use http://",
                "自签或私有证书请用 SSL_CERT_FILE 指定 CA；若端口不是 TLS，改用 http://",
            ),
            ("openssl s_client -connect {host}:{port} -servername {host} </dev/null",),
        ),
    },
    explains=("embed.answers",),
)
def server_is_reachable(facts: ProbeFacts) -> Outcome:
    """Any HTTP answer counts, whatever its status: the other rows judge what it says."""
    if isinstance(facts.models, Reply):
        return holds(Evidence("GET /v1/models", f"HTTP {facts.models.status}"))
    evidence = [Evidence("GET /v1/models", facts.models.detail)]
    if facts.proxies:
        evidence.append(Evidence("environment", f"{', '.join(facts.proxies)} set (not used by this check)"))
    return broken(*evidence, advice=_FAILURES.get(facts.models.kind))


_FAILURES = {
    "dns": "dns",
    "unreachable": "unreachable",
    "connect-timeout": "unreachable",
    "timeout": "timeout",
    "reset": "cut",
    "closed": "cut",
    "protocol": "not-http",
    "too-large": "not-http",
    "tls": "tls",
}


@AREA.check(
    "base-url",
    title=Text("the base URL leads to the OpenAI routes", "base URL 指向 OpenAI 接口"),
    cause=Text(
        "there is no model list below {base_url}: the path is misspelt, `/v1` is missing or doubled, "
        "or a gateway strips or adds a prefix",
        "{base_url} 下面没有模型列表：路径拼错、缺少或重复了 `/v1`，或网关增删了前缀",
    ),
    fix=Text("use the base URL under which the server answers", "改用服务真正响应的 base URL"),
    commands=(_CURL,),
    variants={
        "found": Advice(
            Text("the server answers under another path than the one given", "服务在另一个路径下响应，与给出的不同"),
            Text("give clients this base URL: {found}", "客户端请使用这个 base URL：{found}"),
            ("bgecheck doctor --url {found}",),
        )
    },
    explains=("probe.api-key", "probe.ready", "embed.answers"),
)
def base_url_is_right(facts: ProbeFacts) -> Outcome:
    """404 below the base URL is the sign; 401 and 403 come after the route was found."""
    reply = _reply(facts)
    seen = Evidence(f"GET {facts.target.base_url}/models", f"HTTP {reply.status}", "HTTP 200")
    if reply.status == 404:
        found = [Evidence(f"GET {url}/models", f"HTTP {status}") for url, status in facts.elsewhere.items()]
        first = next(iter(facts.elsewhere), None)
        return broken(seen, *found, advice="found" if first else None, found=first)
    if reply.status in (301, 302, 303, 307, 308):
        return broken(seen, Evidence("location", reply.headers.get("location", "")))
    return holds(Evidence("base URL", facts.target.base_url))


def _reply(facts: ProbeFacts) -> Reply:
    assert isinstance(facts.models, Reply), "probe.reachable is needed by every other row"
    return facts.models


@AREA.check(
    "engine",
    title=Text("the server says that it is sglang", "服务自报是 sglang"),
    cause=Text(
        "another engine or a gateway answers at {base_url}: what bgecheck knows of sglang may not hold there",
        "{base_url} 上响应的是别的引擎或网关：bgecheck 关于 sglang 的判断在这里不一定成立",
    ),
    fix=Text("if you mean the sglang server itself, ask its own port", "如果要查的是 sglang 本身，请直接指向它的端口"),
    commands=("bgecheck ports",),
    severity=Severity.WARNING,
    needs=("probe.base-url",),
)
def engine_is_sglang(facts: ProbeFacts) -> Outcome:
    """`owned_by` in the model list and `is_generation` in the info page are sglang's marks."""
    engine = facts.engine
    if engine.name is None:
        return absent(Text("no page tells which engine answers", "没有页面说明是哪个引擎"))
    name = f"{engine.name} {engine.version or '(version not told)'}"
    seen = Evidence(Text("engine", "引擎"), name, "sglang")
    values = {"engine": engine.name, "version": engine.version}
    return holds(seen, **values) if engine.name == "sglang" else broken(seen, **values)


@AREA.check(
    "api-key",
    title=Text("the API key is accepted", "API key 有效"),
    cause=Text(
        "the server was started with --api-key, and no key was given",
        "服务启动时带了 --api-key，而这里没有提供 key",
    ),
    fix=Text("give the key that the server was started with", "提供服务启动时设置的 key"),
    commands=('BGECHECK_API_KEY="$KEY" bgecheck doctor --url {base_url}',),
    variants={
        "wrong": Advice(
            Text(
                "the key that was given is not the one of the server's --api-key",
                "给出的 key 与服务启动时的 --api-key 不一致",
            ),
            Text("use the key that the server was started with", "改用服务启动时设置的 key"),
            ('BGECHECK_API_KEY="$KEY" bgecheck doctor --url {base_url}',),
        ),
        "placeholder": Advice(
            Text(
                "the key is the placeholder EMPTY, and this server was started with --api-key: "
                "EMPTY passes only where no key is checked",
                "给的是占位符 EMPTY，而服务启动时带了 --api-key：只有不校验 key 的服务才能用 EMPTY",
            ),
            Text("use the key that the server was started with", "改用服务启动时设置的 key"),
            ('BGECHECK_API_KEY="$KEY" bgecheck doctor --url {base_url}',),
        ),
    },
    needs=("probe.base-url",),
    # A client that asks again and again with a wrong key, this one too while it waits, fills the log with 401.
    explains=("probe.ready", "embed.answers", "logs.client-request-rejected"),
)
def api_key_is_accepted(facts: ProbeFacts) -> Outcome:
    """Judged on /v1/models, which is behind the key; `/health` is open even with one (auth.py, 0.4.6-0.5.23)."""
    reply, key = _reply(facts), facts.target.api_key
    if reply.status in (401, 403):
        advice = None if key is None else "placeholder" if key.reveal() == "EMPTY" else "wrong"
        given = Text("no key", "没有给 key") if key is None else Text("the key given", "给出的 key")
        return broken(Evidence(given, f"HTTP {reply.status}", "HTTP 200"), advice=advice, key_checked=True)
    if key is None:
        return holds(Evidence(Text("asked without a key", "不带 key 请求"), f"HTTP {reply.status}"), key_checked=False)
    bare = facts.without_key
    checked = isinstance(bare, Reply) and bare.status in (401, 403)
    said = Text("the server checks the key", "服务会校验 key")
    not_said = Text("the server checks no key: any passes", "服务不校验 key：什么 key 都能过")
    return holds(Evidence(said if checked else not_said, f"HTTP {reply.status}"), key_checked=checked)


@AREA.check(
    "model-name",
    title=Text("the model that is served is the one asked for", "在线的模型就是要用的模型"),
    cause=Text(
        "the server serves {served}, not {asked}. sglang never checks the `model` field of a request, "
        "so a client gets vectors of another model without an error",
        "服务上的模型是 {served}，不是 {asked}。sglang 从不校验请求里的 model 字段，"
        "客户端会毫无察觉地拿到另一个模型的向量",
    ),
    fix=Text(
        "ask the server that serves {asked}, or restart this one with its folder",
        "改连提供 {asked} 的服务，或用正确的模型目录重启",
    ),
    commands=(_CURL,),
    needs=("probe.base-url", "probe.api-key"),
)
def model_is_the_one_asked_for(facts: ProbeFacts) -> Outcome:
    """Names are compared by their last path component, since the served name defaults to the model path."""
    asked = facts.target.model
    if not facts.served:
        return unclear(Text("the model list names no model", "模型列表里没有模型名"))
    served = ", ".join(facts.served)
    if asked is None:
        return absent(
            Text(f"no model was named to compare with; served: {served}", f"没有指定模型名可比对；在线：{served}")
        )
    seen = Evidence(Text("served", "在线"), served, asked)
    same = any(_last(asked) == _last(name) for name in facts.served)
    return holds(seen) if same else broken(seen, served=served, asked=asked)


def _last(name: str) -> str:
    return name.rstrip("/\\").replace("\\", "/").split("/")[-1].lower()


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
    """Judged on the handful of requests of this run; a burst is not sent here."""
    statuses = {"GET /v1/models": _reply(facts).status}
    if isinstance(facts.first, Refused):
        statuses["POST /v1/embeddings"] = facts.first.status
    limited = [Evidence(what, "HTTP 429") for what, status in statuses.items() if status == 429]
    return broken(*limited) if limited else holds()


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
    explains=("embed.answers",),
)
def a_real_embedding_is_answered(facts: ProbeFacts) -> Outcome:
    """A status page proves nothing: `/v1/models` is 200 even with a dead scheduler (R on 0.5.23)."""
    first, seen = facts.first, Evidence("POST /v1/embeddings", _seen(facts.first), "HTTP 200")
    match first:
        case Embedded():
            return holds(Evidence("POST /v1/embeddings", _seen(first)), ms=round(first.seconds * 1000, 1))
        case Refused(status=503):
            return broken(seen, advice="busy")
        case Refused(status=502 | 504):
            return broken(seen, advice="gateway", status=first.status)
        case Refused():
            return broken(seen, advice="refused", message=first.message, status=first.status)
        case Unusable():
            return broken(seen, advice="unusable")
        case _:
            return broken(seen)
