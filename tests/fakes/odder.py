"""Further servers that misbehave: on one page, from some request on, in framing, in names, in what they echo."""

from __future__ import annotations

import base64
import gzip
import json
import math
import socket
import time
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from fakes.misbehaving import (
    HOSTILE,
    KEY,
    MIB,
    PAGES,
    Behaviour,
    Case,
    Request,
    after,
    answers,
    as_json,
    bomb,
    components,
    embedded,
    head,
    huge,
    items,
    many_values,
    message,
    next_request,
    repeats,
    resets,
    says,
    silent,
    vector,
    vectors,
)

READY, REACHED, URL, KEYED = "probe.ready", "probe.reachable", "probe.base-url", "probe.api-key"

right = vectors(lambda data: data)
"""A right answer to every request for embeddings."""

hostile_page = dict.fromkeys(("version", "model_path", "model_id", "litellm_version", "dtype"), HOSTILE)


def listed(**card: Any) -> dict[str, Any]:
    """A model list of one card."""
    return {"object": "list", "data": [{"id": "bge-base-zh-v1.5", "owned_by": "sglang", **card}]}


def paged(path: str, page: Any, row: str = "") -> Case:
    """Everything right but one page."""
    return Case(right, row, whole=False, pages={path: page})


def owned(owner: str, path: str, page: Any) -> Case:
    """A right server of another engine whose page about itself misbehaves."""
    return Case(right, "", whole=False, pages={path: page, "/v1/models": listed(owned_by=owner)})


def later(then: Behaviour, first: int = 1) -> Behaviour:
    """The `first` requests for embeddings answered rightly, those behind them otherwise."""
    return lambda connection, request: (right if request.number <= first else then)(connection, request)


def where(asked: Callable[[Request], bool], then: Behaviour) -> Behaviour:
    """Some requests for embeddings answered otherwise."""
    return lambda connection, request: (then if asked(request) else right)(connection, request)


def ok(body: bytes, *headers: str) -> bytes:
    """A right answer on a connection that stays."""
    return message(body, "200 OK", *headers).replace(b"Connection: close\r\n", b"")


def kept(answer: Callable[[socket.socket, Request, Request | None], None]) -> Behaviour:
    """Every request of a connection answered by a function of it and of the one before."""

    def behave(connection: socket.socket, request: Request) -> None:
        before: Request | None = None
        while request.path:
            if request.path == "/v1/embeddings":
                answer(connection, request, before)
                before = request
            elif request.path in PAGES:
                connection.sendall(ok(as_json(PAGES[request.path])))
            else:
                connection.sendall(ok(b"{}").replace(b"200 OK", b"404 Not Found"))
            request = next_request(connection)

    return behave


def right_answer(request: Request) -> bytes:
    """What is right for a request, on a connection that stays."""
    return ok(embedded(items(request.texts)))


def stale(connection: socket.socket, request: Request, before: Request | None) -> None:
    """The answer to the request before, which had as many texts."""
    texts = before.texts if before and len(before.texts) == len(request.texts) else request.texts
    connection.sendall(right_answer(request._replace(texts=texts)))


def says_more_later(connection: socket.socket, request: Request, before: Request | None) -> None:
    """Another answer, unasked, a moment behind the right one."""
    connection.sendall(right_answer(request))
    time.sleep(0.02)
    connection.sendall(ok(b'{"data":null}'))


def twice(connection: socket.socket, request: Request, before: Request | None) -> None:
    """The answer two times in one piece."""
    connection.sendall(right_answer(request) * 2)


def hangs_up_on_the_second(connection: socket.socket, request: Request, before: Request | None) -> None:
    """A connection that is kept, and ends at the second request."""
    if before:
        raise ConnectionError
    connection.sendall(right_answer(request))


def half_of_the_second(connection: socket.socket, request: Request, before: Request | None) -> None:
    """A connection that is kept, and ends within the second answer."""
    connection.sendall(right_answer(request)[: 200 if before else None])
    if before:
        raise ConnectionError


def half_close(connection: socket.socket, request: Request) -> None:
    """End the sending side, and go on reading."""
    connection.shutdown(socket.SHUT_WR)
    silent(connection, request)


def never_reads(connection: socket.socket, request: Request) -> None:
    """Take no byte of a request."""
    time.sleep(12)


def late(seconds: float, then: Behaviour = right) -> Behaviour:
    """Do something, late."""

    def behave(connection: socket.socket, request: Request) -> None:
        time.sleep(seconds)
        then(connection, request)

    return behave


def swollen(connection: socket.socket, request: Request) -> None:
    """The dimension grows with every request."""
    data = [{**item, "embedding": item["embedding"][: 100 + request.number]} for item in items(request.texts)]
    connection.sendall(message(embedded(data)))


