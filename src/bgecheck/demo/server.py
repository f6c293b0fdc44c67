"""`python -m bgecheck.demo.server`: answers as sglang does, over HTTP and in its log. It is not a language model."""

from __future__ import annotations

import argparse
import base64
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bgecheck.demo import dialect
from bgecheck.demo.lexicon import VOCABULARY, Encoder, normalised, tokens

CONTEXT = 512
"""sglang refuses from this many tokens on, so 511 are the most (measured on 0.5.23)."""

KILLERS = {
    "/generate": "AssertionError",
    "/v1/completions": "AssertionError",
    "/v1/rerank": "RuntimeError: The size of tensor a (2) must match the size of tensor b (6) at dimension 0",
}
"""Requests that end the true server, and this one (sglang 0.5.23, BertModel)."""

FAULTS = (
    "gpu-oom",
    "model-path",
    "unknown-flag",
    "stuck-loading",
    "unnormalised",
    "nan-as-null",
    "empty-response",
    "rate-limited",
    "loading-503",
)
"""What this process does wrong by itself; the other faults are settings and surroundings."""


class Demo(ThreadingHTTPServer):
    """The server with its settings, its encoder and its log."""

    daemon_threads = True
    allow_reuse_address = os.name == "posix"

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.settings = settings(options)
        self.release = dialect.release(options.version)
        self.encoder = Encoder(
            dims=options.dims,
            pooling="last" if dialect.release(options.version) < (0, 5, 9) else "cls",
            prefix_cache=not options.disable_radix_cache,
            chunk=options.chunked_prefill_size,
        )
        self.turn = threading.Lock()
        super().__init__((options.host, options.port), Handler)

    def vectors(self, batch: Sequence[Sequence[int]]) -> list[list[float | None]]:
        """The vectors of a batch as numbers for JSON; one batch at a time, as a scheduler has it."""
        with self.turn:
            states, cached = self.encoder.encode(batch)
        count = sum(map(len, batch))
        log(dialect.batch(len(batch), count - cached, cached))
        if self.options.fault == "nan-as-null":
            return [[None] * len(state) for state in states]
        kept = states if self.options.fault == "unnormalised" else [normalised(state) for state in states]
        return [vector.astype("float64").tolist() for vector in kept]


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """The resolved options as the log and the info pages tell them, the key among them as sglang does."""
    return {
        "model_path": options.model_path,
        "tokenizer_path": options.model_path,
        "served_model_name": options.served_model_name or options.model_path,
        "host": options.host,
        "port": options.port,
        "api_key": options.api_key,
        "is_embedding": options.is_embedding,
        "dtype": "auto",
        "mem_fraction_static": options.mem_fraction_static,
        "chunked_prefill_size": options.chunked_prefill_size,
        "disable_radix_cache": options.disable_radix_cache,
        "version": options.version,
    }


