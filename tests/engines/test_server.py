"""What a server is asked and what its pages tell: requests that may be refused carry a mark, texts have a limit."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bgecheck.engines.base import PROBE_MARK
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.log.marks import ACCESS
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.http.address import parse_url
from bgecheck.knowledge.models import lookup
from bgecheck.model import Secret, Target
from bgecheck.model.deadline import Deadline


@contextmanager
def served_by(handler: type[BaseHTTPRequestHandler]) -> Iterator[Server]:
    """The server that answers so, as the tool speaks to it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        address = parse_url(f"http://127.0.0.1:{serving.server_port}")
        target = Target(url=address.url, host=address.host, port=address.port)
        with closing(Server(target, Deadline(20), 5.0, PAGES)) as server:
            yield server
        serving.shutdown()


@pytest.mark.parametrize(("owner", "marked"), [("sglang", True), ("vllm", False), ("custom", False)])
def test_only_what_may_be_refused_is_marked_and_only_for_the_engine_whose_log_is_judged(
    owner: str, marked: bool
) -> None:
    lines: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            lines.append(f'INFO:     127.0.0.1:1 - "{self.requestline}" 200 OK')

        def do_GET(self) -> None:
            self._send({"data": [{"id": "m", "owned_by": owner}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send({"data": [{"index": 0, "embedding": [1.0]}]})

        def _send(self, payload: Any) -> None:
            body = json.dumps(payload).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with served_by(Handler) as server:
        server.embed(["text"])
        server.get("/v1/models", key=Secret("EMPTY"))
        server.embed([" "], probing=True)
        server.embed_token_ids()
    asked = [match[2] for line in lines if (match := ACCESS.search(line)) and match[2] not in PAGES.settings]
    mark = f"?{PROBE_MARK}" if marked else ""
    assert asked == [
        "/v1/models",
        "/v1/embeddings",
        f"/v1/models{mark}",
        f"/v1/embeddings{mark}",
        f"/v1/embeddings{mark}",
    ]


@contextmanager
def answering(pages: dict[str, Any]) -> Iterator[Server]:
    """A server of sglang's with these pages, and 404 for every other one."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            page = pages.get(self.path)
            body = json.dumps(page).encode()
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with served_by(Handler) as server:
        yield server


@pytest.mark.parametrize(
    ("of_server", "of_model", "longest"),
    [
        (None, None, None),
        (512, None, 511),
        (None, "bge-large-zh-v1.5", 511),
        (128, "bge-large-zh-v1.5", 127),
        (8192, "bge-large-zh-v1.5", 511),
        (True, "bge-large-zh-v1.5", 511),
        (-1, None, None),
    ],
)
def test_a_text_has_one_token_less_than_the_shorter_limit(
    of_server: int | None, of_model: str | None, longest: int | None
) -> None:
    card = {"id": "m", "owned_by": "sglang"} | ({} if of_server is None else {"max_model_len": of_server})
    with answering({"/v1/models": {"data": [card]}}) as server:
        assert server.longest_text(lookup(of_model)) == longest


@pytest.mark.parametrize(("mark", "is_demo"), [(True, True), (False, False), ("true", False), (None, False)])
def test_a_demo_is_what_marks_itself(mark: Any, is_demo: bool) -> None:
    with answering({"/model_info": {"model_path": "/m", "bgecheck_demo": mark}}) as server:
        assert server.is_demo() is is_demo
