"""The `ports` area: who listens on the service port, on which address, and is it the server that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bgecheck.engines.sglang.discovery import TITLE, Orphan, orphans, running_servers
from bgecheck.engines.sglang.options import ALL_ADDRESSES, PORT
from bgecheck.machine.containers import PORTS_SHOWN, leads_to
from bgecheck.machine.sockets import (
    FORWARDERS,
    Inside,
    Listener,
    accepts,
    free_port,
    inside,
    is_own,
    listeners,
    resolved,
)
from bgecheck.model import (
    Advice,
    Area,
    Evidence,
    Outcome,
    ServerProcess,
    Severity,
    Shell,
    Target,
    Text,
    Unavailable,
    Words,
    absent,
    broken,
    holds,
    not_yet,
)
from bgecheck.model.processes import ProcessTable

if TYPE_CHECKING:
    from bgecheck.run.context import Context

CONNECT = 1.0
"""Seconds for one connection to this machine itself; it answers or refuses within microseconds."""


class Owner(NamedTuple):
    """The program behind a listener, as far as it may be seen."""

    listener: Listener
    name: str | None
    sglang: bool
    """Whether it is a running sglang server or one of its workers."""
    leads_to: tuple[str, int] | None = None
    """The container's address and port, of a program by which Docker forwards the port."""

    def __str__(self) -> str:
        return self.words().en

    def words(self) -> Text:
        """The socket, and who holds it."""
        socket = f"{self.listener.address}:{self.listener.port}"
        if not self.listener.pid:
            return Text(f"{socket} owner not visible", f"{socket} 看不到是哪个进程")
        who = f"pid {self.listener.pid} {self.name or ''}".rstrip()
        return Text(f"{socket} {who}", f"{socket} {who}")


class PortFacts(NamedTuple):
    """Who listens on the target's port of this machine, and how it can be reached."""

    target: Target
    owners: tuple[Owner, ...]
    reached: bool
    """Whether the target's own address took a connection."""
    localhost: tuple[str, ...]
    """The addresses of the name `localhost`, in the order in which clients try them."""
    over_ipv6: bool
    left_over: tuple[Orphan, ...]
    free: int | None
    """A port to move to, looked for when somebody else holds this one."""
    inside: Inside | None = None
    """The server's own network, where that is not this machine's."""


AREA = Area("ports", seconds=10.0)


@AREA.collect
def collect(context: Context) -> PortFacts:
    """Read the socket and process tables, and connect to the port once by IPv4 and once by IPv6."""
    target = context.target
    seconds = context.deadline.timeout(CONNECT)
    if not target.is_local and not is_own(target.host, seconds):
        raise Unavailable(
            Text(
                f"{target.host} is another machine: its sockets can only be seen there",
                f"{target.host} 是另一台机器，只能在那台机器上查看端口",
            ),
            looked=False,
        )
    table = context.processes()
    servers = {pid for s in running_servers(table) for pid in (s.pid, *s.children)}
    owners = tuple(_owner(x, servers, table) for x in listeners(target.port, servers))
    return PortFacts(
        target=target,
        owners=owners,
        reached=accepts(target.host, target.port, seconds),
        localhost=resolved("localhost", seconds),
        over_ipv6=accepts("::1", target.port, seconds),
        left_over=orphans(table),
        free=None if all(owner.sglang for owner in owners) else free_port(target.port),
        inside=inside(target.server.pid, target.server.port) if target.server else None,
    )


def _owner(listener: Listener, servers: set[int], table: ProcessTable) -> Owner:
    process = table.processes.get(listener.pid) if listener.pid else None
    if process is None:
        return Owner(listener, None, False)
    return Owner(listener, process.name, process.pid in servers, leads_to(process.argv))


def _listeners(facts: PortFacts) -> tuple[Evidence, ...]:
    return tuple(Evidence(Text("listener", "监听者"), owner.words()) for owner in facts.owners[:4])


