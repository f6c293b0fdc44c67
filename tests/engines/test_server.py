"""Requests that may be refused carry a mark, which the engine's access log shows; all others go as clients' do."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bgecheck.engines.base import PROBE_MARK
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.log.marks import ACCESS
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.http.address import parse_url
from bgecheck.model import Secret, Target
from bgecheck.model.deadline import Deadline


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

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        address = parse_url(f"http://127.0.0.1:{serving.server_port}")
        target = Target(url=address.url, host=address.host, port=address.port)
        with closing(Server(target, Deadline(20), 5.0, PAGES)) as server:
            server.embed(["text"])
            server.get("/v1/models", key=Secret("EMPTY"))
            server.embed([" "], probing=True)
            server.embed_token_ids()
        serving.shutdown()
    asked = [match[2] for line in lines if (match := ACCESS.search(line)) and match[2] not in PAGES.settings]
    mark = f"?{PROBE_MARK}" if marked else ""
    assert asked == [
        "/v1/models",
        "/v1/embeddings",
        f"/v1/models{mark}",
        f"/v1/embeddings{mark}",
        f"/v1/embeddings{mark}",
    ]
