"""The rows of the port, over true sockets and processes."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bgecheck.checks import ports
from bgecheck.checks.ports.facts import Owner, PortFacts
from bgecheck.engines.sglang.discovery import Orphan, resolve
from bgecheck.engines.sglang.launchline import parse_launch
from bgecheck.engines.sglang.workers import Schedulers
from bgecheck.machine.processes import snapshot
from bgecheck.machine.sockets import Inside, Listener, accepts, free_port, is_own, listeners
from bgecheck.model import Finding, Language, Report, ServerProcess, Status, Target, say
from bgecheck.model.deadline import Deadline
from bgecheck.model.hygiene import KEY_IN_SHELL
from bgecheck.model.processes import Start
from bgecheck.render.formats import table
from bgecheck.render.screen import Screen
from bgecheck.run import engine
from bgecheck.run.context import Context
from fakes.answering import pages, same, serving


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


# Processes and sockets as facts, which are made by hand.
KEY = "sk-secret-0123456789"
HOSTS = ("127.0.0.1",)


def held(*owners: Owner, host: str = "127.0.0.1", reached: bool = True, **more: Any) -> PortFacts:
    """The facts of a target on port 30000 that these hold."""
    given_url, meant = more.pop("given_url", None), more.get("server") if more.pop("meant", True) else None
    facts = PortFacts(
        target=target(30000, host=host, server=meant, given_url=given_url), owners=owners, reached=reached,
        localhost=HOSTS, over_ipv6=False, left_over=(), free=30001, addresses=(host,),
    )  # fmt: skip
    return facts._replace(**more)


def launched(pid: int = 7, port: int = 30000, children: tuple[int, ...] = (8, 9), **flags: str) -> ServerProcess:
    """A server by its options; `dist_init_addr` is --dist-init-addr."""
    options = {"model-path": "/m/bge", "port": str(port), "api-key": KEY_IN_SHELL}
    options |= {name.replace("_", "-"): value for name, value in flags.items()}
    return replace(server(pid, *children), flags=options, port=port)


def held_by(pid: int, name: str = "python3", address: str = "127.0.0.1", **more: Any) -> Owner:
    return Owner(Listener(address, 30000, pid), name, more.pop("sglang", False), **more)


@pytest.mark.parametrize(
    ("over_ipv6", "told"), [(True, "the same server"), (False, "refused, clients fall back to 127.0.0.1")]
)
def test_what_a_client_meets_that_tries_ipv6_first_is_told(over_ipv6: bool, told: str) -> None:
    row = judged(held(held_by(7, sglang=True), server=launched(), over_ipv6=over_ipv6))["ports.localhost"]
    assert row.status is Status.PASS
    assert words_of(row).endswith(f"::1: {told}")


WORKER = Orphan(41, "sglang::tokenizer_worker:90"), Orphan(42, "sglang::detokenizer")
REMAINS = held_by(41, "sglang::tokeniz", "0.0.0.0", left_over=True, command="sglang::tokenizer_worker:90")


@pytest.mark.parametrize(
    "facts",
    [
        held(REMAINS, left_over=WORKER),
        held(REMAINS, left_over=WORKER, given_url="http://127.0.0.1:30000"),
        held(REMAINS, left_over=WORKER, server=launched()),  # the new one, which cannot bind it
        held(held_by(7, sglang=True), REMAINS, left_over=WORKER, server=launched()),  # both by SO_REUSEPORT
        held(REMAINS, left_over=WORKER, reached=False),
    ],
)
def test_a_port_that_a_dead_server_left_held_fails_with_the_pids_to_kill(facts: PortFacts) -> None:
    rows = judged(facts)
    assert rows["ports.owner"].status is Status.FAIL
    assert "whose server is gone (pid 41,42)" in str(rows["ports.owner"].cause)
    assert rows["ports.owner"].commands == rows["ports.orphans"].commands  # one card, one command
    assert rows["ports.owner"].commands[-1] == "kill 41 42"


def test_what_is_left_over_beside_a_port_is_a_warning_alone() -> None:
    rows = judged(held(held_by(7, sglang=True), left_over=WORKER, server=launched()))
    assert (rows["ports.owner"].status, rows["ports.orphans"].status) == (Status.PASS, Status.WARN)


@pytest.mark.parametrize(
    ("facts", "status", "words"),
    [
        (held(held_by(5, command="python3 -m http.server 30000")), Status.FAIL, "pid 5 (python3 -m http.server 30000)"),
        (held(held_by(5, "redis-server"), given_url="x", no_engine=True), Status.FAIL, "answers no embeddings"),
        (held(held_by(5, "app"), server=launched(), given_url="x"), Status.FAIL, "pid 5 (app)"),
        (held(held_by(5, "python3", command="python3 app.py"), given_url="x"), Status.SKIP, ""),
        (held(held_by(5, "vllm"), given_url="x"), Status.SKIP, ""),
        (held(held_by(5, "docker-proxy"), given_url="x"), Status.SKIP, ""),
        (held(held_by(5, "sshd")), Status.SKIP, ""),
        (held(Owner(Listener("0.0.0.0", 30000), None, False), given_url="x"), Status.SKIP, ""),
        (held(held_by(8, sglang=True), server=launched()), Status.PASS, ""),
    ],
)
def test_a_port_of_another_program_shows_its_command_line(facts: PortFacts, status: Status, words: str) -> None:
    row = judged(facts)["ports.owner"]
    assert row.status is status
    assert words in str(row.cause)
    if status is Status.FAIL:
        assert "kill 5" in str(row.fix)
        assert "30001" in str(row.fix)


def words_of(finding: Finding) -> str:
    return "; ".join(f"{say(e.subject, 'en')}: {say(e.observed, 'en')}" for e in finding.evidence)


def test_of_several_holders_the_server_s_own_process_is_the_one_that_counts() -> None:
    row = judged(held(held_by(5, "app"), held_by(9, sglang=True), server=launched()))["ports.owner"]
    assert row.status is Status.PASS
    assert "pid 9" in words_of(row)


def test_at_most_four_holders_and_five_left_over_workers_are_listed() -> None:
    orphans = tuple(Orphan(40 + n, f"sglang::worker:{n}") for n in range(6))
    remains = [held_by(40 + n, "sglang::worker", left_over=True) for n in range(6)]
    rows = judged(held(*remains, left_over=orphans))
    assert [f"sglang::worker:{n}" in words_of(rows["ports.owner"]) for n in range(6)] == [True] * 4 + [False] * 2
    assert [f"sglang::worker:{n}" in words_of(rows["ports.orphans"]) for n in range(6)] == [True] * 5 + [False]
    assert rows["ports.owner"].commands[-1] == "kill 40 41 42 43 44 45"  # all of them, listed or not


CONTAINER = Inside((), ("172.17.0.2", "172.18.0.5"))


@pytest.mark.parametrize(
    ("aim", "inside", "status"),
    [
        (("172.17.0.2", 31000), CONTAINER, Status.PASS),
        (("172.18.0.5", 31000), CONTAINER, Status.PASS),
        (("172.17.0.2", 30000), CONTAINER, Status.FAIL),
        (("172.17.0.9", 31000), CONTAINER, Status.FAIL),
        (("172.17.0.2", 31000), None, Status.SKIP),  # Docker's own program, and nothing to compare with
    ],
)
def test_docker_forwards_the_port_to_the_server_s_own_container(
    aim: tuple[str, int], inside: Inside | None, status: Status
) -> None:
    proxy = held_by(5, "docker-proxy", leads_to=aim)
    row = judged(held(proxy, server=launched(port=31000), inside=inside))["ports.owner"]
    assert row.status is status
    if status is Status.FAIL:
        assert f"{aim[0]}:{aim[1]}, another container than that of pid 7" in str(row.cause)


@pytest.mark.parametrize(
    ("owners", "more", "is_earlier"),
    [
        ((held_by(5, sglang=True, earlier=True),), {}, True),
        ((held_by(5, sglang=True, earlier=True), held_by(6, sglang=True)), {}, False),
        ((held_by(5, "nginx", earlier=True, gateway=True),), {}, False),
        ((held_by(5, "docker-proxy", earlier=True, leads_to=("172.17.0.2", 1)),), {}, False),
        ((held_by(5, sglang=True, earlier=True),), {"no_engine": True}, False),
        ((held_by(5, sglang=True, earlier=True),), {"server": launched(5)}, False),
    ],
)
def test_an_old_server_is_not_the_one_that_is_waited_for(
    owners: tuple[Owner, ...], more: dict[str, Any], is_earlier: bool
) -> None:
    facts = held(*owners, **more)
    facts = facts._replace(target=replace(facts.target, start=Start(70, 100.0, launched=True)))
    row = judged(facts)["ports.owner"]
    assert ("which began before pid 70" in str(row.cause)) is is_earlier
    if is_earlier:
        assert row.status is Status.FAIL
        assert "begun with pid 70" in say(row.evidence[0].expected or "", "en")


def test_without_a_server_to_compare_with_a_gateway_that_answers_is_not_blamed() -> None:
    """It was named by its address, and what answers there may be an engine of another kind."""
    rows = [judged(held(held_by(5, "app"), given_url=url, no_engine=none))["ports.owner"] for url, none in CASES]
    assert [row.status for row in rows] == [Status.SKIP, Status.FAIL, Status.FAIL]


CASES = (("http://127.0.0.1:30000", False), ("http://127.0.0.1:30000", True), (None, False))


def test_a_paused_server_s_processes_are_listed_up_to_four() -> None:
    paused = replace(launched(), stopped=(7, 8, 9, 10, 11))
    row = judged(held(held_by(7, sglang=True), server=paused, serving=True))["ports.workers"]
    assert row.commands == ("kill -CONT 7 8 9 10 11",)
    assert len(row.evidence) == 4


def test_a_server_that_lost_its_port_is_started_again_on_a_free_one_as_it_was() -> None:
    new = launched(70, dtype="half", host="0.0.0.0")
    for owner in (held_by(5), held_by(7, sglang=True)):
        row = judged(held(owner, server=new))["ports.owner"]
        line = row.commands[-1]
        assert row.status is Status.FAIL
        assert parse_launch(shlex.split(line)) == {**new.flags, "port": "30001", "api-key": KEY_IN_SHELL}
        assert KEY not in line


@pytest.mark.parametrize(
    ("flags", "serving", "status", "words"),
    [
        ({"dist_init_addr": "10.0.0.1:30000"}, True, Status.FAIL, "--dist-init-addr"),
        ({"dist_init_addr": "10.0.0.1:30000"}, False, Status.FAIL, "ranks"),  # before the service port is open
        ({"nccl_port": "30000"}, True, Status.FAIL, "--nccl-port"),
        ({"grpc_port": "30000"}, True, Status.FAIL, "gRPC"),
        ({}, True, Status.FAIL, "another at each start"),
        # Where its options' port is nobody's, its options were not understood: it may well be the service port.
        ({}, False, Status.PASS, ""),
        ({"dist_init_addr": "10.0.0.1:3000"}, False, Status.PASS, ""),
        ({"dist_init_addr": "10.0.0.1"}, False, Status.PASS, ""),
    ],
)
def test_a_port_of_the_server_that_is_not_its_service_port_is_told_by_what_it_is(
    flags: dict[str, Any], serving: bool, status: Status, words: str
) -> None:
    facts = held(held_by(8, sglang=True), server=launched(port=31000, **flags), serving=serving, meant=False)
    row = judged(facts)["ports.owner"]
    assert row.status is status
    assert words in str(row.cause)
    if status is Status.FAIL:
        assert "31000" in str(row.fix)
        assert row.commands == ("bgecheck doctor --pid 7",)


LAN = "192.0.2.1"


@pytest.mark.parametrize(
    ("bound", "host", "reached", "status", "words"),
    [
        ("127.0.0.1", LAN, False, Status.FAIL, "only this machine"),
        (LAN, "127.0.0.1", False, Status.FAIL, f"use it at http://{LAN}:30000"),
        (LAN, "192.0.2.7", False, Status.FAIL, f"use it at http://{LAN}:30000"),
        ("::1", "127.0.0.1", False, Status.FAIL, "use it at http://[::1]:30000"),
        ("::", "127.0.0.1", False, Status.FAIL, "use it at http://[::1]:30000"),  # IPv6 alone
        ("::", "127.0.0.1", True, Status.PASS, ""),  # both families
        ("0.0.0.0", LAN, False, Status.PASS, ""),  # full, or behind a firewall: bound it is
        ("127.0.0.1", "127.0.0.1", False, Status.PASS, ""),
        (LAN, LAN, False, Status.PASS, ""),
        ("127.0.0.1", LAN, True, Status.PASS, ""),  # forwarded
    ],
)
def test_a_server_is_bound_where_it_is_asked(bound: str, host: str, reached: bool, status: Status, words: str) -> None:
    facts = held(held_by(7, address=bound, sglang=True), host=host, reached=reached, server=launched(), meant=False)
    row = judged(facts)["ports.address"]
    assert row.status is status
    assert words in f"{row.cause} {row.fix}"
    if status is Status.FAIL:
        stop, line = (command for command in row.commands if command.startswith(("kill", "python")))
        assert stop == "kill 7"
        assert parse_launch(shlex.split(line)) == {**launched().flags, "host": "0.0.0.0", "api-key": KEY_IN_SHELL}


def test_a_server_on_another_port_is_named_where_nobody_listens() -> None:
    nobody = held(reached=False)
    other = judged(nobody._replace(running=(launched(7, 31000),)))["ports.listening"]
    same = judged(nobody._replace(running=(launched(7, 31000), launched(9, 30000))))["ports.listening"]
    none = judged(nobody)["ports.listening"]
    assert {row.status for row in (other, same, none)} == {Status.FAIL}
    assert other.commands == ("bgecheck doctor --pid 7",)
    assert "31000" in str(other.cause)
    assert "pid 9 runs and does not listen" in str(same.cause)
    assert "was not started" in str(none.cause)


@pytest.mark.parametrize(
    ("state", "serving", "status"),
    [
        (Schedulers((8,), 1), True, Status.PASS),
        (Schedulers((8, 9), 2), True, Status.PASS),
        (Schedulers((8,), 0), True, Status.PASS),
        (Schedulers((), 1), True, Status.FAIL),
        (Schedulers((), 0), True, Status.FAIL),
        (Schedulers((8,), 2), True, Status.FAIL),
        (Schedulers((), 1), False, Status.SKIP),  # still starting
        (None, True, Status.SKIP),
    ],
)
def test_a_living_page_without_a_scheduler_is_to_be_stopped_and_started_again(
    state: Schedulers | None, serving: bool, status: Status
) -> None:
    facts = held(held_by(7, sglang=True), server=launched(dtype="half"), serving=serving, schedulers=state)
    row = judged(facts)["ports.workers"]
    assert row.status is status
    if status is Status.FAIL:
        assert row.commands[0] == "kill 7"
        assert parse_launch(shlex.split(row.commands[1])) == {**launched(dtype="half").flags, "api-key": KEY_IN_SHELL}
        assert len(row.commands) == 2  # nothing that a living page would answer with ok


def test_a_true_web_server_on_the_port_is_no_engine(tmp_path: Path) -> None:
    """`python -m http.server` by its module; its twin of another name by its pages."""
    twin = tmp_path / "twin.py"
    twin.write_text("import http.server, sys; http.server.test(port=int(sys.argv[1]), bind='127.0.0.1')")
    for words in (["-m", "http.server", "--bind", "127.0.0.1"], [str(twin)]):
        port = free_port(21_000)
        with subprocess.Popen(
            [sys.executable, *words, str(port), *(["--token", KEY] if words == [str(twin)] else [])],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path,
        ) as program:  # fmt: skip
            try:
                ends = time.monotonic() + 20
                while not accepts("127.0.0.1", port or 0, 1) and time.monotonic() < ends:
                    time.sleep(0.02)
                row = found(target(port or 0, given_url=f"127.0.0.1:{port}"))["ports.owner"]
            finally:
                program.kill()
        assert row.status is Status.FAIL, row
        assert f"pid {program.pid} (" in str(row.cause)
        assert str(port) in str(row.cause)
        assert KEY not in repr(row)


def test_a_program_that_speaks_as_an_interface_may_be_an_engine() -> None:
    """A fake in this very process: its answers are JSON, whatever they are."""
    with serving(pages(), same) as url:
        port = int(url.rpartition(":")[2])
        assert found(target(port, given_url=url))["ports.owner"].status is Status.SKIP


SERVING = """
import socket, subprocess, sys, time
workers = [subprocess.Popen(["bash", "-c", f"exec -a {title} sleep 60"]) for title in sys.argv[3:]]
listener = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])))
try:
    sys.stdin.read()
