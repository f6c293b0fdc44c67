"""Rows of a launch that is planned: can it have its port, and the others that its processes open."""

from __future__ import annotations

import errno
from typing import Any

from bgecheck.checks.ports.facts import AREA, KILLED, Owner, PlannedPorts, PortFacts, killed
from bgecheck.engines.planned import Form
from bgecheck.engines.sglang.options import ALL_ADDRESSES, HOST_OF_ALL, PORT, no_port
from bgecheck.engines.sglang.ownports import ranks_in_each_others_way
from bgecheck.engines.sglang.relaunch import launch_line
from bgecheck.machine.access import this_user
from bgecheck.machine.containers import PORTS_SHOWN
from bgecheck.machine.sockets import FORWARDERS
from bgecheck.model import BEFORE, Advice, Evidence, Outcome, Severity, Text, Words, absent, broken, holds
from bgecheck.model.target import asked_at, authority

_MOVED = ("{launch_line}",)
_LOOK = ("ps -o pid,ppid,lstart,args -p {owner_pid}",)

_OTHER_PORT = Text(
    f"stop it if it is not needed (kill {{owner_pid}}); or start the server with {PORT} {{free}}, which is free, and "
    "give its clients the base URL {base_url}",
    f"不需要的话停掉它（kill {{owner_pid}}）；或改用空闲的 {PORT} {{free}}，并把客户端的 base URL 改成 {{base_url}}",
)
_MOVE = Text(
    f"start the server with {PORT} {{free}}, which is free, and give its clients the base URL {{base_url}}",
    f"改用空闲的 {PORT} {{free}}，并把客户端的 base URL 改成 {{base_url}}",
)


