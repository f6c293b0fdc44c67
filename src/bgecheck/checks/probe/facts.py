"""What the `probe` area asks a server, and what came back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from bgecheck.model import Area, Target, Text, Unavailable
from bgecheck.model.registry import lookup
from bgecheck.sources.context import Context
from bgecheck.sources.embeddings import Answer, Embedded, Refused, Unusable
from bgecheck.sources.http import Certificate, Failure, Reply
from bgecheck.sources.sdk import Called, called
from bgecheck.sources.server import Server

PROBE_TEXT = "你好，世界"
"""What is embedded to see whether the server works: harmless, short, and in its language."""

LEFT_OUT = Text("left out by --quick, or no time was left", "--quick 未包含此项，或时间不够")

SHAPES = ("/v1/models", "/models", "/v1/v1/models")
"""Where OpenAI-compatible servers and gateways keep their model list."""


class Engine(NamedTuple):
    """Which server answers, as far as it tells."""

    name: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The answers that teach what the server takes. None where a request was not sent or did not come back."""

    health: Reply | Failure | None
    packed: Answer | None
    """`PROBE_TEXT` in base64."""
    again: Answer | None
    """`PROBE_TEXT` once more, as floats: also the second request, whose latency is the warm one."""
    lengths: Mapping[int, Answer]
    """The answer to a text of so many Chinese characters; empty where the model's tokens are not known."""
    tails: tuple[Answer, Answer] | None
    """Two texts beyond the limit that differ only at their end, when the longest of `lengths` was taken."""
    blank: Answer | None
    batches: Mapping[int, Answer]
    """The answer to a request of so many short texts, from the largest down to the first that was taken."""

    def answers(self) -> list[Answer]:
        """Every answer to a request for embeddings."""
        told = [self.packed, self.again, *self.lengths.values(), *(self.tails or ()), self.blank]
        return [answer for answer in (*told, *self.batches.values()) if answer is not None]


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What the server answered to a handful of harmless requests."""

    target: Target
    models: Reply | Failure
    """The model list; asked for without the key where the certificate is not accepted."""
    certificate: Certificate | Failure | None
    """None where no TLS is asked for; for a plain URL, what a handshake brought when plain HTTP did not work."""
    without_key: Reply | Failure | None
    """The model list asked for without the key, when there is one."""
    elsewhere: Mapping[str, int]
    """Base URLs that answered in place of the one given, with the status of their model list."""
    engine: Engine
    served: tuple[str, ...]
    first: Answer
    proxies: tuple[str, ...]
    """Names of the proxy variables that are set here."""
    proxied: str | None = None
    """The variable by which a client would ask a proxy for this target."""
    limits: Limits | None = None
    """None when they were not asked for, or there is no server that embeds."""
    burst: tuple[Answer, ...] | None = None
    """The answers to many short requests; None when it was not asked for."""
    sdk: Called | Unavailable | None = None
    """What the openai package made of this server; None when it was not asked for."""
    quick: bool = False


AREA = Area("probe", Text("HTTP", "HTTP 接口"), seconds=60.0)

BURST = 160
"""sglang #22779: a server that follows a killed one on its port hangs after 100 to 140 requests."""

AT_ONCE = 8

EDGE = (509, 510, 511)
"""Chinese characters around the limit of 512 tokens with [CLS] and [SEP]; sglang takes 511 tokens at most."""

BEYOND = 520

BATCHES = (64, 32, 8)
"""text-embeddings-inference takes 32 texts unless told otherwise (TEI #378), hosted services 10 to 64."""

CHARACTER, OTHER = "天", "海"


@AREA.collect
def collect(context: Context) -> ProbeFacts:
    """Ask the model list, the info pages and one real embedding; then, unless quick, what the server takes."""
    server, target = context.server(), context.target
    models, shown = _models(server)
    proxies = _proxies()
    proxied = client_proxy(target.url, target.host, target.port) if proxies else None
    if isinstance(models, Failure):
        return ProbeFacts(target, models, shown, None, {}, Engine(None, None), (), models, proxies, proxied)
    refused = shown if isinstance(shown, Failure) and server.target.url.startswith("https:") else None
    first = refused or server.first_embedding(PROBE_TEXT)
    trusted = refused is None
    works = isinstance(first, Embedded)
    return ProbeFacts(
        target=target,
        models=models,
        certificate=shown,
        without_key=server.get("/v1/models", with_key=False) if target.api_key and trusted else None,
        elsewhere=_elsewhere(server) if models.status == 404 and trusted else {},
        engine=_engine(server, models) if trusted else Engine(None, None),
        served=server.served(),
        first=first,
        proxies=proxies,
        proxied=proxied,
        limits=None if context.quick or not trusted or models.status == 404 else _limits(server, works),
        burst=_burst(server) if context.full and works else None,
        sdk=_sdk(context, server) if context.full and isinstance(first, Embedded | Unusable) else None,
        quick=context.quick,
    )


