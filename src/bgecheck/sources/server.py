"""The HTTP door to the target: sglang's pages and the embeddings route, each page asked for once in a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar

from bgecheck.model import Secret, Target, clean
from bgecheck.sources.deadline import Deadline
from bgecheck.sources.embeddings import Answer, read, request_body
from bgecheck.sources.http import BODY_LIMIT, PAGE_LIMIT, Certificate, Failure, Http, Reply, certificate

T = TypeVar("T")

MODEL_INFO = ("/model_info", "/get_model_info")
"""The first is there from 0.5.9 on; asking for the second there writes a deprecation into the server's log."""

LARGEST_VECTOR = 256 * 1024
"""Bytes that one vector of an answer may have: 8192 floats of 17 digits, with their commas and more."""

SERVER_INFO = ("/server_info", "/get_server_info")


class Server:
    """One target over HTTP. Harmless requests only; safe to use from several collectors at once."""

    def __init__(self, target: Target, deadline: Deadline, timeout: float) -> None:
        self.target = target
        self._deadline = deadline
        self._timeout = timeout
        self._http = Http()
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._known: dict[str, Any] = {}

    def get(self, path: str, *, with_key: bool = True, root: str | None = None) -> Reply | Failure:
        """Fetch a path below the target's root (or another `root`)."""
        return self._exchange("GET", (root or self.target.url) + path, self._headers(with_key), None)

    def unverified(self, path: str) -> Reply | Failure:
        """Fetch a path without the key from a server whose certificate is not accepted."""
        with closing(Http(verify=False)) as http:
            seconds = self._deadline.timeout(self._timeout)
            return http.exchange("GET", self.target.url + path, seconds=seconds, limit=PAGE_LIMIT)

    def certificate(self) -> Certificate | Failure:
        """What a client that checks certificates makes of the server's."""
        return certificate(self.target.host, self.target.port, self._deadline.timeout(self._timeout))

    def page(self, path: str) -> Reply | Failure:
        """The same, asked once in a run and shared."""
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
        """What the server says of its model; None when no page says it."""
        return self.first_page(MODEL_INFO)

    def server_info(self) -> Mapping[str, Any] | None:
        """What the server says of its settings, the key among them; None when no page says it."""
        return self.first_page(SERVER_INFO)

    def served(self) -> tuple[str, ...]:
        """The model ids of `/v1/models`."""
        return tuple(clean(card["id"], 200) for card in self._cards() if isinstance(card.get("id"), str))

    def owned_by(self) -> str | None:
        """What the engine writes of itself into the model list."""
        told = next((card.get("owned_by") for card in self._cards()), None)
        return told if isinstance(told, str) else None

    def max_model_len(self) -> int | None:
        """Tokens that the first model of `/v1/models` takes, as the server says."""
        told = next((card.get("max_model_len") for card in self._cards()), None)
        return told if isinstance(told, int) and not isinstance(told, bool) and 0 < told < 2**31 else None

    def _cards(self) -> list[Mapping[str, Any]]:
        reply = self.page("/v1/models")
        payload = reply.json() if isinstance(reply, Reply) and reply.status == 200 else None
        data = payload.get("data") if isinstance(payload, Mapping) else None
        return [card for card in data if isinstance(card, Mapping)] if isinstance(data, list) else []

    def model_name(self) -> str | None:
        """The name to send: the one that was asked for, else the one that is served."""
        return self.target.model or next(iter(self.served()), None)

    def embed(self, texts: Sequence[str], *, encoding: str = "float") -> Answer:
        """The vectors of `texts`, in one request."""
        headers = {**self._headers(True), "Content-Type": "application/json"}
        body = request_body(texts, self.model_name(), encoding)
        limit = min(BODY_LIMIT, PAGE_LIMIT + len(texts) * LARGEST_VECTOR)
        return read(self._exchange("POST", self.target.url + "/v1/embeddings", headers, body, limit), len(texts))

    def first_embedding(self, text: str) -> Answer:
        """The first real embedding of this run, shared by every row that only asks whether there is one."""
        return self._once("first embedding", lambda: self.embed([text]))

    def close(self) -> None:
        """Close the connections to the target."""
        self._http.close()

    def _headers(self, with_key: bool) -> dict[str, str]:
        key: Secret | None = self.target.api_key
        return {"Authorization": f"Bearer {key.reveal()}"} if with_key and key else {}

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, limit: int = PAGE_LIMIT
    ) -> Reply | Failure:
        seconds = self._deadline.timeout(self._timeout)
        return self._http.exchange(method, url, seconds=seconds, headers=headers, body=body, limit=limit)

    def _once(self, name: str, ask: Callable[[], T]) -> T:
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._known:
                self._known[name] = ask()
            known: T = self._known[name]
            return known
