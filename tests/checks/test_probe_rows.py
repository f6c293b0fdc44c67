"""Each row about HTTP fails on a server that has its fault and holds on one that has not, over true sockets."""

from __future__ import annotations

import math
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bgecheck.model import Finding, Secret, Status, say
from fakes import misbehaving
from fakes.answering import Answer, bad, embedded, found, pages, same, serving, vector


def said(finding: Finding) -> str:
    """The cause that was named, in English."""
    return say(finding.cause, "en")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates that sign themselves, made by the true openssl: for this host, for another, and one that ends."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    for name, days, host in (("good", 30, "127.0.0.1"), ("other", 30, "127.0.0.9"), ("ends", 3, "127.0.0.1")):
        line = (
            f"openssl req -x509 -newkey rsa:2048 -nodes -days {days} -subj /CN={name} -addext subjectAltName=IP:{host}"
        )
        files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        subprocess.run([*line.split(), *files], check=True, capture_output=True, timeout=30)
    return folder


def encrypted(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, trusted: bool, **more: Any
) -> Mapping[str, Finding]:
    """What is found of a server with a certificate, that the machine knows or does not."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / f"{name}.pem"))
    with serving(pages(), same, folder / f"{name}.pem") as url:
        return found(url, "probe", **more)


def test_a_certificate_that_is_known_holds_and_connections_are_used_again(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = encrypted(certificates, "good", monkeypatch, trusted=True)
    assert bad(rows) == set()
    assert rows["probe.tls"].status is Status.PASS
    assert rows["probe.ready"].status is rows["probe.batch-limit"].status is Status.PASS


@pytest.mark.parametrize(
    ("name", "trusted", "words"),
    [
        ("good", False, "a CA that this machine does not trust"),
        ("other", True, "not issued for"),
        ("ends", True, "expires in 2 days"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_named(
    certificates: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool, words: str
) -> None:
    rows = encrypted(certificates, name, monkeypatch, trusted)
    assert rows["probe.tls"].status is Status.FAIL
    assert words in said(rows["probe.tls"])


def test_authorities_that_are_not_there_are_named(
    certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL takes a variable that names nothing for one that trusts nobody."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    rows = encrypted(certificates, "good", monkeypatch, trusted=False)
    assert rows["probe.tls"].status is Status.FAIL
    assert "gone.pem, which is not there" in said(rows["probe.tls"])


def test_the_key_is_not_given_to_a_server_whose_certificate_is_not_accepted(certificates: Path) -> None:
    """The pages are asked without it, the embeddings not at all."""
    keys: list[str | None] = []

    def note(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        keys.append(headers.get("Authorization"))
        return same(body, headers)

    with serving(pages(), note, certificates / "good.pem") as url:
        rows = found(url, "probe", api_key=Secret("sk-secret-secret"))
    assert rows["probe.tls"].status is Status.FAIL
    assert keys == []


def test_a_tls_port_asked_in_plain_is_named(certificates: Path) -> None:
    with serving(pages(), same, certificates / "good.pem") as url:
        rows = found(url.replace("https:", "http:"), "probe")
    assert "speaks TLS" in said(rows["probe.reachable"])


def test_a_plain_port_asked_with_tls_is_named() -> None:
    with serving(pages(), same) as url:
        rows = found(url.replace("http:", "https:"), "probe")
    assert "does not speak TLS" in said(rows["probe.reachable"])


@contextmanager
def behaving(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does this with every connection."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                behave(connection)
            except OSError:
                return
            over.wait(5)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        server.close()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _begin(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (lambda connection: None, "never answers a single byte"),
        (_begin, "begins and does not end"),
        (_reset, "is reset"),
        (lambda connection: connection.recv(65536) and connection.close(), "closed without an answer"),
        (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n"), "does not speak"),
    ],
    ids=["silence", "unfinished", "reset", "closed", "not http"],
)
def test_each_way_in_which_a_server_cannot_be_reached_has_a_cause_of_its_own(
    behave: Callable[[socket.socket], None], words: str
) -> None:
    with behaving(behave) as url:
        row = found(url, "probe")["probe.reachable"]
    assert row.status is Status.FAIL
    assert words in said(row)


PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ({}, Status.PASS),
        ({"http_proxy": "http://10.0.0.1:7890"}, Status.WARN),
        ({"HTTP_PROXY": "http://10.0.0.1:7890", "NO_PROXY": "localhost"}, Status.WARN),
        ({"ALL_PROXY": "socks5://10.0.0.1:7890"}, Status.WARN),
        ({"http_proxy": "http://10.0.0.1:7890", "no_proxy": "localhost,127.0.0.1"}, Status.PASS),
        ({"http_proxy": "http://10.0.0.1:7890", "no_proxy": "*"}, Status.PASS),
        ({"https_proxy": "http://10.0.0.1:7890"}, Status.PASS),
    ],
)
def test_a_proxy_variable_that_catches_the_server_is_told(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], status: Status
) -> None:
    """By the rules that curl, requests and httpx share; the tool itself goes direct."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with serving(pages(), same) as url:
        rows = found(url, "probe")
    assert rows["probe.proxy"].status is status
    assert rows["probe.ready"].status is Status.PASS