@AREA.check(
    "readable",
    title=Text("the listening sockets can be read", "能读到本机的监听端口"),
    cause=Text("the system does not show them to this user", "系统不允许当前用户查看"),
    fix=Text(
        "run bgecheck on the server's machine, as the user that runs the server",
        "在服务所在机器上用同一用户运行 bgecheck",
    ),
)
def sockets_are_readable(facts: PortFacts) -> Outcome:
    """The entry row: the collector got here, so the tables were read."""
    return holds(Evidence(Text("listeners on this port", "该端口上的监听者"), str(len(facts.owners))))


_INSIDE = Text(
    "pid {server_pid} runs in its own network namespace, as in a container, and listens there on {bound} only, "
    "sglang's default: nobody outside can reach it, whatever port is published",
    "进程 {server_pid} 在独立的网络命名空间里（如容器），且只监听 {bound}（sglang 的默认值）：无论怎么映射端口，"
    "外部都访问不到",
)
_OUT = Text(
    f"restart it with {ALL_ADDRESSES}, and publish the port: docker run -p {{port}}:{{server_port}}",
    f"加 {ALL_ADDRESSES} 重启，并映射端口：docker run -p {{port}}:{{server_port}}",
)
_PORTS_INSIDE = (
    "nsenter -t {server_pid} -n ss -ltnp sport = :{server_port}",
    PORTS_SHOWN,
)


@AREA.check(
    "listening",
    # Whoever holds a port is what this area is asked for, also where it is not known whether it is the right one.
    headline=True,
    title=Text("the service port is listening", "服务端口正在监听"),
    cause=Text(
        "nothing listens on port {port}: the server was not started, has exited, or uses another " + PORT,
        "端口 {port} 上没有程序在监听：服务没启动、已退出，或换了 " + PORT,
    ),
    fix=Text("read the start-up log, then see which ports are in use", "先看启动日志，再看实际监听的端口"),
    commands=("bgecheck logs {log}", "ss -ltnp"),
    variants={
        "loading": Advice(
            Text(
                "pid {server_pid} runs and does not listen on {port} yet: sglang opens its port only after the model "
                "is loaded",
                "进程 {server_pid} 在运行，但还没监听 {port}：sglang 加载完模型才会打开端口",
            ),
            Text("wait until it is ready, or see in the log how far it got", "等待就绪，或看日志停在哪一步"),
            ("bgecheck doctor --wait 5m --pid {server_pid}", "bgecheck logs {log}"),
        ),
        "unpublished": Advice(
            Text(
                "pid {server_pid} runs in its own network namespace, as in a container, and listens there on {bound}; "
                "port {port} of this machine does not lead to it: the port is not published, or published under "
                "another number",
                "进程 {server_pid} 在独立的网络命名空间里（如容器）监听 {bound}；宿主机的端口 {port} 没有映射到它，"
                "或映射成了别的端口",
            ),
            Text(
                "use the port that is published for it, or start the container with -p {port}:{server_port}",
                "改用已映射的端口访问，或启动容器时加 -p {port}:{server_port}",
            ),
            (
                PORTS_SHOWN,
                "bgecheck doctor --url http://{address}:{server_port}",
            ),
        ),
        "inside": Advice(_INSIDE, _OUT, _PORTS_INSIDE),
    },
    explains=("probe.reachable",),
)
def port_is_listening(facts: PortFacts) -> Outcome:
    """A connection that is taken counts too: a container's port may be forwarded without a visible socket."""
    if facts.owners:
        return holds(*_listeners(facts))
    where = facts.target.address
    if facts.reached:
        return holds(Evidence(Text("connection", "连接"), Text(f"{where} accepts", f"{where} 可连接")))
    evidence = Evidence(
        Text(f"listeners on port {facts.target.port}", f"端口 {facts.target.port} 的监听者"), "0", ">= 1"
    )
    server = facts.target.server
    if server is None:
        return not_yet(evidence)
    if facts.inside is None or not facts.inside.listeners:
        return not_yet(evidence, advice="loading", server_pid=server.pid)
    return _listens_inside(facts.inside, server, evidence)