def changed(**fields: Any) -> Behaviour:
    """A right answer but for some fields of it."""
    return lambda connection, request: connection.sendall(
        message(as_json({**json.loads(embedded(items(request.texts))), **fields}))
    )


def framed(*headers: str, pack: Callable[[bytes], bytes] = lambda body: body, status: str = "200 OK") -> Behaviour:
    """A right body of embeddings, framed or packed in another way."""
    return lambda connection, request: connection.sendall(head(status, *headers) + pack(embedded(items(request.texts))))


def as_chunks(body: bytes, size: int = 5000, extension: bytes = b"", end: bytes = b"0\r\n\r\n") -> bytes:
    """A body in chunks."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts) + end


def spelt(number: str) -> Behaviour:
    """Components that are all one number, as it stands."""
    return lambda connection, request: connection.sendall(
        message(
            b'{"data":['
            + b",".join(
                b'{"index":%d,"embedding":[%s]}' % (n, b",".join([number.encode()] * 768))
                for n in range(len(request.texts))
            )
            + b"]}"
        )
    )


def whole(make: Callable[[Request], bytes], kind: str = "application/json") -> Behaviour:
    """A whole answer whose body is made from the request."""
    return lambda connection, request: connection.sendall(message(make(request), kind=kind))


def raw_deflate(body: bytes) -> bytes:
    """Deflate without the head of zlib, as many servers send it."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def growing(connection: socket.socket, request: Request) -> None:
    """A redirect to itself, whose path grows."""
    connection.sendall(head("302 Found", f"Location: {request.path}/x", "Content-Length: 0"))


def redirected(location: str, status: str = "308 Permanent Redirect") -> Behaviour:
    """A redirect."""
    return says(head(status, f"Location: {location}", "Content-Length: 0"))


_CONTROL = "\x1b]8;;http://evil.example/\x1b\\click\x1b]8;;\x1b\\\x9d8;;x\x9c\u2066\u2067txet\u2069\u061c\U000e0041"
CODED = {
    "percent-lower": quote(KEY, safe="").lower(),
    "percent-twice": quote(quote(KEY, safe=""), safe=""),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64-header": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "base64-pair": base64.b64encode(f":{KEY}".encode()).decode(),
    "base64-url": base64.urlsafe_b64encode(f"x:{KEY}".encode()).decode().rstrip("="),
    "upper": KEY.upper(),
    "lower": KEY.lower(),
    "wrapped": "\n  ".join((KEY[:7], KEY[7:])),
    "soft-hyphens": "\u00ad".join(KEY),
    "escapes-between": "\x1b[1m".join(KEY),
    "python-bytes": repr(KEY.encode()),
    "json-in-json": json.dumps(json.dumps({"Authorization": f"Bearer {KEY}"})),
}
"""The forms in which a server or gateway may echo a key."""
"""The key in forms that a reader, or a decoder that every reader has, turns back."""


def _echo(form: str) -> Case:
    said = as_json({"error": {"message": f"Incorrect API key provided: {form}. See https://x.example/", "code": form}})
    return Case(answers(said, "401 Unauthorized", "WWW-Authenticate: Bearer realm=x"), KEYED)


def _refusal(form: str) -> Case:
    return Case(answers(as_json({"message": f"no access for {form} here"}), "400 Bad Request"), READY, whole=False)


_TWO = b'{"detail":"Not Found"}'

