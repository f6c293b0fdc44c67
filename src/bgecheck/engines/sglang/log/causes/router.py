"""The cause in a log of sglang's router: it has no server to pass requests on to."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log.cause import cause
from bgecheck.engines.sglang.log.marks import ROUTER
from bgecheck.engines.sglang.log.rules import SPECIFIC, pattern
from bgecheck.engines.sglang.log.session import NO_WORKER, SOME_WORKER, Hit, Session
from bgecheck.engines.sglang.pages import SHOW_WORKERS
from bgecheck.model import Advice, Text

_AT = re.compile(r"https?://[\w.-]+(?::\d+)?")


def _none(session: Session, text: str) -> str | None:
    return NO_WORKER if session.engine == ROUTER else None


def _some(session: Session, text: str) -> str | None:
    return SOME_WORKER if session.engine == ROUTER else None


def _kind(session: Session, hit: Hit) -> str | None:
    """`named`, where the line names servers that it waited for."""
    return "named" if _AT.search(hit.text) else None


def _values(session: Session, hit: Hit) -> dict[str, str]:
    """The servers that a line names, and one of them to ask."""
    servers = list(dict.fromkeys(_AT.findall(hit.text)))
    return {"workers": ", ".join(servers[:4]), "worker": servers[0]} if servers else {}


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
            "workers are healthy",
            "2025-11-04 10:05:37  INFO sglang_router_rs::routers::http::router: 1 out of 2 workers are healthy",
            regex=r"[1-9]\d* out of \d+ workers are healthy",
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
        SHOW_WORKERS.format(url="http://127.0.0.1:30000"),
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
    },
    variant=_kind,
    values=_values,
    explains=("logs.wrong-engine", "probe.ready", "embed.answers"),
)
