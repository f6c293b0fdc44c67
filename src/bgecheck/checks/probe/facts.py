"""What the `probe` area asks a server, and what came back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from bgecheck.checks.answering import Engine
from bgecheck.checks.probe.engines import SGLANG, engine_of, health_pages
from bgecheck.checks.probe.vitals import Pages, Vitals, status_pages, vitals
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.running import UNTOLD, Running, running
from bgecheck.http.authorities import missing_bundle
from bgecheck.http.embeddings import ABSENT, Answer, Embedded, Refused, Unusable, is_busy, shows_nothing
from bgecheck.http.failures import Failure, NotSent
from bgecheck.http.openai_client import OpenAIClient, OpenAIResult
from bgecheck.http.proxies import DIRECT, Way, client_way, fetch_through, is_near, variables
from bgecheck.http.reply import Reply
from bgecheck.http.tls import Certificate
from bgecheck.knowledge.models import lookup
from bgecheck.machine.sidebyside import side_by_side
from bgecheck.machine.sockets import is_own
from bgecheck.model import Area, Secret, Target, Text, Unavailable, clean
from bgecheck.model.deadline import DEADLINE_EXCEEDED

if TYPE_CHECKING:
    from bgecheck.run.context import Context

T = TypeVar("T")

PROBE_TEXT = "你好，世界"
"""What is embedded to see whether the server works: harmless, short, and in its language."""

LEFT_OUT = Text("left out by --quick, or no time was left", "--quick 未包含此项，或时间不够")

NO_TIME = NotSent(DEADLINE_EXCEEDED)
UNSTEADY = NotSent(
    Text("not sent: a request like one before it was not answered", "没有发送：同样的请求第二次没有得到响应")
)


Form = Literal["alone", "unnamed", "null", "dimensions"]
"""A text that is no list; no `encoding_format`; `encoding_format: null`; `dimensions` as the model has them."""


class Limits(NamedTuple):
    """The answers that teach what the server takes."""

    again: Answer
    """`PROBE_TEXT` once more, as floats: also the second request, whose latency is the warm one."""
    packed: Answer = UNSTEADY
    """`PROBE_TEXT` in base64."""
    lengths: Mapping[int, Answer] = MappingProxyType({})
    """The answer to a text of so many Chinese characters; empty where the model's tokens are not known."""
    tails: tuple[Answer, Answer] | None = None
    """Two texts beyond the limit that differ only at their end, when the longest of `lengths` was taken."""
    blank: Answer = UNSTEADY
    batches: Mapping[int, Answer] = MappingProxyType({})
    """The answer to a request of so many short texts, from the largest down to the first that was taken.

    None of more texts than the server computes at once.
    """
    fewer: Answer = UNSTEADY
    """`PROBE_TEXT` with `dimensions` set to half of what the model has."""
    ids: Answer = UNSTEADY
    """Two small token ids in place of a text."""
    forms: Mapping[Form, Answer] = MappingProxyType({})
    """`PROBE_TEXT` in the forms of request that other clients send."""

    def answers(self) -> list[Answer]:
        """The answer to every request for embeddings that was sent."""
        single = (self.again, self.packed, self.blank, self.fewer, self.ids)
        several = (*self.lengths.values(), *(self.tails or ()), *self.batches.values(), *self.forms.values())
        return [answer for answer in (*single, *several) if not isinstance(answer, NotSent)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeFacts:
    """What the server answered to a handful of harmless requests."""

    target: Target
    models: Reply | Failure
    """The model list; asked for without the key where the certificate is not accepted."""
    certificate: Certificate | Failure | None
    """None where no TLS is asked for; for a plain URL, the result of a handshake when plain HTTP did not work."""
    keys: Mapping[str, Reply | Failure]
    """The model list asked for with `no key` and with `EMPTY`; without what was asked already."""
    elsewhere: Mapping[str, int]
    """Base URLs that answered in place of the one given, with the status of their model list."""
    engine: Engine
    served: tuple[str, ...]
    first: Answer
    """The answer to `PROBE_TEXT`, as floats."""
    proxies: tuple[str, ...]
    """Names of the proxy variables that are set here."""
    way: Way = DIRECT
    """How a client would get here: direct, or by the proxy that a variable names."""
    by_certifi: Certificate | Failure | None = None
    """The same certificate by certifi's authorities; None where only this system's were asked."""
    no_bundle: tuple[str, str] | None = None
    """The variable that names CA certificates which are not there, and what it names."""
    through: Reply | Failure | None = None
    """The model list asked for without a key through that proxy; None where it was not asked."""
    vitals: Vitals | None = None
    """What the health pages, the process and the log say; None when they were not asked."""
    prefix: str = "/v1"
    """What stands between the target's root and the OpenAI routes."""
    real_model: str | None = None
    """The model's folder or hub id, as the info page tells it."""
    contained: bool = False
    """Whether this runs in a container, whose loopback is not that of the machine."""
    remote: bool = False
    """Whether the address that refused is of another machine."""
    reranker: str | None = None
    """The name or class by which the model is a reranker, of which no embedding is asked for."""
    limits: Limits | None = None
    """None when they were not asked for, or there is no server that embeds."""
    burst: tuple[Answer, ...] | None = None
    """The answers to many short requests; None when it was not asked for."""
    openai: OpenAIResult | Unavailable | None = None
    """What the openai package made of this server; None when it was not asked for."""
    quick: bool = False
    running: Running = UNTOLD
    """What the server says of how it computes."""


AREA = Area("probe", seconds=math.inf)

BURST = 160
"""sglang #22779: a server that follows a killed one on its port hangs after 100 to 140 requests."""

AT_ONCE = 8

EDGE = (509, 510, 511, 512)
"""Chinese characters around the limit of 512 tokens with [CLS] and [SEP]; sglang takes 511 tokens at most."""

BEYOND = 520

BATCHES = (64, 32, 8, 4, 2)
"""text-embeddings-inference takes 32 texts unless told otherwise (TEI #378), hosted services 10 to 64, some fewer."""

FEW = 8
"""Texts that a server computes at once, below which as many are sent as it computes."""

CHARACTER, OTHER = "天", "海"


@AREA.collect
def collect(context: Context) -> ProbeFacts:
    """Ask the model list, the info pages and one real embedding; then, unless quick, what the server takes."""
    server = context.server()
    return _asked(context, server, *_models(server))


@AREA.collect_later(after=("embed",))
def with_openai(context: Context, facts: ProbeFacts) -> ProbeFacts:
    """Add what openai made of the server: it is called when nothing else is sent, which its request would disturb.

    Its process has had all the time until then to import it.
    """
    client = context.openai
    if client is None or isinstance(client, Unavailable):
        return replace(facts, openai=client)
    if not isinstance(facts.models, Reply):
        return facts
    return replace(facts, openai=_by_itself(client, context, context.server()))


def _by_itself(client: OpenAIClient, context: Context, server: Server) -> OpenAIResult | Unavailable | None:
    try:
        with server.turn():
            return client.result(context.deadline.remaining()) if _call(client, context, server) else None
    except Unavailable as unavailable:
        return unavailable


def _asked(
    context: Context, server: Server, models: Reply | Failure, shown: Certificate | Failure | None
) -> ProbeFacts:
    """Everything but what openai makes of the server."""
    target = context.target
    way = client_way(target.url, target.host, target.port)
    facts = ProbeFacts(
        target=target,
        models=models,
        certificate=shown,
        keys={},
        elsewhere={},
        engine=Engine(None, None),
        served=(),
        first=NotSent(_UNREACHABLE),
        proxies=variables(),
        way=way,
        by_certifi=_in_time(lambda: _by_certifi(server, shown)),
        no_bundle=missing_bundle() if target.url.startswith("https:") else None,
        contained=target.is_local and in_container(),
        quick=context.settings.quick,
    )
    if isinstance(models, Failure):
        remote = models.kind == "refused" and not target.is_local and not is_own(target.host, RESOLVE_SECONDS)
        return replace(facts, vitals=vitals(context, {}), remote=remote)
    if isinstance(shown, Failure) and server.target.url.startswith("https:"):
        return replace(facts, first=NotSent(_NOT_TRUSTED), served=server.served())
    pages = _at_first(server, context.settings.quick) if server.owned_by() == SGLANG else None
    first = server.first_embedding(PROBE_TEXT)
    works = isinstance(first, Embedded)
    lost = is_lost(models, first)
    info = server.model_info() if models.status == 200 else None
    model_path, engine = (info or {}).get("model_path"), engine_of(server, models)
    keys = (_in_time(lambda: _keys(server)) if models.status in _KEY_STATUSES else None) or {}
    elsewhere = (_in_time(server.elsewhere) if lost else None) or {}
    through = _through(server, way) if way.variable and is_near(target.host) else None
    if pages is None and not (context.settings.quick or lost):
        pages = _in_time(lambda: status_pages(server, health_pages(engine)))
    signs = {} if context.settings.quick else _signs(context, server, pages, works)
    return replace(
        facts,
        keys=keys,
        elsewhere=elsewhere,
        engine=engine,
        served=server.served(),
        first=first,
        reranker=server.reranker(),
        through=through,
        vitals=signs.get("vitals"),
        limits=signs.get("limits"),
        burst=_in_time(lambda: _burst(server)) if context.settings.full and works else None,
        prefix=server.prefix,
        real_model=clean(model_path, 200) if isinstance(model_path, str) else None,
        running=(_in_time(lambda: _running(server)) if models.status == 200 else None) or UNTOLD,
    )


def _running(server: Server) -> Running:
    process = server.target.server
    return running(server.server_info() or {}, process.flags if process else None)


_UNREACHABLE = Text("not sent: the server is not reachable", "没有发送：连不上服务")
_NOT_TRUSTED = Text(
    "not sent: the certificate is not accepted, so that neither key nor text was sent",
    "没有发送：证书不被接受，因此没有发送 key 和文本",
)


def _at_first(server: Server, quick: bool) -> Pages | None:
    """The first embedding, the info pages and, unless quick, what the health pages say: side by side.

    Where the scheduler is dead, each of them takes its whole time.
    """
    health = () if quick else health_pages(Engine(SGLANG, None))
    asked = side_by_side(
        {"pages": lambda: status_pages(server, health), "first": lambda: server.first_embedding(PROBE_TEXT)}
    )
    return None if quick else asked.get("pages")


def _signs(context: Context, server: Server, pages: Pages | None, works: bool) -> dict[Any, Any]:
    """The signs of life and the limits; this machine is looked at while the server computes."""
    # By itself, because it shows how long a warm request takes.
    again = _in_time(lambda: server.embed([PROBE_TEXT])) if works else None
    tasks: dict[Any, Callable[[], Any]] = {}
    if pages is not None:
        tasks["vitals"] = lambda: vitals(context, pages)
    if again is not None:
        tasks["limits"] = lambda: _limits(server, again)
    return side_by_side(tasks)


def _in_time(ask: Callable[[], T]) -> T | None:
    """What was asked; None where the time for it was over, which takes nothing along that is known already."""
    try:
        return ask()
    except Unavailable:
        return None


_KEY_STATUSES = (200, 400, 401, 403, 404)
"""What the model list's status must be for another key to show something."""


def _keys(server: Server) -> dict[str, Reply | Failure]:
    """The model list asked for without a key and with the usual placeholder, each where the run itself does not."""
    own, path = server.target.api_key, f"{server.prefix}/models"
    other: dict[str, Secret | None] = {"no key": None, "EMPTY": Secret("EMPTY")}
    return side_by_side({name: partial(server.get, path, key=key) for name, key in other.items() if key != own})


def _through(server: Server, way: Way) -> Reply | Failure | None:
    return fetch_through(str(way.variable), server.base_url + "/models", PROXY_SECONDS)


RESOLVE_SECONDS = 1.0
"""For the resolver, to see whether a host is this machine."""

PROXY_SECONDS = 3.0
"""For one request through a proxy of this network."""


def in_container() -> bool:
    """Whether this process runs in a container: by the files that Docker and Podman put there."""
    import os

    return any(os.path.exists(path) for path in ("/.dockerenv", "/run/.containerenv"))


def _models(server: Server) -> tuple[Reply | Failure, Certificate | Failure | None]:
    """The model list and the certificate; a server whose certificate is not accepted is asked without the key."""
    models = server.models()
    if not server.target.url.startswith("https:"):
        return models, server.handshake() if _may_want_tls(models) else None
    if isinstance(models, Reply):
        return models, models.certificate
    if models.kind != "tls":
        return models, None
    unverified = models if models.tls in ("plain", "late") else server.unverified("/v1/models")
    return unverified, models


_AUTHORITY = ("self-signed", "unknown-authority")
"""Reasons for which one list of authorities may refuse what another accepts."""


def _by_certifi(server: Server, shown: Certificate | Failure | None) -> Certificate | Failure | None:
    """The second opinion of the authorities that openai up to 2.x and requests bring along.

    SSL_CERT_FILE and SSL_CERT_DIR replace both lists in httpx.
    """
    import os

    if shown is None or not server.target.url.startswith("https:"):
        return None
    if isinstance(shown, Failure) and shown.tls not in _AUTHORITY:
        return None
    if any(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")):
        return None
    return server.handshake("certifi")


def _may_want_tls(models: Reply | Failure) -> bool:
    """Whether an answer to plain HTTP is one that a port for TLS gives: an error of its own, an alert, or the end."""
    if isinstance(models, Failure):
        return models.kind in ("protocol", "malformed", "closed", "reset")
    return models.status == 400


def _limits(server: Server, again: Answer) -> Limits:
    """Side by side: the requests are small, and a server answers them in one or two batches.

    What is only asked whether it is taken is asked in base64 where the server knows it: a quarter of the bytes.
    """
    if is_unsteady(again):
        return Limits(again)
    packed = server.embed([PROBE_TEXT], encoding="base64")
    short = "base64" if isinstance(packed, Embedded) and packed.packed else "float"
    first = server.first_embedding(PROBE_TEXT)
    dims = len(first.vectors[0]) if isinstance(first, Embedded) else 0
    half = dims // 2
    tasks: dict[Any, Callable[[], Any]] = {
        "blank": _asking(server, [PROBE_TEXT, " "], short),
        "batches": lambda: _batches(server, short),
        "fewer": lambda: server.embed([PROBE_TEXT], dimensions=half, probing=True) if half else _ONE_NUMBER,
        "ids": server.embed_token_ids,
        "alone": partial(server.embed_in_form, PROBE_TEXT, alone=True),
        "unnamed": partial(server.embed_in_form, PROBE_TEXT, encoding=ABSENT),
        "null": partial(server.embed_in_form, PROBE_TEXT, encoding=None),
    }
    sizes = EDGE if _counts_characters(server) else ()
    tasks |= {size: _asking(server, [CHARACTER * size], short) for size in sizes}
    done = side_by_side(tasks)
    longest = done.get(EDGE[-1])
    return Limits(
        again,
        packed=packed,
        lengths={size: done.get(size, NO_TIME) for size in sizes},
        tails=_tails(server) if isinstance(longest, Embedded) else None,
        blank=done.get("blank", NO_TIME),
        batches=done.get("batches", {BATCHES[0]: NO_TIME}),
        fewer=done.get("fewer", NO_TIME),
        ids=done.get("ids", NO_TIME),
        forms=_forms(server, done, dims),
    )


_ONE_NUMBER = NotSent(Text("a vector of one dimension cannot be cut", "向量只有一维，无法截断"))


def _forms(server: Server, done: Mapping[Any, Answer], dims: int) -> dict[Form, Answer]:
    """The answers to each form; the model's own dimension is only asked for where fewer are refused."""
    forms: tuple[Form, ...] = ("alone", "unnamed", "null")
    answers: dict[Form, Answer] = {form: done.get(form, NO_TIME) for form in forms}
    if isinstance(done.get("fewer"), Refused):
        own = partial(server.embed_in_form, PROBE_TEXT, dimensions=dims)
        answers["dimensions"] = _in_time(own) or NO_TIME
    return answers


def _asking(server: Server, texts: Sequence[str], encoding: str = "float") -> Callable[[], Answer]:
    return lambda: server.embed(texts, encoding=encoding, probing=True)


def _counts_characters(server: Server) -> bool:
    """Whether the model is known to have one token for a Chinese character, and 512 of them."""
    names = (*server.served(), server.target.model or "")
    return any(model.max_tokens == 512 and "-zh" in model.name for model in map(lookup, names) if model)


def _tails(server: Server) -> tuple[Answer, Answer]:
    end = BEYOND - 512
    return server.embed([CHARACTER * BEYOND]), server.embed([CHARACTER * 512 + OTHER * end])


def _batches(server: Server, encoding: str) -> dict[int, Answer]:
    answers: dict[int, Answer] = {}
    few = server.few_at_once(max(BATCHES)) or max(BATCHES)
    for size in [size for size in BATCHES if size <= few] if few >= FEW else [few]:
        texts = [f"{PROBE_TEXT}{number}" for number in range(size)]
        answers[size] = _in_time(partial(server.embed, texts, encoding=encoding, probing=True)) or NO_TIME
        if not isinstance(answers[size], Refused | Unusable) or turned_away(answers[size]):
            break
    return answers


def is_unsteady(again: Answer) -> bool:
    """Whether a request that was answered before is not any more, and nobody says that it is for being busy."""
    return not (isinstance(again, Embedded) or is_busy(again) or shows_nothing(again))


def turned_away(answer: Reply | Answer) -> bool:
    """True for 429, 502, 503 and 504: overload or a gateway, says nothing about what the server takes."""
    return isinstance(answer, Reply | Refused) and answer.status in (429, 502, 503, 504)


def _burst(server: Server) -> tuple[Answer, ...]:
    """Many short requests, a few at a time; it ends at the first that gets no response at all, or was not sent."""
    answers: list[Answer] = []
    for start in range(0, BURST, AT_ONCE):
        texts = [f"{PROBE_TEXT}{number}" for number in range(start, start + AT_ONCE)]
        answers += server.embed_at_once(texts)
        if any(isinstance(answer, Failure | NotSent) for answer in answers[-AT_ONCE:]):
            break
    return tuple(answers)


def _base_url(server: Server) -> str:
    """What the user's program has as its base URL: what was given, else what bgecheck prints."""
    given = is_as_given(server.target, server.prefix)
    return server.base_url if given else server.target.base_url


def is_as_given(target: Target, prefix: str) -> bool:
    """Whether the URL that was given is the one that works; one that was found by itself is nobody's mistake."""
    path = re.sub(r"^[a-z]+://", "", (target.given_url or "").strip().lower()).rstrip("/").partition("/")[2]
    return target.given_url is None or path.split("/").count("v1") == prefix.count("/v1")


def _call(client: OpenAIClient, context: Context, server: Server) -> bool:
    """Give the process of openai its call: the template's, with what a user's program would know."""
    try:
        if server.reranker():
            return False
        name = server.model_name() or "default"
        seconds = context.deadline.timeout(context.settings.timeout)
    except Unavailable:
        return False
    client.call(_base_url(server), context.target.api_key, name, (PROBE_TEXT,), seconds)
    return True


def is_lost(models: Reply, first: Answer) -> bool:
    """Whether there is no API below a base URL: no model list, or a web page in its place, and no embedding."""
    nothing = models.status == 404 or (models.status == 200 and models.is_html)
    return nothing and not isinstance(first, Embedded) and not _is_of_an_api(first)


def _is_of_an_api(first: Answer) -> bool:
    """Whether a refusal comes from an embeddings route: an engine without a model list may be overloaded."""
    return isinstance(first, Refused) and not first.html and first.status in (413, 422, 424, 429)


def reply_of(facts: ProbeFacts) -> Reply:
    """The model list, which the entry row has found to be there."""
    assert isinstance(facts.models, Reply), "probe.reachable is needed by every other row"
    return facts.models
