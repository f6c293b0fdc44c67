"""Each exception that openai raises against the kinds of servers there are has its meaning, over true sockets."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from bgecheck.http.authorities import VARIABLES
from bgecheck.http.openai_call import call
from bgecheck.http.openai_client import Cause, Raised, Stopped, Vectors, outcome_of
from bgecheck.http.openai_errors import ADVICE, kind_of
from fakes.answering import Answer, embedded, pages, same, serving


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call changes the environment of its process, which here is that of the tests."""
    monkeypatch.setenv("NO_PROXY", "")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def outcome(base_url: str, key: str = "EMPTY", seconds: float = 5.0) -> Raised | Vectors:
    """What the true package makes of a base URL, in this process."""
    request = {"base_url": base_url, "key": key, "model": "m", "input": "你好", "seconds": seconds}
    import openai  # not while tests are collected, in each worker: it takes over a second

    return outcome_of(call(openai, request))


def kind(base_url: str, **more: Any) -> str | None:
    raised = outcome(base_url, **more)
    assert isinstance(raised, Raised), raised
    return kind_of(raised)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("answer", "name", "wanted"),
    [
        ((400, {"message": "no"}), "BadRequestError", "refused-request"),
        ((401, {"error": "Unauthorized"}), "AuthenticationError", "key"),
        ((403, b"<html>403</html>"), "PermissionDeniedError", "forbidden"),
        ((404, {"detail": "Not Found"}), "NotFoundError", "route"),
        ((422, {"error": "batch size 64 > 32"}), "UnprocessableEntityError", "unprocessable"),
        ((429, b"slow down"), "RateLimitError", "rate"),
        ((500, b"Internal Server Error"), "InternalServerError", "server"),
        ((501, b"Not Implemented"), "InternalServerError", "server"),
        ((502, b"<html>502</html>"), "InternalServerError", "gateway"),
        ((503, {"message": "The request queue is full."}), "InternalServerError", "busy"),
        ((504, b"<html>504</html>"), "InternalServerError", "gateway-timeout"),
        ((302, b"", {"Location": "http://127.0.0.1:9/v1/embeddings"}), "APIStatusError", "redirect"),
        ((307, b"", {"Location": "/v1/embeddings/"}), "APIStatusError", "redirect"),
        ((418, b"teapot"), "APIStatusError", None),
        ((200, b"null", JSON), "AttributeError", "no-vector"),
        ((200, b"<html>Welcome</html>", {"Content-Type": "text/html"}), "AttributeError", "no-vector"),
        # ValueError "No embedding data received"; up to 1.55 IndexError and TypeError of the template itself.
        ((200, {"object": "list", "data": [], "model": "m"}), None, "no-vector"),
        ((200, {"object": "list", "data": None, "model": "m"}), None, "no-vector"),
        ((200, embedded(None)), "TypeError", "no-vector"),
        ((200, b"{nonsense", JSON), "JSONDecodeError", "not-json"),
        ((200, b"", JSON), "JSONDecodeError", "not-json"),
        ((200, b'{"data": "\xff\xfe\xfa"}', JSON), "UnicodeDecodeError", "not-json"),
        ((200, b"[" * 100_000, JSON), "RecursionError", "not-json"),
        ((200, embedded("abc")), "Error", "base64"),
        ((200, embedded("QUJD")), "ValueError", "base64"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_answer_without_a_vector_has_its_meaning(answer: Answer, name: str | None, wanted: str | None) -> None:
    with serving(pages(), lambda body, headers: answer) as url:
        raised = outcome(f"{url}/v1")
    assert isinstance(raised, Raised)
    assert kind_of(raised) == wanted
    assert name in (raised.name, None)
    assert raised.status == (answer[0] if answer[0] != 200 else None)


def test_a_vector_comes_with_its_tokens() -> None:
    with serving(pages(), same) as url:
        got = outcome(f"{url}/v1")
    assert isinstance(got, Vectors)
    assert (len(got.vectors[0]), got.tokens) == (768, 4)


def test_null_components_are_nan_and_no_exception() -> None:
    with serving(pages(), lambda body, headers: (200, embedded([0.5, None]))) as url:
        got = outcome(f"{url}/v1")
    assert isinstance(got, Vectors)
    assert got.vectors[0][0] == 0.5
    assert got.vectors[0][1] != got.vectors[0][1]


def test_a_number_beyond_every_float_is_infinite() -> None:
    """Where openai lets it pass: pydantic, by its release, raises OverflowError over it."""
    got = outcome_of({"vectors": [[1, 10**400]], "tokens": 3})
    assert isinstance(got, Vectors)
    assert got.vectors[0] == (1.0, float("inf"))


@contextmanager
def behaving(behave: Callable[[socket.socket], object]) -> Iterator[str]:
    """A base URL whose server reads a request and does this with the connection."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                behave(connection)
            except OSError:
                return

    def accept() -> None:
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
    finally:
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def cut(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


_BROKEN_GZIP = gzip.compress(b"{}")[:12] + b"xxxxxxxx"


@pytest.mark.parametrize(
    ("behave", "wanted"),
    [
        (cut, "reset"),
        (lambda connection: connection.close(), "reset"),
        (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "not-http"),
        (
            lambda connection: connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + _BROKEN_GZIP
            ),
            "garbled",
        ),
        (lambda connection: time.sleep(3), "timeout"),
    ],
    ids=["reset", "closed", "not http", "broken gzip", "silence"],
)
def test_a_connection_that_fails_has_its_meaning(behave: Callable[[socket.socket], object], wanted: str) -> None:
    with behaving(behave) as url:
        assert kind(url, seconds=1.0) == wanted


def test_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        raised = outcome(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
    assert isinstance(raised, Raised)
    assert kind_of(raised) == "refused"
    assert (
        str(raised) == "APIConnectionError: Connection error. <- ConnectionRefusedError: [Errno 111] Connection refused"
    )


def test_a_name_without_an_address() -> None:
    assert kind("http://nobody.invalid:30000/v1") == "dns"


def test_a_listener_that_takes_no_connection() -> None:
    """Its queue is full, which drops packets as a firewall does."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            time.sleep(0.1)
            assert kind(f"http://127.0.0.1:{full.getsockname()[1]}/v1", seconds=0.5) == "connect-timeout"
        finally:
            for one in waiting:
                one.close()


@pytest.mark.parametrize("number", [113, 101], ids=["EHOSTUNREACH", "ENETUNREACH"])
def test_no_route(number: int) -> None:
    """Made by hand: which address has no route depends on the machine."""
    cause = Cause(name="OSError", message=os.strerror(number), errno=number)
    assert kind_of(Raised(name="APIConnectionError", message="", stage="call", causes=(cause,))) == "unreachable"


def test_a_tls_client_at_a_plain_port() -> None:
    with serving(pages(), same) as url:
        assert kind(f"{url.replace('http:', 'https:')}/v1") == "plain"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates that sign themselves, by the true openssl: for this host, for another, and one that is over."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    for name, host in (("good", "127.0.0.1"), ("other", "127.0.0.9"), ("over", "127.0.0.1")):
        key, asked, names = (str(folder / f"{name}.{ending}") for ending in ("key", "csr", "txt"))
        Path(names).write_text(f"subjectAltName=IP:{host}\nbasicConstraints=CA:TRUE\n", encoding="ascii")
        line = [
            "openssl",
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            f"/CN={name}",
            "-keyout",
            key,
            "-out",
            asked,
        ]
        subprocess.run(line, check=True, capture_output=True, timeout=30)
        line = ["openssl", "x509", "-req", "-in", asked, "-signkey", key, "-extfile", names]
        _sign([*line, "-out", str(folder / f"{name}.pem")], over=name == "over")
    return folder


def _sign(line: list[str], *, over: bool) -> None:
    """Sign for a month, or for one that is over: newer releases of OpenSSL refuse `-days -1`, older know no other."""
    spans = [["-days", "-1"], ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"]]
    for span in spans if over else [["-days", "30"]]:
        done = subprocess.run([*line, *span], check=False, capture_output=True, timeout=30)
        if done.returncode == 0:
            return
    raise AssertionError(done.stderr)


@pytest.mark.parametrize(
    ("name", "trusted", "wanted"),
    [("good", False, "authority"), ("other", True, "hostname"), ("over", True, "expired"), ("good", True, None)],
    ids=["unknown", "other host", "over", "right"],
)
def test_what_is_wrong_with_a_certificate(
    certificates: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool, wanted: str | None
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / f"{name}.pem"))
    with serving(pages(), same, certificates / f"{name}.pem") as url:
        got = outcome(f"{url}/v1")
    assert (kind_of(got) if isinstance(got, Raised) else None) == wanted


heeds_a_file_that_is_not_there = pytest.mark.skipif(
    tuple(map(int, httpx.__version__.split(".")[:2])) < (0, 28) and int(version("openai").split(".")[0]) < 3,
    reason="httpx before 0.28 leaves a file of authorities aside that is not there",
)


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("all_proxy", "socks5://127.0.0.1:1", "proxy"),
        ("http_proxy", "nonsense://127.0.0.1:1", "proxy"),
        pytest.param("SSL_CERT_FILE", "/nowhere/ca.pem", "bundle", marks=heeds_a_file_that_is_not_there),
    ],
)
def test_an_environment_in_which_no_client_can_be_made(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, wanted: str
) -> None:
    """Whatever the server is, and whether no_proxy exempts it or not: nothing is sent."""
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(pages(), same) as url:
        raised = outcome(f"{url}/v1")
    assert isinstance(raised, Raised)
    assert (raised.stage, kind_of(raised)) == ("construct", wanted)