def _models(server: Server) -> tuple[Reply | Failure, Certificate | Failure | None]:
    """The model list and the certificate; a server whose certificate is not accepted is asked without the key."""
    models = server.page("/v1/models")
    if not server.target.url.startswith("https:"):
        return models, server.certificate() if _may_want_tls(models) else None
    if isinstance(models, Failure) and models.kind != "tls":
        return models, None
    shown = server.certificate()
    if isinstance(models, Failure):
        unverified = server.unverified("/v1/models") if models.tls not in ("plain", "late") else models
        return unverified, shown if isinstance(shown, Failure) else models
    return models, shown


def _may_want_tls(models: Reply | Failure) -> bool:
    """Whether an answer to plain HTTP is one that a port for TLS gives: an error of its own, an alert, or the end."""
    if isinstance(models, Failure):
        return models.kind in ("protocol", "closed", "reset")
    return models.status == 400


def _limits(server: Server, works: bool) -> Limits:
    """Side by side: the requests are small, and a server answers them in one or two batches.

    What is only asked whether it is taken is asked in base64 where the server knows it: a quarter of the bytes.
    """
    packed = server.embed([PROBE_TEXT], encoding="base64") if works else None
    short = "base64" if isinstance(packed, Embedded) and packed.packed else "float"
    tasks: dict[Any, Callable[[], Any]] = {"health": lambda: server.page("/health")}
    if works:
        tasks["again"] = _asking(server, [PROBE_TEXT])
        tasks["blank"] = _asking(server, [PROBE_TEXT, " "], short)
        tasks["batches"] = lambda: _batches(server, short)
        sizes = EDGE if _counts_characters(server) else ()
        tasks |= {size: _asking(server, [CHARACTER * size], short) for size in sizes}
    done = side_by_side(tasks)
    longest = done.get(EDGE[-1])
    return Limits(
        health=done.get("health"),
        packed=packed,
        again=done.get("again"),
        lengths={size: done[size] for size in EDGE if size in done},
        tails=_tails(server) if isinstance(longest, Embedded) else None,
        blank=done.get("blank"),
        batches=done.get("batches") or {},
    )


def _asking(server: Server, texts: Sequence[str], encoding: str = "float") -> Callable[[], Answer]:
    return lambda: server.embed(texts, encoding=encoding)


def _counts_characters(server: Server) -> bool:
    """Whether the model is known to have one token for a Chinese character, and 512 of them."""
    names = (*server.served(), server.target.model or "")
    return any(model.max_tokens == 512 and "-zh" in model.name for model in map(lookup, names) if model)


def _tails(server: Server) -> tuple[Answer, Answer]:
    end = BEYOND - 512
    return server.embed([CHARACTER * BEYOND]), server.embed([CHARACTER * 512 + OTHER * end])


def _batches(server: Server, encoding: str) -> dict[int, Answer]:
    answers: dict[int, Answer] = {}
    for size in BATCHES:
        answers[size] = server.embed([f"{PROBE_TEXT}{number}" for number in range(size)], encoding=encoding)
        if not isinstance(answers[size], Refused) or turned_away(answers[size]):
            break
    return answers


def turned_away(answer: Reply | Failure | Answer | None) -> bool:
    """Whether an answer tells of how busy somebody is, and nothing of what the server takes."""
    return isinstance(answer, Reply | Refused) and answer.status in (429, 502, 503, 504)


def _burst(server: Server) -> tuple[Answer, ...]:
    """Many short requests, a few at a time; it ends at the first that gets no answer at all."""
    answers: list[Answer] = []
    for start in range(0, BURST, AT_ONCE):
        texts = [f"{PROBE_TEXT}{number}" for number in range(start, start + AT_ONCE)]
        answers += side_by_side({text: _asking(server, [text]) for text in texts}).values()
        if any(isinstance(answer, Failure) for answer in answers[-AT_ONCE:]):
            break
    return tuple(answers)