@AREA.check(
    "free",
    headline=True,
    title=Text("the port of the launch is free", "启动参数里的端口空闲"),
    cause=Text(
        "port {port} is held by {owner}: the server loads its model, cannot bind the port, and ends",
        "端口 {port} 被{owner}占用：服务加载完模型后绑定失败并退出",
    ),
    fix=_OTHER_PORT,
    commands=(*_LOOK, *_MOVED),
    variants={
        "server": Advice(
            Text(
                "port {port} is held by an sglang server that runs already, {owner}: callers keep getting its answers, "
                "and the new one cannot bind the port",
                "端口 {port} 被正在运行的 sglang 服务占用：{owner}。新服务绑定不了端口，调用方拿到的一直是它的结果",
            ),
            _OTHER_PORT,
            (*_LOOK, *_MOVED),
        ),
        "left-over": Advice(
            Text(
                "port {port} is held by workers whose server is gone (pid {pids})",
                "端口 {port} 被残留的子进程占着（进程 {pids}），它们的主服务已经退出",
            ),
            Text("look at them, kill exactly these, then start the server", "确认后只结束这几个进程，再启动服务"),
            KILLED,
        ),
        "container": Advice(
            Text(
                "port {port} is published for a container, by {owner}",
                "端口 {port} 已映射给一个容器，由{owner}持有",
            ),
            Text(
                f"see which container it is, and stop that if it is not needed; or start the server with {PORT} "
                "{free}, which is free, and give its clients the base URL {base_url}",
                f"看是哪个容器，不需要就停掉它；或改用空闲的 {PORT} {{free}}，并把客户端的 base URL 改成 {{base_url}}",
            ),
            (PORTS_SHOWN, *_MOVED),
        ),
        "unseen": Advice(
            Text(
                "port {port} is taken by a program of another user or container, which is not shown to this one",
                "端口 {port} 被其他用户或容器的程序占用，当前用户看不到是哪个",
            ),
            _MOVE,
            ("sudo ss -ltnp sport = :{port}", *_MOVED),
        ),
        "connection": Advice(
            Text(
                "port {port} is the own end of {connections} open connections of another program: nobody can listen on "
                "it until they are closed",
                "端口 {port} 正被其他程序的 {connections} 个连接用作本端端口：断开之前无法监听",
            ),
            _MOVE,
            ("ss -tnp sport = :{port}", *_MOVED),
        ),
        "privileged": Advice(
            Text(
                "port {port} is below {limit}, which the user {reader} may not bind",
                "端口 {port} 小于 {limit}，用户 {reader} 没有绑定权限",
            ),
            _MOVE,
            _MOVED,
        ),
        "elsewhere": Advice(
            Text(
                "{host} is no address of this machine: a server cannot bind it",
                "{host} 不是本机的地址：服务无法绑定",
            ),
            Text(
                f"start the server with {ALL_ADDRESSES}, which takes every address of IPv4, or with one that is listed",
                f"改用 {ALL_ADDRESSES}（所有 IPv4 地址），或写本机已有的地址",
            ),
            ("ip -brief address", *_MOVED),
        ),
        "rival": Advice(
            Text(
                "the launch at {rival} takes port {port} too, and runs by then: only one of them can bind it",
                "{rival} 的启动命令也用端口 {port}，而且那时还在运行：只有一个能绑定成功",
            ),
            Text(f"give one of them another {PORT}", f"给其中一个换一个 {PORT}"),
        ),
        "rival-published": Advice(
            Text(
                "the launch at {rival} takes port {port} of the machine too: only one of the two containers starts",
                "{rival} 也占用宿主机的端口 {port}：两个容器只有一个能启动",
            ),
            Text(
                "publish one of them at another port of the machine: 30001:30000 for instance",
                "给其中一个换一个宿主机端口，例如 30001:30000",
            ),
        ),
        "range": Advice(
            Text(
                "{given} is no port: the server loads its model, cannot bind it, and ends",
                "{given} 不是有效端口：服务加载完模型后绑定失败并退出",
            ),
            Text(f"give {PORT} a number from 1 to 65535", f"{PORT} 取 1 到 65535 之间的数"),
        ),
        "refused": Advice(
            Text("{host}, port {port} cannot be bound: {why}", "{host} 的端口 {port} 无法绑定：{why}"),
            _MOVE,
            _MOVED,
        ),
    },
    moments=BEFORE,
)
def port_is_free(facts: PortFacts) -> Outcome:
    """By binding it for a moment as the server will, then by who is seen to hold it."""
    plan = facts.plan
    if plan is not None and no_port(given := plan.planned.options.get("port", "")):
        return broken(Evidence(PORT, given, "1 - 65535"), advice="range", given=given)
    if plan is not None and (rival := plan.planned.rival):
        shown = Evidence(Text("published port", "映射的端口") if rival.published else PORT, str(rival.port))
        advice = "rival-published" if rival.published else "rival"
        return broken(shown, advice=advice, rival=rival.place, port=rival.port)
    if plan is None or (reason := _not_here(plan)) is not None:
        return absent(_NO_COMMAND if plan is None else reason or _NO_COMMAND)
    if plan.unknown_host:
        return _elsewhere(plan, Evidence(plan.planned.host, plan.unknown_host))
    if plan.forbidden:
        return _privileged(facts, plan, Evidence(Text("user", "用户"), plan.user.name if plan.user else ""))
    refused = next((b for b in plan.bindings if b.refused is not None), None)
    if refused is None:
        return holds(*_remarks(plan))
    where = authority(refused.address, plan.planned.port)
    evidence = Evidence(Text(f"bind {where}", f"绑定 {where}"), _error(refused.refused or 0))
    if refused.refused == errno.EADDRINUSE:
        return _taken(facts, plan, evidence)
    if refused.refused in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return _elsewhere(plan, evidence)
    if refused.refused in (errno.EACCES, errno.EPERM) and plan.planned.port < plan.unprivileged:
        return _privileged(facts, plan, evidence)
    why = _error(refused.refused or 0)
    return broken(evidence, advice="refused", host=plan.planned.host, why=why, **_moved(plan, facts.free))


def _privileged(facts: PortFacts, plan: PlannedPorts, evidence: Evidence) -> Outcome:
    user = plan.user or this_user()
    limit = Evidence("net.ipv4.ip_unprivileged_port_start", str(plan.unprivileged))
    reader, moved = user.name if user else "", _moved(plan, facts.free)
    return broken(evidence, limit, advice="privileged", limit=plan.unprivileged, reader=reader, **moved)


_NO_COMMAND = Text("no launch command was given", "没有给出启动命令")


def _not_here(plan: PlannedPorts) -> Words | None:
    """Why the port is none of this machine's matter; None where it is."""
    if plan.planned.written.form is Form.PROCESS:
        return Text("that server runs, and holds its port itself", "这个服务正在运行，端口由它自己占用")
    if plan.planned.written.own_network:
        return Text(
            "it runs in a container with a network of its own: which port of this machine leads to it is not known",
            "它在有独立网络的容器里运行：不知道映射到宿主机的哪个端口",
        )
    if "$" in (given := plan.planned.options.get("port", "")):
        return Text(
            f"the port stands in a variable that is not known here: {given}", f"端口在变量 {given} 里，取值未知"
        )
    if word := plan.planned.may_stand_in("port"):
        return Text(f"the port may stand in {word}, which is not known here", f"端口可能写在 {word} 里，而它的内容未知")
    return None


