"""Scenes of a deployment: true servers, true processes and true log files, and what doctor makes of them together."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from bgecheck.checks.gpu import GpuFacts
from bgecheck.engines.sglang import discovery
from bgecheck.http.openai_client import OpenAIClient
from bgecheck.machine.processes import snapshot
from bgecheck.machine.sockets import free_port
from bgecheck.model import Area, Redactor, Report, Unavailable
from bgecheck.model.deadline import Deadline
from bgecheck.model.processes import ProcessTable
from bgecheck.run import catalog, engine
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings
from logsamples import snippets

STAMP = re.compile(r"(?m)^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")


def closed_port() -> int:
    """A port on which nothing listens."""
    port = free_port(random.randrange(20_000, 31_000))
    assert port is not None
    return port


def log_text(label: str | None, port: int, release: str = "0.5.23", ago: float = 5.0) -> str:
    """A session of a log, whose last line is `ago` seconds old: a fault of the collected ones, or a healthy start."""
    chosen = next(s for s in snippets() if s.label == (label or "healthy") and release in s.releases)
    text = re.sub(r"\b(?:30000|8000)\b", str(port), chosen.log(release))
    moments = [datetime.fromisoformat(stamp) for stamp in STAMP.findall(text)]
    if not moments:
        return text
    shift = datetime.now() - timedelta(seconds=ago) - moments[-1]
    return STAMP.sub(lambda m: f"[{datetime.fromisoformat(m[1]) + shift:%Y-%m-%d %H:%M:%S}", text)


def written(folder: Path, text: str, ago: float = 5.0) -> str:
    """A log file, last written `ago` seconds since."""
    path = folder / "sglang.log"
    path.write_text(text, encoding="utf-8")
    moment = time.time() - ago
    os.utime(path, (moment, moment))
    return str(path)


_PACKAGE = "import socket, sys, time\nfrom pathlib import Path\n"

_SLEEPS = f"{_PACKAGE}print('up', flush=True)\nsys.stdin.read()\n"

_LISTENS = f"""{_PACKAGE}
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", PORT))
listener.listen(128)
print("up", flush=True)
time.sleep(60)
"""


_PAGES = f"""{_PACKAGE}
import http.server, json, subprocess, threading

class Living(http.server.BaseHTTPRequestHandler):
    pages = {{"/v1/models": {{"object": "list", "data": [{{"id": "bge", "owned_by": "sglang"}}]}}, "/health": {{}}}}

    def do_GET(self):
        page = self.pages.get(self.path)
        body = json.dumps(page if page is not None else {{"detail": "Not Found"}}).encode()
        self.send_response(404 if page is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        time.sleep(30)

    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Living)
threading.Thread(target=server.serve_forever, daemon=True).start()
worker = subprocess.Popen(["bash", "-c", "exec -a sglang::detokenizer sleep 60"])
while b"sglang::" != Path(f"/proc/{{worker.pid}}/cmdline").read_bytes()[:8]:
    time.sleep(0.01)
print("up", flush=True)
sys.stdin.read()
worker.kill()
"""
"""A server whose scheduler has ended: pages answer, texts do not."""


@contextmanager
def _launched(folder: Path, script: str, port: int, *options: str) -> Iterator[int]:
    """A true process that was launched as sglang is, and runs a script until the scene is over."""
    package = folder / "sglang"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "launch_server.py").write_text(script, encoding="utf-8")
    line = [sys.executable, "-m", "sglang.launch_server", "--port", str(port), *options]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def starting_server(folder: Path, port: int, *options: str) -> AbstractContextManager[int]:
    """A true process that was launched as sglang is, and has not opened its port."""
    return _launched(folder, _SLEEPS, port, *options)


@contextmanager
def living_pages(folder: Path) -> Iterator[tuple[int, int]]:
    """A true server with its port, of whose workers the scheduler has ended."""
    port = closed_port()
    with _launched(folder, _PAGES, port) as pid:
        yield pid, port


@contextmanager
def left_over_worker(port: int) -> Iterator[int]:
    """A true worker process that holds a port; in a process table without this test's own process no server has it."""
    home = {**os.environ, "PYTHONHOME": sys.base_prefix}
    with subprocess.Popen(
        ["sglang::tokenizer_worker:4711"],
        executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=home,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        # The program comes through stdin, so that its command line holds the title alone.
        process.stdin.write(_LISTENS.replace("PORT", str(port)))
        process.stdin.close()
        process.stdout.readline()
        yield process.pid
        process.kill()


def _table(pids: Sequence[int]) -> ProcessTable:
    whole = snapshot()
    kept = {pid for top in pids for pid in (top, *whole.descendants(top))}
    return ProcessTable({pid: process for pid, process in whole.processes.items() if pid in kept})


def no_gpu(context: object) -> GpuFacts:
    raise Unavailable("not of this scene", looked=False)


def doctor(
    *,
    pids: Sequence[int] = (os.getpid(),),
    gpu: GpuFacts | None = None,
    openai: bool = False,
    timeout: float = 3.0,
    full: bool = False,
    **options: Any,
) -> Report:
    """What doctor reports on a machine that has no other processes than these and what they started."""
    with mock.patch.object(discovery, "snapshot", return_value=_table(pids)):
        target = discovery.resolve(**options)
    settings = Settings(timeout=timeout, full=full)
    with closing(Context(target, Deadline(40), settings, openai=OpenAIClient() if openai else None)) as context:
        findings = engine.run(_areas(gpu), context, redactor=Redactor(target.secrets()))
    return Report(command="doctor", findings=findings, target={}, started_at="", seconds=0.1)


def _areas(gpu: GpuFacts | None) -> list[Area]:
    collector = no_gpu if gpu is None else lambda context: gpu
    areas = catalog.at("after", catalog.areas())
    return [replace(area, collector=collector) if area.name == "gpu" else area for area in areas]
