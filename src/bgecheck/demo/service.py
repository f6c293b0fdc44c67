"""The HTTP side of the demo server: sglang's routes, statuses and log lines over the lexical encoder."""

from __future__ import annotations

import argparse
import base64
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from array import array
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, NamedTuple, NoReturn

from bgecheck.demo import dialect
from bgecheck.demo.lexicon import Encoder, half, scaled, tokens
from bgecheck.demo.request import Deadly, Refusal, Wanted, read
from bgecheck.demo.trouble import from_environment

LARGEST = 64 * 2**20
"""Bytes of a request body that are read; the true server has no limit."""

HEALTH_SECONDS = 20.0
"""How long sglang's `/health` waits for its scheduler before it answers 503 (http_server.py, 0.5.3 on)."""

DEADLY_ROUTES = {
    "/generate": "AssertionError",
    "/v1/completions": "AssertionError",
    "/v1/rerank": "RuntimeError: The size of tensor a (2) must match the size of tensor b (6)",
}
"""Any request there ends a server of a BertModel (measured on 0.5.23), and this one.

The true one stays unanswering for five seconds before it goes, and its `/v1/rerank` only kills where the prefix
cache is on. Here it always kills: whoever sends it cannot know, and must be found out.
"""


class Route(NamedTuple):
    """A path of the server: its method, what answers, and the first and last release that has it."""

    method: str
    name: str
    since: tuple[int, ...] = (0,)
    until: tuple[int, ...] = (99,)


ROUTES = {
    "/": Route("GET", "root", since=(0, 5, 9)),
    "/health": Route("GET", "health"),
    "/health_generate": Route("GET", "health"),
    "/ready": Route("GET", "ready", since=(0, 5, 20)),
    "/ping": Route("GET", "ready"),
    "/metrics": Route("GET", "metrics"),
    "/v1/models": Route("GET", "models"),
    "/model_info": Route("GET", "model_info", since=(0, 5, 9)),
    "/get_model_info": Route("GET", "model_info"),
    "/server_info": Route("GET", "server_info", since=(0, 5, 9)),
    "/get_server_info": Route("GET", "server_info"),
    "/v1/embeddings": Route("POST", "embeddings"),
    "/encode": Route("POST", "encode"),
    "/v1/tokenize": Route("POST", "tokenize"),
    "/tokenize": Route("POST", "tokenize"),
    "/flush_cache": Route("POST", "flush_cache"),
    "/freeze_gc": Route("POST", "ready", since=(0, 5, 20)),
    "/v1/chat/completions": Route("POST", "chat"),
    **{path: Route("POST", "deadly") for path in DEADLY_ROUTES},
}
"""Which path existed in which release: read in and, for 0.5.3.post3 and 0.5.23, asked of sglang."""


class Service(ThreadingHTTPServer):
    """The server with its settings, its encoder and its log."""

    daemon_threads = True
    request_queue_size = 512
    allow_reuse_address = os.name == "posix"

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.settings = settings(options)
        self.release = dialect.release(options.version)
        self.created = int(time.time())
        self.encoder = Encoder(
            dims=options.dims,
            pooling=dialect.pooling(self.settings),
            prefix_cache=not options.disable_radix_cache,
            chunk=options.chunked_prefill_size,
        )
        self.trouble = from_environment()
        self.turn = threading.Lock()
        self.starting = not options.skip_server_warmup
        """Whether the warm-up has yet to end."""
        self.counts = {"num_requests_total": 0, "prompt_tokens_total": 0, "cached_tokens_total": 0}
        super().__init__((options.host, options.port), Handler)

    def server_bind(self) -> None:
        """Bind only: the parent class also asks the resolver for this machine's name, which can take seconds."""
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write of a request that failed as the parent does, but nothing of a client that has gone, as uvicorn."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def compute(self, batch: Sequence[Sequence[int]]) -> list[list[float]]:
        """The vectors of a batch, NaN where the model computes NaN; one batch at a time, as a scheduler has it."""
        with self.turn:
            if self.options.fault == "dead-scheduler":
                threading.Event().wait()  # nobody takes the request, and nobody says so
            states, cached = self.encoder.encode(batch)
            self._count(batch, cached)
        if self.options.fault == "nan":
            return [[float("nan")] * len(state) for state in states]
        kept = states if self.options.fault == "unnormalised" else [scaled(state, 1.0) for state in states]
        return [half(vector) for vector in kept]

    def flush(self) -> None:
        """Empty the prefix cache."""
        with self.turn:
            self.encoder.flush()

    def _count(self, batch: Sequence[Sequence[int]], cached: int) -> None:
        total = sum(map(len, batch))
        for name, more in zip(self.counts, (len(batch), total, cached), strict=True):
            self.counts[name] += more
        log(dialect.batch(self.options.version, len(batch), total - cached, cached))


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """The resolved options as the log and the info pages tell them, the key among them as sglang does."""
    return {
        "model_path": options.model_path,
        "tokenizer_path": options.model_path,
        "tokenizer_mode": "auto",
        "load_format": "auto",
        "context_length": None,
        "is_embedding": options.is_embedding or dialect.release(options.version) >= (0, 5, 17),
        "dtype": "auto",
        "mem_fraction_static": options.mem_fraction_static,
        "chunked_prefill_size": options.chunked_prefill_size,
        "max_prefill_tokens": 16384,
        "disable_radix_cache": options.disable_radix_cache,
        "tp_size": 1,
        "device": "cuda",
        "host": options.host,
        "port": options.port,
        "skip_server_warmup": options.skip_server_warmup,
        "api_key": options.api_key,
        "served_model_name": options.served_model_name or options.model_path,
        "enable_metrics": options.enable_metrics,
        "attention_backend": "triton",
        "version": options.version,
    }