class Handler(BaseHTTPRequestHandler):
    """One connection; every answer leaves in one write, because two would wait for each other's acknowledgement."""

    protocol_version = "HTTP/1.1"
    server: Demo
    _body = b""

    def setup(self) -> None:
        """Answers are small and must not wait."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: Any) -> None:
        """The log has sglang's form, written where the answer is."""

    def do_GET(self) -> None:
        """Status and info pages."""
        path = self.path.partition("?")[0]
        if not self._allowed(path):
            return
        page = self._page(path)
        if page is None:
            self._answer(404, {"detail": "Not Found"})
        else:
            self._answer(200, page)

    def _page(self, path: str) -> Any:
        known, new = self.server.settings, self.server.release >= (0, 5, 9)
        if path in ("/health", "/health_generate"):
            return b""
        if path == "/v1/models":
            return dialect.model_card(known["served_model_name"])
        if path == "/get_model_info" or (new and path == "/model_info"):
            return dialect.model_info(known)
        if path == "/get_server_info" or (new and path == "/server_info"):
            return {**known, "launch_command": " ".join(sys.orig_argv) if new else None, "internal_states": [{}]}
        return "SGLang is running" if new and path == "/" else None

    def do_POST(self) -> None:
        """Embeddings, and what kills the true server."""
        path = self.path.partition("?")[0]
        self._body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 64 * 2**20))
        if not self._allowed(path):
            return
        if path in KILLERS:
            crash(KILLERS[path])
        if path != "/v1/embeddings":
            self._answer(404, {"detail": "Not Found"})
            return
        fault = self.server.options.fault
        if fault == "rate-limited":
            # What stands between client and server answers, not sglang, which never sends 429.
            self._send(429, b"<html><h1>429 Too Many Requests</h1></html>", {"Content-Type": "text/html"}, "nginx")
        elif fault == "empty-response":
            self._send(200, b"null", {"Content-Type": "application/json"}, "gateway")
        elif fault == "loading-503":
            self._answer(503, dialect.error("The request queue is full.", 503, "503"))
        else:
            self._embed()

    def _allowed(self, path: str) -> bool:
        key = self.server.options.api_key
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if not key or path.startswith(("/health", "/ready", "/metrics")) or (scheme.lower(), given) == ("bearer", key):
            return True
        self._answer(401, {"error": "Unauthorized"})
        return False

    def _embed(self) -> None:
        try:
            request = json.loads(self._body)
        except ValueError:
            self._answer(400, dialect.error("JSON decode error"))
            return
        problem = self._refusal(request)
        if problem:
            self._answer(400, dialect.error(problem))
            return
        batch = self._batch(request["input"])
        too_long = next((len(ids) for ids in batch if len(ids) >= CONTEXT), None)
        if too_long:
            said = f"The input ({too_long} tokens) is longer than the model's context length ({CONTEXT} tokens)."
            self._answer(400, dialect.error(said))
            return
        vectors = self.server.vectors(batch)
        base64_wanted = request.get("encoding_format") == "base64" and self.server.release >= (0, 5, 17)
        data = [
            {"object": "embedding", "index": i, "embedding": _packed(v) if base64_wanted else v}
            for i, v in enumerate(vectors)
        ]
        count = sum(map(len, batch))
        usage = {"prompt_tokens": count, "total_tokens": count, "completion_tokens": 0}
        model = self.server.settings["model_path"]
        self._answer(200, {"object": "list", "data": data, "model": model, "usage": usage})

    def _batch(self, given: Any) -> list[list[int]]:
        if isinstance(given, str):
            return [tokens(given)]
        if all(isinstance(item, str) for item in given):
            return [tokens(item) for item in given]
        batch = [given] if isinstance(given[0], int) else given
        if any(not 0 <= token < VOCABULARY for ids in batch for token in ids):
            crash("IndexError: index out of range in self")
        return [list(ids) for ids in batch]

    def _refusal(self, request: Any) -> str | None:
        """Why sglang would refuse this request, or None."""
        if not isinstance(request, Mapping) or "input" not in request:
            return "1 validation errors: Field required"
        given = request["input"]
        if request.get("dimensions") is not None and self.server.release >= (0, 5, 7):
            name = self.server.settings["model_path"]
            return (
                f"Model '{name}' does not support matryoshka representation, changing output dimensions will lead to "
                "poor results."
            )
        encoding = request.get("encoding_format", "float")
        if encoding not in ("float", "base64") and self.server.release >= (0, 5, 17):
            return f"encoding_format must be either 'float' or 'base64', got '{encoding}'"
        if isinstance(given, str):
            return None if given.strip() else "Input cannot be empty or whitespace only"
        if not isinstance(given, list):
            return "5 validation errors: Input should be a valid string"
        return _refused_list(given)

    def _answer(self, status: int, payload: Any) -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._send(status, body, {"Content-Type": "application/json"} if body else {}, "uvicorn")

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], server: str) -> None:
        reason = self.responses[status][0]
        lines = [f"HTTP/1.1 {status} {reason}", f"server: {server}", f"content-length: {len(body)}"]
        lines += [f"{name.lower()}: {value}" for name, value in headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)
        client = f"{self.client_address[0]}:{self.client_address[1]}"
        log(dialect.access(client, self.command, self.path, status, reason))