def _error(number: int) -> str:
    return f"{errno.errorcode.get(number, number)}"


def _remarks(plan: PlannedPorts) -> list[Evidence]:
    """That it can be bound, and what is no fault though it looks like one."""
    port = plan.planned.port
    remarks = [
        Evidence(Text(f"bind {authority(b.address, port)}", f"绑定 {authority(b.address, port)}"), "ok")
        for b in plan.bindings
    ]
    if plan.waiting:
        remarks.append(
            Evidence(
                "TIME_WAIT",
                Text(
                    f"{plan.waiting} closed connections of port {port}: no matter, servers bind with SO_REUSEADDR",
                    f"端口 {port} 还有 {plan.waiting} 个已关闭的连接：不影响，服务绑定时带 SO_REUSEADDR",
                ),
            )
        )
    if plan.given_out is not None and port in plan.given_out:
        low, high = plan.given_out[0], plan.given_out[-1]
        remarks.append(
            Evidence(
                Text("given out by the system", "系统自动分配的范围"),
                Text(
                    f"{low}-{high}: another program may get {port} by chance before the server binds it",
                    f"{low}-{high}：服务绑定之前，{port} 可能碰巧被其他程序拿到",
                ),
            )
        )
    return remarks


def _moved(plan: PlannedPorts, free: int | None) -> dict[str, Any]:
    """The launch line and the base URL with a port that is free."""
    if free is None:
        return {"port": plan.planned.port, "free": "PORT", "base_url": "URL"}
    planned = plan.planned
    scheme = "https" if "ssl-certfile" in planned.options else "http"
    host = asked_at(planned.host)
    line = launch_line(planned.launch, {"port": str(free)})
    url = f"{scheme}://{authority(host, free)}/v1"
    return {"port": planned.port, "free": free, "base_url": url, "launch_line": line}


def _elsewhere(plan: PlannedPorts, evidence: Evidence) -> Outcome:
    line = launch_line(plan.planned.launch, {"host": HOST_OF_ALL})
    return broken(evidence, advice="elsewhere", host=plan.planned.host, launch_line=line)


def _taken(facts: PortFacts, plan: PlannedPorts, evidence: Evidence) -> Outcome:
    """Who has it: a dead server's workers, a server, a container's proxy, another program, nobody that is seen."""
    moved, owners = _moved(plan, facts.free), _in_the_way(facts.owners, plan)
    if any(owner.left_over for owner in owners):
        values = {"port": plan.planned.port, **killed(facts.left_over)}
        return broken(evidence, *_listed(owners), advice="left-over", **values)
    holder = next((owner for owner in owners if owner.listener.pid), None)
    if holder is None:
        if not owners and plan.busy:
            return broken(evidence, advice="connection", connections=plan.busy, **moved)
        return broken(evidence, *_listed(owners), advice="unseen", **moved)
    values = {"owner": holder.process, "owner_pid": holder.listener.pid, **moved}
    advice = "server" if holder.sglang else "container" if holder.name in FORWARDERS or holder.leads_to else None
    return broken(evidence, *_listed(owners), advice=advice, **values)


def _in_the_way(owners: tuple[Owner, ...], plan: PlannedPorts) -> tuple[Owner, ...]:
    """Those that listen where the launch cannot: at its address, or one of the two at every address."""
    refused = {binding.address for binding in plan.bindings if binding.refused is not None}
    everywhere = bool(refused & {"0.0.0.0", "::"})
    return tuple(o for o in owners if everywhere or o.listener.everywhere or o.listener.address in refused)


def _listed(owners: tuple[Owner, ...]) -> list[Evidence]:
    return [Evidence(Text("listener", "监听者"), _whose(owner)) for owner in owners[:4]]


def _whose(owner: Owner) -> Text:
    """The socket and its program, with its user and container."""
    words, user, container = owner.words(), owner.user, owner.container
    en = f"{words.en}{f', user {user}' if user else ''}{f', container {container}' if container else ''}"
    return Text(en, f"{words.zh}{f'，用户 {user}' if user else ''}{f'，容器 {container}' if container else ''}")