def _listens_inside(net: Inside, server: ServerProcess, *evidence: Evidence) -> Outcome:
    """The server listens, in a network of its own: to everybody there, or to itself alone."""
    bound = ", ".join(dict.fromkeys(listener.address for listener in net.listeners))
    there = Evidence(Text(f"listener in the network of pid {server.pid}", f"进程 {server.pid} 所在网络的监听者"), bound)
    values = {"server_pid": server.pid, "server_port": server.port, "bound": bound}
    if all(listener.loopback for listener in net.listeners):
        return broken(*evidence, there, advice="inside", **values)
    return broken(*evidence, there, advice="unpublished", address=next(iter(net.addresses), "ADDRESS"), **values)


@AREA.check(
    "owner",
    headline=True,
    title=Text("the port belongs to the server being checked", "占用端口的是要检查的服务"),
    cause=Text(
        "port {port} is held by {owner}, which is not an sglang server: a server started on this port could not "
        "bind it",
        "端口 {port} 被 {owner} 占用，而它不是 sglang 服务：在这个端口上启动服务会绑定失败",
    ),
    fix=Text(
        f"stop that program if it is not needed, or start the server with {PORT} {{free}}, which is free, and "
        "update the base URL of every caller",
        f"不需要的话停掉那个程序；或让服务改用空闲的 {PORT} {{free}}，并同步修改所有调用方的 base URL",
    ),
    commands=("ss -ltnp sport = :{port}", "ps -o pid,ppid,lstart,args -p {owner_pid}"),
    variants={
        "another": Advice(
            Text(
                "port {port} is held by another sglang server ({owner}), not by pid {server_pid}: callers get "
                "answers from the old one",
                "端口 {port} 被另一个 sglang 服务占用（{owner}），不是进程 {server_pid}：调用方拿到的是旧服务的结果",
            ),
            Text(
                "stop the one that is not needed, or give the new one a free port",
                "停掉不要的那个，或让新服务换一个空闲端口",
            ),
            ("ss -ltnp sport = :{port}", "ps -o pid,ppid,lstart,args -p {owner_pid},{server_pid}"),
        ),
        "elsewhere": Advice(
            Text(
                "Docker forwards port {port} to {aim}, another container than that of pid {server_pid}: callers get "
                "what runs there",
                "Docker 把端口 {port} 转发到了 {aim}，不是进程 {server_pid} 所在的容器：调用方访问到的是那个容器",
            ),
            Text(
                "stop the container that is not wanted, or publish this one under a free port",
                "停掉不要的容器，或把这个容器映射到空闲端口",
            ),
            (PORTS_SHOWN,),
        ),
    },
    needs=("ports.listening",),
    explains=(
        *("probe.engine", "probe.reachable", "probe.base-url", "probe.api-key", "probe.ready", "probe.health-agrees"),
        "embed.answers",
    ),
)
def port_belongs_to_the_server(facts: PortFacts) -> Outcome:
    """The pid behind the listening socket against the pid of the server that was found or named."""
    if not facts.owners:
        return absent(Text("the port is forwarded from elsewhere", "端口是从别处转发来的"))
    visible = [owner for owner in facts.owners if owner.listener.pid]
    if not visible:
        return absent(Text("the owner belongs to another user or container", "监听者属于其他用户或容器，看不到"))
    server = facts.target.server
    own = {server.pid, *server.children} if server else set()
    owner = next((o for o in visible if o.listener.pid in own), visible[0])
    evidence = Evidence(Text("listener", "监听者"), owner.words(), f"pid {server.pid}" if server else None)
    if owner.listener.pid in own or (server is None and owner.sglang):
        return holds(evidence)
    if owner.leads_to and server and facts.inside:
        return _forwarded(evidence, owner.leads_to, server, facts.inside)
    if owner.name in FORWARDERS or (server is None and facts.target.given_url):
        return absent(_not_comparable(owner))
    who, pid = f"pid {owner.listener.pid} {owner.name or ''}".rstrip(), owner.listener.pid
    if server and owner.sglang:
        return broken(evidence, advice="another", owner=who, owner_pid=pid, server_pid=server.pid)
    return broken(evidence, owner=who, owner_pid=pid, free=facts.free)


