"""The target over HTTP: its pages and the embeddings route, each page asked for once in a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeVar

from bgecheck.engines.base import DEMO_MARK, PROBE_MARK, Pages
from bgecheck.http.client import Http, Transport
from bgecheck.http.embeddings import SMALL_IDS, Answer, Embedded, joined, may_be_too_many, read, request_body
from bgecheck.http.failures import Failure, NotSent
from bgecheck.http.handshake import handshake
from bgecheck.http.reply import BODY_LIMIT, PAGE_LIMIT, Reply
from bgecheck.http.tls import Authorities, Certificate
from bgecheck.knowledge.models import Model, is_reranker, lookup
from bgecheck.machine.sidebyside import side_by_side
from bgecheck.model import Secret, Target, Text, Unavailable, clean
from bgecheck.model.deadline import DEADLINE_EXCEEDED, Deadline, deadline_exceeded

T = TypeVar("T")

LARGEST_VECTOR = 256 * 1024
"""Bytes that one vector of a response may have: 8192 floats of 17 digits, with their commas and more."""

SLOW_SECONDS = 0.5
"""For one request, from which on requests are sent one after the other; on a GPU they take some 10 ms."""

FAIR_SECONDS = 5.0
"""After which a small request without a response shows the server, and not the time that was left of the run."""


SHAPES = ("/v1", "", "/v1/v1", "/api/v1")
"""What OpenAI-compatible servers and gateways have before their routes."""

PLENTY = 128
"""Texts that a server computes at once, from which on all requests of a run together are fewer."""

LEARNING_SECONDS = 2.0
"""For which the first text waits for the page that tells how many are computed at once."""


class Server:
    """One target over HTTP. Harmless requests only; safe to use from several collectors at once."""

    def __init__(self, target: Target, deadline: Deadline, timeout: float, pages: Pages) -> None:
        self.target = target
        self.pages = pages
        self._deadline = deadline
        self._timeout = timeout
        self._http = Http()
        self._slow = False
        self._learning: tuple[threading.Thread, float] | None = None
        self._learned: int | None = None
        self._most_taken: int | None = None
        self._one_at_a_time = threading.Lock()
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._cache: dict[str, Any] = {}

    def get(
        self, path: str, *, key: Secret | Literal["given"] | None = "given", root: str | None = None, least: float = 0.0
    ) -> Reply | Failure:
        """Fetch a path below the target's root (or another `root`), with the target's key, another one or none.

        It may take the time of one request, and `least` seconds where that is longer. Raises `Unavailable` where no
        time is left.
        """
        headers = self._headers(self.target.api_key if key == "given" else key)
        url = (root or self.target.url) + path + ("" if key == "given" else self._probe_query())
        with self._in_turn(path in self.pages.health and self.few_at_once() is not None):
            return self._exchange("GET", url, headers=headers, limit=PAGE_LIMIT, least=least)

    def _probe_query(self) -> str:
        """What marks a request that may be refused in the log of the engine, which would count it among its clients'.

        Other servers are asked as clients ask them: of a gateway nobody knows what it makes of a query.
        """
        return f"?{PROBE_MARK}" if self.owned_by() == self.pages.owner else ""

    @property
    def prefix(self) -> str:
        """What stands between the target's root and the OpenAI routes: `/v1` nearly everywhere."""
        return self._once("prefix", self._probe_prefix)

    @property
    def base_url(self) -> str:
        """The base URL below which the OpenAI routes were found; with `/v1` where they were not."""
        return self.target.url + self.prefix

    def asked_url(self) -> str:
        """The base URL that requests of this run went to; the usual one where none was sent, and it sends none."""
        return self.target.url + str(self._cache.get("prefix", "/v1"))

    def answering_url(self) -> str:
        """The same, or the root above it where nothing was there."""
        asked = self.asked_url()
        pages = (f"GET {asked.removeprefix(self.target.url)}/{name}" for name in ("models", "embeddings"))
        replies = [self._cache[page] for page in pages if page in self._cache]
        return self.target.url if replies and all(map(_is_missing, replies)) else asked

    def models(self) -> Reply | Failure:
        """The model list."""
        return self.page(f"{self.prefix}/models")

    def _probe_prefix(self) -> str:
        """`/v1`, unless its routes are not there and elsewhere they are.

        Infinity has them at the root unless started otherwise (`/models`, `/embeddings`), a gateway that was given a
        whole base URL as its upstream at `/v1/v1`; text-embeddings-inference has no model list, and `/v1/embeddings`.
        """
        models = self.page("/v1/models")
        if not _is_missing(models) or not _is_missing(self._probe_route("/v1")):
            return "/v1"
        for prefix in ("", "/v1/v1"):
            if _exists(self.page(f"{prefix}/models")) or _exists(self._probe_route(prefix)):
                return prefix
        return "/v1"

    def _probe_route(self, prefix: str) -> Reply | Failure:
        """The response of a prefix's embeddings route to GET: 405 where it exists, 404 where it does not."""
        return self.page(f"{prefix}/embeddings")

    def elsewhere(self) -> dict[str, int]:
        """Base URLs near the given one whose model list answers, with its status; a web page is no such list."""
        origin = "/".join(self.target.url.split("/", 3)[:3])
        statuses = {}
        for root in dict.fromkeys((self.target.url, origin)):
            for shape in SHAPES:
                if (root, shape) == (self.target.url, "/v1"):
                    continue
                reply = self.get(f"{shape}/models", root=root)
                if isinstance(reply, Reply) and reply.status in (200, 401, 403) and isinstance(reply.json(), Mapping):
                    statuses[root + shape] = reply.status
        return statuses

    def unverified(self, path: str) -> Reply | Failure:
        """Fetch a path without the key from a server whose certificate is not accepted."""
        with closing(Http(Transport(authorities="any"))) as http:
            return self._exchange("GET", self.target.url + path, limit=PAGE_LIMIT, http=http)

    def handshake(self, authorities: Authorities = "system") -> Certificate | Failure:
        """What a client that trusts `authorities` makes of the server's certificate."""
        seconds = self._deadline.timeout(self._timeout)
        return handshake(self.target.host, self.target.port, seconds, authorities)

    def page(self, path: str) -> Reply | Failure:
        """The same as `get`, asked once in a run and shared."""
        return self._once(f"GET {path}", lambda: self.get(path))

    def first_page(self, paths: Sequence[str]) -> Mapping[str, Any] | None:
        """The JSON object of the first of `paths` that answers 200 with one."""
        for path in paths:
            reply = self.page(path)
            if isinstance(reply, Failure):
                return None
            payload = reply.json() if reply.status == 200 else None
            if isinstance(payload, Mapping):
                return payload
        return None

    def model_info(self) -> Mapping[str, Any] | None:
        """The server's page about its model; None when there is none."""
        return self.first_page(self.pages.model)

    def server_info(self) -> Mapping[str, Any] | None:
        """The server's page about its settings, the key among them; None when there is none."""
        return self.first_page(self.pages.settings)

    def served(self) -> tuple[str, ...]:
        """The model ids of `/v1/models`, or where there is none the one of text-embeddings-inference's `/info`."""
        names = tuple(clean(card["id"], 200) for card in self._cards() if isinstance(card.get("id"), str))
        if names or not _is_missing(self.models()):
            return names
        model_id = (self.first_page(("/info",)) or {}).get("model_id")
        return (clean(model_id, 200),) if isinstance(model_id, str) else ()

    def owned_by(self) -> str | None:
        """The engine's name in the model list."""
        owner = next((card.get("owned_by") for card in self._cards()), None)
        return owner if isinstance(owner, str) else None

    def max_model_len(self) -> int | None:
        """Tokens that the first model of `/v1/models` takes, by its own entry."""
        length = next((card.get("max_model_len") for card in self._cards()), None)
        return length if isinstance(length, int) and not isinstance(length, bool) and 0 < length < 2**31 else None

    def longest_text(self, model: Model | None) -> int | None:
        """Tokens of the longest text that is taken and read whole; None where neither server nor registry has a limit.

        One less than the limit: sglang refuses a text of exactly as many (measured on 0.5.3.post3 and 0.5.23).
        """
        limits = [limit for limit in (self.max_model_len(), model.max_tokens if model else None) if limit]
        return min(limits) - 1 if limits else None

    def is_demo(self) -> bool:
        """Whether the server's own page marks it as the demo of this project."""
        return (self.model_info() or {}).get(DEMO_MARK) is True

    def _cards(self) -> list[Mapping[str, Any]]:
        reply = self.models()
        payload = reply.json() if isinstance(reply, Reply) and reply.status == 200 else None
        data = payload.get("data") if isinstance(payload, Mapping) else None
        return [card for card in data if isinstance(card, Mapping)] if isinstance(data, list) else []

    def model_name(self) -> str | None:
        """The name to send: the one that was asked for, else the one that is served."""
        return self.target.model or next(iter(self.served()), None)

    def reranker(self) -> str | None:
        """The name or class by which the model is a reranker, as far as the server's pages and its process tell.

        The folder decides where it is known, for a server answers to any name; else the name that is requested.
        """
        info = self.model_info() if self.owned_by() == "sglang" else None
        path, classes = (info or {}).get("model_path"), (info or {}).get("architectures")
        folder = path if isinstance(path, str) else self.target.model_path
        name = folder or self.model_name()
        if is_reranker(name):
            return clean(str(name), 200)
        scores = next((c for c in classes if str(c).endswith(_SCORES)), None) if isinstance(classes, list) else None
        return clean(f"{name} ({scores})", 200) if scores and lookup(name) is None else None

    def few_at_once(self, count: int = 1) -> int | None:
        """Texts that the server computes at once, where they are so few that requests have to keep to it; else None.

        One text waits `LEARNING_SECONDS` at most for the page that tells it; several wait for it as for any answer.
        """
        seconds = LEARNING_SECONDS if count == 1 else max(LEARNING_SECONDS, self._timeout)
        learned = self.at_once(seconds)
        return learned if learned is not None and learned < PLENTY else None

    def at_once(self, seconds: float) -> int | None:
        """Texts that the server computes at once, by its page or launch line, waited for so long; None if untold."""
        with self._lock:
            if self._learning is None:
                thread = threading.Thread(target=self._learn, name="texts at once", daemon=True)
                self._learning = (thread, time.monotonic())
                thread.start()
            thread, began = self._learning
        thread.join(max(0.0, min(began + seconds - time.monotonic(), self._deadline.remaining())))
        return self._learned

    def most_at_once(self) -> int | None:
        """Texts that the server computes at once, few or many; None where neither a page nor its options tell."""
        self.few_at_once()
        return self._learned

    def _learn(self) -> None:
        process = self.target.server
        with suppress(Unavailable):
            self._learned = self.pages.at_once(self.server_info() or {}, process.flags if process else None)

    def embed(
        self, texts: Sequence[str], *, encoding: str = "float", dimensions: int | None = None, probing: bool = False
    ) -> Answer:
        """The vectors of `texts`, in one request; never of more texts than the server computes at once.

        One that is `probing` is made to see whether it is refused. Raises `Unavailable` where no time is left.
        """
        few = self.few_at_once(len(texts))
        if few is not None and len(texts) > few:
            return NotSent(_too_many(len(texts), few), spared=True)
        body = request_body(texts, self.model_name(), encoding, dimensions)
        with self.turn():
            return self._embedded(body, len(texts), probing=probing)

    def embed_raw(self, texts: Sequence[str], *, encoding: str, seconds: float) -> Reply | Failure:
        """The reply to one request of `texts` as it came, within `seconds`; several at once where the caller says so.

        The caller keeps to `at_once`. Raises `Unavailable` where no time is left.
        """
        body = request_body(texts, self.model_name(), encoding)
        headers = {**self._headers(self.target.api_key), "Content-Type": "application/json"}
        limit = min(BODY_LIMIT, PAGE_LIMIT + len(texts) * LARGEST_VECTOR)
        url = self.base_url + "/embeddings"
        return self._exchange("POST", url, headers=headers, body=body, limit=limit, least=seconds)

    def embed_in_parts(self, texts: Sequence[str]) -> Answer:
        """The vectors of `texts`, in as few requests as the server takes; the first answer without vectors, if any.

        Where so many are refused half of them are tried, down to one; what was taken then is kept for the whole run.
        """
        few = min(filter(None, (self.few_at_once(len(texts)), self._most_taken, max(1, len(texts)))))
        answer = self.embed(texts[:few])
        while few > 1 and may_be_too_many(answer):
            few //= 2
            answer = self.embed(texts[:few])
            if isinstance(answer, Embedded):
                self._most_taken = few
        return joined([answer, *(self.embed(texts[at : at + few]) for at in range(few, len(texts), few))])

    @property
    def most_taken(self) -> int | None:
        """Texts of one request that were answered after more had been refused; None where none were."""
        return self._most_taken

    def embed_in_form(
        self, text: str, *, alone: bool = False, encoding: str | None = "float", dimensions: int | None = None
    ) -> Answer:
        """The vector of a text in a request as some clients write it: the text no list, other fields or none."""
        body = request_body(text if alone else [text], self.model_name(), encoding, dimensions)
        with self.turn():
            return self._embedded(body, 1, probing=True)

    def embed_at_once(self, texts: Sequence[str]) -> tuple[Answer, ...]:
        """Each text in a request of its own, all at the same time; each ends by itself at its time-out."""
        bodies = [request_body([text], self.model_name()) for text in texts]
        few = self.few_at_once(len(texts)) or max(1, len(texts))
        answers: list[Answer] = []
        for start in range(0, len(bodies), few):
            part = bodies[start : start + few]
            with self.turn():
                done = side_by_side({n: partial(self._embedded, body, 1) for n, body in enumerate(part)})
            answers += [done.get(number, NotSent(DEADLINE_EXCEEDED)) for number in range(len(part))]
        return tuple(answers)

    def embed_token_ids(self) -> Answer:
        """The vector of two token ids that every vocabulary has, in place of a text."""
        body = request_body(SMALL_IDS, self.model_name())
        with self.turn():
            return self._embedded(body, 1, probing=True)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Where the server is slow or busy, or computes few texts at once, requests take turns.

        A time-out then shows one request, not how many areas ask at the same time.
        """
        with self._in_turn(self._slow or self.few_at_once() is not None):
            yield

    @contextmanager
    def _in_turn(self, one_at_a_time: bool) -> Iterator[None]:
        if not one_at_a_time:
            yield
            return
        if not self._one_at_a_time.acquire(timeout=self._deadline.remaining()):
            raise deadline_exceeded()
        try:
            yield
        finally:
            self._one_at_a_time.release()

    def _embedded(self, body: bytes, count: int, *, probing: bool = False) -> Answer:
        headers = {**self._headers(self.target.api_key), "Content-Type": "application/json"}
        limit = min(BODY_LIMIT, PAGE_LIMIT + count * LARGEST_VECTOR)
        url = self.base_url + "/embeddings" + (self._probe_query() if probing else "")
        began = time.monotonic()
        reply = self._exchange("POST", url, headers=headers, body=body, limit=limit)
        self._slow = time.monotonic() - began > SLOW_SECONDS
        return read(reply, count)

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        least: float = 0.0,
        http: Http | None = None,
    ) -> Reply | Failure:
        """One request within its time-out and the run's. Raises `Unavailable` where no time is left."""
        wanted = max(self._timeout, least)
        seconds = self._deadline.timeout(wanted)
        reply = (http or self._http).exchange(method, url, seconds=seconds, headers=headers, body=body, limit=limit)
        if isinstance(reply, Failure) and reply.late and seconds < min(wanted, FAIR_SECONDS):
            return replace(reply, kind="cut-off", detail=DEADLINE_EXCEEDED)
        return reply

    def first_embedding(self, text: str) -> Answer:
        """The first real embedding of this run, shared by every row that only asks whether there is one.

        A reranker is not asked.
        """
        if name := self.reranker():
            return NotSent(_NO_EMBEDDINGS.filled({"name": name}))
        return self._once("first embedding", lambda: self.embed([text]))

    def close(self) -> None:
        """Close the connections to the target, and forget its answers."""
        self._http.close()
        self._cache.clear()

    def _headers(self, key: Secret | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key.reveal()}"} if key else {}

    def _once(self, name: str, ask: Callable[[], T]) -> T:
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._cache:
                self._cache[name] = ask()
            answer: T = self._cache[name]
            return answer


def _too_many(count: int, few: int) -> Text:
    return Text(
        f"not sent: the server computes at most {few} at a time (max_running_requests), and a request of {count} "
        "texts can stop it for good",
        f"未发送：服务同时最多计算 {few} 条（max_running_requests），一次发送 {count} 条可能让它彻底卡死",
    )


_SCORES = "ForSequenceClassification"
"""How the class of a model ends whose head gives a score."""

_NO_EMBEDDINGS = Text(
    "not sent: {name} is a reranker, which makes no embeddings", "没有发送：{name} 是 reranker，不产生 embedding"
)


def _is_missing(reply: Reply | Failure) -> bool:
    return isinstance(reply, Reply) and reply.status == 404


def _exists(reply: Reply | Failure) -> bool:
    """Whether a route exists: it answers, wants another method, or a key. A page of HTML is no such answer."""
    if not isinstance(reply, Reply):
        return False
    return reply.status in (401, 403, 405, 422) or (reply.status == 200 and isinstance(reply.json(), Mapping))
