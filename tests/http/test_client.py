"""The HTTP door, over true sockets, against servers that behave and servers that don't."""

from __future__ import annotations

import gzip
import re
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from bgecheck.http.client import Http
from bgecheck.http.connect import resolve
from bgecheck.http.failures import Failure
from bgecheck.http.reply import BODY_LIMIT, Reply
from bgecheck.model import say

Behaviour = Callable[[socket.socket], None]


@contextmanager
def listening(behave: Behaviour) -> Iterator[str]:
    """A socket on a free port whose every connection is handed to `behave` after the request was read."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.1)
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                connection.recv(65536)
                behave(connection)
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1/models"
    finally:
        over.set()
        thread.join(2)
        server.close()


def answer(raw: bytes) -> Behaviour:
    return lambda connection: connection.sendall(raw)


def whole(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def get(url: str, seconds: float = 1.0, limit: int = BODY_LIMIT) -> Reply | Failure:
    with closing(Http()) as http:
        return http.exchange("GET", url, seconds=seconds, limit=limit)


def test_a_plain_answer_comes_back_whole() -> None:
    """Status, lower-cased headers and body are what the server sent."""
    with listening(answer(whole(b'{"a": 1}', "X-Thing: Yes", status="201 Created"))) as url:
        reply = get(url)

    assert isinstance(reply, Reply)
    assert (reply.status, reply.headers["x-thing"], reply.json()) == (201, "Yes", {"a": 1})


def silence(connection: socket.socket) -> None:
    time.sleep(3)


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def one_byte_at_a_time(connection: socket.socket) -> None:
    for byte in whole(b"x" * 500):
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def endless_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def endless_interim(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("behave", "kind"),
    [
        pytest.param(silence, "timeout", id="silence"),
        pytest.param(hang_up, "closed", id="closed"),
        pytest.param(reset, "reset", id="reset"),
        pytest.param(one_byte_at_a_time, "unfinished", id="drip"),
        pytest.param(endless_interim, "unfinished", id="endless 1xx"),
        pytest.param(answer(b"SSH-2.0-OpenSSH_9.6\r\n"), "protocol", id="not http"),
        pytest.param(answer(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\n\r\n"), "malformed", id="giant header"),
        pytest.param(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), "malformed", id="short body"),
        pytest.param(
            answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "malformed", id="bad chunk"
        ),
        pytest.param(answer(whole(b"junk", "Content-Encoding: gzip")), "malformed", id="broken gzip"),
        pytest.param(answer(whole(b"junk", "Content-Encoding: br")), "malformed", id="coding not asked for"),
    ],
)
def test_a_misbehaving_server_is_a_failure_with_its_kind(behave: Behaviour, kind: str) -> None:
    """Whatever the server does, the exchange ends within its time and says in which way it failed."""
    started = time.monotonic()
    with listening(behave) as url:
        failure = get(url, seconds=0.6)
        took = time.monotonic() - started

    assert isinstance(failure, Failure)
    assert failure.kind == kind
    assert took < 1.5
    assert re.search("[\u4e00-\u9fff]", say(failure.detail, "zh"))


def test_a_time_out_says_how_long_was_waited() -> None:
    """In seconds, in each language."""
    with listening(silence) as url:
        failure = get(url, seconds=0.3)

    assert isinstance(failure, Failure)
    assert "not one byte of an answer within 0.3 s" in say(failure.detail, "en")
    assert "0.3 秒内没有收到任何响应" in say(failure.detail, "zh")


def test_an_endless_body_ends_at_the_byte_limit() -> None:
    """Memory is bounded by the limit, not by what the server likes to send."""
    with listening(endless_body) as url:
        failure = get(url, seconds=5, limit=2**20)

    assert isinstance(failure, Failure)
    assert failure.kind == "too-large"


def test_a_gzip_bomb_is_cut_while_it_is_unpacked() -> None:
    """64 MiB of zeros in a 64 kB body never come to be in memory."""
    bomb = gzip.compress(bytes(64 * 2**20))
    with listening(answer(whole(bomb, "Content-Encoding: gzip"))) as url:
        failure = get(url, seconds=5)

    assert BODY_LIMIT < 64 * 2**20
    assert isinstance(failure, Failure)
    assert failure.kind == "too-large"


def test_an_unasked_gzip_answer_is_read() -> None:
    """Some proxies compress although identity was asked for."""
    with listening(answer(whole(gzip.compress(b'{"ok": true}'), "Content-Encoding: gzip"))) as url:
        reply = get(url)

    assert isinstance(reply, Reply)
    assert reply.json() == {"ok": True}


def test_a_redirect_is_not_followed() -> None:
    """The key must not travel to another host; the redirect is what the caller sees."""
    with listening(answer(whole(b"", "Location: http://127.0.0.1:1/", status="302 Found"))) as url:
        reply = get(url)

    assert isinstance(reply, Reply)
    assert reply.status == 302


def test_nothing_listening_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    failure = get(f"http://127.0.0.1:{port}/")

    assert isinstance(failure, Failure)
    assert failure.kind == "refused"


def test_an_unknown_name_is_a_dns_failure() -> None:
    """The name is below .invalid, which no resolver knows (RFC 6761)."""
    failure = get("http://gpu-01.invalid:30000/v1/models", seconds=5)

    assert isinstance(failure, Failure)
    assert failure.kind == "dns"


def test_tls_against_a_plain_port_is_a_tls_failure() -> None:
    with listening(answer(whole(b"plain"))) as url:
        failure = get(url.replace("http:", "https:"))

    assert isinstance(failure, Failure)
    assert failure.kind == "tls"


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead proxy in the environment does not stand between us and the target."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with listening(answer(whole(b"{}"))) as url:
        assert isinstance(get(url), Reply)


def test_two_exchanges_share_a_connection() -> None:
    """Keep-alive: the second request arrives on the socket of the first."""
    connections = []

    def twice(connection: socket.socket) -> None:
        connections.append(connection.getpeername())
        connection.sendall(whole(b"1"))
        connection.recv(65536)
        connection.sendall(whole(b"2"))
        time.sleep(0.2)

    with listening(twice) as url, closing(Http()) as http:
        bodies = [http.exchange("GET", url, seconds=1) for _ in range(2)]

    assert [b.body for b in bodies if isinstance(b, Reply)] == [b"1", b"2"]
    assert len(connections) == 1


def test_deep_nesting_is_not_json() -> None:
    """Two hundred thousand brackets exhaust the parser, not the program."""
    with listening(answer(whole(b"[" * 200_000))) as url:
        reply = get(url)

    assert isinstance(reply, Reply)
    assert reply.json() is None


def test_json_of_millions_of_values_is_not_parsed() -> None:
    """Five million empty lists have 15 MB as bytes and 900 MB as Python objects; a thousand vectors are read."""
    assert Reply(200, {}, b"[" + b"[]," * 300_000 + b"0]", 0.0).json() is None
    vectors = b'{"embedding":[' + b"0.25," * 1000 + b'0],"index":0,"object":"embedding"},'
    assert len(Reply(200, {}, b"[" + vectors * 1000 + b"0]", 0.0).json()) == 1001


def test_a_resolver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system resolver has no time-out of its own. It can't be made to hang for real here, so it is replaced."""
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [released.wait(30)][:0])

    with pytest.raises(TimeoutError):
        resolve("anything", 80, 0.1)
    released.set()