def test_a_proxy_that_a_client_can_use_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving(pages(), same) as url:
        assert isinstance(outcome(f"{url}/v1"), Vectors)


@pytest.mark.parametrize("key", ["sk-密钥", "sk-a\nb"], ids=["Chinese", "line break"])
def test_a_key_that_no_header_holds_is_not_shown(key: str) -> None:
    with serving(pages(), same) as url:
        raised = outcome(f"{url}/v1", key=key)
    assert isinstance(raised, Raised)
    assert kind_of(raised) == "key-characters"
    assert key not in repr(raised)
    assert "sk-a" not in repr(raised)


@pytest.mark.parametrize(("limit", "wanted"), [("size", "flood"), ("time", "endless")])
def test_a_call_that_was_stopped(limit: Any, wanted: str) -> None:
    assert kind_of(Stopped(limit=limit, seconds=1.0)) == wanted


def test_an_answer_of_another_shape() -> None:
    """Made by hand: openai raises it only where a program asked for strict validation."""
    assert kind_of(Raised(name="APIResponseValidationError", message="", stage="call", status=200)) == "schema"


def test_every_meaning_is_one_of_the_rows_variants() -> None:
    from bgecheck.run import catalog

    rows = {check.id: check for check in catalog.rows()}
    assert set(ADVICE) <= set(rows["probe.openai-client"].variants)
    assert set(ADVICE) <= set(rows["embed.openai-client"].variants)