finally:
    for worker in workers:
        worker.kill()
"""


def test_a_true_server_without_its_scheduler_is_told_by_its_processes(tmp_path: Path) -> None:
    package = tmp_path / "sglang"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "launch_server.py").write_text(SERVING)
    workers = ("sglang::scheduler", "sglang::detokenizer")
    for titles, status in ((workers, Status.PASS), (workers[1:], Status.FAIL)):
        port = free_port(22_000) or 0
        words = [sys.executable, "-m", "sglang.launch_server", "--port", str(port), *titles]
        with subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            try:
                ends = time.monotonic() + 20
                while time.monotonic() < ends and not accepts("127.0.0.1", port, 1):
                    time.sleep(0.02)
                while time.monotonic() < ends and not titled(process.pid, titles):
                    time.sleep(0.02)
                row = found(resolve(url=f"127.0.0.1:{port}"))["ports.workers"]
            finally:
                process.stdin.close()
        assert row.status is status, row
        assert (f"kill {process.pid}" in row.commands) is (status is Status.FAIL)


def titled(parent: int, titles: tuple[str, ...]) -> bool:
    processes = snapshot().processes.values()
    return {p.argv[0] for p in processes if p.parent == parent and p.argv} == {*titles}


STOPPABLE = """
import signal, socket, sys, time
with socket.socket() as server:
    server.bind(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])))
    server.listen()
    print("up", flush=True)
    time.sleep(60)
