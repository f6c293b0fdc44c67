"""Bodies that come compressed though nobody asked for it: read as browsers read them, and bounded."""

from __future__ import annotations

import gzip
import zlib
from contextlib import closing

import pytest

from bgecheck.http.client import Http
from bgecheck.http.failures import BadResponse, Failure
from bgecheck.http.inflate import unpacked
from bgecheck.http.reply import BODY_LIMIT, Reply
from fakes.raw import answer, listening, whole

BODY = b'{"ok": true, "text": "' + b"a" * 500 + b'"}'


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        pytest.param(gzip.compress(BODY), "GZip", id="gzip"),
        pytest.param(gzip.compress(BODY), "x-gzip", id="its old name"),
        pytest.param(gzip.compress(BODY[:200]) + gzip.compress(BODY[200:]), "gzip", id="members"),
        pytest.param(gzip.compress(BODY) + b"behind it", "gzip", id="garbage behind it"),
        pytest.param(zlib.compress(BODY), "deflate", id="deflate"),
        pytest.param(_raw_deflate(BODY), "deflate", id="deflate without its head"),
        pytest.param(BODY, "identity, identity", id="identity, said twice"),
    ],
)
def test_a_body_is_read_however_it_is_packed(packed: bytes, coding: str) -> None:
    """RFC 1952 allows several members, and many servers leave zlib's head away."""
    assert unpacked(packed, coding, BODY_LIMIT) == BODY


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        pytest.param(gzip.compress(BODY)[:-20], "gzip", id="cut"),
        pytest.param(gzip.compress(BODY)[:-8] + bytes(8), "gzip", id="damaged"),
        pytest.param(b"\x1f\x8b", "gzip", id="only its mark"),
        pytest.param(gzip.compress(BODY) + gzip.compress(BODY)[:-9], "gzip", id="the second member cut"),
        pytest.param(gzip.compress(gzip.compress(BODY)), "gzip, gzip", id="twice"),
        pytest.param(b"\x0b\x02\x80{}\x03", "br", id="not known"),
    ],
)
def test_a_packed_body_that_is_cut_or_damaged_is_no_body(packed: bytes, coding: str) -> None:
    """What was unpacked so far would pass for a short answer."""
    with pytest.raises(BadResponse) as bad:
        unpacked(packed, coding, BODY_LIMIT)
    assert bad.value.kind == "malformed"


@pytest.mark.parametrize(("size", "times"), [(64 * 2**20, 1), (900_000, 50)], ids=["one", "one behind another"])
def test_a_bomb_is_cut_while_it_is_unpacked(size: int, times: int) -> None:
    """64 MiB of zeros in a 64 kB body never come to be in memory; the limit is one of the whole body."""
    assert size * times > BODY_LIMIT
    bomb = gzip.compress(bytes(size)) * times
    with listening(answer(whole(bomb, "Content-Encoding: gzip"))) as url, closing(Http()) as http:
        failure = http.exchange("GET", url, seconds=5)

    assert isinstance(failure, Failure)
    assert failure.kind == "too-large"


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
def test_the_limit_of_an_unpacked_body_is_exact(size: int, fits: bool) -> None:
    with listening(answer(whole(gzip.compress(bytes(size)), "Content-Encoding: gzip"))) as url, closing(Http()) as http:
        assert isinstance(http.exchange("GET", url, seconds=5, limit=1000), Reply) is fits
