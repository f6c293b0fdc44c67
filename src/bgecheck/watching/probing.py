"""Asks the server for two vectors a sample, one text at a time, and never while it has more than it can compute."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import NamedTuple

from bgecheck.engines.server import Server
from bgecheck.engines.sglang.metrics import PATH, Metrics, metrics
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.http.embeddings import Answer, Embedded, Refused, Unusable, describe, is_late
from bgecheck.http.failures import Failure, NotSent
from bgecheck.knowledge.characters import COMMON
from bgecheck.knowledge.vectors import cosine, is_finite
from bgecheck.model import Target, Unavailable, Words
from bgecheck.model.deadline import Deadline

CANARY = "今天天气怎么样？这是每次都相同的一句话。"
"""The text that is always the same."""

FRESH = 12
"""Characters of the text that is new each time: of 50 characters so many make 2e20 texts."""

_NO_METRICS = Metrics()

_ENDLESS = 10 * 365 * 86400.0
"""Seconds of the deadline of a door that stays open: each request has its own time-out."""

PATIENT = 2
"""Samples in a row without an answer in time, after which only every fourth one asks: such requests may wait in the
server, and more of them would not help it."""
_EVERY = 4

QUEUE_OF_UNKNOWN = 64
"""Requests that may wait where it is not known how many the server computes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What one sample brought over HTTP; None where nothing came. Times in seconds."""

    latency: float | None = None
    canary: float | None = None
    cosine: float | None = None
    odd: str | None = None
    failure: str | None = None
    held_back: str | None = None
    cached: int | None = None
    metrics: Metrics = _NO_METRICS
    refusal: Words | None = None
    """Why the server refuses whatever is asked: another key, another path."""


class Compared(NamedTuple):
    """A vector beside the first one of its text."""

    cosine: float | None = None
    odd: str | None = None


class Prober:
    """Asks one server, through restarts: the first vector of the canary is kept for the whole watch."""

    def __init__(self, target: Target, timeout: float, seed: int | None = None) -> None:
        self._target = target
        self._timeout = timeout
        self._random = random.Random(seed)
        self._server: Server | None = None
        self._first: tuple[float, ...] | None = None
        self._late = 0
        self._turns = 0
        self._has_metrics = True

    def look(self, target: Target, queued: int | None = None) -> Probed:
        """One sample. `queued` is what the log tells of waiting requests, where no page does."""
        if target is not self._target:
            self.start_anew(target)
        server = self._door()
        counted = self._metrics(server)
        waiting = queued if counted.queued is None else counted.queued
        held = self._held_back(server, counted.running or 0, waiting or 0)
        if held is not None:
            return Probed(held_back=held, metrics=counted)
        fresh = self._embedded(server, self._new_text())
        if not isinstance(fresh, Embedded):
            return self._failed(fresh, counted)
        again = self._embedded(server, CANARY)
        if not isinstance(again, Embedded):
            return self._failed(again, counted)
        self._late = 0
        beside = self._compared(again.vectors[0])
        cached = [answer.cached for answer in (fresh, again) if answer.cached is not None]
        return Probed(
            latency=fresh.seconds,
            canary=again.seconds,
            cosine=beside.cosine,
            odd=beside.odd,
            cached=sum(cached) if cached else None,
            metrics=counted,
        )

    def model(self) -> str | None:
        """The model that is asked for."""
        return self._door().model_name()

    def architectures(self) -> tuple[str, ...]:
        """The classes of the model, by the server's page about it; none where it has no such page."""
        classes = (self._door().model_info() or {}).get("architectures")
        return tuple(name for name in classes if isinstance(name, str)) if isinstance(classes, list) else ()

    def start_anew(self, target: Target) -> None:
        """Forget the connections to a server that has ended, and what it said of itself."""
        self.close()
        self._target, self._has_metrics = target, True

    def close(self) -> None:
        """Close the connections."""
        if self._server is not None:
            self._server.close()
        self._server = None

    def _door(self) -> Server:
        if self._server is None:
            self._server = Server(self._target, Deadline(_ENDLESS), self._timeout, PAGES)
        return self._server

    def _new_text(self) -> str:
        return "".join(self._random.choices(COMMON, k=FRESH))

    def _embedded(self, server: Server, text: str) -> Answer:
        try:
            return server.embed([text])
        except Unavailable as error:
            return NotSent(error.reason)

    def _metrics(self, server: Server) -> Metrics:
        """What the page of metrics tells; a server that has none is not asked again."""
        if not self._has_metrics:
            return _NO_METRICS
        try:
            reply = server.get(PATH)
        except Unavailable:
            return _NO_METRICS
        if isinstance(reply, Failure):
            return _NO_METRICS
        self._has_metrics = reply.status == 200
        return metrics(reply.body) if self._has_metrics else _NO_METRICS

    def _held_back(self, server: Server, running: int, waiting: int) -> str | None:
        """Why nothing is sent now; None where it may be."""
        self._turns += 1
        if self._late > PATIENT and self._turns % _EVERY:
            return "no answer in time before"
        if not waiting:
            return None
        most = server.most_at_once()
        full = running + waiting > most if most is not None else waiting > QUEUE_OF_UNKNOWN
        return "queue" if full else None

    def _failed(self, answer: Answer, counted: Metrics) -> Probed:
        """A sample without vectors. The door is opened anew, as the server may have been started anew behind it."""
        self._late = self._late + 1 if is_late(answer) else 0
        refusal = describe(answer) if isinstance(answer, Refused) and answer.status in _WRONG else None
        self.close()
        return Probed(failure=kind_of(answer), metrics=counted, refusal=refusal)

    def _compared(self, vector: tuple[float, ...]) -> Compared:
        """The canary's vector beside its first one, which is kept."""
        if not is_finite(vector) or not any(vector):
            return Compared(odd="no finite direction (NaN, null or all 0)")
        if self._first is None:
            self._first = vector
        if len(vector) != len(self._first):
            return Compared(odd=f"{len(vector)} numbers, {len(self._first)} at first")
        if vector == self._first:  # not 1 - 2e-16, as rounding has it
            return Compared(1.0)
        alike = cosine(vector, self._first)
        return Compared(None if math.isnan(alike) else alike)


_WRONG = (401, 403, 404)
"""Statuses of a key or path that is not the server's: more of the same brings nothing."""


def kind_of(answer: Answer) -> str:
    """A failure in a word that can be counted: a status, or what became of the connection."""
    match answer:
        case Refused():
            return f"HTTP {answer.status}"
        case Unusable():
            return f"HTTP 200 {answer.kind}"
        case Failure():
            return answer.kind
        case _:
            return "not sent"
