"""What a target says of itself: its address, and of a key only that there is one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bgecheck.model import Secret, Target
from bgecheck.model.target import DEFAULT_PORT, ServerProcess, authority

TARGET = Target(url="http://h:1/gate", host="h", port=1)
SERVER = ServerProcess(
    pid=7,
    argv=(),
    flags={},
    host="h",
    port=1,
    model_path=None,
    served_name=None,
    api_key=None,
    cwd=None,
    log=None,
    started_at=0.0,
)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("h", "h:80"), ("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("fe80::1%2", "[fe80::1%2]:80")],
)
def test_an_address_with_colons_stands_in_brackets(host: str, shown: str) -> None:
    assert authority(host, 80) == shown


@pytest.mark.parametrize(("host", "name"), [("h", "h"), ("fe80::1%eth0", "fe80::1"), ("fe80::1", "fe80::1")])
def test_tls_names_a_host_without_its_zone(host: str, name: str) -> None:
    assert replace(TARGET, host=host).server_name == name


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("::", True),
        ("10.0.0.1", False),
        ("128.0.0.1", False),
        ("localhost.example", False),
        ("h", False),
    ],
)
def test_a_loopback_address_is_local(host: str, local: bool) -> None:
    assert replace(TARGET, host=host).is_local is local


def test_keys_are_alike_where_what_they_hide_is() -> None:
    assert Secret("one") == Secret("one") != Secret("two")
    assert Secret("one") != "one"
    assert len({Secret("one"), Secret("one"), Secret("two")}) == 2


def test_every_key_that_was_met_is_to_be_hidden() -> None:
    def server(key: str | None) -> ServerProcess:
        return replace(SERVER, api_key=Secret(key) if key else None)

    target = replace(TARGET, api_key=Secret("own"), server=server("its"), others=(server(None), server("another")))
    assert target.secrets() == ("own", "its", "another")
    assert TARGET.secrets() == ()


def test_a_target_is_described_by_what_is_there_and_its_key_by_being_there() -> None:
    assert TARGET.described() == {"url": "http://h:1/gate/v1"}
    whole = replace(
        TARGET, model="m", api_key=Secret("sk-1"), log="a.log", pid=7, expect_dim=3, origins={"url": "process"}
    )
    assert whole.described() == {
        "url": "http://h:1/gate/v1",
        "found_by": "process",
        "model": "m",
        "api_key": "***",
        "log": "a.log",
        "pid": "7",
        "expect_dim": "3",
    }
    assert replace(whole, url="", model=None, api_key=None, pid=None, expect_dim=None).described() == {"log": "a.log"}


def test_a_port_that_nobody_gave_is_the_one_that_sglang_takes() -> None:
    """server_args.py of every release that was read."""
    assert DEFAULT_PORT == 30000