"""


def test_a_server_that_a_signal_has_stopped_is_let_go_on(tmp_path: Path) -> None:
    """A true process in state T, by SIGSTOP: its port is open, and nothing behind it moves."""
    script = tmp_path / "launch_server.py"
    script.write_text(STOPPABLE, "utf-8")
    port = str(free_port(20000))
    command = [sys.executable, str(script), "--model-path", "/m", "--port", port]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGSTOP)
            for _ in range(100):
                if snapshot().processes[process.pid].stopped:
                    break
                time.sleep(0.02)
            row = found(resolve(pid=process.pid))["ports.workers"]
            assert row.status is Status.FAIL
            assert row.commands == (f"kill -CONT {process.pid}",)
            assert "probe.reachable" in row.check.explains
            subprocess.run(row.commands[0], shell=True, check=True)
            for _ in range(100):
                if not snapshot().processes[process.pid].stopped:
                    break
                time.sleep(0.02)
            assert found(resolve(pid=process.pid))["ports.workers"].status is not Status.FAIL
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("handed_over", "given_url", "words"),
    [
        (True, None, "pid 7, has ended (exit code 0), and no sglang server is seen"),
        (True, "http://127.0.0.1:30000", "the server was not started, has exited"),
        (False, None, "pid 7, whose server is waited for, has started no sglang server"),
    ],
)
def test_a_launcher_that_has_ended_is_told_from_one_that_has_yet_to_begin(
    handed_over: bool, given_url: str | None, words: str
) -> None:
    facts = held(reached=False, given_url=given_url)
    start = Start(7, 0.0, launched=True, handed_over=handed_over)
    row = judged(facts._replace(target=replace(facts.target, start=start)))["ports.listening"]
    assert row.status is Status.FAIL
    assert words in say(row.cause, "en")
    assert ("pid 7" in say(row.cause, "en")) is (not handed_over or given_url is None)