def packing(found_in: Callable[[list[float]], list[float]]) -> Callable[..., Answer]:
    """A server whose base64 holds vectors changed by a function."""

    def answer(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        import base64

        if body.get("encoding_format") != "base64":
            return same(body, headers)
        rows = [found_in(vector(text)) for text in body["input"]]
        return 200, embedded(*(base64.b64encode(struct.pack(f"<{len(r)}f", *r)).decode() for r in rows))

    return answer


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        (lambda numbers: numbers, Status.PASS),
        (lambda numbers: numbers[: len(numbers) // 4], Status.WARN),
        (lambda numbers: numbers[::-1], Status.WARN),
    ],
    ids=["same", "a quarter", "other numbers"],
)
def test_base64_must_hold_what_the_floats_say(changed: Callable[[list[float]], list[float]], status: Status) -> None:
    with serving(pages(), packing(changed)) as url:
        assert found(url, "probe")["probe.base64"].status is status


def test_base64_without_a_vector_is_not_held_against_its_status() -> None:
    with serving(pages(), lambda b, h: (200, b"null") if b.get("encoding_format") == "base64" else same(b, h)) as url:
        seen = found(url, "probe")["probe.base64"].evidence[0]
    assert say(seen.expected or "", "en") == "a vector"
    assert say(seen.observed, "en") == "HTTP 200, null in place of vectors"


def answering(rule: Callable[[dict[str, Any]], Answer | None]) -> Callable[..., Answer]:
    """A right server, but for what a rule answers in its place."""
    return lambda body, headers: rule(body) or same(body, headers)


def refuses(status: int, message: str = "no") -> Answer:
    return status, {"object": "error", "message": message, "code": status}


def longest(body: dict[str, Any]) -> int:
    return max(map(len, body["input"]))


@pytest.mark.parametrize(
    ("rule", "status", "words"),
    [
        (lambda body: refuses(400, "too long") if longest(body) > 509 else None, Status.PASS, ""),
        (lambda body: refuses(400, "too long") if longest(body) > 126 else None, Status.WARN, "not accepted"),
        (lambda body: None if longest(body) < 500 else _cut(body), Status.WARN, "silently cuts"),
        (lambda body: refuses(413) if longest(body) > 100 else None, Status.WARN, "413"),
    ],
    ids=["sglang", "short", "cut", "body limit"],
)
def test_the_longest_text_is_learned_at_its_edge(
    rule: Callable[[dict[str, Any]], Answer | None], status: Status, words: str
) -> None:
    with serving(pages(), answering(rule)) as url:
        row = found(url, "probe")["probe.token-limit"]
    assert row.status is status
    assert words in said(row)


def _cut(body: dict[str, Any]) -> Answer:
    return 200, embedded(*(vector(text[:510]) for text in body["input"]))


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (lambda body: refuses(400, "blank") if " " in body["input"] else None, Status.PASS),
        (lambda body: None, Status.PASS),
        (lambda body: (200, embedded(*map(vector, filter(str.strip, body["input"])))), Status.FAIL),
        (lambda body: refuses(500) if " " in body["input"] else None, Status.FAIL),
    ],
    ids=["refused", "embedded", "dropped", "server error"],
)
def test_a_blank_text_is_refused_or_embedded_and_never_dropped(
    rule: Callable[[dict[str, Any]], Answer | None], status: Status
) -> None:
    with serving(pages(), answering(rule)) as url:
        assert found(url, "probe")["probe.blank-input"].status is status


