"""Servers that answer as each case needs, over true sockets, and what the tool finds of them."""

from __future__ import annotations

import json
import math
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import warm
from bgecheck.checks.embed.texts import COUNTED, TRIPLES
from bgecheck.model import Finding, Target, say
from bgecheck.model.deadline import Deadline
from bgecheck.run import catalog, engine
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings

Answer = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
CARD = {"object": "list", "data": [{"id": "bge-base-zh-v1.5", "owned_by": "sglang"}]}


TOKENS = sum(count for _, count in COUNTED)
"""Of the texts whose tokens are counted."""

SAME = {relative: text for text, relative, _ in TRIPLES}


def vector(text: str, dims: int = 768) -> list[float]:
    """A unit vector of the characters that a text holds, capitals made small; texts that mean the same share one."""
    text = SAME.get(text, text).lower()
    counts = [0] * dims
    for character in text:
        counts[ord(character) % dims] += 1
    length = math.hypot(*counts)
    return [count / length for count in counts]


def embedded(*vectors: Any, tokens: int = TOKENS) -> dict[str, Any]:
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": tokens}}


def pages(**more: Answer) -> dict[str, Answer]:
    """What a healthy server answers by path, with changes."""
    usual: dict[str, Answer] = {
        "/v1/models": (200, CARD),
        "/model_info": (
            200,
            {"model_path": "bge-base-zh-v1.5", "is_generation": False, "architectures": ["BertModel"]},
        ),
        "/server_info": (200, {"version": "0.5.23", "disable_radix_cache": True, "chunked_prefill_size": -1}),
    }
    return usual | {path.replace("_", "/", 1) if path.startswith("_") else path: a for path, a in more.items()}


@contextmanager
def serving(
    answers: Mapping[str, Answer | Callable[[Mapping[str, str]], Answer]],
    embed: Callable[[dict[str, Any], Mapping[str, str]], Answer] | None = None,
    certificate: Path | None = None,
    prefix: str = "/v1",
    otherwise: Answer = (404, {"detail": "Not Found"}),
) -> Iterator[str]:
    """A server that answers pages by path (and headers) and embeddings by a function; over TLS with a `certificate`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = (
            True  # head and body are two writes: the second would wait 40 ms for an acknowledgement
        )

        def log_message(self, format: str, *args: Any) -> None:
            pass

        @property
        def route(self) -> str:
            """The path without its query, which servers pass over."""
            return self.path.partition("?")[0]

        def do_GET(self) -> None:
            there = self.route == f"{prefix}/embeddings" and embed is not None
            answer = answers.get(self.route, (405, {"detail": "Method Not Allowed"}) if there else otherwise)
            self._send(answer(dict(self.headers)) if callable(answer) else answer)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if isinstance(body.get("input"), str):  # as openai sends one text
                body |= {"input": [body["input"]], "sent_alone": True}
            seen.append((self.route, body))
            if self.route != f"{prefix}/embeddings" or embed is None:
                self._send(otherwise)
            else:
                self._send(embed(body, dict(self.headers)))

        def _send(self, answer: Answer) -> None:
            body = answer[1] if isinstance(answer[1], bytes) else json.dumps(answer[1]).encode()
            given = answer[2] if len(answer) > 2 else {}
            (self.send_response_only if "Server" in given else self.send_response)(answer[0])
            for name, value in given.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    seen: list[tuple[str, Any]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def same(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
    """The same text has the same vector, wherever it stands; `dimensions` and token ids get sglang's answers."""
    return beyond_text(body) or _same(body)


def beyond_text(body: dict[str, Any]) -> Answer | None:
    """What sglang answers to a request with `dimensions`, or with token ids in place of texts; None for another."""
    if "dimensions" in body:
        return 400, {"object": "error", "message": "Model 'm' does not support matryoshka representation", "code": 400}
    if not isinstance(body["input"][0], str):
        return 200, embedded(*(vector("".join(map(chr, ids))) for ids in body["input"]))
    return None


def _same(body: dict[str, Any]) -> Answer:
    return 200, embedded(*map(vector, body["input"]), tokens=sum(len(text) + 2 for text in body["input"]))


def found(
    url: str, *areas: str, full: bool = False, openai: bool = False, texts: Sequence[str] = (), **more: Any
) -> dict[str, Finding]:
    """What is found of a server; with `openai` by the true package too, and with `texts` as the smoke test."""
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    target = Target(url=url, host="127.0.0.1", port=port, **more)
    client = warm.client() if openai else None
    smoke = bool(texts)
    settings = Settings(timeout=3, full=full, texts=tuple(texts), smoke=smoke, quick=smoke)
    context = Context(target, Deadline(40), settings, openai=client)
    try:
        own = catalog.at("after", catalog.areas(areas or ("probe", "launch", "embed")))
        chosen = catalog.select(own, quick=bool(texts))
        placeholders = {
            "base_url": target.base_url,
            "url": url,
            "host": target.host,
            "port": port,
            "address": target.address,
        }
        rows = {f.id: f for f in engine.run(chosen, context, values=placeholders)}
        assert contradictions(rows.values()) == []
        return rows
    finally:
        context.close()


def contradictions(findings: Iterable[Finding]) -> list[str]:
    """What failing rows hold against a server though it is just as expected: HTTP 200 where HTTP 200 was to come."""
    return [
        f"{finding.id}: {say(item.subject, language)}: {say(item.observed, language)}"
        for finding in findings
        for item in finding.evidence
        for language in ("en", "zh")
        if finding.status.bad and item.expected is not None
        if say(item.observed, language) == say(item.expected, language)
    ]


def bad(rows: Mapping[str, Finding]) -> set[str]:
    return {id_ for id_, finding in rows.items() if finding.status.bad}
