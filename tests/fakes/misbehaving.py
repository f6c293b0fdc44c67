"""Servers that misbehave, over true sockets: what each does to a request, and which row must say so."""

from __future__ import annotations

import gzip
import itertools
import json
import math
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote

KEY = "sk+Tr0ub4dor/9f3e=Zz"
"""The client's key, with characters that a URL encodes."""

HOSTILE = "\x1b[31mred\x1b]0;title\x07[bold]<script>alert(1)</script>\u202egnirts\u200b\x9b2J\r\nX-Injected: yes"
"""Escapes, markup, bidirectional marks, a C1 control and a line break, as a name or an error text may hold."""

MIB = 2**20


class Request(NamedTuple):
    """What a client asked: the path, its headers in lower case, and the texts of an embeddings request."""

    path: str
    headers: Mapping[str, str]
    texts: list[str]
    packed: bool = False
    """Whether base64 was asked for."""
    number: int = 1
    """How many requests for embeddings this server was sent, this one among them."""


Behaviour = Callable[[socket.socket, Request], None]


class Case(NamedTuple):
    """One way to misbehave: on every request, or (`whole` False) on embeddings only behind healthy pages."""

    behave: Behaviour
    row: str
    """The row that must not hold."""
    whole: bool = True
    speaks_first: bool = False
    """Whether it acts before it has read a request."""
    scheme: str = "http"
    """How the client is told to ask it."""
    pages: Mapping[str, Any] = {}
    """Pages in place of the healthy ones, as values, as bytes, or as what to do."""
    proxied: bool = False
    """Whether the variables of the environment name it as a proxy, and the URL is that of a healthy server."""
    host: str = "127.0.0.1"
    """The name by which the client is told to ask it."""
    sixth: Any = None
    """The case that is served on the same port over IPv6."""


def head(status: str = "200 OK", *headers: str) -> bytes:
    """A status line and headers, up to the blank line."""
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *headers, "", ""]).encode("latin-1", "replace")


def message(body: bytes, status: str = "200 OK", *headers: str, kind: str = "application/json") -> bytes:
    """A whole, right answer."""
    return head(status, f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers) + body


