"""A server in a network namespace of its own, as in a container: a true process in a true namespace."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bgecheck.checks import ports, probe
from bgecheck.engines.sglang.discovery import resolve
from bgecheck.machine.sockets import free_port, inside
from bgecheck.model import Finding, Status
from bgecheck.model.deadline import Deadline
from bgecheck.run import engine
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings
from fakes.answering import pages, same, serving

ADDRESS = "10.213.77.1"
"""Of the server in its network, as a bridge would give it one."""

_LOOPBACK_UP = f"""
import fcntl, socket, struct, sys, time
with socket.socket() as control:
    # SIOCSIFFLAGS: a new namespace has its loopback down; SIOCSIFADDR: a second address beside it
    fcntl.ioctl(control, 0x8914, struct.pack("16sh", b"lo", 1))
    address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton("{ADDRESS}"))
    fcntl.ioctl(control, 0x8916, struct.pack("16s16s", b"lo:1", address))
server = socket.create_server((sys.argv[sys.argv.index("--host") + 1], int(sys.argv[sys.argv.index("--port") + 1])))
open("up", "w").close()
time.sleep(60)
"""
"""Stands for `sglang.launch_server`: what is looked at is where it listens."""

_FORWARDER = """
import contextlib, itertools, socket, sys, threading

def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

port, *to = map(int, itertools.takewhile(str.isdigit, sys.argv[1:]))
server = socket.create_server(("127.0.0.1", port))
while True:
    client = server.accept()[0]
    if not to:
        client.close()  # as when nobody takes the connection in the container
        continue
    there = socket.create_connection(("127.0.0.1", *to))
    for ends in ((client, there), (there, client)):
        threading.Thread(target=pump, args=ends, daemon=True).start()
"""


def _unshare() -> list[str] | None:
    """The command that gives a process its own network here, as root or in a user namespace."""
    for line in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        with suppress(OSError, subprocess.SubprocessError):
            if subprocess.run([*line, "true"], capture_output=True, timeout=10, check=False).returncode == 0:
                return line
    return None


UNSHARE = _unshare()
pytestmark = pytest.mark.skipif(UNSHARE is None, reason="this machine gives no process a network of its own")


@contextmanager
def contained(folder: Path, host: str) -> Iterator[tuple[int, int]]:
    """The pid and port of a server that listens in a network of its own, on a port that is free in this one."""
    package = folder / "sglang"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "launch_server.py").write_text(_LOOPBACK_UP)
    port = free_port(21_000)
    assert port is not None
    line = [sys.executable, "-m", "sglang.launch_server", "--host", host, "--port", str(port)]
    with _running([*(UNSHARE or ()), *line], folder, lambda: (folder / "up").exists()) as process:
        yield process.pid, port


@contextmanager
def _running(line: list[str], folder: Path, up: object) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    process = subprocess.Popen(line, cwd=folder, env=environment, stdin=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 20
        while not up():  # type: ignore[operator]  # a function
            assert process.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def forwarder(folder: Path, port: int, *to: int, aim: tuple[str, int] | None = None) -> Iterator[None]:
    """A program of the name and options with which Docker forwards a port: connection by connection, or to nobody.

    It stands for Docker's own, which is not to be had in a test.
    """
    name = folder / "docker-proxy"
    name.symlink_to(os.path.realpath(sys.executable))

    def takes() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    options = ["-proto", "tcp", "-host-ip", "0.0.0.0", "-host-port", str(port)]
    options += ["-container-ip", aim[0], "-container-port", str(aim[1])] if aim else []
    with _running([str(name), "-c", _FORWARDER, *map(str, (port, *to)), *options], folder, takes):
        yield


def rows(pid: int) -> dict[str, Finding]:
    context = Context(resolve(pid=pid), Deadline(20), Settings(timeout=5.0))
    found = {f.id: f for f in engine.run([ports.AREA, probe.AREA], context)}
    context.close()
    return found


def test_a_network_of_its_own_is_told_from_this_one(tmp_path: Path) -> None:
    with contained(tmp_path, "127.0.0.1") as (pid, port):
        net = inside(pid, port)
    assert net is not None
    assert [(x.address, x.port) for x in net.listeners] == [("127.0.0.1", port)]
    assert inside(os.getpid(), port) is None


def test_a_server_bound_to_its_own_loopback_is_out_of_reach_whatever_is_published(tmp_path: Path) -> None:
    with contained(tmp_path, "127.0.0.1") as (pid, _):
        found = rows(pid)
    row = found["ports.listening"]
    assert row.status is Status.FAIL
    assert "127.0.0.1 only" in str(row.cause)
    assert "--host 0.0.0.0" in str(row.fix)
    assert "its own network namespace" in str(found["probe.reachable"].cause)


def test_a_server_that_is_not_published_is_not_said_to_be_loading(tmp_path: Path) -> None:
    with contained(tmp_path, "0.0.0.0") as (pid, port):
        row = rows(pid)["ports.listening"]
    assert row.status is Status.FAIL
    assert "not published" in str(row.cause)
    assert any(f":{port}" in command for command in row.commands)


def test_a_forwarded_port_does_not_help_a_server_bound_to_its_own_loopback(tmp_path: Path) -> None:
    with contained(tmp_path, "127.0.0.1") as (pid, port), forwarder(tmp_path, port):
        found = rows(pid)
    assert found["ports.listening"].status is Status.PASS
    assert found["ports.address"].status is Status.FAIL
    assert "127.0.0.1 only" in str(found["ports.address"].cause)
    assert found["probe.reachable"].status is Status.FAIL
    assert found["probe.reachable"].caused_by == "ports.address"


def test_a_port_that_is_forwarded_is_not_another_server_s(tmp_path: Path) -> None:
    """The owner of the port is Docker's proxy, not the server, and nothing is wrong."""
    with (
        contained(tmp_path, "0.0.0.0") as (pid, port),
        serving(pages(_health=(200, b"")), same) as url,
        forwarder(tmp_path, port, int(url.rsplit(":", 1)[1])),
    ):
        found = rows(pid)
    assert found["ports.owner"].status is Status.SKIP
    assert found["ports.address"].status is Status.PASS
    assert found["probe.reachable"].status is Status.PASS
    assert found["probe.health-agrees"].status is Status.PASS


def test_a_server_is_asked_at_the_port_under_which_docker_publishes_it(tmp_path: Path) -> None:
    with contained(tmp_path, "0.0.0.0") as (pid, port), serving(pages(_health=(200, b"")), same) as url:
        host_port = free_port(port)
        assert host_port is not None
        with forwarder(tmp_path, host_port, int(url.rsplit(":", 1)[1]), aim=(ADDRESS, port)):
            looked_at, found = resolve(pid=pid), rows(pid)
            named = resolve(url=f"http://127.0.0.1:{host_port}")
            other = resolve(url=f"http://127.0.0.1:{port}")
    assert (looked_at.host, looked_at.port) == ("127.0.0.1", host_port)
    assert named.server is not None
    assert named.server.pid == pid
    assert other.server is None
    assert found["ports.owner"].status is Status.PASS
    assert f"{ADDRESS}:{port}" in str(found["ports.owner"].evidence)
    assert found["probe.reachable"].status is Status.PASS


def test_a_port_that_docker_forwards_to_another_container_is_told(tmp_path: Path) -> None:
    with contained(tmp_path, "0.0.0.0") as (pid, port), forwarder(tmp_path, port, aim=("10.213.77.9", port)):
        row = rows(pid)["ports.owner"]
    assert row.status is Status.FAIL
    assert "another container" in str(row.cause)