class Handler(BaseHTTPRequestHandler):
    """One connection; every answer leaves in one write, because two would wait for each other's acknowledgement."""

    protocol_version = "HTTP/1.1"
    server: Service
    _body = b""

    def setup(self) -> None:
        """Answers are small and must not wait."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: Any) -> None:
        """The log has sglang's form, written where the answer is."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What uvicorn says to what is not HTTP, whatever was wrong with it."""
        self.close_connection = True
        log("WARNING:  Invalid HTTP request received.")
        self.wfile.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
            b"Invalid HTTP request received."
        )

    def serve(self) -> None:
        """Answer one request, whatever its method."""
        path = self.path.partition("?")[0]
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > LARGEST:
            self.send_error(400)
            return
        self._body = self.rfile.read(int(length))
        if self._gateway(path):
            return
        if not self._allowed(path):
            self._answer(401, dialect.UNAUTHORIZED)
            return
        try:
            self._routed(path)
        except Refusal as refusal:
            self._answer(400, refusal.body)
        except Deadly as deadly:
            crash(str(deadly))

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = serve

    def _gateway(self, path: str) -> bool:
        """What stands before sglang in two faults. Its answers are not sglang's, which never sends 429 nor `null`."""
        fault = self.server.options.fault
        if path != "/v1/embeddings" or fault not in ("rate-limited", "empty-response"):
            return False
        if fault == "rate-limited":
            page = b"<html><head><title>429 Too Many Requests</title></head></html>\r\n"
            self._send(429, page, {"server": "nginx/1.22.1", "content-type": "text/html"})
        else:
            self._send(200, b"null", {"server": "nginx/1.22.1", "content-type": "application/json"})
        return True

    def _allowed(self, path: str) -> bool:
        """Behind the key is everything but OPTIONS and three prefixes (auth.py, 0.4.6 to 0.5.23)."""
        key = self.server.options.api_key
        if not key or self.command == "OPTIONS" or path.startswith(("/health", "/ready", "/metrics")):
            return True
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        return (scheme.lower(), given) == ("bearer", key)

    def _routed(self, path: str) -> None:
        if path.startswith("/v1/models/"):
            self._one_model(path.removeprefix("/v1/models/"))
            return
        route = self._route(path)
        if route is None and path.endswith("/") and self._route(path.rstrip("/")):
            self._redirected(path.rstrip("/"))
        elif route is None:
            self._answer(404, dialect.NOT_FOUND)
        elif route.method != self.command:
            self._answer(405, dialect.NOT_ALLOWED, {"allow": route.method})
        else:
            getattr(self, f"_{route.name}")(path)

    def _route(self, path: str) -> Route | None:
        route = ROUTES.get(path)
        if route is None or not route.since <= self.server.release <= route.until:
            return None
        return None if path == "/metrics" and not self.server.options.enable_metrics else route

    def _redirected(self, path: str) -> None:
        host = self.headers.get("Host", "127.0.0.1")
        self._answer(307, None, {"location": f"http://{host}{path}"})

    def _root(self, path: str) -> None:
        self._answer(200, "SGLang is running" if self.server.release >= (0, 5, 20) else "Ollama is running")

    def _ready(self, path: str) -> None:
        self._answer(200, None)

    def _health(self, path: str) -> None:
        """A real request of one token; here without the second that the true one always takes.

        While it starts it is 503 at once, from 0.5.3 on (http_server.py; before, it is always 200).
        """
        if self.server.starting and self.server.release >= (0, 5, 3):
            self._answer(503, None)
            return
        if self.server.options.fault == "dead-scheduler":
            time.sleep(HEALTH_SECONDS)
            self._answer(503, None)
            return
        log(dialect.batch(self.server.options.version, 1, 1, 0))
        self._answer(200, None)

    def _metrics(self, path: str) -> None:
        counts = {**self.server.counts, "num_running_reqs": 0, "num_queue_reqs": 0, "token_usage": 0}
        counts |= {"max_total_num_tokens": dialect.POOL, "context_len": dialect.CONTEXT}
        page = dialect.metrics(self.server.settings["served_model_name"], counts)
        self._answer(200, page.encode(), {"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    def _models(self, path: str) -> None:
        card = dialect.model_card(self.server.settings["served_model_name"], self.server.created)
        self._answer(200, {"object": "list", "data": [card]})

    def _one_model(self, name: str) -> None:
        if self.command != "GET":
            self._answer(405, dialect.NOT_ALLOWED, {"allow": "GET"})
        elif name == self.server.settings["served_model_name"]:
            self._answer(200, dialect.model_card(name, self.server.created))
        else:
            self._answer(404, dialect.no_model(name))

    def _model_info(self, path: str) -> None:
        self._deprecation(path)
        self._answer(200, dialect.model_info(self.server.settings))

    def _server_info(self, path: str) -> None:
        self._deprecation(path)
        if self.server.options.fault == "dead-scheduler":
            threading.Event().wait()
        self._answer(200, dialect.server_info(self.server.settings, self.server.options.typed))

    def _deprecation(self, path: str) -> None:
        if path.startswith("/get_") and self.server.release >= (0, 5, 9):
            log(dialect.deprecated(path))

    def _embeddings(self, path: str) -> None:
        if self.server.options.fault == "queue-full":
            self._answer(503, dialect.error("The request queue is full.", 503, "503"))
            return
        trouble = self.server.trouble.next()
        if trouble == "reset":
            self._reset()
            return
        if trouble == "busy":
            self._answer(503, dialect.error("The request queue is full.", 503, "503"))
            return
        wanted = read(self._body, self.headers.get("Content-Type", ""), self.server.settings)
        vectors = self.server.compute(wanted.batch)
        if self.server.trouble.spoils(len(vectors)):
            vectors = [vector[::-1] for vector in vectors]
        items = [
            {"embedding": _packed(v) if wanted.base64 else _numbers(v), "index": n, "object": "embedding"}
            for n, v in enumerate(vectors)
        ]
        count = sum(map(len, wanted.batch))
        self._answer(200, dialect.answer(items, self.server.settings["model_path"], count))

    def _reset(self) -> None:
        """Cut the connection as a process does that dies: what was sent is lost, and the client is told so."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _encode(self, path: str) -> None:
        """sglang's own route, which its warm-up uses; unlike the OpenAI one it does not hide NaN."""
        wanted = self._text("text")
        vector = self.server.compute(wanted.batch)[0]
        if vector[0] != vector[0]:
            self._answer(500, b"Internal Server Error", {"content-type": "text/plain; charset=utf-8"})
        else:
            self._answer(200, {"embedding": vector, "meta_info": {"prompt_tokens": len(wanted.batch[0])}})

    def _tokenize(self, path: str) -> None:
        ids = [tokens(text) for text in self._texts("prompt")]
        one = isinstance(json.loads(self._body)["prompt"], str)
        values = {"tokens": ids[0] if one else ids, "count": len(ids[0]) if one else [len(row) for row in ids]}
        self._answer(200, {**values, "max_model_len": dialect.CONTEXT})

    def _text(self, field: str) -> Wanted:
        return Wanted([tokens(text) for text in self._texts(field)[:1]], False)

    def _texts(self, field: str) -> list[str]:
        """The text or texts in a field of a body of sglang's own routes."""
        try:
            given = json.loads(self._body)[field]
        except (ValueError, KeyError, TypeError):
            given = None
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise Refusal(f"1 validation error: {field}")
        return texts

    def _flush_cache(self, path: str) -> None:
        self.server.flush()
        self._answer(200, dialect.FLUSHED)

    def _chat(self, path: str) -> None:
        self._answer(400, dialect.error(dialect.CHAT_TEMPLATE, 400, "BadRequest"))

    def _deadly(self, path: str) -> None:
        crash(DEADLY_ROUTES[path])

    def _answer(self, status: int, payload: Any, headers: Mapping[str, str] | None = None) -> None:
        """Bytes go as they are, None is an empty body, all else is JSON."""
        if payload is None or isinstance(payload, bytes):
            body, kind = payload or b"", {}
        else:
            body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
            kind = {"content-type": "application/json"}
        self._send(status, body, {"server": "uvicorn", **kind, **(headers or {})})
        client = f"{self.client_address[0]}:{self.client_address[1]}"
        log(dialect.access(client, self.command, self.path, status, self.responses[status][0]))

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {self.responses[status][0]}", f"date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"content-length: {len(body)}", "", ""]
        self.wfile.write("\r\n".join(lines).encode("latin-1", "replace") + (b"" if self.command == "HEAD" else body))


def _numbers(vector: Sequence[float]) -> list[float | None]:
    """NaN is null in sglang's JSON."""
    return [None if x != x else x for x in vector]


def _packed(vector: Sequence[float]) -> str:
    """Little-endian float32 in base64."""
    values = array("f", vector)
    if sys.byteorder == "big":
        values.byteswap()
    return base64.b64encode(values.tobytes()).decode()


def log(message: str, at: float | None = None) -> None:
    """Write one stamped line to stdout at once."""
    sys.stdout.write(dialect.stamped(message, at) + "\n")
    sys.stdout.flush()


def crash(error: str) -> NoReturn:
    """End as sglang does when its scheduler fails while serving."""
    log(dialect.CRASH.format(error=error))
    log(dialect.CRASHED)
    kill()


def kill() -> NoReturn:
    """End as sglang does over most failures: it kills its own tree and itself, so that a shell sees 137."""
    log(dialect.tree_killed(os.getpid(), include_parent=True))
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)