@pytest.mark.parametrize(("most", "taken"), [(1000, 64), (32, 32), (10, 8), (4, 4), (3, 2), (1, 1)])
def test_the_largest_batch_is_learned(most: int, taken: int) -> None:
    """text-embeddings-inference takes 32, hosted services 10."""
    with serving(pages(), answering(lambda body: refuses(422) if len(body["input"]) > most else None)) as url:
        row = found(url, "probe")["probe.batch-limit"]
    assert row.status is (Status.PASS if most >= 64 else Status.WARN)
    assert row.values["taken"] == taken


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (400, "batch size is invalid, it should not be larger than 10.: input.contents", "request: 10 ("),
        (422, "batch size {n} > maximum allowed batch size 10", "request: 10 ("),
        (400, "单次请求的文本条数不能超过 25", "request: 25 ("),
        (400, "too many texts", "request: between 8 and 31 ("),
        (400, "at most 5 or 100 texts", "request: between 8 and 31 ("),
        (400, "between 10 and 20 texts", "request: between 8 and 31 ("),
        (400, "gateway-12 v1.15: the body may have 16 MB and 12 seconds, input[9] has 20 tokens", "between 8 and 31 ("),
        (500, "worker 12 failed", "between 8 and 31 ("),
        (413, "batch size {n} > maximum allowed batch size 10", "request: 10 ("),
    ],
)
def test_a_refusal_that_names_the_largest_batch_is_read(status: int, message: str, words: str) -> None:
    """Only where the number lies between what was taken and what was refused; else the two are named."""

    def limited(body: dict[str, Any]) -> Answer | None:
        count = len(body["input"])
        return refuses(status, message.replace("{n}", str(count))) if count > 8 else None

    with serving(pages(), answering(limited)) as url:
        row = found(url, "probe")["probe.batch-limit"]
    assert row.status is Status.WARN
    assert words in said(row)


@pytest.mark.parametrize("odd", [None, math.nan])
@pytest.mark.parametrize(("count", "status"), [(768, Status.FAIL), (767, Status.PASS), (1, Status.PASS)])
def test_a_vector_without_any_number_is_no_real_embedding(odd: float | None, count: int, status: Status) -> None:
    """One number among them is for `embed.finite` to judge."""
    with serving(
        pages(), lambda b, h: (200, embedded(*([odd] * count + [0.5] * (768 - count) for _ in b["input"])))
    ) as url:
        row = found(url, "probe")["probe.ready"]
    assert row.status is status
    assert ("no number" in said(row)) == (count == 768)


@pytest.mark.parametrize(
    ("embeds", "card", "status", "words"),
    [
        (True, (404, {"detail": "Not Found"}), Status.SKIP, "no model list (HTTP 404)"),
        (True, (200, {"object": "list", "data": []}), Status.ERROR, "names no model"),
    ],
)
def test_a_server_without_a_model_list_is_not_said_to_have_one(
    embeds: bool, card: Answer, status: Status, words: str
) -> None:
    with serving(pages() | {"/v1/models": card}, same) as url:
        row = found(url, "probe")["probe.model-name"]
    assert row.status is status
    assert words in say(row.reason or "", "en")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{"data":[', "not whole"),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"d\r\n', "not whole"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk", "compresses"),
    ],
)
def test_an_answer_that_ends_early_is_cut_and_not_compressed_wrongly(raw: bytes, words: str) -> None:
    case = misbehaving.Case(lambda connection, request: connection.sendall(raw), "probe.ready", whole=False)
    with misbehaving.serving(case) as port:
        row = found(f"http://127.0.0.1:{port}", "probe")["probe.ready"]
    assert words in said(row)
    assert ("compress" in said(row)) == (words == "compresses")
    assert any("curl" in command and "/embeddings" in command and "-d '" in command for command in row.commands)


