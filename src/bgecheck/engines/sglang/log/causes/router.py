"""The cause in a log of sglang's router (sglang-router, later sgl-model-gateway): no server to pass requests on to."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log.cause import cause
from bgecheck.engines.sglang.log.marks import ROUTER
from bgecheck.engines.sglang.log.rules import LAST, SPECIFIC, pattern
from bgecheck.engines.sglang.log.session import NO_WORKER, SOME_WORKER, Hit, Session
from bgecheck.engines.sglang.pages import SHOW_WORKERS
from bgecheck.model import Advice, Text
from bgecheck.model.target import asked_at, authority

_AT = re.compile(r"(?:https?|grpc)://[\w.-]+(?::\d+)?")
_OWN = re.compile(
    r"(?:checks failed for |client for worker |check failed for |'worker_url': |worker_url=|check failed for worker )"
    r"((?:https?|grpc)://[^\s:/]+(?::\d+)?)"
)
"""The server that a line is about; behind it stand the addresses that were tried."""


def _none(session: Session, text: str) -> str | None:
    return NO_WORKER if session.engine == ROUTER else None


def _none_yet(session: Session, text: str) -> str | None:
    """One server that does not answer is told only while no other was added: the router passes requests on to those."""
    return None if SOME_WORKER in session.hits else _none(session, text)


def _none_any_more(session: Session, text: str) -> str | None:
    """A failed health check says nothing while the model may still load; of a server that was taken in it does."""
    return _none(session, text) if SOME_WORKER in session.hits else None


def _some(session: Session, text: str) -> str | None:
    return SOME_WORKER if session.engine == ROUTER else None


def _kind(session: Session, hit: Hit) -> str | None:
    """What kept the servers out: an address that it cannot read or takes for another, or that none answered.

    Of `named` ones it has given up; of `grpc` and `asked` ones it may still ask.
    """
    if "Configuration error: " in hit.text:
        return "address"
    if "BadScheme" in hit.text:
        return "scheme"
    if not (servers := _servers(hit)):
        return None
    if _LOST.search(hit.text):
        return "lost"
    if servers[0].startswith("grpc"):
        return "grpc"
    return "asked" if "checks failed" in hit.text else "named"


_LOST = re.compile(r"Failed to send typed request worker_url=|ealth check failed for (?:worker )?https?://")
"""That a server which was taken in does not answer: passing a request on, or asking for its health, failed."""


def _servers(hit: Hit) -> list[str]:
    """The servers that its lines are about."""
    lines = [hit.text, *(text for _, text in hit.also.values())]
    own = [match[1] for line in lines for match in _OWN.finditer(line)]
    return list(dict.fromkeys(own or _AT.findall(hit.text)))


def _values(session: Session, hit: Hit) -> dict[str, str]:
    """The router, the servers that a line names, and one of them to ask."""
    host, port = session.router
    router = {"router": f"http://{authority(asked_at(host.strip('[]')), int(port))}"}
    if not (servers := _servers(hit)):
        return router
    host, _, port = servers[0].partition("://")[2].partition(":")
    return router | {
        "workers": ", ".join(servers[:4]),
        "worker": servers[0],
        "worker_host": host,
        "worker_port": port or ("443" if servers[0].startswith("https") else "80"),
    }


_UNANSWERED = Text(
    "this is the log of sglang's router: {workers} did not answer its health checks, and no other server was added; until one is, "
    "it has none to pass requests on to. It asks again while a model loads, up to --worker-startup-timeout-secs",
    "这是 sglang router 的日志：{workers} 没有通过健康检查，后面也没有别的服务，请求无处可转。"
    "模型加载期间 router 会一直重试，直到 --worker-startup-timeout-secs",
)


cause(
    NO_WORKER,
    [
        pattern(
            "worker_urls: []",
            "2025-11-04 10:05:37  INFO sglang_router_rs::server: src/server.rs:830: Starting router on 0.0.0.0:30000 | mode: Regular "
            "{ worker_urls: [] } | policy: CacheAware",
            near="2025-11-04 10:05:37  INFO sglang_router_rs::server: src/server.rs:830: Starting router on 0.0.0.0:30000 | mode: "
            'Regular { worker_urls: ["http://10.0.0.7:8000"] } | policy: CacheAware',
            source="sglang-router 0.2 (sglang #12621)",
            weight=SPECIFIC,
            choose=_none,
        ),
        pattern(
            "to become healthy",
            "[Router (Rust)] 2025-01-08 02:33:09 - ERROR - Timeout 300s waiting for workers to become healthy",
            regex=r"Timeout (?:\d+s )?waiting for (?:workers|hosts)\b.* to become healthy",
            near="2025-11-04 10:05:37  INFO sglang_router_rs::routers::http::router: Waiting for 2 workers to become healthy (timeout: 300s)",
            source="sglang-router 0.1 and 0.2 (sglang #2778)",
            weight=SPECIFIC,
            choose=_none,
        ),
        pattern(
            "health checks failed for ",
            "2026-02-26 14:25:41  WARN smg::core::job_queue: src/core/job_queue.rs:640: Failed job: type=AddWorker, "
            "worker=grpc://10.0.0.7:50051, duration=1801.220s, error=Workflow failed at step detect_connection_mode: Both HTTP and gRPC "
            "health checks failed for grpc://10.0.0.7:50051: HTTP: Health check failed: error sending request for url "
            "(http://10.0.0.7:50051/health), gRPC: gRPC failed (tried SGLang and vLLM): gRPC connection failed: transport error",
            regex=r"Both HTTP and gRPC health checks failed for \S+: HTTP: ",
            near="2026-02-26 13:55:39 DEBUG smg::core::steps::worker::local::detect_connection: "
            "src/core/steps/worker/local/detect_connection.rs:103: Detecting connection mode for grpc://10.0.0.7:50051 (timeout: 5s, "
            "max_attempts: 20)",
            source="sglang-router 0.2 to 0.3, sgl-model-gateway",
            weight=LAST,
            choose=_none_yet,
        ),
        pattern(
            "Failed to connect gRPC client for worker ",
            "2025-10-07 23:31:33 ERROR sglang_router_rs::core::worker: src/core/worker.rs:517: Failed to connect gRPC client for worker "
            "grpc://localhost:20000: transport error",
            near="2025-10-07 23:31:33 DEBUG sglang_router_rs::grpc_client::sglang_scheduler: src/grpc_client/sglang_scheduler.rs:28: "
            "Connecting to SGLang scheduler at grpc://localhost:20000",
            source="sglang-router 0.2 (sglang #11310)",
            weight=LAST,
            choose=_none_yet,
        ),
        pattern(
            "HTTP health check failed for grpc://",
            "2025-11-04 15:12:31  WARN sglang_router_rs::core::worker: src/core/worker.rs:615: HTTP health check failed for "
            'grpc://192.168.1.200:31001: reqwest::Error { kind: Builder, url: "grpc://192.168.1.200:31001/health", source: BadScheme }',
            regex=r"HTTP health check failed for grpc://.*\bBadScheme\b",
            near="2025-11-04 15:12:31  WARN sglang_router_rs::core::worker: src/core/worker.rs:615: HTTP health check failed for "
            'http://192.168.1.200:31001: reqwest::Error { kind: Request, url: "http://192.168.1.200:31001/health" }',
            source="sglang-router 0.2 before November 2025 (sglang #12630)",
            weight=LAST,
            choose=_none,
        ),
        pattern(
            "Failed to send typed request worker_url=",
            "2026-11-29 10:02:36 ERROR smg::routers::http::router: src/routers/http/router.rs:563: Failed to send typed request "
            "worker_url=http://10.0.0.7:8000 route=/v1/embeddings error=error sending request for url "
            "(http://10.0.0.7:8000/v1/embeddings)",
            near="2026-11-29 10:02:36 ERROR smg::response: src/middleware.rs:349: request failed with server error",
            source="sglang-router 0.2.4, 0.3.2",
            weight=LAST,
            choose=_none,
        ),
        pattern(
            "ealth check failed for ",
            "2026-11-29 10:03:28  WARN smg::core::worker: src/core/worker.rs:948: HTTP health check failed for "
            'http://10.0.0.7:8000/health: reqwest::Error { kind: Request, url: "http://10.0.0.7:8000/health", source: '
            'hyper_util::client::legacy::Error(Connect, ConnectError("tcp connect error", 10.0.0.7:8000, Os { code: 111, kind: '
            'ConnectionRefused, message: "Connection refused" })) }',
            regex=r"(?:HTTP h|failed: H)ealth check failed for (?:worker )?https?://",
            near="2026-11-29 10:03:28 DEBUG smg::core::worker: src/core/worker.rs:940: health check of http://10.0.0.7:8000/health",
            source="sglang-router 0.1.9, 0.3.2",
            weight=LAST,
            choose=_none_any_more,
        ),
        pattern(
            "finished processing request",
            '2026-11-29 10:02:35  INFO http_request{method=POST uri=/v1/embeddings version=HTTP/1.1 module="smg" '
            'request_id="req-MzqaaCCKMn2DoamPepaF3WEF" status_code=200 latency=1958}: smg::response: src/middleware.rs:359: '
            "finished processing request",
            regex=r"method=POST uri=/v1/\S+ .*\bstatus(?:_code)?=200\b.* finished processing request",
            near="2026-11-29 10:04:18  INFO http_request{method=GET uri=/workers version=HTTP/1.1 status_code=200 latency=32}: "
            "smg::response: src/middleware.rs:359: finished processing request",
            source="sglang-router 0.1.9 to 0.3.2",
            fatal=False,
            choose=_some,
        ),
        pattern(
            "Configuration error: ",
            "Error starting router: Configuration error: Invalid value for field 'worker_url': http://10.0.0.7:30000,8998 - Invalid URL "
            "format: invalid port number",
            regex=r"Configuration error: Invalid value for field 'worker_url': ",
            near="Error starting router: Configuration error: Validation failed: Cannot find policy file",
            source="sglang-router 0.3 (sglang 0.5.8)",
            weight=LAST,
            choose=_none,
        ),
        pattern(
            " (marked as healthy)",
            "2026-02-26 13:55:39  INFO smg::core::steps::worker::shared::activate: src/core/steps/worker/shared/activate.rs:31: Activated "
            "1 worker(s) (marked as healthy)",
            regex=r"Activated (?:[1-9]\d* worker\(s\)|worker \S+)",
            near="2026-02-26 13:55:38  INFO smg::server: src/server.rs:875: Workers initialized: 0 total, 0 healthy",
            source="sglang-router 0.2.4, 0.3 (sglang 0.5.8)",
            fatal=False,
            choose=_some,
        ),
        pattern(
            "workers are healthy",
            "2025-11-04 10:05:37  INFO sglang_router_rs::routers::http::router: 1 out of 2 workers are healthy",
            regex=r"(?:All [1-9]\d*|[1-9]\d* out of \d+) workers are healthy",
            near="2025-11-04 10:05:37  INFO sglang_router_rs::routers::http::router: Waiting for at least 1 of 2 workers to become healthy",
            source="sglang-router 0.2",
            fatal=False,
            choose=_some,
        ),
        pattern(
            "Added worker: ",
            "[Router (Rust)] 2025-03-08 02:33:09 - INFO - Added worker: http://10.0.0.7:8000",
            near="[Router (Rust)] 2025-03-08 02:33:09 - WARN - Worker http://10.0.0.7:8000 already exists",
            source="sglang-router 0.1 and 0.2",
            fatal=False,
            choose=_some,
        ),
        pattern(
            "ervice discovery enabled",
            "2025-07-30 00:09:07  INFO sglang_router_rs::server: src/server.rs:255: Service discovery enabled",
            near="2025-07-30 00:09:07  INFO sglang_router_rs::server: src/server.rs:275: Initializing Kubernetes service discovery",
            source="sglang-router 0.1 (aibrix #1351)",
            fatal=False,
            choose=_some,
        ),
    ],
    shows=(),
    title=Text("the router has servers to pass requests on to", "router 后面有可用的服务"),
    because=Text(
        "this is the log of sglang's router, and it was started without any server to pass requests on to: until one is added, it "
        "answers each request with HTTP 503",
        "这是 sglang router 的日志，启动时后面一个服务都没有：在添加服务之前，每个请求都返回 503",
    ),
    fix=Text(
        "see which servers it has now; if none, start it with --worker-urls and the address of each (with http://, divided by blanks)",
        "看它现在有哪些服务；一个都没有就用 --worker-urls 写上每个服务的地址（带 http://，空格分隔）重新启动",
    ),
    commands=(
        SHOW_WORKERS.format(url="{router}"),
        "python -m sglang_router.launch_router --worker-urls http://127.0.0.1:30001 --host 0.0.0.0 --port 30000",
    ),
    unknown=lambda session: Text("not a log of sglang's router", "不是 sglang router 的日志"),
    variants={
        "named": Advice(
            Text(
                "this is the log of sglang's router: none of its servers ({workers}) was healthy within the time that it waits, so it gave up",
                "这是 sglang router 的日志：它等到超时，后面的服务（{workers}）没有一个健康，于是退出",
            ),
            Text(
                "see whether each of them answers from the router's machine, and read its own log if not; a model that loads for longer "
                "needs a larger --worker-startup-timeout-secs",
                "在 router 所在的机器上逐个访问这些服务，不通就看它自己的日志；只是模型加载慢的话，调大 --worker-startup-timeout-secs",
            ),
            ("curl -sS --noproxy '*' -o /dev/null -w '%{{http_code}}' {worker}/health",),
        ),
        "grpc": Advice(
            _UNANSWERED,
            Text(
                "see whether the port is open from the router's machine, and read the server's own log if not: behind grpc:// sglang is started "
                "with --grpc-mode, without it the router is given http://",
                "在 router 所在的机器上看端口通不通，不通就看服务自己的日志；写成 grpc:// 的服务要加 --grpc-mode 启动，没加就改写成 http://",
            ),
            ("timeout 5 bash -c '</dev/tcp/{worker_host}/{worker_port}' && echo open",),
        ),
        "asked": Advice(
            _UNANSWERED,
            Text(
                "see whether it answers from the router's machine, and read its own log if not; a server that listens on 127.0.0.1 alone is "
                "reached from no other machine",
                "在 router 所在的机器上访问这个服务，不通就看它自己的日志；只监听 127.0.0.1 的服务，别的机器访问不到",
            ),
            ("curl -sS --noproxy '*' -o /dev/null -w '%{{http_code}}' {worker}/health",),
        ),
        "lost": Advice(
            Text(
                "this is the log of sglang's router: {workers} does not answer it any more, and no request was answered with a vector "
                "since then; with no other server, requests get HTTP 500 and then 503 (no available workers)",
                "这是 sglang router 的日志：{workers} 不再响应，此后没有一个请求拿到向量；没有其他可用服务时，请求先返回 500，随后一律 503"
                "（No available workers）",
            ),
            Text(
                "see whether the server still runs, read its own log for the reason, and start it again; then see which servers the router has",
                "看这个服务是否还在运行，在它自己的日志里找原因，重新启动，再看 router 里有哪些服务",
            ),
            (
                "curl -sS --noproxy '*' -o /dev/null -w '%{{http_code}}' {worker}/health",
                SHOW_WORKERS.format(url="{router}"),
            ),
        ),
        "scheme": Advice(
            Text(
                "this is the log of sglang's router: it took {worker}, which speaks gRPC, for an HTTP server and asks it for a page, so that it "
                "never counts as healthy (a fault of this release of the router)",
                "这是 sglang router 的日志：它把走 gRPC 的 {worker} 当成了 HTTP 服务去探活，因此永远不健康（这个版本 router 的缺陷）",
            ),
            Text(
                "upgrade the router and start it again, or start that server without --grpc-mode and write http:// in --worker-urls",
                "升级 router 后重启；或让该服务去掉 --grpc-mode，并在 --worker-urls 里写 http://",
            ),
            ("{pip} install --upgrade sglang-router",),
        ),
        "address": Advice(
            Text(
                "sglang's router did not start: it cannot read the address of a server in its launch line (the line names it)",
                "sglang router 没有启动：启动命令里有服务地址写错了（报错行里写了是哪一个）",
            ),
            Text(
                "correct the address: http://HOST:PORT, several divided by blanks; behind --prefill the bootstrap port is a word of its own",
                "改正地址：http://主机:端口，多个用空格分隔；--prefill 后面的 bootstrap 端口要单独写，用空格隔开",
            ),
            ("python -m sglang_router.launch_router --help",),
        ),
    },
    variant=_kind,
    values=_values,
    explains=("logs.wrong-engine", "probe.ready", "embed.answers"),
)