def as_json(value: Any) -> bytes:
    """JSON as Python writes it, NaN included."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


def vector(text: str) -> list[float]:
    """A unit vector of the characters that a text holds, in 768 dimensions."""
    counts = [0.0] * 768
    for character in text:
        counts[ord(character) % 768] += 1.0
    length = math.hypot(*counts) or 1.0
    return [count / length for count in counts]


def items(texts: list[str]) -> list[dict[str, Any]]:
    """The `data` of a right answer."""
    return [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(texts)]


def embedded(data: Any) -> bytes:
    """An embeddings answer around `data`."""
    return as_json({"object": "list", "data": data, "model": "bge-base-zh-v1.5", "usage": {"prompt_tokens": 7}})


PAGES: dict[str, Any] = {
    "/v1/models": {"object": "list", "data": [{"id": "bge-base-zh-v1.5", "owned_by": "sglang"}]},
    "/model_info": {"model_path": "bge-base-zh-v1.5", "is_generation": False, "architectures": ["BertModel"]},
    "/server_info": {"version": "0.5.23", "disable_radix_cache": True, "chunked_prefill_size": -1},
}


def hasty(raw: bytes) -> Behaviour:
    """Answer before the request was read, then read until the client has gone."""
    return after(raw, silent)


def per_path(answers: Mapping[str, bytes]) -> Behaviour:
    """Answer with these bytes by path, and embeddings rightly."""

    def behave(connection: socket.socket, request: Request) -> None:
        if request.path in answers:
            connection.sendall(answers[request.path])
        elif request.path == "/v1/embeddings":
            connection.sendall(message(embedded(items(request.texts))))
        else:
            connection.sendall(message(b"{}", "404 Not Found"))

    return behave


def raw_vectors(body: bytes) -> Behaviour:
    """Answer one text with these bytes as the `embedding` of JSON."""
    return lambda connection, request: connection.sendall(
        message(b'{"data":[' + b",".join([b'{"index":0,"embedding":' + body + b"}"] * len(request.texts)) + b"]}")
    )


def one_byte_chunks(connection: socket.socket, request: Request) -> None:
    """900 kB of JSON in chunks of one byte each."""
    connection.sendall(_CHUNKED + b"1\r\n[\r\n" * 900_000)


def long_base64(connection: socket.socket, request: Request) -> None:
    """An embedding of 60 MB in base64."""
    size = len(b'{"data":[{"index":0,"embedding":""}]}') + 60 * MIB
    connection.sendall(head("200 OK", "Content-Type: application/json", f"Content-Length: {size}"))
    connection.sendall(b'{"data":[{"index":0,"embedding":"')
    for _ in range(60):
        connection.sendall(b"A" * MIB)
    connection.sendall(b'"}]}')


def says(raw: bytes) -> Behaviour:
    """Send these bytes and hang up."""
    return lambda connection, request: connection.sendall(raw)


def answers(body: bytes, status: str = "200 OK", *headers: str, kind: str = "application/json") -> Behaviour:
    """Send a whole answer with this body."""
    return says(message(body, status, *headers, kind=kind))


def vectors(change: Callable[[list[dict[str, Any]]], Any]) -> Behaviour:
    """Answer embeddings with their `data` changed."""
    return lambda connection, request: connection.sendall(message(embedded(change(items(request.texts)))))


def components(change: Callable[[list[float]], Any]) -> Behaviour:
    """Answer embeddings with every vector changed."""
    return vectors(lambda data: [{**item, "embedding": change(item["embedding"])} for item in data])


def repeats(chunk: bytes, first: bytes = b"", pause: float = 0.0) -> Behaviour:
    """Send `first`, then `chunk` again and again until the client has gone."""

    def behave(connection: socket.socket, request: Request) -> None:
        connection.sendall(first)
        while True:
            connection.sendall(chunk)
            time.sleep(pause)

    return behave


def silent(connection: socket.socket, request: Request) -> None:
    """Accept, and say nothing until the client has gone."""
    with suppress(OSError):
        while connection.recv(65536):
            pass


def after(raw: bytes, then: Behaviour) -> Behaviour:
    """Send a beginning, then do something else."""

    def behave(connection: socket.socket, request: Request) -> None:
        connection.sendall(raw)
        then(connection, request)

    return behave


def resets(connection: socket.socket, request: Request) -> None:
    """Cut the connection with a reset instead of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs_up(connection: socket.socket, request: Request) -> None:
    """Close at once."""


def echoes(connection: socket.socket, request: Request) -> None:
    """Repeat the key in every form a gateway has been seen to print it, or might."""
    forms = [KEY, quote(KEY, safe=""), KEY[:9] + "\n" + KEY[9:], KEY[:9] + "\u200b" + KEY[9:], KEY.replace("/", "\\/")]
    said = {"message": " | ".join(f"bad key {form}" for form in forms), "code": 401, KEY: {KEY: KEY}}
    connection.sendall(message(as_json(said), f"401 {KEY}", f"X-Key: {KEY}", f"WWW-Authenticate: Bearer {KEY}"))


@cache
def _bomb(blocks: int = 512) -> bytes:
    """A gzip file of so many MiB, one block packed once and repeated."""
    packer, block, checksum = zlib.compressobj(9, zlib.DEFLATED, -15), b"0" * MIB, 0
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(blocks):
        checksum = zlib.crc32(block, checksum)
    header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return header + packed * blocks + b"\x03\x00" + struct.pack("<II", checksum, blocks * MIB)


def bomb(connection: socket.socket, request: Request) -> None:
    """Half a gigabyte in half a megabyte of gzip."""
    connection.sendall(message(_bomb(), "200 OK", "Content-Encoding: gzip"))


def huge(connection: socket.socket, request: Request) -> None:
    """60 MB of right JSON."""
    block = b'[1.0,2.0,3.0,"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],' * 20_000
    count = 60 * MIB // len(block)
    body_size = len(b'{"data":[') + count * len(block) + len(b"0]}")
    connection.sendall(head("200 OK", "Content-Type: application/json", f"Content-Length: {body_size}") + b'{"data":[')
    for _ in range(count):
        connection.sendall(block)
    connection.sendall(b"0]}")