@AREA.check(
    "internal",
    title=Text("the other ports of the launch are free", "启动参数里的其他端口空闲"),
    cause=Text(
        "port {own_port}, which {option} gives to the server's own processes, is held by {owner}: the start hangs or "
        "ends",
        "{option} 指定的内部端口 {own_port} 被{owner}占用：服务会卡在启动阶段或退出",
    ),
    fix=Text(
        "leave {option} out, and a free port is taken; or name one that is free",
        "去掉 {option}，服务会自动选空闲端口；或换一个空闲的",
    ),
    commands=("ss -ltnp sport = :{own_port}",),
    variants={
        "same": Advice(
            Text(
                f"{{option}} and {PORT} both take port {{own_port}}: only one of them can have it",
                f"{{option}} 和 {PORT} 都要用端口 {{own_port}}，只有一个能绑定成功",
            ),
            Text("leave {option} out, and a free port is taken", "去掉 {option}，服务会自动选空闲端口"),
            ("{launch_line}",),
        ),
        "ranks": Advice(
            Text(
                "every replica of this launch would open {option} {own_port} for itself, and only the first can have "
                "it",
                "这条命令的每个副本都要占用 {option} {own_port}，只有第一个能绑定成功",
            ),
            Text("leave {option} out, and each takes a free port", "去掉 {option}，每个副本会自动选空闲端口"),
            ("{launch_line}",),
        ),
    },
    moments=BEFORE,
)
def own_ports_are_free(facts: PortFacts) -> Outcome:
    """Ports that options fix; what sglang chooses itself it takes among the free ones."""
    plan = facts.plan
    if plan is None or (reason := _not_here(plan)) is not None:
        return absent(_NO_COMMAND if plan is None else reason or _NO_COMMAND)
    if not plan.opened:
        return holds(Evidence(Text("fixed by the options", "由参数固定的端口"), Text("none", "无")))
    if ranks_in_each_others_way(plan.planned.options):
        return _without(plan, "ranks", plan.opened[0].port.option, plan.opened[0].port.port)
    for each in plan.opened:
        own, option = each.port.port, each.port.option
        if own == plan.planned.port:
            return _without(plan, "same", option, own)
        if each.held_by:
            owner = each.held_by[0]
            holder = owner.process if owner.listener.pid else owner.words()
            return broken(*_listed(each.held_by), own_port=own, option=option, owner=holder)
    return holds(*(Evidence(each.port.option, str(each.port.port)) for each in plan.opened[:8]))


def _without(plan: PlannedPorts, advice: str, option: str, own: int) -> Outcome:
    line = launch_line(plan.planned.launch, {option.lstrip("-"): None})
    return broken(Evidence(option, str(own)), advice=advice, option=option, own_port=own, launch_line=line)


@AREA.check(
    "ipv4",
    title=Text("clients of IPv4 reach the address", "IPv4 客户端能访问监听地址"),
    cause=Text(
        "the launch binds {host}, which takes IPv6 alone, and this machine has IPv4 addresses: 127.0.0.1 and every "
        "IPv4 address are refused",
        "启动参数绑定 {host}，只接受 IPv6，而本机有 IPv4 地址：访问 127.0.0.1 或任何 IPv4 地址都会被拒绝",
    ),
    fix=Text(
        f"start it with {ALL_ADDRESSES}; to keep IPv6, put a proxy in front that listens on both",
        f"改用 {ALL_ADDRESSES}；要同时支持 IPv6，在前面加一个监听两者的代理",
    ),
    commands=("{launch_line}",),
    severity=Severity.WARNING,
    needs=("ports.free",),
    moments=BEFORE,
)
def ipv4_is_taken(facts: PortFacts) -> Outcome:
    """A server on `::` takes IPv6 alone: asyncio sets IPV6_V6ONLY."""
    plan = facts.plan
    if plan is None:
        return absent(_NO_COMMAND)
    evidence = Evidence(Text("bound to", "绑定地址"), ", ".join(b.address for b in plan.bindings) or plan.planned.host)
    if not plan.ipv4 or any(":" not in binding.address for binding in plan.bindings):
        return holds(evidence)
    line = launch_line(plan.planned.launch, {"host": HOST_OF_ALL})
    return broken(evidence, host=plan.planned.host, launch_line=line)