def _refused_list(given: list[Any]) -> str | None:
    if not given:
        return "Input cannot be empty"
    if all(isinstance(item, str) for item in given):
        blank = next((i for i, item in enumerate(given) if not item.strip()), None)
        return None if blank is None else f"Input at index {blank} cannot be empty or whitespace only"
    ids = given if isinstance(given[0], list) else [given]
    fine = all(isinstance(row, list) and row and all(type(token) is int for token in row) for row in ids)
    return None if fine else "5 validation errors: Input should be a valid string"


def _packed(vector: Sequence[float | None]) -> str:
    """Little-endian float32 in base64; null is NaN."""
    from array import array

    values = array("f", [float("nan") if x is None else x for x in vector])
    if sys.byteorder == "big":
        values.byteswap()
    return base64.b64encode(values.tobytes()).decode()


def log(message: str, at: float | None = None) -> None:
    """Write one stamped line to stdout at once."""
    sys.stdout.write(dialect.stamped(message, at) + "\n")
    sys.stdout.flush()


def crash(error: str) -> None:
    """End as sglang does when its scheduler fails: the parent kills its tree and itself, status 137."""
    log(dialect.CRASH.format(error=error))
    log(dialect.SIGQUIT)
    sys.stdout.flush()
    os._exit(137)


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bgecheck.demo.server", description=dialect.NOTICE)
    parser.add_argument("--model-path", default="models/bge-large-zh-v1.5")
    parser.add_argument("--served-model-name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=30000)
    parser.add_argument("--api-key")
    parser.add_argument("--is-embedding", action="store_true")
    parser.add_argument("--disable-radix-cache", action="store_true")
    parser.add_argument("--chunked-prefill-size", type=int, default=4096)
    parser.add_argument("--mem-fraction-static", type=float, default=0.85)
    parser.add_argument("--version", default="0.5.23", help="the release of sglang to sound like")
    parser.add_argument("--dims", type=int, default=1024)
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when the starting program does")
    return parser.parse_args(words)


def _start_or_fail(options: argparse.Namespace) -> None:
    """Write the log of a start; the faults that end or hold it do so here."""
    known = settings(options)
    if options.fault == "unknown-flag":
        sys.exit(_said(dialect.UNKNOWN_OPTION, 2))
    # A start that hangs has hung for a while by the time somebody looks.
    at = time.time() - 600 if options.fault == "stuck-loading" else None
    lines = dialect.until_weights(known)
    for line in lines[:1] if options.fault == "model-path" else lines:
        log(line, at)
    if options.fault == "model-path":
        sys.exit(_said(dialect.NO_FOLDER.replace("{path}", options.model_path), 1))
    if options.fault == "gpu-oom":
        log(dialect.OUT_OF_MEMORY)
        log("Received sigquit from a child process. It usually means the child failed.")
        os._exit(137)
    if options.fault == "stuck-loading":
        threading.Event().wait()
    for line in dialect.until_ready(known):
        log(line)


def _said(text: str, status: int) -> int:
    sys.stdout.write(text)
    sys.stdout.flush()
    return status


def _end_with_starter() -> None:
    sys.stdin.read()
    os._exit(0)


def main(words: Sequence[str] | None = None) -> None:
    """Serve until a signal, or until the program that started this one has ended."""
    options = _options(words)
    if options.until_stdin_closes:
        threading.Thread(target=_end_with_starter, daemon=True).start()
    print(dialect.NOTICE, flush=True)
    _start_or_fail(options)
    try:
        server = Demo(options)
    except OSError as failed:
        log(f"ERROR:    {dialect.taken(failed.errno, options.host, options.port)}")
        log("INFO:     Waiting for application shutdown.")
        sys.exit(3)
    log(f"INFO:     Uvicorn running on http://{options.host}:{options.port} (Press CTRL+C to quit)")
    server.vectors([tokens("The capital city of France is")])
    log(dialect.access("127.0.0.1:1", "POST", "/encode", 200, "OK"))
    log(dialect.READY)
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        log("SIGTERM received. signum=None frame=None. Draining requests and shutting down...")


if __name__ == "__main__":
    main()