def many_values(connection: socket.socket, request: Request) -> None:
    """As many small values as fit below the limit of a body: what costs memory once it is parsed."""
    connection.sendall(message(b'{"data":[' + b"[]," * (5 * MIB) + b"0]}"))


def overflow(connection: socket.socket, request: Request) -> None:
    """Numbers that no float holds."""
    data = [{"index": number, "embedding": [0.25] * 768} for number in range(len(request.texts))]
    connection.sendall(message(embedded(data).replace(b"0.25", b"1e999")))


def elsewhere(connection: socket.socket, request: Request) -> None:
    """A redirect to another host, where a client that follows would be heard."""
    connection.sendall(
        head("302 Found", f"Location: http://127.0.0.1:{LISTENER_PORT[0]}/v1/models", "Content-Length: 0")
    )


LISTENER_PORT = [9]
"""The port that `elsewhere` sends to; the test puts a listener there."""

_CHUNKED = head("200 OK", "Transfer-Encoding: chunked")
_NO_BODY = "Content-Length: 0"
_GZIP = "Content-Encoding: gzip"
_DEEP = b"[" * 200_000
_LOOP = head("307 Temporary Redirect", "Location: /v1/models", "Content-Length: 0")
_UNREADY = "probe.ready"
_UNREACHED = "probe.reachable"
_BAD_NAME: dict[str, Any] = {"object": "list", "data": [{"id": HOSTILE, "owned_by": HOSTILE}]}

