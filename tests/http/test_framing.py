"""An HTTP answer out of bytes: whole however they are cut, lenient as clients are, never more than it says."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from bgecheck.sources.incoming import QUIET_LIMIT, Incoming, Malformed
from hypothesis import given
from hypothesis import strategies as st

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "by length": b"HTTP/1.1 200 OK\r\nX-Thing: Yes\r\nContent-Length: 2\r\n\r\n{}",
    "in chunks": CHUNKED + b"1\r\n{\r\n1;of=two\r\n}\r\n0\r\nX-Trailer: late\r\n\r\n",
    "after interim answers": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a folded header": b"HTTP/1.1 200 OK\r\nX-A: b\r\n  c\r\nContent-Length: 2\r\n\r\n{}",
    "both lengths": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    "a blank behind a size": CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
    "an odd version": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
}


def taken(raw: bytes, *cuts: int) -> Incoming:
    """An answer whose bytes come in pieces."""
    incoming = Incoming()
    places = [0, *sorted(cuts), len(raw)]
    for start, stop in itertools.pairwise(places):
        if start < stop:
            incoming.feed(raw[start:stop])
    return incoming


@pytest.mark.parametrize("raw", ANSWERS.values(), ids=ANSWERS.keys())
def test_what_clients_take_is_taken(raw: bytes) -> None:
    """Each is an answer to h11, on which httpx and the openai package stand."""
    answer = taken(raw)

    assert (answer.complete, answer.status, bytes(answer.body)) == (True, 200, b"{}")
    assert "x-trailer" not in answer.headers
    assert "link" not in answer.headers


@given(st.sampled_from(sorted(ANSWERS)), st.lists(st.integers(0, 120), max_size=8))
def test_an_answer_is_the_same_however_it_is_cut(name: str, cuts: list[int]) -> None:
    raw = ANSWERS[name]
    whole, cut = taken(raw), taken(raw, *(n for n in cuts if n < len(raw)))

    assert (cut.status, cut.headers, cut.body, cut.complete, cut.last) == (
        whole.status,
        whole.headers,
        whole.body,
        whole.complete,
        whole.last,
    )


@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_are_an_answer_or_malformed(junk: bytes, at: int) -> None:
    """No other error comes out, and what stands behind a whole answer does not change it."""
    raw = ANSWERS["by length"]
    incoming = Incoming()
    with contextlib.suppress(Malformed):
        incoming.feed(raw[:at] + junk)
        incoming.end()
    if at >= len(raw):
        assert (incoming.complete, incoming.status, bytes(incoming.body)) == (True, 200, b"{}")
        assert incoming.last is bool(junk) or not junk.strip(b"\r\n")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", "within the headers"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "after 3 of 9 bytes of body"),
        (CHUNKED + b"5\r\nabc", "after 3 bytes of body"),
    ],
)
def test_an_end_too_early_says_where(raw: bytes, why: str) -> None:
    answer = taken(raw)

    with pytest.raises(Malformed, match=why):
        answer.end()


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    """HTTP/1.0 servers and many small ones: RFC 9112, 6.3."""
    answer = taken(b"HTTP/1.0 200 OK\r\n\r\n{}")

    assert not answer.complete
    answer.end()
    assert (answer.complete, answer.last, bytes(answer.body)) == (True, True, b"{}")


@pytest.mark.parametrize(
    ("raw", "last"),
    [
        (ANSWERS["by length"], False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", True),
        (ANSWERS["by length"] + ANSWERS["by length"], True),
        (ANSWERS["by length"] + b"junk", True),
    ],
)
def test_a_connection_is_kept_only_behind_a_whole_answer_that_lets_it(raw: bytes, last: bool) -> None:
    """What stands behind an answer would be taken for the next one."""
    assert taken(raw).last is last


@pytest.mark.parametrize(
    ("head", "more"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 1000, id="a value"),
        pytest.param(CHUNKED + b"5;", b"a" * 1000, id="an extension"),
        pytest.param(CHUNKED + b"0\r\nX-A: ", b"a" * 1000, id="a trailer"),
        pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", id="interim answers"),
    ],
)
def test_bytes_that_bring_no_body_end(head: bytes, more: bytes) -> None:
    """A head that never ends, and the extension of a chunk, cost no memory that grows."""
    incoming = Incoming()
    incoming.feed(head + more)
    for _ in range((QUIET_LIMIT - len(head)) // len(more) - 1):
        incoming.feed(more)

    with pytest.raises(Malformed, match="more than 65536 bytes"):
        incoming.feed(more)


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
    with pytest.raises(Malformed):
        taken(raw)
