"""The HTTP client, over true sockets, against servers that behave and servers that don't."""

from __future__ import annotations

import re
import socket
import time
from contextlib import closing

import httpx
import pytest

from bgecheck.http.client import Http, Transport
from bgecheck.http.failures import Failure
from bgecheck.http.reply import BODY_LIMIT, Reply
from bgecheck.model import say
from fakes.raw import Behaviour, accepting, answer, listening, reset, whole


def get(url: str, seconds: float = 1.0, limit: int = BODY_LIMIT) -> Reply | Failure:
    with closing(Http()) as http:
        return http.exchange("GET", url, seconds=seconds, limit=limit)


def test_a_plain_answer_comes_back_whole() -> None:
    """Status, lower-cased headers and body are what the server sent."""
    with listening(answer(whole(b'{"a": 1}', "X-Thing: Yes", status="201 Created"))) as url:
        reply = get(url)

    assert isinstance(reply, Reply)
    assert (reply.status, reply.headers["x-thing"], reply.json()) == (201, "Yes", {"a": 1})


def test_any_transport_of_httpx_will_do() -> None:
    """What is sent is a plain request: httpx's own mock sees it."""
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b'{"ok": true}'))

    reply = Http(httpx.MockTransport(respond)).exchange(
        "POST", "http://gpu_01:30000/v1/embeddings", seconds=1, headers={"Authorization": "Bearer k"}, body=b"{}"
    )

    assert isinstance(reply, Reply)
    assert reply.json() == {"ok": True}
    assert requests[0].headers["host"] == "gpu_01:30000"
    assert requests[0].headers["accept-encoding"] == "identity"
    assert requests[0].headers["authorization"] == "Bearer k"
    assert requests[0].headers["content-length"] == "2"


def silence(connection: socket.socket) -> None:
    time.sleep(3)


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


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
    with listening(behave) as url:
        started = time.monotonic()
        failure = get(url, seconds=0.6)
        took = time.monotonic() - started

    assert isinstance(failure, Failure)
    assert failure.kind == kind
    assert took < 1.5
    assert re.search("[\u4e00-\u9fff]", say(failure.detail, "zh"))


