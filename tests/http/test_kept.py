"""Connections that are kept between requests: used again, given up where the server ended them, never mixed up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from bgecheck.http.client import Http
from bgecheck.http.failures import Failure
from bgecheck.http.reply import Reply
from fakes.raw import accepting, reset, whole


def exchanges(port: int, count: int, pause: float = 0.0) -> list[Reply | Failure]:
    """As many requests one after the other over one client."""
    replies = []
    with closing(Http()) as http:
        for _ in range(count):
            replies.append(http.exchange("GET", f"http://127.0.0.1:{port}/", seconds=3))
            time.sleep(pause)
    return replies


def bodies(replies: list[Reply | Failure]) -> list[bytes]:
    return [reply.body if isinstance(reply, Reply) else b"" for reply in replies]


def test_requests_share_a_connection() -> None:
    connections = []

    def count(connection: socket.socket) -> None:
        connections.append(connection.getpeername())
        number = 0
        while connection.recv(65536):
            number += 1
            connection.sendall(whole(b"%d" % number))

    with accepting(count) as port:
        replies = exchanges(port, 3)

    assert bodies(replies) == [b"1", b"2", b"3"]
    assert len(connections) == 1


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at once", "a moment later"])
@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closed", "reset"])
def test_a_server_that_hangs_up_after_each_answer_is_asked_again(
    end: Callable[[socket.socket], None], pause: float
) -> None:
    """Without saying so: HTTP/1.1 lets a client expect that the connection stays."""

    def one_answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(whole(b"{}"))
        if end is reset:
            time.sleep(0.02)  # a reset at once would take the answer away
        end(connection)

    with accepting(one_answer) as port:
        replies = exchanges(port, 20, pause)

    assert bodies(replies) == [b"{}"] * 20


def test_a_request_is_not_sent_twice_once_an_answer_began() -> None:
    """What began to be answered was looked at."""
    requests: list[bytes] = []

    def half_of_the_second(connection: socket.socket) -> None:
        for length in (None, 20):
            requests.append(connection.recv(65536))
            connection.sendall(whole(b"{}")[:length])

    with accepting(half_of_the_second) as port:
        replies = exchanges(port, 2)

    assert isinstance(replies[1], Failure)
    assert replies[1].kind == "malformed"
    assert len(requests) == 2


def test_a_silent_server_is_not_asked_twice() -> None:
    requests: list[bytes] = []

    def silent_later(connection: socket.socket) -> None:
        requests.append(connection.recv(65536))
        connection.sendall(whole(b"{}"))
        requests.append(connection.recv(65536))
        time.sleep(2)

    with accepting(silent_later) as port, closing(Http()) as http:
        replies = [http.exchange("GET", f"http://127.0.0.1:{port}/", seconds=0.5) for _ in range(2)]

    assert isinstance(replies[1], Failure)
    assert replies[1].kind == "timeout"
    assert len(requests) == 2


@pytest.mark.parametrize(
    "behind",
    [whole(b'{"smuggled": 1}'), whole(b'{"smuggled": 1}') * 2, b"garbage", b"HTTP/1.1 200 OK\r\n"],
    ids=["an answer", "two", "garbage", "a beginning"],
)
def test_what_follows_an_answer_unasked_is_never_the_next_answer(behind: bytes) -> None:
    """Who keeps the connection would take it for the answer to the next request."""

    def more(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(whole(b'{"asked": 1}') + behind)
        while connection.recv(65536):
            connection.sendall(whole(b'{"asked": 1}'))

    with accepting(more) as port:
        replies = exchanges(port, 4)

    assert set(bodies(replies)) == {b'{"asked": 1}'}


def test_what_comes_unasked_a_moment_later_is_never_the_next_answer() -> None:
    def more_later(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(whole(b'{"asked": 1}'))
            time.sleep(0.02)
            connection.sendall(whole(b'{"smuggled": 1}'))

    with accepting(more_later) as port:
        replies = exchanges(port, 4, pause=0.06)

    assert bodies(replies) == [b'{"asked": 1}'] * 4


def test_a_refusal_is_read_where_the_request_is_never_read() -> None:
    """As a gateway with a limit of the body does: it answers by the head alone, and hangs up."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(whole(b"{}", "Connection: close", status="413 Payload Too Large"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with accepting(refuse) as port, closing(Http()) as http:
        reply = http.exchange("POST", f"http://127.0.0.1:{port}/", seconds=5, body=b"x" * 3_000_000)

    assert isinstance(reply, Reply)
    assert reply.status == 413


def test_threads_share_a_client_and_never_an_answer() -> None:
    """Each request is answered with its own path, over connections that end after every third answer."""

    def echo(connection: socket.socket) -> None:
        for _ in range(3):
            request = connection.recv(65536)
            if request:
                connection.sendall(whole(request.split(b" ")[1]))

    wrong: list[object] = []

    def ask(http: Http, port: int, name: int) -> None:
        for number in range(25):
            reply = http.exchange("GET", f"http://127.0.0.1:{port}/{name}-{number}", seconds=20)
            if not isinstance(reply, Reply) or reply.body != b"/%d-%d" % (name, number):
                wrong.append(reply)

    with accepting(echo) as port, closing(Http()) as http:
        threads = [threading.Thread(target=ask, args=(http, port, name)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert wrong == []