CASES: dict[str, Case] = {
    # Nothing that is HTTP comes back.
    "silence": Case(silent, _UNREACHED),
    "reset-at-once": Case(resets, _UNREACHED, speaks_first=True),
    "closed-after-accept": Case(hangs_up, _UNREACHED, speaks_first=True),
    "closed-after-request": Case(hangs_up, _UNREACHED),
    "reset-after-request": Case(resets, _UNREACHED),
    "reset-in-header": Case(after(b"HTTP/1.1 200 OK\r\nContent-Le", resets), _UNREACHED),
    "end-in-header": Case(says(b"HTTP/1.1 200 OK\r\nContent-Le"), _UNREACHED),
    "reset-in-body": Case(after(head("200 OK", "Content-Length: 500") + b'{"data":', resets), _UNREACHED),
    "short-body": Case(says(head("200 OK", "Content-Length: 500") + b'{"data":'), _UNREACHED),
    "garbage": Case(says(bytes(range(256)) * 20), _UNREACHED),
    "ssh": Case(says(b"SSH-2.0-OpenSSH_9.6\r\n"), _UNREACHED, speaks_first=True),
    "redis": Case(says(b"-ERR unknown command 'GET'\r\n"), _UNREACHED),
    "tls-alert": Case(says(b"\x15\x03\x01\x00\x02\x02\x46"), _UNREACHED),
    "http2": Case(says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)), _UNREACHED),
    "no-status": Case(says(b"HTTP/1.1 abc\r\n\r\n"), _UNREACHED),
    "byte-a-second": Case(repeats(b"H", b"HTTP/1.1 200 OK\r\nX: ", 0.5), _UNREACHED),
    "body-byte-a-second": Case(repeats(b" ", head("200 OK", "Content-Length: 5000"), 0.5), _UNREACHED),
    "endless-body": Case(repeats(b"x" * 65536, head()), _UNREACHED),
    "endless-chunks": Case(repeats(b"4000\r\n" + b"y" * 0x4000 + b"\r\n", _CHUNKED), _UNREACHED),
    "empty-chunk-extensions": Case(repeats(b"1;" + b"e" * 60_000 + b"\r\nx\r\n", _CHUNKED), _UNREACHED),
    "broken-chunks": Case(says(_CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n"), _UNREACHED),
    "giant-chunk": Case(says(_CHUNKED + b"f" * 40 + b"\r\n{}"), _UNREACHED),
    "giant-header": Case(repeats(b"a" * 65536, b"HTTP/1.1 200 OK\r\nX-Long: "), _UNREACHED),
    "endless-headers": Case(repeats(b"X-A: b\r\n" * 1000, b"HTTP/1.1 200 OK\r\n"), _UNREACHED),
    "endless-1xx": Case(repeats(b"HTTP/1.1 100 Continue\r\n\r\n" * 100), _UNREACHED),
    "switching": Case(says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), _UNREACHED),
    "negative-length": Case(says(head("200 OK", "Content-Length: -5") + b"{}"), _UNREACHED),
    "two-lengths": Case(says(head("200 OK", "Content-Length: 2", "Content-Length: 3") + b"{} "), _UNREACHED),
    "huge-length": Case(says(head("200 OK", "Content-Length: " + "9" * 30) + b"{}"), _UNREACHED),
    "gzip-bomb": Case(bomb, _UNREACHED),
    "broken-gzip": Case(answers(gzip.compress(b"{}")[:12] + b"xxxxxxxx", "200 OK", _GZIP), _UNREACHED),
    "unknown-coding": Case(answers(b"{}", "200 OK", "Content-Encoding: br"), _UNREACHED),
    "60-megabytes": Case(huge, _UNREACHED),
    "http-0.9": Case(says(b"<html><body>an answer without a status line</body></html>\n"), _UNREACHED),
    "icy": Case(says(b"ICY 200 OK\r\n\r\n"), _UNREACHED, speaks_first=True),
    "http-3": Case(says(b"HTTP/3.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"), _UNREADY),
    "giant-status": Case(says(b"HTTP/1.1 200 " + b"A" * 10 * MIB + b"\r\n\r\n"), _UNREACHED),
    "100000-headers": Case(says(b"HTTP/1.1 200 OK\r\n" + b"a:b\r\n" * 100_000 + b"\r\n{}"), _UNREACHED),
    "header-with-null": Case(says(head("200 OK", "X-A: b\x00c") + b"{}"), _UNREACHED),
    "header-without-colon": Case(says(head("200 OK", "no colon here") + b"{}"), _UNREACHED),
    "slow-headers": Case(repeats(b"X-A: b\r\n", b"HTTP/1.1 200 OK\r\n", 0.4), _UNREACHED),
    "continue-and-silence": Case(after(b"HTTP/1.1 100 Continue\r\n\r\n", silent), _UNREACHED),
    "negative-chunk": Case(says(_CHUNKED + b"-5\r\n{}\r\n0\r\n\r\n"), _UNREACHED),
    "chunk-beyond-64-bit": Case(says(_CHUNKED + b"ffffffffffffffffff\r\n{}"), _UNREACHED),
    "endless-trailers": Case(repeats(b"X-A: b\r\n" * 1000, _CHUNKED + b"0\r\n"), _UNREACHED),
    "chunks-of-one-byte": Case(one_byte_chunks, _UNREACHED),
    "unknown-transfer": Case(says(head("200 OK", "Transfer-Encoding: gzip, chunked") + b"2\r\n{}\r\n"), _UNREACHED),
    "gzip-twice": Case(
        answers(gzip.compress(gzip.compress(b"{}")), "200 OK", "Content-Encoding: gzip, gzip"), _UNREACHED
    ),
    "zstd": Case(answers(b"(\xb5/\xfd\x00X", "200 OK", "Content-Encoding: zstd"), _UNREACHED),
    "no-deflate": Case(answers(b"\xff\xff{}", "200 OK", "Content-Encoding: deflate"), _UNREACHED),
    "cut-gzip-header": Case(answers(b"\x1f\x8b", "200 OK", _GZIP), _UNREACHED),
    "tls-garbage": Case(says(bytes(range(255, 0, -1)) * 20), _UNREACHED, speaks_first=True, scheme="https"),
    "tls-silence": Case(silent, _UNREACHED, speaks_first=True, scheme="https"),
    "tls-reset": Case(resets, _UNREACHED, speaks_first=True, scheme="https"),
    "tls-plain": Case(says(head("400 Bad Request")), _UNREACHED, speaks_first=True, scheme="https"),
    # HTTP, and not what a model list is.
    "answers-unasked": Case(hasty(message(b"{}")), _UNREADY, speaks_first=True),
    "length-and-chunks": Case(
        says(head("200 OK", "Transfer-Encoding: chunked", "Content-Length: 5") + b"2\r\n{}\r\n0\r\n\r\n"), _UNREADY
    ),
    "long-body": Case(says(message(b"{}") + b"garbage" * 1000), _UNREADY),
    "second-answer": Case(says(message(b"{}").replace(b"close", b"keep-alive") + message(embedded([])) * 3), _UNREADY),
    "gzip-in-gzip": Case(answers(gzip.compress(gzip.compress(b"{}")), "200 OK", _GZIP), _UNREADY),
    "cookies": Case(answers(b"{}", "200 OK", *(f"Set-Cookie: c{n}={'x' * 500}" for n in range(100))), _UNREADY),
    "challenge": Case(answers(b"{}", "401 No", "WWW-Authenticate: " + '"\\,=; ' * 2000), "probe.api-key"),
    "partial": Case(answers(b'{"da', "206 Partial Content", "Content-Range: bytes 0-3/*"), _UNREADY),
    "multiple-choices": Case(answers(b"", "300 Multiple Choices"), _UNREADY),
    "early-hints": Case(says(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 5 + message(b"[]")), _UNREADY),
    "million-arrays": Case(answers(b"[" * 1_000_000), _UNREADY),
    "surrogates": Case(answers(b'{"data":[{"id":"\\ud800\\udfff\\ud83d"}]}'), _UNREADY),
    "surrogate-error": Case(answers(b'{"message":"\\ud800 \\udc00\\ud800"}', "400 Bad"), _UNREADY),
    "utf32": Case(answers('{"data":[]}'.encode("utf-32")), _UNREADY),
    "many-models": Case(answers(as_json({"data": [{"id": "a"}] * 30_000})), _UNREADY),
    "long-names": Case(answers(as_json({"data": [{"id": "名" * 50_000, "owned_by": "x" * 500_000}]})), _UNREADY),
    "ids-that-are-none": Case(
        answers(as_json({"data": [{"id": {"a": 1}}, {"id": None}, 7, [], {"id": 10**30}]})), _UNREADY
    ),
    "redirect-to-nowhere": Case(says(head("301 Moved", "Location: " + "//[" * 9000, _NO_BODY)), "probe.base-url"),
    "redirect-with-key": Case(says(head("302 Found", f"Location: http://h/?key={KEY}", _NO_BODY)), "probe.base-url"),
    "redirect-loop": Case(says(_LOOP), "probe.base-url"),
    "redirect-elsewhere": Case(elsewhere, "probe.base-url"),
    "redirect-to-file": Case(says(head("302 Found", "Location: file:///etc/passwd", _NO_BODY)), "probe.base-url"),
    "status-999": Case(answers(b"{}", "999 Odd"), _UNREADY),
    "no-content": Case(says(head("204 No Content")), _UNREADY),
    "not-modified": Case(says(head("304 Not Modified")), _UNREADY),
    "html": Case(answers(b"<html><body>It works</body></html>", kind="text/html"), "probe.base-url"),
    "html-as-json": Case(answers(b"<html><script>alert(1)</script></html>"), "probe.base-url"),
    "null": Case(answers(b"null"), _UNREADY),
    "string": Case(answers(b'"SGLang is running"'), _UNREADY),
    "number": Case(answers(b"42"), _UNREADY),
    "deep": Case(answers(_DEEP), _UNREADY),
    "deep-object": Case(answers(b'{"data":' * 100_000 + b"1" + b"}" * 100_000), _UNREADY),
    "bad-utf8": Case(answers(b'{"data":[{"id":"\xff\xfe\xc3\x28"}]}'), _UNREADY),
    "utf16": Case(answers('{"data":[]}'.encode("utf-16")), _UNREADY),
    "empty": Case(answers(b""), _UNREADY),
    "many-values": Case(many_values, _UNREACHED),
    "huge-integer": Case(answers(b'{"data":' + b"9" * 100_000 + b"}"), _UNREADY),
    "header-injection": Case(says(head("400 Bad", "X-A: b\nX-B: c\x1b[31m") + b"{}"), _UNREADY),
    "hostile-names": Case(answers(as_json(_BAD_NAME)), _UNREADY),
    "hostile-error": Case(answers(as_json({"message": HOSTILE * 50}), "400 Bad Request"), _UNREADY),
    "hostile-server": Case(answers(b"{}", "404 Not Found", "Server: <b>[red]x[/red]</b>"), "probe.base-url"),
    "echoed-key": Case(echoes, "probe.api-key"),
    "retry-after-a-year": Case(answers(b"{}", "429 Too Many Requests", "Retry-After: 31536000"), "probe.rate-limit"),
    "busy-for-a-year": Case(answers(b"{}", "503 Busy", "Retry-After: 31536000"), _UNREADY),
    # Healthy pages, and embeddings that are none.
    "embeddings-silent": Case(silent, _UNREADY, whole=False),
    "embeddings-many-values": Case(many_values, _UNREADY, whole=False),
    "embeddings-reset": Case(resets, _UNREADY, whole=False),
    "embeddings-null": Case(answers(b"null"), _UNREADY, whole=False),
    "embeddings-html": Case(answers(b"<html>login</html>", kind="text/html"), _UNREADY, whole=False),
    "embeddings-deep": Case(answers(_DEEP), _UNREADY, whole=False),
    "embeddings-error-in-200": Case(answers(as_json({"error": {"message": HOSTILE}})), _UNREADY, whole=False),
    "too-few": Case(vectors(lambda data: data[1:]), _UNREADY, whole=False),
    "too-many": Case(vectors(lambda data: data * 2), _UNREADY, whole=False),
    "data-object": Case(vectors(lambda data: {"0": data[0]}), _UNREADY, whole=False),
    "data-of-strings": Case(vectors(lambda data: ["vector"] * len(data)), _UNREADY, whole=False),
    "strings-for-numbers": Case(components(lambda v: [str(x) for x in v]), _UNREADY, whole=False),
    "booleans": Case(components(lambda v: [True] * len(v)), _UNREADY, whole=False),
    "empty-vector": Case(components(lambda v: []), _UNREADY, whole=False),
    "nested-vector": Case(components(lambda v: [v]), _UNREADY, whole=False),
    "broken-base64": Case(components(lambda v: "@@@not base64@@@"), _UNREADY, whole=False),
    "odd-base64": Case(components(lambda v: "AAAA"), _UNREADY, whole=False),
    "duplicate-keys": Case(answers(embedded(items(["a"]))[:-1] + b',"data":null}'), _UNREADY, whole=False),
    "long-base64": Case(long_base64, _UNREADY, whole=False),
    "embeddings-partial": Case(answers(b'{"data":[', "206 Partial Content"), _UNREADY, whole=False),
    "embeddings-no-content": Case(says(head("204 No Content")), _UNREADY, whole=False),
    "embeddings-teapot": Case(answers(as_json({"detail": [{"msg": HOSTILE}] * 50}), "418 No"), _UNREADY, whole=False),
    "embeddings-redirect": Case(says(head("308 Go", "Location: /v1/embeddings", _NO_BODY)), _UNREADY, whole=False),
    "embeddings-million-arrays": Case(answers(b"[" * 1_000_000), _UNREADY, whole=False),
    "long-number": Case(raw_vectors(b"[" + b"1" * 500_000 + b"]"), _UNREADY, whole=False),
    "objects-for-numbers": Case(components(lambda v: [{"f": x} for x in v]), _UNREADY, whole=False),
    "hostile-pages": Case(
        components(lambda v: [math.nan] * len(v)),
        "embed.finite",
        whole=False,
        pages={
            "/v1/models": {"data": [{"id": HOSTILE, "owned_by": "sglang", "max_model_len": -(10**40)}]},
            "/model_info": {"model_path": HOSTILE * 500, "is_generation": "no", "architectures": [[], HOSTILE, None]},
            "/server_info": {"version": HOSTILE * 500, "api_key": KEY, "disable_radix_cache": [KEY], "model_path": 7},
        },
    ),
    "strange-pages": Case(
        answers(b"{}"),
        _UNREADY,
        whole=False,
        pages={"/model_info": b"[" * 100_000, "/server_info": b"null", "/health": b"\x00" * 1000},
    ),
    "list-in-html": Case(
        per_path({"/v1/models": message(b"<html>hello</html>", kind="text/html"), "/v1/embeddings": message(b"[]")}),
        "probe.base-url",
    ),
    # Vectors, and wrong ones.
    "integers-beyond-64-bit": Case(components(lambda v: [2**70] * len(v)), "embed.normalized", whole=False),
    "short-base64": Case(components(lambda v: "AACAPw=="), "embed.dimension", whole=False),
    "minus-infinity": Case(components(lambda v: [-math.inf] * len(v)), "embed.finite", whole=False),
    "long-vector": Case(components(lambda v: [0.1] * 60_000), "embed.dimension", whole=False),
    "negative-index": Case(
        vectors(lambda data: [{**x, "index": -x["index"]} for x in data]), "embed.order", whole=False
    ),
    "float-index": Case(
        vectors(lambda data: [{**x, "index": x["index"] + 0.5} for x in data]), "embed.order", whole=False
    ),
    "text-index": Case(vectors(lambda data: [{**x, "index": HOSTILE} for x in data]), "embed.order", whole=False),
    "nulls-for-numbers": Case(components(lambda v: [None] * len(v)), "embed.finite", whole=False),
    "nan": Case(components(lambda v: [math.nan] * len(v)), "embed.finite", whole=False),
    "overflow": Case(overflow, "embed.finite", whole=False),
    "huge-integers": Case(components(lambda v: [10**400] * len(v)), "embed.finite", whole=False),
    "one-number": Case(components(lambda v: [1.0]), "embed.dimension", whole=False),
    "same-index": Case(vectors(lambda data: [{**item, "index": 0} for item in data]), "embed.order", whole=False),
    "no-index": Case(vectors(lambda data: [{"embedding": x["embedding"]} for x in data]), "embed.order", whole=False),
    "huge-index": Case(vectors(lambda data: [{**item, "index": 10**30} for item in data]), "embed.order", whole=False),
    "index-reversed": Case(
        vectors(lambda data: [{**item, "index": len(data) - 1 - n} for n, item in enumerate(data)]),
        "embed.order",
        whole=False,
    ),
}
"""Every case by its name."""


