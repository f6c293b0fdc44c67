"""The row of who holds the port: the server that is meant, another one, what a dead one left, or another program."""

from __future__ import annotations

from bgecheck.checks.ports.facts import AREA, KILLED, Holder, Owner, PortFacts, killed, restarted
from bgecheck.engines.sglang.options import PORT
from bgecheck.engines.sglang.workers import INTERNAL, role
from bgecheck.machine.containers import PORTS_SHOWN
from bgecheck.machine.sockets import FORWARDERS, Inside
from bgecheck.model import Advice, Evidence, Outcome, ServerProcess, Text, Words, absent, broken, holds

_ANSWERED_BY_ANOTHER = (
    *("logs.ready", "probe.reachable", "probe.base-url", "probe.engine", "probe.api-key", "probe.model-name"),
    *("probe.rate-limit", "probe.ready", "probe.health-agrees", "probe.base64", "probe.token-limit"),
    *(
        "probe.blank-input",
        "probe.batch-limit",
        "probe.dimensions",
        "probe.request-forms",
        "probe.token-ids",
        "probe.burst",
    ),
    *("probe.openai-client", "launch.*", "embed.*"),
)
"""The rows of what answers on a port: all but those of the way there."""

_HOLDER = ("ps -o pid,ppid,lstart,args -p {owner_pid}",)


