"""The rows of the port, over true sockets and processes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bgecheck.checks import ports
from bgecheck.checks.ports import Owner, PortFacts
from bgecheck.engines.sglang.discovery import Orphan
from bgecheck.machine.sockets import Listener, free_port, is_own, listeners
from bgecheck.model import Finding, Language, Report, ServerProcess, Status, Target
from bgecheck.model.deadline import Deadline
from bgecheck.render.formats import table
from bgecheck.render.screen import Screen
from bgecheck.run import engine
from bgecheck.run.context import Context


@contextmanager
def listening(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((address, port))
        server.listen()
        yield server.getsockname()[1]


def target(port: int, host: str = "127.0.0.1", **more: object) -> Target:
    return Target(url=f"http://{host}:{port}", host=host, port=port, **more)  # type: ignore[arg-type]


def server(pid: int, *children: int) -> ServerProcess:
    return ServerProcess(
        pid=pid, argv=(), flags={}, host="127.0.0.1", port=1, model_path=None, served_name=None, api_key=None, cwd=None,
        log=None, started_at=0, children=children,
    )  # fmt: skip


def found(of: Target) -> dict[str, Finding]:
    return {f.id: f for f in engine.run([ports.AREA], Context(of, Deadline(10)))}


def judged(facts: PortFacts) -> dict[str, Finding]:
    area = replace(ports.AREA, collector=lambda context: facts)
    return {f.id: f for f in engine.run([area], None)}


def test_a_listener_is_seen_with_its_owner() -> None:
    with listening() as port:
        # Another program may listen on the same number at another address.
        (seen,) = (x for x in listeners(port) if x.pid == os.getpid())
    assert (seen.address, seen.port, seen.loopback) == ("127.0.0.1", port, True)


def test_the_owner_is_compared_with_the_server_that_is_meant() -> None:
    with listening() as port:
        own = found(target(port, server=server(os.getpid())))
        child = found(target(port, server=server(1, os.getpid())))
        foreign = found(target(port, server=server(1)))
    assert own["ports.owner"].status is Status.PASS
    assert child["ports.owner"].status is Status.PASS
    assert foreign["ports.owner"].status is Status.FAIL
    assert str(os.getpid()) in str(foreign["ports.owner"].cause)


def test_a_port_that_was_found_by_default_and_is_held_by_another_program_fails() -> None:
    with listening() as port:
        row = found(target(port))["ports.owner"]
        named = found(target(port, given_url=f"127.0.0.1:{port}"))["ports.owner"]
    assert row.status is Status.FAIL
    # What the user named may be any engine: there is nothing to compare it with.
    assert named.status is Status.SKIP


def test_who_holds_a_port_is_shown_also_where_nothing_is_there_to_compare_with() -> None:
    with listening() as port:
        rows = found(target(port, given_url=f"127.0.0.1:{port}"))
    assert rows["ports.owner"].status is Status.SKIP
    shown = Report(
        command="ports",
        findings=tuple(rows.values()),
        target={"url": f"http://127.0.0.1:{port}/v1"},
        started_at="",
        seconds=0.1,
    )
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        for width, program in ((60, ""), (80, " py")):  # at 60 columns there is no room for the program
            screen = table.render([shown], Screen(language=language, width=width))
            assert f"127.0.0.1:{port} pid {os.getpid()}{program}" in screen, screen


def test_nobody_listening_fails_and_a_server_that_runs_is_still_loading() -> None:
    with listening() as port:
        pass
    assert found(target(port))["ports.listening"].status is Status.FAIL
    loading = found(target(port, server=server(os.getpid())))["ports.listening"]
    assert "does not listen" in str(loading.cause)


def test_another_machine_is_not_looked_at() -> None:
    rows = found(target(30000, host="192.0.2.1"))
    assert {r.status for r in rows.values()} == {Status.SKIP}
    assert "192.0.2.1" in str(rows["ports.readable"].reason)


def test_bound_to_loopback_and_asked_elsewhere_fails() -> None:
    owner = Owner(Listener("127.0.0.1", 30000, 7), "python", True)
    base = PortFacts(target(30000, host="192.0.2.1"), (owner,), False, ("127.0.0.1",), False, (), None)
    assert judged(base)["ports.address"].status is Status.FAIL
    here = judged(base._replace(target=target(30000), reached=True))["ports.address"]
    assert here.status is Status.PASS
    assert "--host 0.0.0.0" in str(here.evidence)


def test_two_programs_on_one_port_number_are_told_apart() -> None:
    four = Owner(Listener("127.0.0.1", 30000, 7), "python", True)
    six = Owner(Listener("::1", 30000, 8), "node", False)
    facts = PortFacts(target(30000), (four, six), True, ("::1", "127.0.0.1"), True, (), None)
    assert judged(facts)["ports.localhost"].status is Status.WARN
    both = Owner(Listener("::", 30000, 7), "python", True)
    assert judged(facts._replace(owners=(four, both)))["ports.localhost"].status is Status.PASS
    assert judged(facts._replace(localhost=("10.0.0.1",)))["ports.localhost"].status is Status.WARN


def test_orphans_are_named_with_a_command_for_exactly_them() -> None:
    orphan = (Orphan(41, "sglang::scheduler"), Orphan(42, "sglang::detokenizer"))
    facts = PortFacts(target(30000), (), True, ("127.0.0.1",), False, orphan, None)
    row = judged(facts)["ports.orphans"]
    assert row.status is Status.WARN
    assert row.commands[-1] == "kill 41 42"


def test_a_free_port_is_one_that_a_server_can_be_bound_to_and_that_no_socket_uses() -> None:
    # Below the range from which the kernel hands out ports, so that no other test's connection comes in between.
    first = free_port(20_000)
    assert first is not None
    with listening(port=first):
        second = free_port(first - 1)
        assert second is not None
        assert second > first


def test_the_port_of_a_connection_is_not_free() -> None:
    with listening() as port, socket.create_connection(("127.0.0.1", port)) as client:
        own = client.getsockname()[1]
        assert free_port(own - 1) != own


@pytest.mark.parametrize(("address", "own"), [("127.0.0.1", True), ("192.0.2.1", False), ("nonsense", False)])
def test_an_address_of_this_machine_is_known(address: str, own: bool) -> None:
    assert is_own(address, 1.0) is own


def test_ipv6_listeners_are_read() -> None:
    try:
        with listening("::1") as port:
            (seen,) = (x for x in listeners(port) if x.pid == os.getpid())
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert (seen.address, seen.loopback, seen.everywhere) == ("::1", True, False)