def test_a_name_that_cannot_be_encoded_is_an_error_of_the_name() -> None:
    with pytest.raises(OSError, match="not a host name"):
        resolve("中..文", 80, 3.0)


BODY = b'{"ok": true, "text": "' + b"a" * 500 + b'"}'


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        pytest.param(gzip.compress(BODY[:200]) + gzip.compress(BODY[200:]), "gzip", id="members"),
        pytest.param(gzip.compress(BODY) + b"behind it", "gzip", id="garbage behind it"),
        pytest.param(zlib.compress(BODY), "deflate", id="deflate"),
        pytest.param(_raw_deflate(BODY), "deflate", id="deflate without its head"),
        pytest.param(BODY, "identity, identity", id="identity, said twice"),
    ],
)
def test_a_body_is_read_however_it_is_packed(packed: bytes, coding: str) -> None:
    """As browsers and curl read it: RFC 1952 allows several members, and many servers leave zlib's head away."""
    with listening(answer(whole(packed, f"Content-Encoding: {coding}"))) as url:
        reply = get(url)
    assert isinstance(reply, Reply)
    assert reply.body == BODY


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(gzip.compress(BODY)[:-20], id="cut"),
        pytest.param(gzip.compress(BODY)[:-8] + bytes(8), id="damaged"),
        pytest.param(b"\x1f\x8b", id="only its mark"),
    ],
)
def test_a_packed_body_that_is_cut_or_damaged_is_no_body(packed: bytes) -> None:
    """What was unpacked so far would pass for a short answer."""
    with listening(answer(whole(packed, "Content-Encoding: gzip"))) as url:
        failure = get(url)
    assert isinstance(failure, Failure)
    assert failure.kind == "malformed"


def test_bombs_one_behind_another_are_cut_too() -> None:
    """The limit is one of the whole body."""
    bomb = gzip.compress(bytes(900_000)) * 50
    with listening(answer(whole(bomb, "Content-Encoding: gzip"))) as url:
        failure = get(url)
    assert isinstance(failure, Failure)
    assert failure.kind == "too-large"
