"""A response out of bytes on a true socket: whole however it is cut, as h11 takes it, never more than it says."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.http.client import Http
from bgecheck.http.exchange import QUIET_LIMIT
from bgecheck.http.failures import Failure
from bgecheck.http.reply import Reply
from bgecheck.model import say
from fakes.raw import listening, pieces

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
RESPONSES = {
    "by length": b"HTTP/1.1 200 OK\r\nX-Thing: Yes\r\nContent-Length: 2\r\n\r\n{}",
    "in chunks": CHUNKED + b"1\r\n{\r\n1;of=two\r\n}\r\n0\r\nX-Trailer: late\r\n\r\n",
    "after interim responses": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a folded header": b"HTTP/1.1 200 OK\r\nX-A: b\r\n  c\r\nContent-Length: 2\r\n\r\n{}",
    "both lengths": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "a blank behind a size": CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
    "an odd version": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    "no length": b"HTTP/1.0 200 OK\r\n\r\n{}",
}


def taken(parts: Sequence[bytes], seconds: float = 3.0) -> Reply | Failure:
    """What comes of a response whose bytes come in pieces, and whose connection ends behind them."""
    with listening(pieces(parts)) as url, closing(Http()) as http:
        return http.exchange("GET", url, seconds=seconds)


@pytest.mark.parametrize("raw", RESPONSES.values(), ids=RESPONSES.keys())
def test_what_clients_take_is_taken(raw: bytes) -> None:
    """Each is a response to h11, on which httpx and the openai package stand."""
    reply = taken([raw])

    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (200, b"{}")
    assert "x-trailer" not in reply.headers
    assert "link" not in reply.headers


@given(st.sampled_from(sorted(RESPONSES)), st.lists(st.integers(1, 120), max_size=8, unique=True))
def test_a_response_is_the_same_however_it_is_cut(name: str, cuts: list[int]) -> None:
    raw = RESPONSES[name]
    places = [0, *sorted(n for n in cuts if n < len(raw)), len(raw)]
    reply = taken([raw[start:stop] for start, stop in itertools.pairwise(places)])

    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (200, b"{}")


@given(st.binary(max_size=300), st.integers(0, 70))
def test_any_bytes_are_a_reply_or_a_failure(junk: bytes, at: int) -> None:
    """No exception comes out, and what stands behind a whole response does not change it."""
    raw = RESPONSES["by length"]
    reply = taken([raw[:at] + junk])
    if at >= len(raw):
        assert isinstance(reply, Reply)
        assert (reply.status, reply.body) == (200, b"{}")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", "within the headers"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "after 3 bytes of body"),
        (CHUNKED + b"5\r\nabc", "after 3 bytes of body"),
    ],
)
def test_an_end_too_early_says_where(raw: bytes, why: str) -> None:
    failure = taken([raw])

    assert isinstance(failure, Failure)
    assert failure.kind == "malformed"
    assert why in say(failure.detail, "en")


@pytest.mark.parametrize(
    ("head", "more", "times"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000, 10_000, id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 10_000, 10_000, id="a value"),
        pytest.param(CHUNKED + b"5;", b"a" * 10_000, 10_000, id="an extension"),
        pytest.param(CHUNKED + b"0\r\nX-A: ", b"a" * 10_000, 10_000, id="a trailer"),
        pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100, 10_000, id="interim responses"),
    ],
)
def test_bytes_that_bring_no_body_end(head: bytes, more: bytes, times: int) -> None:
    """A head that never ends, and the extension of a chunk, cost neither memory that grows nor the whole time."""
    failure = taken([head, *[more] * times], seconds=20)

    assert isinstance(failure, Failure)
    assert failure.kind == "malformed"
    assert failure.seconds < 10


def test_headers_below_the_limit_are_taken() -> None:
    """As many cookies as a gateway may send."""
    headers = b"Set-Cookie: " + b"c" * 500 + b"\r\n"
    count = (QUIET_LIMIT - 2000) // len(headers)
    reply = taken([b"HTTP/1.1 200 OK\r\n" + headers * count + b"Content-Length: 2\r\n\r\n{}"])

    assert isinstance(reply, Reply)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        CHUNKED + b"zz\r\n",
    ],
    ids=["another protocol", "NUL", "no colon", "no size"],
)
def test_what_no_client_takes_is_malformed(raw: bytes) -> None:
    failure = taken([raw])

    assert isinstance(failure, Failure)
    assert failure.kind == "malformed"