def _sdk(context: Context, server: Server) -> Called | Unavailable:
    key = context.target.api_key
    try:
        name = server.model_name() or "default"
        given = key.reveal() if key else "EMPTY"
        return called(context.target.base_url, given, name, PROBE_TEXT, context.deadline.timeout(context.timeout))
    except Unavailable as unavailable:
        return unavailable


def side_by_side(tasks: Mapping[Any, Callable[[], Any]]) -> dict[Any, Any]:
    """What each task brought, all at the same time; a task for which no time is left is missing."""
    done: dict[Any, Any] = {}

    def run(name: Any) -> None:
        with suppress(Unavailable):
            done[name] = tasks[name]()

    threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy")


def _proxies() -> tuple[str, ...]:
    import os

    return tuple(sorted(n for n in os.environ if n.lower() in _PROXY_NAMES and os.environ[n]))


def client_proxy(url: str, host: str, port: int) -> str | None:
    """The name of the variable by which a client that follows the environment asks a proxy for this URL, or None.

    By the rules that curl, requests and httpx share: the scheme's variable or ALL_PROXY, lower case first, and
    no_proxy as a list of hosts, domains and host:port; `*` is everything.
    """
    import os

    excepted = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    for entry in (e.strip().lower().lstrip(".") for e in excepted.split(",")):
        if entry == "*" or (entry and (entry in (host, f"{host}:{port}", f"[{host}]") or host.endswith(f".{entry}"))):
            return None
    scheme = url.partition(":")[0]
    for name in (f"{scheme}_proxy", "all_proxy"):
        found = next((n for n in (name, name.upper()) if os.environ.get(n)), None)
        if found:
            return found
    return None


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
    gateway = _gateway(models)
    if gateway:
        return gateway
    if models.status in (401, 403):
        return Engine("sglang" if models.json() == {"error": "Unauthorized"} else None, None)
    owner = _owner(models.json())
    info, settings = server.model_info(), server.server_info()
    if owner == "sglang" or (info and "is_generation" in info):
        return Engine("sglang", _text(settings, "version"))
    return _other_engine(server, owner, models)


def _gateway(models: Reply) -> Engine | None:
    """A gateway that names itself in a header, whatever stands behind it.

    LiteLLM puts its version into every answer (its proxy's common_request_processing.py); one-api and its
    descendant new-api share the name of one header (common/constants.go), new-api adds its version.
    """
    headers = models.headers
    if "x-litellm-version" in headers:
        return Engine("LiteLLM", headers["x-litellm-version"])
    if "x-new-api-version" in headers:
        return Engine("new-api", headers["x-new-api-version"])
    return Engine("one-api / new-api", None) if "x-oneapi-request-id" in headers else None


def _owner(payload: Any) -> str | None:
    data = payload.get("data") if isinstance(payload, Mapping) else None
    card = data[0] if isinstance(data, list) and data and isinstance(data[0], Mapping) else {}
    owner = card.get("owned_by")
    return owner if isinstance(owner, str) else None


_OWNERS = {"infinity": "Infinity", "library": "Ollama", "xinference": "Xinference"}
"""What other engines write into `owned_by` of their model list."""


def _other_engine(server: Server, owner: str | None, models: Reply) -> Engine:
    if owner == "vllm":
        return Engine("vLLM", _text(_object(server.page("/version")), "version"))
    if owner in _OWNERS:
        return Engine(_OWNERS[owner], None)
    if models.status != 404:
        return Engine(None, None)
    # text-embeddings-inference has no model list, and an /info page that no other engine has.
    info = _object(server.page("/info"))
    if info and "model_id" in info and "max_client_batch_size" in info:
        return Engine("text-embeddings-inference", _text(info, "version"))
    front = models.headers.get("server", "")
    return Engine(front, None) if front and "uvicorn" not in front else Engine(None, None)


def _object(page: Reply | Failure) -> Mapping[str, Any] | None:
    payload = page.json() if isinstance(page, Reply) else None
    return payload if isinstance(payload, Mapping) else None


def _text(page: Mapping[str, Any] | None, name: str) -> str | None:
    value = page.get(name) if page else None
    return value if isinstance(value, str) else None


def seen(answer: Reply | Answer) -> str:
    """An answer in one line."""
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


def reply_of(facts: ProbeFacts) -> Reply:
    """The model list, which the entry row has found to be there."""
    assert isinstance(facts.models, Reply), "probe.reachable is needed by every other row"
    return facts.models