def test_a_server_that_is_no_http_server_is_known_by_its_first_bytes() -> None:
    """At once, though it keeps the connection and waits."""

    def greet(connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example ESMTP \x1b[2JPostfix")
        time.sleep(3)

    with accepting(greet) as port:
        failure = get(f"http://127.0.0.1:{port}/", seconds=2.5)

    assert isinstance(failure, Failure)
    assert failure.kind == "protocol"
    assert failure.seconds < 2
    assert "220 mail.example ESMTP" in say(failure.detail, "en")
    assert "\x1b" not in say(failure.detail, "en")


def test_a_reset_while_the_request_is_sent_is_one() -> None:
    with accepting(reset) as port, closing(Http()) as http:
        failure = http.exchange("POST", f"http://127.0.0.1:{port}/", seconds=5, body=b"x" * 10_000_000)

    assert isinstance(failure, Failure)
    assert failure.kind == "reset"


def test_a_request_that_nobody_takes_ends_in_time() -> None:
    """More than the buffers of both sides hold."""
    with accepting(silence) as port, closing(Http()) as http:
        failure = http.exchange("POST", f"http://127.0.0.1:{port}/", seconds=0.5, body=b"x" * 30_000_000)

    assert isinstance(failure, Failure)
    assert failure.kind == "timeout"
    assert "was not taken within 0.5 s" in say(failure.detail, "en")
    assert failure.seconds < 1.5


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


@pytest.mark.parametrize(("size", "kind"), [(1000, None), (1001, "too-large")])
def test_the_byte_limit_is_exact(size: int, kind: str | None) -> None:
    with listening(answer(whole(b"x" * size))) as url:
        reply = get(url, limit=1000)

    assert getattr(reply, "kind", None) == kind


def test_a_redirect_is_not_followed() -> None:
    """The key must not travel to another host; the redirect is what the caller sees."""
    with listening(answer(whole(b"", "Location: http://127.0.0.1:1/", status="302 Found"))) as url:
        reply = get(url)

    assert isinstance(reply, Reply)
    assert reply.status == 302


@pytest.mark.parametrize("location", ["//[", "javascript:alert(1)", "http://x/\x9b31m", "http://[::1"])
def test_a_redirect_to_no_url_is_a_reply_too(location: str) -> None:
    """A client of httpx fails over these, though it does not follow them."""
    raw = whole(b"", "Location: @", status="302 Found").replace(b"@", location.encode("latin-1"))
    with listening(answer(raw)) as url:
        reply = get(url)

    assert isinstance(reply, Reply)
    assert reply.status == 302


def test_a_cookie_is_not_sent_back() -> None:
    heads: list[bytes] = []

    def note(connection: socket.socket) -> None:
        for _ in range(2):
            heads.append(connection.recv(65536))
            connection.sendall(whole(b"{}", "Set-Cookie: a=b; Path=/"))

    with accepting(note) as port, closing(Http()) as http:
        replies = [http.exchange("GET", f"http://127.0.0.1:{port}/", seconds=2) for _ in range(2)]

    assert all(isinstance(reply, Reply) for reply in replies)
    assert len(heads) == 2
    assert b"cookie" not in heads[1].lower()


def test_nothing_listening_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    failure = get(f"http://127.0.0.1:{port}/")

    assert isinstance(failure, Failure)
    assert failure.kind == "refused"
    assert f"127.0.0.1:{port} refused" in say(failure.detail, "en")


def test_an_unknown_name_is_a_dns_failure() -> None:
    """The name is below .invalid, which no resolver knows (RFC 6761)."""
    failure = get("http://gpu-01.invalid:30000/v1/models", seconds=5)

    assert isinstance(failure, Failure)
    assert failure.kind == "dns"
    assert "gpu-01.invalid:30000" in say(failure.detail, "en")


def test_a_machine_that_does_not_answer_is_a_connect_timeout() -> None:
    """Linux drops the connections that a full backlog does not hold; nobody accepts here."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        failure = get(f"http://127.0.0.1:{port}/", seconds=0.5)
        for client in waiting:
            client.close()

    assert isinstance(failure, Failure)
    assert failure.kind == "connect-timeout"
    assert failure.seconds < 1.5


@pytest.mark.parametrize(
    "key", ["sk-secret\n", "sk-secret ", "sk-sécret", "密钥-secret", "sk-\x00secret", "a\r\nsecret"]
)
def test_a_key_that_no_header_can_hold_is_not_sent_and_not_shown(key: str) -> None:
    """As with httpx and the openai package; h11 and Python repeat what they refuse, which here would be the key."""
    received: list[bytes] = []

    with accepting(lambda connection: received.append(connection.recv(65536))) as port, closing(Http()) as http:
        url = f"http://127.0.0.1:{port}/"
        failure = http.exchange("GET", url, seconds=1, headers={"Authorization": f"Bearer {key}"})

    assert isinstance(failure, Failure)
    assert failure.kind == "unsendable"
    assert "cret" not in say(failure.detail, "en") + say(failure.detail, "zh")
    assert b"cret" not in b"".join(received)


def test_a_url_that_is_none_is_unsendable() -> None:
    failure = get("http://[::1")

    assert isinstance(failure, Failure)
    assert failure.kind == "unsendable"


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead proxy in the environment does not stand between us and the target."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with listening(answer(whole(b"{}"))) as url:
        assert isinstance(get(url), Reply)


def test_a_proxy_that_is_given_is_asked_for_the_whole_url() -> None:
    heads: list[bytes] = []

    def note(connection: socket.socket) -> None:
        heads.append(connection.recv(65536))
        connection.sendall(whole(b"{}", status="502 Bad Gateway"))

    with accepting(note) as port, closing(Http(Transport(proxy=f"http://127.0.0.1:{port}"))) as http:
        reply = http.exchange("GET", "http://gpu-01.invalid:30000/v1/models", seconds=2)

    assert isinstance(reply, Reply)
    assert reply.status == 502
    assert heads[0].startswith(b"GET http://gpu-01.invalid:30000/v1/models HTTP/1.1\r\nHost: gpu-01.invalid:30000\r\n")


def test_a_proxy_that_is_not_there_is_the_one_that_refuses() -> None:
    with closing(Http(Transport(proxy="http://127.0.0.1:1"))) as http:
        failure = http.exchange("GET", "http://gpu-01.invalid:30000/", seconds=2)

    assert isinstance(failure, Failure)
    assert failure.kind == "refused"
    assert "127.0.0.1:1 " in say(failure.detail, "en")


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
