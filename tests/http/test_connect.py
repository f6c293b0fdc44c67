"""Addresses and connections: a resolver that hangs, a host with several addresses, an address with a zone."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bgecheck.http.address import parse_url
from bgecheck.http.client import Http
from bgecheck.http.failures import Failure
from bgecheck.http.reply import Reply
from bgecheck.machine.connect import Address, NoInterface, connect, is_address, resolve
from bgecheck.machine.sockets import accepts, is_own, resolved
from bgecheck.model import say
from bgecheck.model.deadline import Deadline
from fakes.raw import LINK_LOCAL, accepting, whole


@pytest.fixture
def stuck_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The system's resolver can't be made to hang for real here, so it is replaced."""
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [released.wait(30)][:0])
    yield
    released.set()


@pytest.mark.usefixtures("stuck_resolver")
def test_a_resolver_that_hangs_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        resolve("anything", 80, 0.1)


@pytest.mark.usefixtures("stuck_resolver")
def test_nobody_waits_for_a_resolver_without_a_limit() -> None:
    """Neither the client nor the rows about ports: a name is not known in time, and that is all."""
    started = time.monotonic()
    assert resolved("localhost", 0.1) == ()
    assert not accepts("localhost", 80, 0.1)
    assert not is_own("gpu-01", 0.1)
    with closing(Http()) as http:
        failure = http.exchange("GET", "http://gpu-01:30000/", seconds=0.1)
    assert isinstance(failure, Failure)
    assert failure.kind == "dns"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_time_that_is_over_before_a_connection_is_tried_says_nothing_of_the_address(host: str) -> None:
    with closing(Http()) as http:
        failure = http.exchange("GET", f"http://{host}:1/", seconds=1e-9)
    assert isinstance(failure, Failure)
    assert failure.kind == "cut-off"
    assert "before a connection was tried" in say(failure.detail, "en")


def test_a_name_that_cannot_be_encoded_is_an_error_of_the_name() -> None:
    with pytest.raises(OSError, match="not a host name"):
        resolve("中..文", 80, 3.0)


def test_localhost_and_this_machine_are_known() -> None:
    assert set(resolved("localhost", 3.0)) & {"127.0.0.1", "::1"}
    assert is_own("localhost", 3.0)
    assert is_own("127.0.0.1", 3.0)
    assert not is_own("192.0.2.1", 3.0)


@pytest.mark.parametrize(
    ("host", "literal"),
    [("127.0.0.1", True), ("::1", True), ("fe80::1%eth0", True), ("localhost", False), ("1.2.3", False), ("", False)],
)
def test_an_address_is_told_from_a_name(host: str, literal: bool) -> None:
    assert is_address(host) is literal


@contextmanager
def unanswered(port: int) -> Iterator[Address]:
    """An address whose port takes no more connections: its backlog is full, and Linux drops what comes then."""
    with socket.create_server(("127.0.0.2", port), backlog=0) as server:
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield Address(socket.AF_INET, server.getsockname())
        for client in waiting:
            client.close()


def test_an_address_that_nobody_answers_at_does_not_take_the_time_of_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = Address(socket.AF_INET, server.getsockname())
        with unanswered(there.socket_address[1]) as silent:
            opened = connect([silent, silent, there], Deadline(0.9).remaining)
            assert opened.getpeername() == there.socket_address
            opened.close()
            with pytest.raises(TimeoutError):
                connect([silent], Deadline(0.2).remaining)


def test_the_failure_of_the_last_address_is_the_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = Address(socket.AF_INET, ("127.0.0.1", server.getsockname()[1]))
    with pytest.raises(ConnectionRefusedError):
        connect([nobody, nobody], Deadline(1.0).remaining)


@pytest.mark.skipif(LINK_LOCAL is None, reason="this machine has no link-local address")
def test_a_link_local_address_is_reached_by_its_zone() -> None:
    """As pasted and as in a URL; the Host header has no zone (RFC 6874)."""
    host = str(LINK_LOCAL)
    heads: list[bytes] = []

    def note(connection: socket.socket) -> None:
        heads.append(connection.recv(65536))
        connection.sendall(whole(b"{}", "Connection: close"))

    with accepting(note, host) as port, closing(Http()) as http:
        given = (f"[{host}]:{port}", f"http://[{host.replace('%', '%25')}]:{port}/v1", f"http://[{host}]:{port}")
        replies = [http.exchange("GET", parse_url(url).url + "/v1/models", seconds=2) for url in given]
        assert accepts(host, port, 1.0)
        assert is_own(host, 1.0)

    assert all(isinstance(reply, Reply) for reply in replies)
    bare = host.partition("%")[0]
    assert [head for head in heads if head] == [head for head in heads if f"Host: [{bare}]:{port}\r\n".encode() in head]


def test_a_zone_that_is_no_interface_is_named() -> None:
    with pytest.raises(NoInterface, match="no network interface nope9"):
        resolve("fe80::1%nope9", 80, 1.0)
    with closing(Http()) as http:
        failure = http.exchange("GET", "http://[fe80::1%25nope9]:30000/", seconds=1)
    assert isinstance(failure, Failure)
    assert failure.kind == "unreachable"
    assert "[fe80::1%nope9]:30000" in say(failure.detail, "en")


def test_a_link_local_address_without_a_zone_says_what_is_missing() -> None:
    with closing(Http()) as http:
        failure = http.exchange("GET", "http://[fe80::1]:30000/", seconds=1)
    assert isinstance(failure, Failure)
    assert failure.kind == "unreachable"
    if LINK_LOCAL:  # without IPv6 the system has another reason
        assert "fe80::1%eth0" in say(failure.detail, "en")


def test_what_is_printed_of_an_address_with_a_zone_can_be_pasted(tmp_path: Path) -> None:
    """Brackets where a port follows, and no zone for programs that take none."""
    line = [sys.executable, "-m", "bgecheck", "probe", "--url", "fe80::1%nope9", "-o", "json", "--lang", "en"]
    ran = subprocess.run(line, capture_output=True, cwd=tmp_path, timeout=50, check=False)
    report = json.loads(ran.stdout)
    row = next(f for f in report["findings"] if f["id"] == "probe.reachable")
    assert ran.returncode == 1
    assert report["target"]["url"] == "http://[fe80::1%25nope9]:30000/v1"
    assert "no network interface nope9" in row["evidence"][0]["observed"]
    assert row["fix"]["commands"] == ["ip route get fe80::1"]
