"""Two handshakes with one server: verified with certifi's authorities, and with the system's."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from pathlib import Path

import certifi
import pytest

from bgecheck.http.authorities import VARIABLES, compare
from fakes.answering import pages, same, serving
from fakes.authority import private_authority


@pytest.fixture(autouse=True)
def usual_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private authority, and a server's certificate that it has signed, by the true openssl."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    return private_authority(tmp_path_factory.mktemp("private"))


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def test_a_private_authority_that_only_the_system_knows(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own store stands in no test's power: here it is another one."""
    default = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile=None: default(cafile=cafile or private / "ca.pem"))
    with serving(pages(), same, private / "server.pem") as url:
        told = compare("127.0.0.1", port_of(url), 3.0, httpx2=False)
    assert (told.system.accepted, told.certifi.accepted) == (True, False)
    assert told.certifi.untrusted
    assert told.used == "certifi"


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_private_authority_that_a_variable_names_is_in_neither_collection(
    variable: str, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system accepts is what it accepts where the variable is not set; the variable is still set after it."""
    monkeypatch.setenv(variable, str(private / "ca.pem"))
    with serving(pages(), same, private / "server.pem") as url:
        told = compare("127.0.0.1", port_of(url), 3.0, httpx2=True)
    assert (told.system.accepted, told.certifi.accepted) == (False, False)
    assert told.system.bundle != str(private / "ca.pem")
    assert told.used == variable
    assert os.environ[variable] == str(private / "ca.pem")


def test_a_private_authority_that_only_certifi_knows(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """certifi's own file stands in no test's power: here it names another one."""
    monkeypatch.setattr(certifi, "where", lambda: str(private / "ca.pem"))
    with serving(pages(), same, private / "server.pem") as url:
        told = compare("127.0.0.1", port_of(url), 3.0, httpx2=False)
    assert (told.system.accepted, told.certifi.accepted) == (False, True)
    assert told.system.untrusted
    assert told.used == "certifi"
    assert compare("127.0.0.1", 9, 1.0, httpx2=True).used == "system"


def test_a_certificate_of_another_host_is_refused_by_both_for_that(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile=None: default(cafile=private / "ca.pem"))
    monkeypatch.setattr(certifi, "where", lambda: str(private / "ca.pem"))
    with serving(pages(), same, private / "server.pem") as url:
        told = compare("localhost", port_of(url), 3.0, httpx2=False)
    assert (told.system.accepted, told.certifi.accepted) == (False, False)
    assert not told.system.untrusted
    assert not told.certifi.untrusted


def test_what_speaks_no_tls_is_not_judged() -> None:
    with serving(pages(), same) as url:
        told = compare("127.0.0.1", port_of(url), 3.0, httpx2=False)
    assert (told.system.accepted, told.certifi.accepted) == (None, None)
    assert "SSLError" in told.system.reason


def test_a_handshake_without_an_answer_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told = compare("127.0.0.1", silent.getsockname()[1], 0.3, httpx2=False)
    assert told.system.accepted is None
