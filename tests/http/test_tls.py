"""TLS over true sockets: what a certificate says, why it is refused, and by whose authorities."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bgecheck.http.client import Http, Transport
from bgecheck.http.failures import Failure
from bgecheck.http.handshake import handshake
from bgecheck.http.reply import Reply
from bgecheck.http.tls import Certificate
from bgecheck.model import say
from fakes.raw import LINK_LOCAL, accepting, answer, whole


@contextmanager
def encrypted(certificate: Path, host: str = "127.0.0.1", *, client_certificate: bool = False) -> Iterator[int]:
    """A server that answers every request over TLS, again and again on one connection; the port is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    if client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secure:
            try:
                secure.do_handshake()
                while secure.recv(65536):
                    secure.sendall(whole(b"{}"))
            except ssl.SSLError:
                time.sleep(0.3)  # an end at once would take the alert away

    with accepting(serve, host) as port:
        yield port


def get(port: int, host: str = "127.0.0.1", seconds: float = 3.0) -> Reply | Failure:
    with closing(Http()) as http:
        return http.exchange("GET", f"https://{host}:{port}/", seconds=seconds)


def test_a_reply_brings_its_certificate(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with encrypted(certificate) as port:
        reply, shaken = get(port), handshake("127.0.0.1", port, 3.0)

    assert isinstance(reply, Reply)
    for shown in (reply.certificate, shaken):
        assert isinstance(shown, Certificate)
        assert 29 < shown.seconds_left / 86400 < 30.1
        assert shown.version.startswith("TLSv1.")


def test_connections_in_tls_are_kept(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Session tickets that come with the first response are not taken for the end of the connection."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    handshakes = []
    true = ssl.SSLContext.wrap_socket

    def counted(*given: object, **named: object) -> ssl.SSLSocket:
        handshakes.append(named.get("server_hostname"))
        return true(*given, **named)  # type: ignore[arg-type]

    with encrypted(certificate) as port, closing(Http()) as http:
        monkeypatch.setattr(ssl.SSLContext, "wrap_socket", counted)
        for _ in range(5):
            assert isinstance(http.exchange("GET", f"https://127.0.0.1:{port}/", seconds=3), Reply)
    assert [name for name in handshakes if name] == ["127.0.0.1"]


@pytest.mark.parametrize("authorities", ["system", "certifi"])
def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path, authorities: str) -> None:
    with encrypted(certificate) as port:
        refused = handshake("127.0.0.1", port, 3.0, authorities)  # type: ignore[arg-type]

    assert isinstance(refused, Failure)
    assert (refused.kind, refused.tls) == ("tls", "self-signed")


def test_the_two_lists_of_authorities_may_disagree(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private authority that the system knows: the openai package up to 2.x does not."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with encrypted(certificate) as port:
        assert isinstance(handshake("127.0.0.1", port, 3.0), Certificate)
        assert isinstance(handshake("127.0.0.1", port, 3.0, "certifi"), Failure)


def test_a_certificate_is_checked_against_the_host(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for 127.0.0.1 and localhost, and not for the second address at which the server listens."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with encrypted(certificate, "0.0.0.0") as port:
        by_name, by_address, by_another = (get(port, host) for host in ("localhost", "127.0.0.1", "127.0.0.2"))

    assert isinstance(by_name, Reply)
    assert isinstance(by_address, Reply)
    assert isinstance(by_another, Failure)
    assert (by_another.kind, by_another.tls) == ("tls", "wrong-host")


@pytest.mark.skipif(LINK_LOCAL is None, reason="this machine has no link-local address")
def test_a_certificate_is_for_an_address_without_its_zone(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    host = str(LINK_LOCAL)
    with encrypted(certificate, host) as port:
        reply, shaken = get(port, f"[{host.replace('%', '%25')}]"), handshake(host, port, 3.0)

    assert isinstance(reply, Reply)
    assert isinstance(shaken, Certificate)


def test_an_unchecked_transport_shows_no_certificate(certificate: Path) -> None:
    with encrypted(certificate) as port, closing(Http(Transport(authorities="any"))) as http:
        reply = http.exchange("GET", f"https://127.0.0.1:{port}/", seconds=3)

    assert isinstance(reply, Reply)
    assert reply.certificate is None


def test_a_plain_port_does_not_speak_tls() -> None:
    with accepting(answer(whole(b"plain", status="400 Bad Request"))) as port:
        failure = get(port)

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.tls) == ("tls", "plain")


def test_a_handshake_that_does_not_end_is_late() -> None:
    """The server begins a record, and goes on byte by byte."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00\x02")
        while True:
            connection.sendall(b"\x00")
            time.sleep(0.1)

    with accepting(drip) as port:
        failure = get(port, seconds=1.5)

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.tls) == ("tls", "late")
    assert failure.seconds < 3
    assert "did not end within 1.5 s" in say(failure.detail, "en")


def test_a_server_that_wants_a_certificate_of_the_client_is_a_matter_of_tls(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In TLS 1.3 the refusal comes behind the handshake."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with encrypted(certificate, client_certificate=True) as port:
        failure = get(port)

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.tls) == ("tls", "other")


def test_an_end_within_a_response_in_tls_is_no_matter_of_tls(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))

    def half(connection: socket.socket) -> None:
        secure = context.wrap_socket(connection, server_side=True)
        secure.recv(65536)
        secure.sendall(whole(b"{}" * 100)[:-20])
        secure.close()

    with accepting(half) as port:
        failure = get(port)

    assert isinstance(failure, Failure)
    assert failure.kind == "malformed"
