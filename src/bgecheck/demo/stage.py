"""Starts the demo server with its surroundings, waits until the scene stands, and leaves nothing behind."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bgecheck.demo import dialect
from bgecheck.demo.faults import FAULTS, Fault
from bgecheck.model import Text, Unavailable, clean

PATIENCE = 20.0
"""Seconds that a start may take; it takes half a second on an idle machine."""

_HEALTHY = Fault(Text("nothing is wrong", "一切正常"), ())
_HOLDER = (
    "import http.server as h; h.ThreadingHTTPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
)
"""Any other program on the port: Python's own file server, in an empty folder."""


@dataclass(frozen=True)
class Staged:
    """A scene that stands: where a client would look, and what it would give."""

    url: str
    log: str | None
    api_key: str | None
    pid: int | None
    process: subprocess.Popen[bytes] | None

    def wait(self) -> None:
        """Until the server ends or the user interrupts; where it has ended already, its log is kept until then."""
        if self.process is not None and self.pid is not None:
            self.process.wait()
        else:
            threading.Event().wait()


@contextmanager
def stage(fault: str | None) -> Iterator[Staged]:
    """The demo server on a free port, healthy or with a fault; all of it ends with the context."""
    scene = FAULTS[fault] if fault else _HEALTHY
    with tempfile.TemporaryDirectory(prefix="bgecheck-demo-") as folder:
        port, running = _free_port(), []
        kept = None if scene.serves or scene.port_taken else _kept(port)
        try:
            if scene.port_taken:
                running.append(_holder(port, folder))
            server = _server(scene, port, folder) if scene.starts else None
            running += [server] if server else []
            log = str(Path(folder, "sglang.log")) if server else None
            if server and log:
                _until_it_stands(scene, server, Path(log))
            alive = server.pid if server and server.poll() is None else None
            yield Staged(f"http://127.0.0.1:{port}{scene.path}", log, scene.api_key, alive, server)
        finally:
            for process in running:
                _end(process)
            if kept is not None:
                kept.close()


_PORTS = range(20_000, 32_000)
"""Below the ports that a system gives to whoever asks for any: what is free here is not taken by chance meanwhile."""


def _free_port() -> int:
    """A port of this machine that no socket is bound to. Raises `Unavailable`."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Unavailable(Text("no port between 20000 and 32000 is free", "20000 到 32000 之间没有空闲端口"))


def _kept(port: int) -> socket.socket:
    """A socket that is bound to a port and does not listen: nobody else can take it, and connections are refused."""
    kept = socket.socket()
    kept.bind(("127.0.0.1", port))
    return kept


def _server(scene: Fault, port: int, folder: str) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "bgecheck.demo.server", "--model-path", "models/bge-large-zh-v1.5"]
    line += ["--served-model-name", "bge-large-zh-v1.5", "--port", str(port), *scene.flags]
    with open(Path(folder, "sglang.log"), "wb") as log:
        return _started(line, log.fileno(), folder, {"BGECHECK_DEMO_VERSION": scene.version} if scene.version else {})


def _holder(port: int, folder: str) -> subprocess.Popen[bytes]:
    empty = Path(folder, "empty")
    empty.mkdir()
    process = _started([sys.executable, "-c", _HOLDER.format(port=port)], subprocess.DEVNULL, str(empty))
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.02)
    _end(process)
    raise Unavailable(Text("the program that was to hold the port did not start", "占用端口的程序没有启动"))


def _started(
    line: list[str], output: int, folder: str, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(word for word in sys.path if word)
    # A group of its own: Ctrl-C reaches this program, which then ends the scene in order.
    return subprocess.Popen(
        line,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "BGECHECK_DEMO_ENDS_WITH_STARTER": "1", **(variables or {})},
        start_new_session=True,
    )


def _until_it_stands(scene: Fault, server: subprocess.Popen[bytes], log: Path) -> None:
    """Until the ready line, or the end of a start that fails, or the place where it hangs."""
    mark = dialect.READY if scene.serves else "Load weight begin"
    hangs = not scene.serves and "stuck-loading" in scene.flags
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        output = log.read_text(encoding="utf-8", errors="replace")
        if server.poll() is not None:
            break
        if mark in output and (scene.serves or hangs):
            break
        time.sleep(0.02)
    if scene.serves and server.poll() is not None:
        output = clean(log.read_text(errors="replace")[-500:])
        raise Unavailable(Text(f"the demo server did not start: {output}", f"演示服务没有启动：{output}"))
    if hangs:
        written = time.time() - 600
        os.utime(log, (written, written))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End one process of the scene: it is ours, asked first, then made to."""
    if process.stdin:
        process.stdin.close()
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(2)