ODD: dict[str, Case] = {
    # One page misbehaves, embeddings are right.
    "server-info-silent": paged("/server_info", silent),
    "server-info-bomb": paged("/server_info", bomb),
    "server-info-reset": paged("/server_info", resets),
    "server-info-hostile": paged("/server_info", {**hostile_page, "disable_radix_cache": HOSTILE, "dtype": [HOSTILE]}),
    "server-info-numbers": paged(
        "/server_info", {"version": 7, "chunked_prefill_size": 10**40, "disable_radix_cache": 10**400, "dtype": None}
    ),
    "server-info-chunk-float": paged("/server_info", {"version": "0.5.23", "chunked_prefill_size": 1e999}),
    "server-info-lists": paged("/server_info", {name: [[[]]] for name in ("version", "attention_backend", "port")}),
    "model-info-silent": paged("/model_info", silent),
    "model-info-drips": paged("/model_info", repeats(b" ", head("200 OK", "Content-Length: 9999"), 0.3)),
    "model-info-many": paged("/model_info", many_values),
    "model-info-path": paged("/model_info", {"model_path": "/etc/../proc/self/mem", "is_generation": False}),
    "model-info-null-path": paged("/model_info", {"model_path": "a\x00b/" + "x" * 9000, "is_generation": False}),
    "model-info-device": paged("/model_info", {"model_path": "/dev/zero", "is_generation": False}),
    "model-info-proc": paged("/model_info", {"model_path": "/proc/self/fd/0", "is_generation": False}),
    "health-silent": paged("/health", silent),
    "health-endless": paged("/health", repeats(b"x" * 65536, head())),
    "health-generate-drips": paged("/health_generate", repeats(b"H", b"HTTP/1.1 200 OK\r\nX: ", 0.4)),
    "health-continue": paged("/health", repeats(b"HTTP/1.1 102 Processing\r\n\r\n", b"", 0.2)),
    "health-hostile": paged("/health", answers(HOSTILE.encode(), f"503 {HOSTILE[:30]}"), "probe.health-agrees"),
    "readiness-hostile": owned("openai", "/health/readiness", {**hostile_page, "litellm_version": _CONTROL + KEY}),
    "readiness-silent": owned("openai", "/health/readiness", silent),
    "vllm-version-hostile": owned("vllm", "/version", {**hostile_page, "version": _CONTROL + KEY}),
    "ollama-version-bomb": owned("library", "/api/version", bomb),
    "tei-info-hostile": Case(
        right,
        "",
        pages={
            "/v1/models": answers(b"", "404 Not Found"),
            "/info": {**hostile_page, "max_client_batch_size": HOSTILE},
            "/v1/embeddings": right,
        },
    ),
    "list-silent": paged("/v1/models", silent, REACHED),
    "list-drips": paged("/v1/models", repeats(b" ", head("200 OK", "Content-Length: 9999"), 0.3), REACHED),
    "list-no-content": paged("/v1/models", says(head("204 No Content"))),
    "list-error": paged("/v1/models", answers(as_json({"message": HOSTILE}), "500 " + HOSTILE[:20])),
    "list-late": paged("/v1/models", late(0.9, answers(as_json(listed())))),
    # Not from the first request on, or not for every kind of request.
    "second-silent": Case(later(silent), "embed.answers", whole=False),
    "second-reset": Case(later(resets), "embed.answers", whole=False),
    "second-html": Case(later(answers(b"<html>", "502 Bad Gateway", kind="text/html")), "embed.answers", whole=False),
    "second-null": Case(later(answers(b"null")), "embed.answers", whole=False),
    "second-endless": Case(later(repeats(b"x" * 65536, head())), "embed.answers", whole=False),
    "second-bomb": Case(later(bomb), "embed.answers", whole=False),
    "second-drips": Case(
        later(repeats(b" ", head("200 OK", "Content-Length: 9999"), 0.3)), "embed.answers", whole=False
    ),
    "second-huge": Case(later(huge), "embed.answers", whole=False),
    "second-nan": Case(later(components(lambda v: [math.nan] * len(v))), "embed.finite", whole=False),
    "second-shorter": Case(later(components(lambda v: v[:100])), "embed.dimension", whole=False),
    "second-key": Case(
        later(answers(as_json({"message": f"bad key {KEY} {HOSTILE}"}), "403 No")), "embed.answers", whole=False
    ),
    "fifth-silent": Case(later(silent, 4), "", whole=False),
    "twelfth-refused": Case(later(answers(HOSTILE.encode(), "500 Error"), 11), "", whole=False),
    "batches-silent": Case(where(lambda r: len(r.texts) > 1, silent), "embed.answers", whole=False),
    "batches-endless": Case(
        where(lambda r: len(r.texts) > 1, repeats(b"x" * 65536, head())), "embed.answers", whole=False
    ),
    "batches-short": Case(where(lambda r: len(r.texts) > 1, vectors(lambda d: d[:-1])), "embed.answers", whole=False),
    "batches-empty": Case(where(lambda r: len(r.texts) > 1, answers(b"")), "embed.answers", whole=False),
    "large-batches-cut": Case(
        where(lambda r: len(r.texts) > 3, vectors(lambda d: d[:3])), "probe.batch-limit", whole=False
    ),
    "base64-silent": Case(where(lambda r: r.packed, silent), "", whole=False),
    "base64-garbage": Case(where(lambda r: r.packed, answers(b"\xff" * 999)), "probe.base64", whole=False),
    "base64-doubles": Case(
        where(lambda r: r.packed, components(lambda v: base64.b64encode(bytes(8 * len(v))).decode())),
        "probe.base64",
        whole=False,
    ),
    "base64-nan": Case(
        where(lambda r: r.packed, components(lambda v: base64.b64encode(b"\x00\x00\xc0\x7f" * len(v)).decode())),
        "probe.base64",
        whole=False,
    ),
    "base64-blanks": Case(components(lambda v: base64.encodebytes(bytes(4 * len(v))).decode()), READY, whole=False),
    "grows": Case(swollen, "embed.dimension", whole=False),
    "all-slow": Case(late(0.85), "", whole=False),
    "slower-and-slower": Case(lambda c, r: late(0.1 * r.number)(c, r), "", whole=False),
    "slow-behind-the-first": Case(later(late(0.7)), "", whole=False),
    # Connections that are kept.
    "kept-and-stale": Case(kept(stale), ""),
    "kept-and-more-later": Case(kept(says_more_later), ""),
    "kept-and-twice": Case(kept(twice), ""),
    "kept-and-closed": Case(kept(hangs_up_on_the_second), ""),
    "kept-and-half": Case(kept(half_of_the_second), ""),
    "half-close": Case(half_close, REACHED),
    "half-close-first": Case(half_close, REACHED, speaks_first=True),
    "embeddings-half-close": Case(half_close, READY, whole=False),
    "never-reads": Case(never_reads, REACHED, speaks_first=True),
    "reset-in-chunk": Case(after(head("200 OK", "Transfer-Encoding: chunked") + b"500\r\n{", resets), REACHED),
    "end-in-chunk": Case(says(head("200 OK", "Transfer-Encoding: chunked") + b"500\r\n{"), REACHED),
    "no-last-chunk": Case(says(head("200 OK", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n"), REACHED),
    # Framing.
    "length-plus": Case(framed("Content-Length: +5"), READY, whole=False),
    "length-listed": Case(says(head("200 OK", "Content-Length: 2, 2") + b"{}"), READY),
    "length-hex": Case(says(head("200 OK", "Content-Length: 0x2") + b"{}"), REACHED),
    "length-empty": Case(says(head("200 OK", "Content-Length: ") + b"{}"), REACHED),
    "length-unicode": Case(says(head("200 OK", "Content-Length: \u00b2") + b"{}"), REACHED),
    "length-short-by-half": Case(framed("Content-Length: 300"), READY, whole=False),
    "length-zero": Case(framed("Content-Length: 0"), READY, whole=False),
    "length-without-end": Case(framed("Content-Length: 999999999"), READY, whole=False),
    "transfer-upper": Case(framed("Transfer-Encoding: CHUNKED", pack=as_chunks), "", whole=False),
    "transfer-twice": Case(
        framed("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", pack=as_chunks), READY, whole=False
    ),
    "transfer-identity": Case(framed("Transfer-Encoding: identity"), "", whole=False),
    "transfer-extensions": Case(
        framed("Transfer-Encoding: chunked", pack=lambda b: as_chunks(b, 50, b";a=" + b"b" * 500)), "", whole=False
    ),
    "transfer-trailers": Case(
        framed(
            "Transfer-Encoding: chunked",
            pack=lambda b: as_chunks(b, end=b"0\r\nX-A: \x1b[31m\r\nContent-Length: 9\r\n\r\n"),
        ),
        "",
        whole=False,
    ),
    "transfer-line-feeds": Case(
        framed("Transfer-Encoding: chunked", pack=lambda b: as_chunks(b).replace(b"\r\n", b"\n")), "", whole=False
    ),
    "transfer-wrong-size": Case(
        framed("Transfer-Encoding: chunked", pack=lambda b: as_chunks(b).replace(b"1388", b"1387")), "", whole=False
    ),
    "transfer-in-1.0": Case(
        lambda c, r: c.sendall(
            head("200 OK", "Transfer-Encoding: chunked").replace(b"/1.1", b"/1.0") + as_chunks(embedded(items(r.texts)))
        ),
        "",
        whole=False,
    ),
    "fold": Case(says(b"HTTP/1.1 200 OK\r\nX-A: b\r\n  c\x1b[31m\r\n\td\r\nContent-Length: 2\r\n\r\n{}"), READY),
    "fold-first": Case(says(b"HTTP/1.1 200 OK\r\n folded: b\r\nContent-Length: 2\r\n\r\n{}"), REACHED),
    "name-with-control": Case(says(head("200 OK", "X\x01\x1bA: b", "Content-Length: 2") + b"{}"), REACHED),
    "name-with-blank": Case(says(head("200 OK", "Content-Length : 2") + b"{}"), REACHED),
    "name-empty": Case(says(head("200 OK", ": b", "Content-Length: 2") + b"{}"), REACHED),
    "9000-headers": Case(says(b"HTTP/1.1 200 OK\r\n" + b"a:b\r\n" * 9_000 + b"Content-Length: 2\r\n\r\n{}"), READY),
    "line-feeds-only": Case(says(b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}"), READY),
    "carriage-returns-only": Case(says(b"HTTP/1.1 200 OK\rContent-Length: 2\r\r{}"), REACHED),
    "blank-lines-first": Case(says(b"\r\n\r\n" + message(b"{}")), REACHED),
    "version-2": Case(says(b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"), READY),
    "version-2-bare": Case(says(b"HTTP/2 200 \r\nContent-Length: 2\r\n\r\n{}"), REACHED),
    "version-0.0": Case(says(b"HTTP/0.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"), READY),
    "lower-case": Case(says(b"http/1.1 200 ok\r\ncontent-length: 2\r\n\r\n{}"), REACHED),
    "no-reason": Case(says(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}"), READY),
    "two-digits": Case(says(b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}"), REACHED),
    "four-digits": Case(says(b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}"), REACHED),
    "status-0": Case(says(b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\n{}"), REACHED),
    "status-600": Case(answers(_TWO, "600 Odd"), READY),
    "no-content-with-body": Case(says(head("204 No Content", "Content-Length: 22") + _TWO), READY),
    "reset-content": Case(answers(_TWO, "205 Reset Content"), READY),
    "not-modified-with-body": Case(says(head("304 Not Modified", "Content-Length: 22") + _TWO), READY),
    "continue-with-body": Case(says(b"HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\n{}" + message(b"{}")), REACHED),
    "continue-then-right": Case(after(b"HTTP/1.1 100 Continue\r\n\r\n" * 3, right), "", whole=False),
    "switching-embeddings": Case(
        says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"), READY, whole=False
    ),
    "upgrade-required": Case(answers(b"upgrade", "426 Upgrade Required", "Upgrade: h2c, websocket"), READY),
    "expectation-failed": Case(answers(b"", "417 Expectation Failed"), READY, whole=False),
    "too-early": Case(answers(b"", "425 Too Early"), READY, whole=False),
    "headers-too-large": Case(answers(HOSTILE.encode(), "431 " + "x" * 3000), READY),
    "proxy-wants-key": Case(answers(b"", "407 No", f'Proxy-Authenticate: Basic realm="{HOSTILE[:40]}"'), READY),
    "unavailable-for-law": Case(answers(b"", "451 No", "Link: <\x1b[31m>"), READY),
    "reason-hostile": Case(answers(b"", f"200 {HOSTILE[:60]}".replace("\r", "").replace("\n", "")), READY),
    # Codings.
    "coded-deflate": Case(framed("Content-Encoding: deflate", pack=zlib.compress), "", whole=False),
    "coded-raw-deflate": Case(framed("Content-Encoding: deflate", pack=raw_deflate), "", whole=False),
    "coded-gzip": Case(framed("Content-Encoding: GZip", pack=gzip.compress), "", whole=False),
    "coded-gzip-members": Case(
        framed("Content-Encoding: gzip", pack=lambda b: gzip.compress(b[:900]) + gzip.compress(b[900:])),
        "",
        whole=False,
    ),
    "coded-gzip-garbage-behind": Case(
        framed("Content-Encoding: gzip", pack=lambda b: gzip.compress(b) + b"garbage" * 99), "", whole=False
    ),
    "coded-gzip-cut": Case(framed("Content-Encoding: gzip", pack=lambda b: gzip.compress(b)[:-30]), READY, whole=False),
    "coded-gzip-bad-sum": Case(
        framed("Content-Encoding: gzip", pack=lambda b: gzip.compress(b)[:-8] + b"\0" * 8), READY, whole=False
    ),
    "coded-twice": Case(
        framed("Content-Encoding: gzip", "Content-Encoding: gzip", pack=lambda b: gzip.compress(gzip.compress(b))),
        READY,
        whole=False,
    ),
    "coded-identity-list": Case(framed("Content-Encoding: identity, identity"), "", whole=False),
    "coded-not-at-all": Case(framed("Content-Encoding: gzip"), READY, whole=False),
    "coded-unsaid": Case(framed(pack=gzip.compress), READY, whole=False),
    "coded-br": Case(framed("Content-Encoding: br", pack=lambda b: b"\x0b\x02\x80{}\x03"), READY, whole=False),
    "coded-hostile": Case(framed(f"Content-Encoding: {_CONTROL} [red]x"), READY, whole=False),
    "coded-bombs": Case(
        framed("Content-Encoding: gzip", pack=lambda b: gzip.compress(b" " * 8 * MIB) * 40), READY, whole=False
    ),
    # Characters.
    "mark-first": Case(whole(lambda r: b"\xef\xbb\xbf" + embedded(items(r.texts))), "", whole=False),
    "utf16-right": Case(
        whole(lambda r: embedded(items(r.texts)).decode().encode("utf-16"), "application/json; charset=utf-16"),
        "",
        whole=False,
    ),
    "utf7": Case(
        answers(b"+AHs-+ACI-data+ACI-:+AFsAXQB9-", kind="application/json; charset=utf-7"), READY, whole=False
    ),
    "gbk-error": Case(
        answers('{"message":"模型不存在，请检查名称"}'.encode("gbk"), "400 Bad", kind="application/json; charset=gbk"),
        READY,
        whole=False,
    ),
    "overlong": Case(
        answers(b'{"message":"\xc0\xae\xe0\x80\xaf\xf8\x88\x80\x80\x80 \xed\xa0\x80"}', "400 Bad"), READY, whole=False
    ),
    "surrogate-halves": Case(answers(b'{"message":"a\\ud83d\\ud83d\\ude00\\udc00b"}', "400 Bad"), READY, whole=False),
    "null-characters": Case(answers(b'{"message":"a\\u0000b\\u001b[2Jc\\u009b31m"}', "400 Bad"), READY, whole=False),
    "charset-hostile": Case(
        whole(lambda r: embedded(items(r.texts)), "application/json; charset=\x1b[31mrot_13"), "", whole=False
    ),
    "control-names": paged("/v1/models", listed(id=_CONTROL, owned_by=_CONTROL)),
    "name-of-marks": paged("/v1/models", listed(id="Z" + "\u0335\u0322\u0341" * 3000)),
    "name-invisible": paged("/v1/models", listed(id="\u3164\u2800\u115f\u034f\ufe0f\u00ad")),
    "name-shell": paged("/v1/models", listed(id="$(touch pwned); `touch pwned` ' \" \\ | & --help")),
    "name-template": paged("/v1/models", listed(id="{detail}{0}{base_url.__class__.__mro__} %s %(x)s {{")),
    "name-markup": paged("/v1/models", listed(id="[link=http://x]a[/link][blink]b[/] :smile: <b>&amp; | `x` ![](x)")),
    "name-forges-rows": paged(
        "/v1/models", listed(id="x\u2028  ✓  probe.ready\u0085\u000b\u000c\u001c\n✓ all rows hold  exit 0")
    ),
    "name-lies": paged("/v1/models", listed(id="../../etc/passwd\\..\\x/")),
    "name-key": paged("/v1/models", listed(id=f"model-of-{KEY}", owned_by=KEY, root=KEY)),
    "name-long": paged("/v1/models", listed(id="a" * 900_000)),
    "name-is-a-flag": paged("/v1/models", listed(id="--config=/etc/passwd")),
    "name-quotes": paged("/v1/models", listed(id="'''\"\"\"\\\n#{}")),
    "length-lies": paged("/v1/models", listed(max_model_len=2**31 - 1)),
    "length-true": paged("/v1/models", listed(max_model_len=True)),
    # JSON, and values.
    "keys-twice": Case(whole(lambda r: b'{"data":null,' + embedded(items(r.texts))[1:]), "", whole=False),
    "long-float": Case(spelt("0." + "3" * 4000), READY, whole=False),
    "minus-zero": Case(spelt("-0.0"), "embed.normalized", whole=False),
    "tiny": Case(spelt("1e-320"), "embed.normalized", whole=False),
    "underflow": Case(spelt("1e-99999"), "embed.normalized", whole=False),
    "big-exponent": Case(spelt("1E+308"), "embed.normalized", whole=False),
    "infinite-sum": Case(spelt("3e38"), "embed.normalized", whole=False),
    "leading-zero": Case(spelt("01.5"), READY, whole=False),
    "hex-number": Case(spelt("0x1p-3"), READY, whole=False),
    "comma-behind": Case(whole(lambda r: embedded(items(r.texts))[:-1] + b",}"), READY, whole=False),
    "comments": Case(whole(lambda r: b"/* x */" + embedded(items(r.texts))), READY, whole=False),
    "two-documents": Case(whole(lambda r: embedded(items(r.texts)) * 2), READY, whole=False),
    "lines-of-json": Case(
        whole(lambda r: b"\n".join(as_json(item) for item in items(r.texts)) + b"\n{}"), READY, whole=False
    ),
    "events": Case(
        whole(lambda r: b"data: " + embedded(items(r.texts)) + b"\n\ndata: [DONE]\n\n", "text/event-stream"),
        READY,
        whole=False,
    ),
    "endless-events": Case(
        repeats(b": keep-alive\n\n", head("200 OK", "Content-Type: text/event-stream"), 0.1), READY, whole=False
    ),
    "jsonp": Case(whole(lambda r: b"cb(" + embedded(items(r.texts)) + b")"), READY, whole=False),
    "json-in-a-string": Case(whole(lambda r: as_json(embedded(items(r.texts)).decode())), READY, whole=False),
    "bare-lists": Case(whole(lambda r: as_json([vector(t) for t in r.texts])), READY, whole=False),
    "ollama-shape": Case(whole(lambda r: as_json({"embeddings": [vector(t) for t in r.texts]})), READY, whole=False),
    "chat-shape": Case(answers(as_json({"choices": [{"message": {"content": HOSTILE}}]})), READY, whole=False),
    "data-empty": Case(vectors(lambda data: []), READY, whole=False),
    "item-null": Case(vectors(lambda data: [None, *data[1:]]), READY, whole=False),
    "embedding-object": Case(components(lambda v: {"0": 1.0}), READY, whole=False),
    "embedding-number": Case(components(lambda v: 1.0), READY, whole=False),
    "one-component-text": Case(components(lambda v: [*v[:-1], HOSTILE]), READY, whole=False),
    "million-dims": Case(components(lambda v: [0.5] * 1_000_000), READY, whole=False),
    "dims-in-a-batch": Case(
        vectors(lambda data: [{**x, "embedding": x["embedding"][: 768 - n]} for n, x in enumerate(data)]),
        "embed.dimension",
        whole=False,
    ),
    "usage-lies": Case(changed(usage={"prompt_tokens": 10**30, "total_tokens": -1}), "", whole=False),
    "usage-negative": Case(changed(usage={"prompt_tokens": -7}), "", whole=False),
    "usage-text": Case(changed(usage=HOSTILE), "", whole=False),
    "usage-objects": Case(changed(usage={"prompt_tokens": {"x": HOSTILE}}), "", whole=False),
    "usage-giant": Case(
        whole(
            lambda r: (
                embedded(items(r.texts)).replace(b"7", b"9" * 4000, 1)
                if False
                else embedded(items(r.texts)).replace(b'"prompt_tokens": 7', b'"prompt_tokens": ' + b"9" * 4000)
            )
        ),
        "",
        whole=False,
    ),
    "usage-beyond-python": Case(
        whole(lambda r: embedded(items(r.texts)).replace(b'"prompt_tokens": 7', b'"prompt_tokens": ' + b"9" * 5000)),
        READY,
        whole=False,
    ),
    "model-object": Case(changed(model={"a": [HOSTILE]}), "", whole=False),
    "model-hostile": Case(changed(model=HOSTILE + KEY), "", whole=False),
    "index-list": Case(vectors(lambda data: [{**x, "index": [x["index"]]} for x in data]), "embed.order", whole=False),
    "index-true": Case(
        vectors(lambda data: [{**x, "index": bool(x["index"])} for x in data]), "embed.order", whole=False
    ),
    "index-from-one": Case(
        vectors(lambda data: [{**x, "index": x["index"] + 1} for x in data]), "embed.order", whole=False
    ),
    "error-beside-data": Case(changed(error={"message": HOSTILE + KEY}), "", whole=False),
    "error-nested": Case(
        answers(as_json({"error": {"message": {"message": [HOSTILE]}}}), "400 Bad"), READY, whole=False
    ),
    "error-in-xml": Case(
        answers(f"<?xml version='1.0'?><Error><Code>{HOSTILE}</Code></Error>".encode(), "403 No", kind="text/xml"),
        KEYED,
    ),
    "problem-json": Case(
        answers(as_json({"title": HOSTILE, "detail": {"a": HOSTILE}}), "422 No", kind="application/problem+json"),
        READY,
        whole=False,
    ),
    # Other protocols.
    "mysql": Case(
        says(b"J\x00\x00\x00\x0a8.0.36\x00\x1b[31m\x08\x00\x00\x00caching_sha2_password\x00"),
        REACHED,
        speaks_first=True,
    ),
    "smtp": Case(says(b"220 mail.example ESMTP \x1b[2J[bold]Postfix\r\n"), REACHED, speaks_first=True),
    "ftp-slow": Case(after(b"220-Welcome\r\n", silent), REACHED, speaks_first=True),
    "postgres": Case(says(b"E\x00\x00\x00\x8dSFATAL\x00C08P01\x00Munsupported frontend protocol\x00\x00"), REACHED),
    "memcached": Case(says(b"ERROR\r\n" * 5), REACHED),
    "telnet": Case(says(b"\xff\xfd\x18\xff\xfd\x20login: "), REACHED, speaks_first=True),
    "http2-settings": Case(
        says(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00d\x00\x00\x08\x07" + bytes(13)),
        REACHED,
        speaks_first=True,
    ),
    "websocket": Case(says(b"\x81\x7e\x01\x00" + b"x" * 256), REACHED),
    "banner-with-key": Case(
        lambda c, r: c.sendall(b"unknown request: GET /v1/models Authorization: Bearer " + KEY.encode()), REACHED
    ),
    "echo-server": Case(
        lambda c, r: c.sendall(
            ("GET /v1/models HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in r.headers.items())).encode()
        ),
        REACHED,
    ),
    "echo-in-http": Case(
        lambda c, r: c.sendall(
            message("\n".join(f"{n}: {v}" for n, v in r.headers.items()).encode(), "502 Bad Gateway")
        ),
        READY,
    ),
    "echo-in-page": Case(lambda c, r: c.sendall(message(as_json(dict(r.headers)))), READY),
    "empty-line": Case(says(b"\r\n"), REACHED),
    "one-byte": Case(says(b"H"), REACHED),
    "plain-tls-stall": Case(
        after(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76", silent), REACHED, speaks_first=True, scheme="https"
    ),
    "plain-tls-drip": Case(
        repeats(b"\x16", b"\x16\x03\x03\x40\x00\x0b", 0.3), REACHED, speaks_first=True, scheme="https"
    ),
    "plain-tls-alert": Case(says(b"\x15\x03\x03\x00\x02\x02\x28"), REACHED, speaks_first=True, scheme="https"),
    "plain-tls-flood": Case(
        repeats(b"\x16\x03\x03\x40\x00" + b"\x0b\x00\xff\xff" * 4096), REACHED, speaks_first=True, scheme="https"
    ),
    # Redirects.
    "moved-307": Case(redirected("/v2/embeddings", "307 Temporary Redirect"), READY, whole=False),
    "moved-to-tls": Case(redirected("https://127.0.0.1:1/v1/models"), URL),
    "moved-to-file": Case(redirected("file:///etc/shadow"), READY, whole=False),
    "moved-with-credentials": Case(redirected(f"http://user:{quote(KEY, safe='')}@127.0.0.1:1/"), URL),
    "moved-with-password": Case(redirected("http://admin:hunter2secret@127.0.0.1:1/"), URL),
    "moved-relative": Case(redirected("models?x=1", "301 Moved"), URL),
    "moved-and-grows": Case(growing, URL),
    "moved-to-hostile": Case(
        says(head("302 Found", f"Location: {HOSTILE[:50]}{_CONTROL}", "Content-Length: 0").replace(b"?", b"\x9b")), URL
    ),
    "moved-to-escapes": Case(
        says(b"HTTP/1.1 302 Found\r\nLocation: http://x/\x9b31m\xe2\x80\xae[bold]y\r\nContent-Length: 0\r\n\r\n"), URL
    ),
    "moved-nowhere": Case(says(head("302 Found", "Content-Length: 0")), URL),
    "moved-to-script": Case(redirected("javascript:alert(1)"), URL),
    "moved-in-html": Case(
        answers(
            b'<meta http-equiv="refresh" content="0;url=http://x/">',
            "200 OK",
            "Refresh: 0; url=http://x/",
            kind="text/html",
        ),
        READY,
    ),
    # What a header holds.
    "retry-nan": Case(answers(b"{}", "429 Too Many Requests", "Retry-After: nan"), "probe.rate-limit"),
    "retry-minus": Case(answers(b"{}", "503 Busy", "Retry-After: -1"), READY, whole=False),
    "server-hostile": Case(answers(b"{}", "502 Bad Gateway", f"Server: {_CONTROL}[red]nginx{KEY}"), READY, whole=False),
    "server-long": Case(answers(b"{}", "404 Not Found", "Server: " + "n" * 50_000), URL),
    "gateway-hostile": Case(
        answers(as_json(listed()), "200 OK", f"X-New-Api-Version: {_CONTROL}{KEY}[red]", "X-LiteLLM-Version: \x9b31m"),
        READY,
    ),
    "type-hostile": Case(answers(b"{}", kind="\x1b[31mtext/html" + "x" * 9000), READY),
    # A proxy that the environment names.
    "proxy-silent": Case(silent, "probe.proxy", proxied=True),
    "proxy-endless": Case(repeats(b"x" * 65536, head()), "probe.proxy", proxied=True),
    "proxy-drips": Case(repeats(b"H", b"HTTP/1.1 200 OK\r\nX: ", 0.4), "probe.proxy", proxied=True),
    "proxy-garbage": Case(says(HOSTILE.encode() + bytes(range(256))), "probe.proxy", proxied=True),
    "proxy-hostile": Case(answers(HOSTILE.encode(), "403 " + "x" * 99), "probe.proxy", proxied=True),
    "proxy-bomb": Case(bomb, "probe.proxy", proxied=True),
    # Two servers under one name.
    "sixth-silent": Case(right, "", whole=False, host="localhost", sixth=Case(silent, "")),
    "sixth-garbage": Case(
        right, "", whole=False, host="localhost", sixth=Case(says(b"\xff" * 99), "", speaks_first=True)
    ),
    "fourth-silent": Case(silent, "", host="localhost", sixth=Case(right, "", whole=False)),
    "sixth-another": Case(
        right, "", whole=False, host="localhost", sixth=Case(components(lambda v: v[::-1]), "", whole=False)
    ),
    # The key, in other words.
    **{f"key-{name}": _echo(form) for name, form in CODED.items()},
    **{f"refused-{name}": _refusal(form) for name, form in list(CODED.items())},
}
"""Every case by its name."""