@pytest.mark.parametrize(
    ("health", "works", "status", "words"),
    [
        (200, True, Status.PASS, ""),
        (503, False, Status.PASS, ""),
        (200, False, Status.WARN, "real embedding gets no answer"),
        (503, True, Status.WARN, "embeddings are answered"),
        (404, True, Status.SKIP, ""),
    ],
)
def test_the_health_page_is_held_against_a_real_embedding(health: int, works: bool, status: Status, words: str) -> None:
    answers = pages(_health=(health, b""))
    with serving(answers, same if works else answering(lambda body: refuses(503))) as url:
        row = found(url, "probe")["probe.health-agrees"]
    assert row.status is status
    assert words in said(row)


def test_what_turns_requests_away_is_told_and_teaches_nothing_of_the_server() -> None:
    """The first two requests pass, as behind nginx with a burst of one."""
    asked: list[int] = []

    def limited(body: dict[str, Any]) -> Answer | None:
        asked.append(1)
        return (429, b"<html>429</html>") if len(asked) > 1 else None

    with serving(pages(), answering(limited)) as url:
        rows = found(url, "probe")
    assert {i for i, f in rows.items() if f.status.bad and f.caused_by is None} == {"probe.rate-limit"}
    assert rows["probe.batch-limit"].status is rows["probe.token-limit"].status is Status.ERROR


@pytest.mark.parametrize(
    ("status", "words"), [(429, "refused"), (503, "queue was full"), (500, "were refused")], ids=str
)
def test_a_burst_tells_who_does_not_keep_up(status: int, words: str) -> None:
    asked: list[int] = []

    def busy(body: dict[str, Any]) -> Answer | None:
        asked.append(1)
        return refuses(status) if len(asked) > 60 else None

    with serving(pages(), answering(busy)) as url:
        rows = found(url, "probe", full=True)
        row = rows["probe.burst"]
    assert row.status is Status.FAIL
    assert words in said(row)


def test_a_burst_is_answered_by_a_right_server_and_sent_with_full_only() -> None:
    with serving(pages(), same) as url:
        assert found(url, "probe", full=True)["probe.burst"].status is Status.PASS
        assert found(url, "probe")["probe.burst"].status is Status.SKIP


def test_a_redirect_is_named_with_where_it_leads() -> None:
    moved: Answer = (301, b"", {"Location": "http://gpu-02:30000/v1/models"})
    with serving(pages(**{"_v1/models": moved}), same) as url:
        row = found(url, "probe")["probe.base-url"]
    assert row.status is Status.FAIL
    assert "gpu-02:30000" in said(row)
    assert "no end" not in say(row.cause, "en")


@pytest.mark.parametrize(
    ("location", "circle"),
    [("/v1/models", True), ("models", True), ("/v1/models#top", True), ("/v1/models/", False), ("http://[x", False)],
)
def test_a_redirect_to_itself_has_no_end(location: str, circle: bool) -> None:
    with serving(pages(**{"_v1/models": (302, b"", {"Location": location})}), same) as url:
        row = found(url, "probe")["probe.base-url"]
    assert ("no end" in say(row.cause, "en")) is circle


def test_the_address_for_each_client_is_told() -> None:
    with serving(pages(), same) as url:
        clients = found(url, "probe")["probe.base-url"].values["clients"]
    assert clients["LangChain"] == f"{url}/v1"
    assert clients["one-api, new-api"] == url
    assert clients["FastGPT, curl"] == f"{url}/v1/embeddings"