def _forwarded(evidence: Evidence, to: tuple[str, int], server: ServerProcess, net: Inside) -> Outcome:
    """Docker's proxy tells the container that it forwards to."""
    aim, wanted = f"{to[0]}:{to[1]}", ", ".join(f"{address}:{server.port}" for address in net.addresses)
    there = Evidence(Text("forwarded to", "转发到"), aim, wanted)
    same = to[0] in net.addresses and to[1] == server.port
    return holds(there) if same else broken(evidence, there, advice="elsewhere", aim=aim, server_pid=server.pid)


def _not_comparable(owner: Owner) -> Words:
    words = Text(
        "no sglang process is seen here to compare with; the port belongs to {owner}",
        "本机看不到可比对的 sglang 进程；端口属于 {owner}",
    )
    return words.filled({"owner": owner.words()})


@AREA.check(
    "address",
    headline=True,
    title=Text("the server is bound where clients reach it", "客户端能访问到服务监听的地址"),
    cause=Text(
        "the server listens on {bound}, and requests go to {host}: only this machine itself can reach it",
        "服务监听在 {bound}，而请求发往 {host}：只有本机能访问到它",
    ),
    fix=Text(
        f"restart it with {ALL_ADDRESSES} behind a firewall, or use it at 127.0.0.1",
        f"加 {ALL_ADDRESSES} 重启（注意防火墙），或改用 127.0.0.1 访问",
    ),
    commands=("ss -ltn sport = :{port}",),
    variants={"inside": Advice(_INSIDE, _OUT, _PORTS_INSIDE)},
    needs=("ports.listening",),
    explains=("probe.reachable",),
)
def bound_where_it_is_asked(facts: PortFacts) -> Outcome:
    """sglang's default host is 127.0.0.1, which containers and other machines cannot reach; this row says so."""
    net, server = facts.inside, facts.target.server
    if net and server and net.listeners and all(listener.loopback for listener in net.listeners):
        return _listens_inside(net, server, *_listeners(facts))
    if not facts.owners:
        return absent(Text("the port is forwarded from elsewhere", "端口是从别处转发来的"))
    bound = ", ".join(dict.fromkeys(owner.listener.address for owner in facts.owners))
    local_only = all(owner.listener.loopback for owner in facts.owners)
    reach = (
        Text(
            f"{bound} (this machine only; containers and other machines need {ALL_ADDRESSES})",
            f"{bound}（仅本机可访问；容器或其他机器要访问，需加 {ALL_ADDRESSES}）",
        )
        if local_only
        else bound
    )
    evidence = Evidence(Text("bound to", "绑定地址"), reach)
    if facts.reached or facts.target.is_local:
        return holds(evidence)
    return broken(evidence, bound=bound)


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


@AREA.check(
    "orphans",
    title=Text("no worker is left over from a dead server", "没有残留的 sglang 子进程"),
    cause=Text(
        "workers whose server is gone still run (pid {pids}): they hold GPU memory and ports, and a server that is "
        "started beside them can hang",
        "主服务已经退出，子进程却还在（进程 {pids}）：它们仍占着显存和端口，新启动的服务可能因此卡住",
    ),
    fix=Text("look at them, then kill exactly these", "确认后只结束这几个进程"),
    commands=("ps -o pid,ppid,etime,args -p {pids}", "kill {pids_apart}"),
    severity=Severity.WARNING,
)
def no_worker_is_left_over(facts: PortFacts) -> Outcome:
    """`sglang::*` processes whose parent is init; upstream reports: sglang #31645, #241, #9396."""
    if not facts.left_over:
        return holds(Evidence(Text(f"{TITLE} processes without a server", f"主服务已退出的 {TITLE} 进程"), "0"))
    evidence = [Evidence(f"pid {o.pid}", o.title) for o in facts.left_over[:5]]
    pids = [str(o.pid) for o in facts.left_over]
    return broken(*evidence, pids=",".join(pids), pids_apart=Shell(" ".join(pids)))
