"""The rows of the port before a launch, over true sockets: who holds it, what moves it, and what is no fault."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import forked
from bgecheck.checks import ports
from bgecheck.checks.ports.facts import PlannedPorts, PortFacts
from bgecheck.engines.planned import Form, Rival
from bgecheck.engines.sglang.discovery import Orphan
from bgecheck.engines.sglang.launchline import typed
from bgecheck.engines.sglang.ownports import own_ports, ranks_in_each_others_way
from bgecheck.engines.sglang.planned import planned_as_typed, planned_in
from bgecheck.machine.access import User, this_user
from bgecheck.machine.processes import snapshot
from bgecheck.machine.sockets import Binding, Listener, bindings, connections, given_out, unprivileged
from bgecheck.model import Finding, Target, say
from bgecheck.model.deadline import Deadline
from bgecheck.run import catalog, engine
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings
from fakes.scenes import closed_port

AREA = catalog.at("before", [ports.AREA])[0]
LINE = "python -m sglang.launch_server --model-path m --is-embedding"


def rows(options: str, line: str = LINE) -> dict[str, Finding]:
    """The rows of a launch with these options, as they are found on this machine."""
    planned = planned_as_typed(shlex.split(f"{line} {options}"))
    target = Target(url="", host=planned.host, port=planned.port, launch=planned.place, api_key=planned.api_key)
    settings = Settings(before_launch=True, planned=planned)
    found = engine.run([AREA], Context(target, Deadline(10), settings))
    return {f.id.removeprefix("ports."): f for f in found}


@contextmanager
def listening(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen()
        yield server.getsockname()[1]


def words(found: Finding) -> str:
    return " ".join(say(t, "en") for t in (found.cause, found.fix, *(e.observed for e in found.evidence)))


def launched(found: Finding) -> dict[str, str]:
    """The options of the line that a finding prints."""
    return dict(typed(shlex.split(found.commands[-1])).options)


def test_a_free_port_passes_every_row() -> None:
    found = rows(f"--port {closed_port()}")
    assert {name: str(f.status) for name, f in found.items() if name != "orphans"} == {
        "readable": "pass", "free": "pass", "internal": "pass", "ipv4": "pass",
    }  # fmt: skip


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("wanted", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_is_held_is_told_with_its_holder_and_what_moves_the_launch(bound: str, wanted: str) -> None:
    with listening(bound) as port:
        found = rows(f"--host {wanted} --port {port} --api-key sk-secret-0123456789")["free"]
        moved = launched(found)
        again = rows(" ".join(f"--{k} {v}" for k, v in moved.items() if k in ("host", "port")))["free"]
    assert str(found.status) == "fail"
    assert f"pid {os.getpid()}" in words(found)
    assert moved["port"] != str(port)
    assert f"http://127.0.0.1:{moved['port']}/v1" in words(found)
    assert str(again.status) == "pass", "the line that is printed can be started"
    assert "sk-secret" not in " ".join(found.commands)


def test_a_listener_at_another_address_is_in_nobodys_way() -> None:
    with listening("127.0.0.2") as port:
        assert str(rows(f"--host 127.0.0.1 --port {port}")["free"].status) == "pass"
        assert str(rows(f"--host 0.0.0.0 --port {port}")["free"].status) == "fail"


def test_closed_connections_are_no_fault_and_said_to_be_none() -> None:
    with listening() as port:
        client = socket.create_connection(("127.0.0.1", port))
        client.close()
        waits = socket.create_connection(("127.0.0.1", port))
    waits.close()
    for _ in range(3):
        with listening("127.0.0.1", port) as same, socket.create_connection(("127.0.0.1", same)) as client:
            client.shutdown(socket.SHUT_WR)
    waiting, _ = connections(port)
    found = rows(f"--port {port}")["free"]
    assert str(found.status) == "pass"
    assert ("TIME_WAIT" in [e.subject for e in found.evidence]) is (waiting > 0)


def test_the_own_end_of_a_connection_takes_a_port_too() -> None:
    with listening() as server:
        client = socket.create_connection(("127.0.0.1", server))
        own = client.getsockname()[1]
        found = rows(f"--port {own}")["free"]
        client.close()
    assert str(found.status) == "fail"
    assert "own end of" in words(found)


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    found = rows(f"--host 203.0.113.9 --port {closed_port()}")["free"]
    assert str(found.status) == "fail"
    assert "no address of this machine" in words(found)
    assert launched(found)["host"] == "0.0.0.0"
    assert str(rows("--host no-such-host.invalid")["free"].status) == "fail"


@pytest.mark.skipif(not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
@pytest.mark.parametrize(
    ("host", "status"), [("::", "warn"), ("::1", "warn"), ("0.0.0.0", "pass"), ("localhost", "pass")]
)
def test_an_address_of_ipv6_alone_keeps_ipv4_out(host: str, status: str) -> None:
    found = rows(f"--host {host} --port {closed_port()}")
    if found["free"].status.bad:
        pytest.skip("IPv6 is switched off")
    machine = replace(AREA, collector=lambda context: facts(host, bindings(host, closed_port(), 1.0), ipv4=True))
    row = {f.id: f for f in engine.run([machine], None)}["ports.ipv4"]
    assert str(row.status) == status


def facts(host: str = "127.0.0.1", tried: tuple[Binding, ...] = (), port: int = 30000, **more: object) -> PortFacts:
    """What a collector would find, where this machine cannot show it."""
    planned = planned_as_typed(shlex.split(f"{LINE} --host {host} --port {port}"))
    known = {name: more.pop(name) for name in ("owners", "left_over", "free") if name in more}
    plan = PlannedPorts(planned, tried, **more)  # type: ignore[arg-type]
    usual = {"owners": (), "left_over": (), "free": 30001, **known}
    target = Target(url="", host=host, port=port)
    return PortFacts(target=target, reached=False, localhost=(), over_ipv6=False, plan=plan, **usual)  # type: ignore[arg-type]


def judged(of: PortFacts) -> Finding:
    return {f.id: f for f in engine.run([replace(AREA, collector=lambda context: of)], None)}["ports.free"]


LEFT_OVER = Orphan(812, "sglang::scheduler")
IN_USE = (Binding("127.0.0.1", 98),)


def owner(**more: object) -> ports.facts.Owner:
    usual: dict[str, object] = {"name": "python", "sglang": False, "command": "python -m app"}
    return ports.facts.Owner(Listener("127.0.0.1", 30000, 812), **{**usual, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of", "part"),
    [
        (facts(tried=IN_USE, owners=(owner(sglang=True),)), "sglang server that runs already, pid 812 (python -m app)"),
        (facts(tried=IN_USE, owners=(owner(left_over=True),), left_over=(LEFT_OVER,)), "gone (pid 812)"),
        (facts(tried=IN_USE, owners=(owner(name="docker-proxy"),)), "published for a container"),
        (facts(tried=IN_USE, owners=(ports.facts.Owner(Listener("0.0.0.0", 30000), None, False),)), "of another user"),
        (facts(tried=IN_USE, busy=3), "3 open connections"),
        (facts(tried=(Binding("0.0.0.0", 13),), host="0.0.0.0", port=80, unprivileged=1024), "below 1024"),
        (facts(tried=(Binding("127.0.0.1", 24),)), "EMFILE"),
        (facts(tried=(Binding("::1", 97),), host="::1"), "no address of this machine"),
        (facts(unknown_host="Name or service not known", host="gpu-01"), "gpu-01 is no address"),
    ],
)  # fmt: skip
def test_each_reason_has_its_own_words(of: PortFacts, part: str) -> None:
    found = judged(of)
    assert str(found.status) == "fail"
    assert part in words(found)
    assert "{" not in words(found)
    assert not [command for command in found.commands if re.search(r"(?<!{){\w+}", command)]


def test_what_is_not_this_machines_matter_is_not_judged() -> None:
    running = facts(tried=IN_USE)
    assert running.plan is not None
    written = running.plan.planned.written
    for changed in (replace(written, form=Form.PROCESS), replace(written, contained=True, own_network=True)):
        planned = replace(running.plan.planned, written=changed)
        assert str(judged(running._replace(plan=running.plan._replace(planned=planned))).status) == "skip"


def test_without_a_launch_nothing_is_said_of_a_port() -> None:
    target = Target(url="", host="", port=0)
    found = engine.run([AREA], Context(target, Deadline(10), Settings(before_launch=True)))
    statuses = {f.id.removeprefix("ports."): str(f.status) for f in found}
    assert (statuses["readable"], statuses["free"], statuses["internal"]) == ("pass", "skip", "skip")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, []),
        ({"nccl-port": "29500"}, [29500]),
        ({"dist-init-addr": "10.0.0.1:5000"}, [5000]),
        ({"dist-init-addr": "10.0.0.1:5000", "node-rank": "1"}, []),
        ({"enable-dp-attention": ""}, list(range(30233, 30240))),
        ({"nccl-port": "many"}, []),
        ({"nccl-port": "99999"}, []),
    ],
)
def test_the_ports_that_options_fix(options: dict[str, str], expected: list[int]) -> None:
    assert [own.port for own in own_ports(options, 30000)] == expected


def test_a_fixed_port_that_is_held_or_taken_twice_is_told() -> None:
    port = closed_port()
    with listening() as held:
        assert str(rows(f"--port {port} --nccl-port {held}")["internal"].status) == "fail"
    same = rows(f"--port {port} --nccl-port {port}")["internal"]
    assert "both take port" in words(same)
    assert "nccl-port" not in launched(same)
    assert str(rows(f"--port {port} --nccl-port {closed_port()}")["internal"].status) == "pass"
    assert str(rows(f"--port {port} --nccl-port {closed_port()} --dp-size 2")["internal"].status) == "fail"
    assert not ranks_in_each_others_way({"dp-size": "2"})
    assert not ranks_in_each_others_way({"nccl-port": "1", "dp-size": "2", "enable-dp-attention": ""})


@pytest.mark.skipif(sys.platform != "linux", reason="the range is the kernel's")
def test_a_port_that_the_system_gives_out_is_remarked_and_no_fault() -> None:
    given = given_out()
    assert given is not None
    assert len(given) > 100
    found = judged(facts(tried=(Binding("127.0.0.1", None),), port=given[5], given_out=given))
    assert str(found.status) == "pass"
    assert "by chance" in words(found)
    assert "by chance" not in words(
        judged(facts(tried=(Binding("127.0.0.1", None),), port=given[0] - 1, given_out=given))
    )


def test_the_command_judges_the_port() -> None:
    with listening() as port:
        ran = forked.run(("preflight", "--only", "ports", "--", *LINE.split(), "--port", str(port)), dict(os.environ))
    assert ran.returncode == 1
    assert f"pid {os.getpid()}" in ran.stdout
    assert snapshot().processes[os.getpid()].pid == os.getpid()


@pytest.mark.parametrize("given", ["0", "-1", "65536", "99999"])
def test_a_number_that_is_no_port(given: str) -> None:
    found = rows(f"--port={given}")["free"]
    assert found.status.bad
    assert f"{given} is no port" in words(found)


def test_a_port_in_a_variable_is_not_taken_for_the_usual_one() -> None:
    with listening(port=closed_port()):
        found = rows("--port ${PORT}")["free"]
    assert not found.status.bad
    assert "${PORT}" in say(found.reason or "", "en")


@pytest.mark.parametrize(
    ("between", "collides"),
    [
        ("> a.log 2>&1 &\n", True),
        ("&\nsleep 60\n", True),
        ("&& echo done\n", False),
        ("\n", False),
        ("&\nelse\n", False),
        ("&\nkill $!\n", False),
    ],
)
def test_two_launches_of_a_script_on_one_port(between: str, collides: bool, tmp_path: Path) -> None:
    script = tmp_path / "two.sh"
    script.write_text(f"{LINE} --port 31000 {between}{LINE} --port 31000 &\n{LINE} --port 31001 &\n")
    first, second, third = planned_in(str(script))
    assert (first.rival, third.rival) == (None, None)
    assert (second.rival and second.rival.place) == (first.place if collides else None)


@pytest.mark.parametrize(("published", "words_of_it"), [(True, "published port"), (False, "--port")])
def test_the_other_launch_on_the_same_port_is_shown_by_what_both_take(published: bool, words_of_it: str) -> None:
    of = facts()
    assert of.plan is not None
    planned = replace(of.plan.planned, rival=Rival("two.sh:1", 30000, published=published))
    found = judged(of._replace(plan=of.plan._replace(planned=planned)))
    assert (str(found.status), say(found.evidence[0].subject, "en")) == ("fail", words_of_it)
    assert ("at another port of the machine" in words(found)) is published


def test_the_range_of_the_system_is_shown_from_its_first_to_its_last_port() -> None:
    found = judged(facts(tried=(Binding("127.0.0.1", None),), port=40000, given_out=range(32768, 61000)))
    assert "32768-60999: another program may get 40000 by chance" in words(found)


def test_at_most_four_holders_of_a_port_are_listed() -> None:
    owners = tuple(
        ports.facts.Owner(Listener("127.0.0.1", 30000, pid), "python", False, command=f"python -m app{pid}")
        for pid in range(800, 805)
    )
    found = judged(facts(tried=IN_USE, owners=owners))
    listed = " ".join(say(evidence.observed, "en") for evidence in found.evidence)
    assert [f"pid {pid}" in listed for pid in range(800, 805)] == [True] * 4 + [False]


@pytest.mark.parametrize(
    ("more", "end", "end_zh"),
    [
        ({}, "pid 812 python", "pid 812 python"),
        ({"user": "li"}, ", user li", "，用户 li"),
        ({"container": "4a464b4ecc66"}, ", container 4a464b4ecc66", "，容器 4a464b4ecc66"),
        (
            {"user": "li", "container": "4a464b4ecc66"},
            ", user li, container 4a464b4ecc66",
            "，用户 li，容器 4a464b4ecc66",
        ),
    ],
)
def test_whose_the_holder_is_and_in_which_container_is_told_where_it_is_known(
    more: dict[str, object], end: str, end_zh: str
) -> None:
    evidence = judged(facts(tried=IN_USE, owners=(owner(**more),))).evidence
    (listener,) = (item.observed for item in evidence if say(item.subject, "en") == "listener")
    assert say(listener, "en").endswith(end)
    assert say(listener, "zh").endswith(end_zh)


@pytest.mark.parametrize(
    ("tried", "shown"),
    [((Binding("0.0.0.0", None), Binding("::", None)), "0.0.0.0, ::"), ((), "gpu-01")],
    ids=["addresses", "a name that has none"],
)
def test_the_addresses_that_are_taken_are_shown(tried: tuple[Binding, ...], shown: str) -> None:
    machine = replace(AREA, collector=lambda context: facts("gpu-01", tried))
    row = {f.id: f for f in engine.run([machine], None)}["ports.ipv4"]
    assert [(say(e.subject, "en"), say(e.observed, "en")) for e in row.evidence] == [("bound to", shown)]


def test_a_fixed_port_is_said_to_be_held_by_whom() -> None:
    with listening() as held:
        found = rows(f"--port {closed_port()} --nccl-port {held}")["internal"]
    assert f"pid {os.getpid()} (" in words(found)


NOBODY = User(65534, frozenset({65534}), "nobody")


@pytest.mark.parametrize(
    ("port", "lowest", "user", "tried", "part"),
    [
        (80, 1024, NOBODY, None, "port 80 is below 1024, which the user nobody may not bind"),
        (80, 1024, None, errno.EACCES, "port 80 is below 1024"),
        (30000, 31000, None, errno.EACCES, "port 30000 is below 31000"),
        (1023, 1024, NOBODY, None, "port 1023 is below 1024"),
        (1024, 1024, NOBODY, None, ""),
        (80, 80, NOBODY, None, ""),
        (80, 1024, User(0, frozenset(), "root"), None, ""),
        (30000, 1024, None, errno.EACCES, "cannot be bound: EACCES"),
    ],
)
def test_a_port_that_a_user_may_not_bind(
    port: int, lowest: int, user: User | None, tried: int | None, part: str
) -> None:
    if user and user.uid and this_user() == user:
        pytest.skip("this is that user")
    finding = judged(
        facts(port=port, tried=(Binding("127.0.0.1", tried),), unprivileged=lowest, user=user, free=max(lowest, 30001))
    )
    assert str(finding.status) == ("fail" if part else "pass")
    assert part in words(finding)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone may bind every port")
def test_the_user_of_a_launch_is_the_one_that_binds(tmp_path: Path) -> None:
    port = next(p for p in range(1000, 1023) if not bindings("127.0.0.1", p, 1.0)[0].refused)
    if port >= unprivileged():
        pytest.skip("every user may bind it")
    found = rows(f"--port {port}", f"sudo -u nobody {LINE}")["free"]
    assert "which the user nobody may not bind" in words(found)
    assert found.commands[-1].startswith("sudo -u nobody ")
    assert str(rows(f"--port {port}", f"sudo {LINE}")["free"].status) == "pass"
    unit = tmp_path / "bge.service"
    for capability, low in (("", False), ("AmbientCapabilities=CAP_NET_BIND_SERVICE\n", True)):
        unit.write_text(f"[Service]\nUser=nobody\n{capability}ExecStart={LINE} --port {port}\n")
        (planned,) = planned_in(str(unit))
        assert (planned.written.user, planned.written.allotted.low_ports) == ("nobody", low)


def test_an_orphan_whose_parent_is_gone_is_the_holder(tmp_path: Path) -> None:
    script = tmp_path / "orphan.py"
    script.write_text(
        "import os, socket, sys, time\n"
        "if os.fork():\n    os._exit(0)\n"
        "os.setsid()\n"
        "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
        "print(os.getpid(), s.getsockname()[1], flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        pid, port = map(int, child.stdout.readline().split())
        child.wait(10)
    try:
        found = rows(f"--port {port}")["free"]
        assert f"port {port} is held by pid {pid} " in words(found)
        assert f"kill {pid}" in words(found)
    finally:
        os.kill(pid, signal.SIGKILL)
