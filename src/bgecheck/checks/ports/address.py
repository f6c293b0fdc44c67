"""Rows of the addresses: where the server is bound, and whether `localhost` leads to one program."""

from __future__ import annotations

from bgecheck.checks.ports.facts import AREA, PortFacts, restarted, shown
from bgecheck.checks.ports.listening import INSIDE, listens_inside
from bgecheck.engines.sglang.options import ALL_ADDRESSES, HOST_OF_ALL
from bgecheck.machine.sockets import Listener
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, absent, broken, holds
from bgecheck.model.target import asked_at, authority

_AGAIN = ("ss -ltn sport = :{port}", "kill {server_pid}", "{launch_line}")


@AREA.check(
    "address",
    headline=True,
    title=Text("the server is bound where clients reach it", "客户端能访问到服务监听的地址"),
    cause=Text(
        "the server listens on {bound}, and requests go to {host}: only this machine itself can reach it",
        "服务监听在 {bound}，而请求发往 {host}：只有本机能访问到它",
    ),
    fix=Text(
        f"stop it and start it again with {ALL_ADDRESSES} behind a firewall, or use it at 127.0.0.1:{{port}}",
        f"停掉后加 {ALL_ADDRESSES} 重新启动（注意防火墙），或改用 127.0.0.1:{{port}} 访问",
    ),
    commands=_AGAIN,
    variants={
        "other-address": Advice(
            Text(
                "the server listens on {bound} alone, and requests go to {host}, which does not lead there",
                "服务只监听 {bound}，而请求发往 {host}，到不了那里",
            ),
            Text(
                f"use it at {{address}}; or stop it and start it again with {ALL_ADDRESSES}, which takes every address",
                f"改用 {{address}} 访问；或停掉后加 {ALL_ADDRESSES} 重新启动，监听所有地址",
            ),
            ("bgecheck doctor --url {address}", *_AGAIN),
        ),
        "inside": INSIDE,
    },
    needs=("ports.listening",),
    explains=("probe.reachable",),
)
def bound_where_it_is_asked(facts: PortFacts) -> Outcome:
    """sglang's default host is 127.0.0.1, which containers and other machines cannot reach; this row says so."""
    net, server = facts.inside, facts.target.server
    if net and server and net.listeners and all(listener.loopback for listener in net.listeners):
        return listens_inside(net, server, *shown(facts))
    if not facts.owners:
        return absent(Text("the port is forwarded from elsewhere", "端口是从别处转发来的"))
    sockets = [owner.listener for owner in facts.owners]
    bound = ", ".join(dict.fromkeys(listener.address for listener in sockets))
    local_only = all(listener.loopback for listener in sockets)
    reach = (
        Text(
            f"{bound} (this machine only; containers and other machines need {ALL_ADDRESSES})",
            f"{bound}（仅本机可访问；容器或其他机器要访问，需加 {ALL_ADDRESSES}）",
        )
        if local_only
        else bound
    )
    if facts.reached or any(_takes(listener, facts) for listener in sockets):
        return holds(Evidence(Text("bound to", "绑定地址"), reach))
    evidence = Evidence(Text("bound to", "绑定地址"), bound, facts.target.host)
    values = {"bound": bound, **restarted(facts.server, {"host": HOST_OF_ALL})}
    if local_only and not facts.target.is_local:
        return broken(evidence, **values)
    return broken(evidence, advice="other-address", address=_url(sockets[0]), **values)


def _takes(listener: Listener, facts: PortFacts) -> bool:
    """Whether a listener is where the target's host leads: bound to one of its addresses, or to all of the family.

    A server that is bound to :: takes IPv6 alone (asyncio sets IPV6_V6ONLY).
    """
    if listener.everywhere:
        return any((":" in address) == (":" in listener.address) for address in facts.addresses)
    return listener.address in facts.addresses


def _url(listener: Listener) -> str:
    """Where this machine itself reaches a listener."""
    return f"http://{authority(asked_at(listener.address), listener.port)}"


@AREA.check(
    "localhost",
    title=Text("localhost, 127.0.0.1 and ::1 lead to the same server", "localhost、127.0.0.1 与 ::1 指向同一个服务"),
    cause=Text(
        "::1 and 127.0.0.1 lead to different programs on port {port}: which one a client reaches as `localhost` "
        "depends on the client",
        "端口 {port} 上 ::1 与 127.0.0.1 背后是不同的程序：写 localhost 时连到哪个，取决于客户端的实现",
    ),
    fix=Text("write 127.0.0.1 instead of localhost in every client", "客户端里一律写 127.0.0.1，不要写 localhost"),
    commands=("ss -ltnp sport = :{port}",),
    variants={
        "name": Advice(
            Text(
                "the name localhost does not lead to 127.0.0.1 on this machine",
                "本机的 localhost 没有解析到 127.0.0.1",
            ),
            Text(
                "fix the localhost line in /etc/hosts, or write 127.0.0.1",
                "修正 /etc/hosts 里的 localhost，或直接写 127.0.0.1",
            ),
            ("getent ahosts localhost",),
        )
    },
    severity=Severity.WARNING,
    needs=("ports.listening",),
)
def localhost_is_one_server(facts: PortFacts) -> Outcome:
    """Clients that try ::1 first fall back to 127.0.0.1 when it refuses; two different owners are the fault."""
    names = ", ".join(facts.localhost) or "-"
    if "127.0.0.1" not in facts.localhost:
        return broken(Evidence("localhost", names, "127.0.0.1"), advice="name")
    by_family = {
        family: {o.listener.pid for o in facts.owners if o.listener.pid and o.listener.address in addresses}
        for family, addresses in (("127.0.0.1", ("127.0.0.1", "0.0.0.0")), ("::1", ("::1", "::")))
    }
    if all(by_family.values()) and not by_family["127.0.0.1"] & by_family["::1"]:
        return broken(*(Evidence(k, ", ".join(f"pid {pid}" for pid in sorted(v))) for k, v in by_family.items()))
    same = (
        Text("the same server", "同一个服务")
        if facts.over_ipv6
        else Text("refused, clients fall back to 127.0.0.1", "拒绝连接，客户端会改连 127.0.0.1")
    )
    return holds(Evidence("localhost", names), Evidence("::1", same))