@AREA.check(
    "owner",
    headline=True,
    title=Text("the port belongs to the server being checked", "占用端口的是要检查的服务"),
    cause=Text(
        "port {port} is held by {owner}, which is not an sglang server: a server started on this port could not "
        "bind it",
        "端口 {port} 被{owner}占用，而它不是 sglang 服务：在这个端口上启动服务会绑定失败",
    ),
    fix=Text(
        "stop that program if it is not needed (kill {owner_pid}), or start the server with "
        f"{PORT} {{free}}, which is free, and update the base URL of every caller",
        "不需要的话停掉那个程序（kill {owner_pid}）；或让服务改用空闲的 "
        f"{PORT} {{free}}，并同步修改所有调用方的 base URL",
    ),
    commands=(*_HOLDER, "{launch_line}"),
    variants={
        "no-engine": Advice(
            Text(
                "port {port} is held by {owner}, which answers no embeddings: requests do not reach a server",
                "端口 {port} 被{owner}占用，它不提供 embedding 接口：请求到不了服务",
            ),
            Text(
                "give the address of the server; or stop that program if it is not needed (kill {owner_pid}), or start "
                f"the server with {PORT} {{free}}, which is free",
                "改填服务真正的地址；要在这个端口上启动服务，先停掉那个程序（kill {owner_pid}），"
                f"或改用空闲的 {PORT} {{free}}",
            ),
            (*_HOLDER, "ss -ltnp"),
        ),
        "left-over": Advice(
            Text(
                "port {port} is held by workers whose server is gone (pid {pids}): a server that is started on it "
                "cannot bind it, and requests get no answer",
                "端口 {port} 被残留的子进程占着（进程 {pids}），它们的主服务已经退出：新服务绑定不了这个端口，"
                "请求也得不到响应",
            ),
            Text(
                "look at them, kill exactly these, then start the server again",
                "确认后只结束这几个进程，再重新启动服务",
            ),
            KILLED,
        ),
        "internal": Advice(
            Text(
                "port {port} belongs to the sglang server pid {server_pid}, and is not its service port: it is {role}",
                "端口 {port} 属于 sglang 服务（进程 {server_pid}），但不是对外的服务端口：{role}",
            ),
            Text(
                "send requests to its service port, {server_port}; nothing is to be stopped",
                "请求发到它的服务端口 {server_port}；不需要停掉任何程序",
            ),
            ("bgecheck doctor --pid {server_pid}",),
        ),
        "another": Advice(
            Text(
                "port {port} is held by another sglang server, {owner}, not by pid {server_pid}: callers get "
                "answers from the old one",
                "端口 {port} 被另一个 sglang 服务占用：{owner}，不是进程 {server_pid}。调用方拿到的是旧服务的结果",
            ),
            Text(
                "stop the old one (kill {owner_pid}) and start the new one again; or start the new one with "
                f"{PORT} {{free}}, which is free",
                f"停掉旧的（kill {{owner_pid}}）后重新启动新服务；或让新服务改用空闲的 {PORT} {{free}}",
            ),
            ("ps -o pid,ppid,lstart,args -p {owner_pid},{server_pid}", "{launch_line}"),
        ),
        "earlier": Advice(
            Text(
                "port {port} is held by {owner}, which began before pid {start_pid}, whose server is waited for: "
                "callers get answers from the old one",
                "端口 {port} 被{owner}占用，它早于进程 {start_pid} 启动，不是正在等待的服务：调用方拿到的是"
                "旧服务的结果",
            ),
            Text(
                "stop the old one (kill {owner_pid}) and start the new one again; or start the new one with "
                f"{PORT} {{free}}, which is free",
                f"停掉旧的（kill {{owner_pid}}）后重新启动新服务；或让新服务改用空闲的 {PORT} {{free}}",
            ),
            ("ps -o pid,ppid,lstart,args -p {owner_pid},{start_pid}",),
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
    explains=_ANSWERED_BY_ANOTHER,
)
def port_belongs_to_the_server(facts: PortFacts) -> Outcome:
    """The pid behind the listening socket against the pid of the server that was found or named."""
    if not facts.owners:
        return absent(Text("the port is forwarded from elsewhere", "端口是从别处转发来的"))
    visible = [owner for owner in facts.owners if owner.listener.pid]
    if not visible:
        return absent(Text("the owner belongs to another user or container", "监听者属于其他用户或容器，看不到"))
    if remains := [owner for owner in visible if owner.left_over]:
        return _left_over(facts, remains)
    server = facts.target.server
    own = {server.pid, *server.children} if server else set()
    owner = next((o for o in visible if o.listener.pid in own), visible[0])
    evidence = Evidence(Text("listener", "监听者"), owner.words(), f"pid {server.pid}" if server else None)
    if (earlier := _earlier(facts, visible)) is not None:
        return earlier
    if owner.listener.pid in own or (server is None and owner.sglang):
        return _internal(facts, evidence) or holds(evidence)
    if owner.leads_to and server and facts.inside:
        return _forwarded(evidence, owner.leads_to, server, facts.inside)
    if owner.name in FORWARDERS or (server is None and facts.target.given_url and not facts.no_engine):
        return absent(_not_comparable(owner))
    return _foreign(facts, owner, evidence, _command(owner))


def _earlier(facts: PortFacts, visible: list[Owner]) -> Outcome | None:
    """An old server on the port of one that has yet to be started; what passes requests on may lead to the new one."""
    owner, start = visible[0], facts.target.start
    if facts.target.server is not None or start is None or facts.no_engine:
        return None
    if any(not owner.earlier or owner.gateway or owner.leads_to for owner in visible):
        return None
    wanted = Text(f"begun with pid {start.pid} or after it", f"与进程 {start.pid} 同时或之后启动")
    outcome = broken(
        Evidence(Text("listener", "监听者"), owner.words(), wanted),
        _command(owner),
        advice="earlier",
        owner=owner.process,
        owner_pid=owner.listener.pid,
        start_pid=start.pid,
        free=facts.free or "PORT",
    )
    return outcome._replace(data=Holder(owner.sglang, owner.gateway, earlier=True))


def _foreign(facts: PortFacts, owner: Owner, *evidence: Evidence) -> Outcome:
    """Another program, or another server than the one that is meant."""
    server, asked = facts.target.server, facts.target.given_url
    advice = "another" if server and owner.sglang else "no-engine" if facts.no_engine and asked else None
    values = restarted(server, {"port": str(facts.free)} if facts.free else {})
    outcome = broken(
        *evidence, advice=advice, owner=owner.process, owner_pid=owner.listener.pid, free=facts.free, **values
    )
    return outcome._replace(data=Holder(owner.sglang, owner.gateway))


def _command(owner: Owner) -> Evidence:
    return Evidence(
        Text(f"command line of pid {owner.listener.pid}", f"进程 {owner.listener.pid} 的命令行"), owner.command
    )


def _left_over(facts: PortFacts, remains: list[Owner]) -> Outcome:
    titles = {orphan.pid: orphan.title for orphan in facts.left_over}
    held = [Evidence(owner.words(), titles.get(owner.listener.pid or 0, owner.name or "")) for owner in remains[:4]]
    return broken(*held, advice="left-over", **killed(facts.left_over))


def _internal(facts: PortFacts, evidence: Evidence) -> Outcome | None:
    """Where the port is the server's and not the one that clients are to use: by the option that names it, else
    where the server listens on its service port too."""
    server, port = facts.server, facts.target.port
    if server is None or facts.inside is not None or server.port == port:
        return None
    what = role(port, server.flags) or (INTERNAL if facts.serving else None)
    if what is None:
        return None
    service = Evidence(Text("service port", "服务端口"), str(server.port))
    return broken(evidence, service, advice="internal", server_pid=server.pid, server_port=server.port, role=what)


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
