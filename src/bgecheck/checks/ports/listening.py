"""Rows of what listens: the socket tables, and the service port in them."""

from __future__ import annotations

from typing import Any

from bgecheck.checks.ports.facts import AREA, PortFacts, restarted, shown
from bgecheck.engines.sglang.options import ALL_ADDRESSES, HOST_OF_ALL, PORT
from bgecheck.machine.containers import PORTS_SHOWN
from bgecheck.machine.sockets import Inside
from bgecheck.model import ANY_TIME, Advice, Evidence, Outcome, ServerProcess, Text, broken, holds, not_yet


@AREA.check(
    "readable",
    title=Text("the listening sockets can be read", "能读到本机的监听端口"),
    cause=Text("the system does not show them to this user", "系统不允许当前用户查看"),
    fix=Text(
        "run bgecheck on the server's machine, as the user that runs the server",
        "在服务所在机器上用同一用户运行 bgecheck",
    ),
    moments=ANY_TIME,
)
def sockets_are_readable(facts: PortFacts) -> Outcome:
    """The entry row: the collector got here, so the tables were read."""
    return holds(Evidence(Text("listeners on this port", "该端口上的监听者"), str(len(facts.owners))))


INSIDE = Advice(
    Text(
        "pid {server_pid} runs in its own network namespace, as in a container, and listens there on {bound} only, "
        "sglang's default: nobody outside can reach it, whatever port is published",
        "进程 {server_pid} 在独立的网络命名空间里（如容器），且只监听 {bound}（sglang 的默认值）：无论怎么映射端口，"
        "外部都访问不到",
    ),
    Text(
        f"start it in its container with {ALL_ADDRESSES}, and publish the port: docker run -p {{port}}:{{server_port}}",
        f"容器里的启动命令加 {ALL_ADDRESSES}，并映射端口：docker run -p {{port}}:{{server_port}}",
    ),
    ("{launch_line}", "nsenter -t {server_pid} -n ss -ltnp sport = :{server_port}", PORTS_SHOWN),
)
"""Of a server in a network of its own that listens to itself alone."""


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
        "other-port": Advice(
            Text(
                "nothing listens on port {port}; the sglang server that runs here, pid {server_pid}, was started with "
                f"{PORT} {{server_port}}",
                f"端口 {{port}} 上没有程序在监听；本机运行的 sglang 服务（进程 {{server_pid}}）启动参数是 "
                f"{PORT} {{server_port}}",
            ),
            Text(
                "use port {server_port}; or start the server that you mean",
                "改用端口 {server_port}；或先启动要找的那个服务",
            ),
            ("bgecheck doctor --pid {server_pid}",),
        ),
        "meant": Advice(
            Text(
                "nothing listens on port {port}: the server that is meant was not started, has exited, or uses another "
                f"{PORT}; another sglang server of this machine, pid {{server_pid}}, has {PORT} {{server_port}}",
                f"端口 {{port}} 上没有程序在监听：要检查的服务没启动、已退出，或换了 {PORT}；本机另有一个 sglang 服务"
                f"（进程 {{server_pid}}），{PORT} 是 {{server_port}}",
            ),
            Text(
                "start the server that is meant, or read its start-up log; where it is pid {server_pid}, use port "
                "{server_port}",
                "启动要检查的服务，或看它的启动日志；如果它就是进程 {server_pid}，改用端口 {server_port}",
            ),
            ("bgecheck logs {log}", "ss -ltnp", "bgecheck doctor --pid {server_pid}"),
        ),
        "not-begun": Advice(
            Text(
                "nothing listens on port {port}, and pid {start_pid}, whose server is waited for, has started no "
                "sglang server that is seen",
                "端口 {port} 上没有程序在监听，正在等待的进程 {start_pid} 也还没有启动看得到的 sglang 服务",
            ),
            Text(
                "see in its output how far it is, then wait for longer",
                "看它的输出停在哪一步，再等更长时间",
            ),
            ("tail -n 20 {log}", "ps -o pid,ppid,etime,args -p {start_pid}"),
        ),
        "handed-over": Advice(
            Text(
                "nothing listens on port {port}; the command that was launched, pid {start_pid}, has ended (exit code "
                "0), and no sglang server is seen that it has left behind, as in a container or a unit",
                "端口 {port} 上没有程序在监听；启动命令（进程 {start_pid}）已结束（退出码 0），"
                "也没有看到它留下的 sglang 服务（如容器或 systemd 服务里的）",
            ),
            Text(
                "name the server's address with --url, and its output with --log",
                "用 --url 指定服务地址，用 --log 指定它的输出",
            ),
            ("tail -n 20 {log}", PORTS_SHOWN),
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
        "inside": INSIDE,
    },
    explains=("probe.reachable",),
)
def port_is_listening(facts: PortFacts) -> Outcome:
    """A connection that is taken counts too: a container's port may be forwarded without a visible socket."""
    if facts.owners:
        return holds(*shown(facts))
    where = facts.target.address
    if facts.reached:
        return holds(Evidence(Text("connection", "连接"), Text(f"{where} accepts", f"{where} 可连接")))
    evidence = Evidence(
        Text(f"listeners on port {facts.target.port}", f"端口 {facts.target.port} 的监听者"), "0", ">= 1"
    )
    start = facts.target.start
    if facts.target.server is None and start is not None:
        elsewhere = None if facts.target.given_url else "handed-over"
        return not_yet(evidence, advice=elsewhere if start.handed_over else "not-begun", start_pid=start.pid)
    server = facts.target.server or next((s for s in facts.running if s.port == facts.target.port), None)
    if server is None:
        return _nobody(facts, evidence)
    if facts.inside is None or not facts.inside.listeners:
        return not_yet(evidence, advice="loading", server_pid=server.pid)
    return listens_inside(facts.inside, server, evidence)


def _nobody(facts: PortFacts, evidence: Evidence) -> Outcome:
    """No server is meant to listen there; one that runs with another port may be the one that was looked for."""
    if not facts.running:
        return not_yet(evidence)
    other, meant = facts.running[0], facts.target.given_url is not None
    return not_yet(evidence, advice="meant" if meant else "other-port", server_pid=other.pid, server_port=other.port)


def listens_inside(net: Inside, server: ServerProcess, *evidence: Evidence) -> Outcome:
    """The server listens, in a network of its own: to everybody there, or to itself alone."""
    bound = ", ".join(dict.fromkeys(listener.address for listener in net.listeners))
    there = Evidence(Text(f"listener in the network of pid {server.pid}", f"进程 {server.pid} 所在网络的监听者"), bound)
    values: dict[str, Any] = {"server_pid": server.pid, "server_port": server.port, "bound": bound}
    if all(listener.loopback for listener in net.listeners):
        values |= restarted(server, {"host": HOST_OF_ALL})
        return broken(*evidence, there, advice="inside", **values)
    return broken(*evidence, there, advice="unpublished", address=next(iter(net.addresses), "ADDRESS"), **values)