@contextmanager
def serving(case: Case) -> Iterator[int]:
    """A server on a free port that misbehaves as the case says; the port is given."""
    asked = itertools.count(1)
    sockets = [socket.create_server(("127.0.0.1", 0), backlog=128)]
    port: int = sockets[0].getsockname()[1]
    if case.sixth:
        sockets.append(socket.create_server(("::1", port), family=socket.AF_INET6, backlog=128))
    for server in sockets:
        threading.Thread(target=_accept, args=(server, case, asked), daemon=True).start()
    try:
        yield port
    finally:
        for server in sockets:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()


def _accept(server: socket.socket, case: Case, asked: Iterator[int]) -> None:
    chosen = case.sixth if case.sixth and server.family == socket.AF_INET6 else case
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_talk, args=(connection, chosen, asked), daemon=True).start()


def _talk(connection: socket.socket, case: Case, asked: Iterator[int]) -> None:
    with connection, suppress(OSError):
        connection.settimeout(20)
        if case.speaks_first:
            case.behave(connection, Request("", {}, []))
            return
        request = next_request(connection)
        if request.texts:
            request = request._replace(number=next(asked))
        behave = case.behave
        if not case.whole and request.path != "/v1/embeddings":
            behave = answers(b'{"detail":"Not Found"}', "404 Not Found")
        page = case.pages.get(request.path, None if case.whole else PAGES.get(request.path))
        if page is not None:
            behave = page if callable(page) else answers(page if isinstance(page, bytes) else as_json(page))
        behave(connection, request)
        _drain(connection)


def next_request(connection: socket.socket) -> Request:
    """Read one request; an empty one where the client has gone."""
    top, body = b"", b""
    while not top.endswith(b"\r\n\r\n"):  # byte by byte: what stands behind is the next request
        more = connection.recv(1)
        if not more:
            return Request("", {}, [])
        top += more
    first, *lines = top.rstrip().decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while more := connection.recv(min(65536, int(headers.get("content-length", "0")) - len(body))):
        body += more
    path = first.split(" ")[1].partition("?")[0]
    asked = json.loads(body) if body and path.endswith("/embeddings") else {"input": []}
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    plain = [text if isinstance(text, str) else "".join(map(chr, text)) for text in texts]
    return Request(path, headers, plain, asked.get("encoding_format") == "base64")


def _drain(connection: socket.socket) -> None:
    """End the sending side first, so that an answer is not lost to a reset; a reset that was asked for stays one."""
    if connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) != struct.pack("ii", 1, 0):
        connection.shutdown(socket.SHUT_WR)
