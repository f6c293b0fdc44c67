"""What is collected of the service port: who listens there, what leads there, and which servers run beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from bgecheck.checks.ports.programs import is_no_engine, passes_on
from bgecheck.engines.planned import Planned
from bgecheck.engines.sglang.discovery import Orphan, orphans, running_servers
from bgecheck.engines.sglang.ownports import OwnPort, own_ports
from bgecheck.engines.sglang.relaunch import launch_line, launch_of, place, stop
from bgecheck.engines.sglang.workers import Schedulers, schedulers
from bgecheck.machine.access import User, this_user, user_named
from bgecheck.machine.containers import container_of, leads_to
from bgecheck.machine.processes import user_name
from bgecheck.machine.sockets import (
    Binding,
    Inside,
    Listener,
    accepts,
    bindings,
    connections,
    free_port,
    given_out,
    inside,
    is_own,
    listeners,
    reached_by_ipv4,
    resolved,
    unprivileged,
)
from bgecheck.model import Area, Evidence, ServerProcess, Shell, Target, Text, Unavailable
from bgecheck.model.hygiene import clean, command_line
from bgecheck.model.processes import Process, ProcessTable, Start
from bgecheck.model.target import DEFAULT_PORT

if TYPE_CHECKING:
    from bgecheck.run.context import Context

CONNECT = 1.0
"""Seconds for one connection to this machine itself; it answers or refuses within microseconds."""

ANSWER = 1.5
"""Seconds for the pages of another program, which are only asked for where nothing else tells what it is."""


class Owner(NamedTuple):
    """The program behind a listener, as far as it may be seen."""

    listener: Listener
    name: str | None
    sglang: bool
    """Whether it is a running sglang server or one of its workers."""
    leads_to: tuple[str, int] | None = None
    """The container's address and port, of a program by which Docker forwards the port."""
    command: str = ""
    """Its command line, without keys."""
    left_over: bool = False
    """Whether it is a worker whose server is gone."""
    gateway: bool = False
    """Whether it passes requests on."""
    earlier: bool = False
    """Whether it began before the process that was given or launched, and so is none of its own."""

    user: str = ""
    """Whose program it is, where that was looked for."""
    container: str = ""
    """The container that it runs in, where it was looked for and is one."""

    def __str__(self) -> str:
        return self.words().en

    def words(self) -> Text:
        """The socket, and who holds it."""
        socket = f"{self.listener.address}:{self.listener.port}"
        if not self.listener.pid:
            return Text(f"{socket} owner not visible", f"{socket} 看不到是哪个进程")
        who = f"pid {self.listener.pid} {self.name or ''}".rstrip()
        return Text(f"{socket} {who}", f"{socket} {who}")

    @property
    def process(self) -> Text:
        """The process as a sentence names it: its number and its command line."""
        pid, line = self.listener.pid, self.command or self.name
        return Text(f"pid {pid} ({line})", f"进程 {pid}（{line}）") if line else Text(f"pid {pid}", f"进程 {pid}")


class Holder(NamedTuple):
    """What holds a port in place of the server that is meant, for who waits for that one."""

    sglang: bool
    """Another sglang server, which may be about to end."""
    gateway: bool
    """A program that passes requests on, perhaps to the server that is meant."""
    earlier: bool = False
    """What began before the process whose server is waited for, and may be about to make room for it."""


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
    server: ServerProcess | None = None
    """The server that is meant, else the one that holds the port."""
    serving: bool = False
    """Whether that server listens on the port that its options give it."""
    running: tuple[ServerProcess, ...] = ()
    """All servers of this machine, newest first."""
    no_engine: bool = False
    """Whether the holder of the port is known to answer no embeddings."""
    addresses: tuple[str, ...] = ()
    """The addresses that the target's host name stands for."""
    schedulers: Schedulers | None = None
    """Those of the server; None where its workers cannot be told apart."""
    last_line: tuple[str, str] | None = None
    """Where the log of a process that has ended was written last, and what."""

    plan: PlannedPorts | None = None
    """What is to be launched; None where a running server is looked at."""


class Opened(NamedTuple):
    """A port that a launch opens for its own processes, and who holds it."""

    port: OwnPort
    held_by: tuple[Owner, ...]


class PlannedPorts(NamedTuple):
    """What a launch that is planned would take, and what stands in its way."""

    planned: Planned
    bindings: tuple[Binding, ...]
    """What became of binding to the port at each address of its host."""
    unknown_host: str = ""
    """Why its host has no address, in the resolver's words."""
    waiting: int = 0
    """Connections of the port that are closed and not forgotten yet."""
    busy: int = 0
    """Further connections whose own end has the port."""
    given_out: range | None = None
    """The ports from which the system chooses for whoever asks for any."""
    ipv4: bool = False
    """Whether this machine has an IPv4 address."""
    opened: tuple[Opened, ...] = ()
    unprivileged: int = 0
    """The first port that every user may bind."""
    user: User | None = None
    """Who is to bind it, where that is not known to be this user."""

    @property
    def forbidden(self) -> bool:
        """Whether the user of the launch may not bind its port, though this one may."""
        own = this_user()
        other = self.user is not None and self.user.uid != 0 and own is not None and own.uid != self.user.uid
        return other and self.planned.port < self.unprivileged and not self.planned.written.allotted.low_ports


AREA = Area("ports", seconds=10.0)


@AREA.collect
def collect(context: Context) -> PortFacts:
    """Read the socket and process tables, and connect to the port once by IPv4 and once by IPv6."""
    if context.settings.before_launch:
        return _before_launch(context)
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
    running, left_over = tuple(running_servers(table)), orphans(table)
    pids = {pid for server in running for pid in _tree(server)}
    owners = tuple(_owner(x, pids, left_over, table, target.start) for x in listeners(target.port, pids))
    server = target.server or _holding(owners, running)
    net = inside(target.server.pid, target.server.port) if target.server else None
    return PortFacts(
        target=target,
        owners=owners,
        reached=accepts(target.host, target.port, seconds),
        localhost=resolved("localhost", seconds),
        over_ipv6=accepts("::1", target.port, seconds),
        left_over=left_over,
        free=None
        if all(_is_of(target.server, owner) and not owner.earlier for owner in owners)
        else free_port(target.port),
        inside=net,
        server=server,
        serving=server is not None and (bool(net and net.listeners) or _serves(server)),
        running=running,
        no_engine=_is_no_engine(context, owners, table),
        addresses=resolved(target.host, seconds),
        schedulers=schedulers(server, table) if server else None,
        last_line=_last_line(context) if target.ended else None,
    )


def _before_launch(context: Context) -> PortFacts:
    """Who holds the ports that a launch would take; of no launch only what dead servers have left."""
    table, planned = context.processes(), context.planned
    running, left_over = tuple(running_servers(table)), orphans(table)
    facts = PortFacts(
        target=context.target,
        owners=(),
        reached=False,
        localhost=(),
        over_ipv6=False,
        left_over=left_over,
        free=None,
        running=running,
    )
    if planned is None:
        return facts
    pids = {pid for server in running for pid in _tree(server)}

    def owners(port: int) -> tuple[Owner, ...]:
        return tuple(_placed(_owner(x, pids, left_over, table, None)) for x in listeners(port, pids))

    held = owners(planned.port)
    plan = _planned_ports(planned, context.deadline.timeout(CONNECT), owners)
    lowest = unprivileged()
    free = free_port(planned.port if planned.port >= lowest else max(DEFAULT_PORT, lowest) - 1)
    return facts._replace(owners=held, server=_holding(held, running), free=free, plan=plan)


def _placed(owner: Owner) -> Owner:
    """The same with its user, and the container that it runs in."""
    uid, pid = owner.listener.uid, owner.listener.pid
    container = container_of(pid) if pid else None
    return owner._replace(user="" if uid is None else user_name(uid), container=(container or "")[:12])


def _planned_ports(planned: Planned, seconds: float, owners: Callable[[int], tuple[Owner, ...]]) -> PlannedPorts:
    tried: tuple[Binding, ...] = ()
    unknown = ""
    if not planned.written.own_network:
        try:
            tried = bindings(planned.host, planned.port, seconds)
        except OSError as error:
            unknown = clean(error.strerror or str(error), 100)
    waiting, busy = connections(planned.port)
    return PlannedPorts(
        planned=planned,
        bindings=tried,
        unknown_host=unknown,
        waiting=waiting,
        busy=busy,
        given_out=given_out(),
        ipv4=reached_by_ipv4(),
        opened=tuple(Opened(own, owners(own.port)) for own in own_ports(planned.options, planned.port)),
        unprivileged=unprivileged(),
        user=user_named(planned.written.user) if planned.written.user else None,
    )


def _last_line(context: Context) -> tuple[str, str] | None:
    session = context.logged_session()
    if session is None or not session.last[1].strip():
        return None
    file, line = context.session_log().origin.place(session.last[0])
    return f"{os.path.basename(file)}:{line}", session.last[1]


def _tree(server: ServerProcess) -> tuple[int, ...]:
    return (server.pid, *server.children)


def _serves(server: ServerProcess) -> bool:
    return any(listener.pid in _tree(server) for listener in listeners(server.port, _tree(server)))


def _is_of(server: ServerProcess | None, owner: Owner) -> bool:
    """Whether a listener is the server's that is meant, or where none is meant any server's."""
    return owner.listener.pid in _tree(server) if server else owner.sglang


def _holding(owners: tuple[Owner, ...], running: tuple[ServerProcess, ...]) -> ServerProcess | None:
    pids = {owner.listener.pid for owner in owners}
    return next((server for server in running if pids & {*_tree(server)}), None)


def _owner(
    listener: Listener, servers: set[int], left_over: tuple[Orphan, ...], table: ProcessTable, start: Start | None
) -> Owner:
    process = table.processes.get(listener.pid) if listener.pid else None
    if process is None:
        return Owner(listener, None, False)
    return Owner(
        listener,
        process.name,
        process.pid in servers,
        leads_to(process.argv),
        command_line(process.argv),
        process.pid in {orphan.pid for orphan in left_over},
        passes_on(process),
        _is_earlier(process, start, table),
    )


def _is_earlier(process: Process, start: Start | None, table: ProcessTable) -> bool:
    """Whether a program is of an earlier start; the master of a worker that was given is not, though it began first."""
    if start is None or not start.created or not process.created or process.created >= start.created:
        return False
    above = {ancestor.pid for ancestor in table.ancestors(start.pid)}
    return process.pid not in above - {os.getpid(), *(a.pid for a in table.ancestors(os.getpid()))}


def _is_no_engine(context: Context, owners: tuple[Owner, ...], table: ProcessTable) -> bool:
    """Whether the program that holds the port has no embeddings, where no server is known to compare it with.

    Told by the program itself, else by its pages: a program whose `/v1` is a web page is no engine and no gateway.
    """
    processes = [process for owner in owners if (process := table.processes.get(owner.listener.pid or 0))]
    if context.target.server or not processes or any(owner.sglang or owner.left_over for owner in owners):
        return False
    if all(is_no_engine(process) for process in processes):
        return True
    return not any(passes_on(process) for process in processes) and _shows_web_pages(context)


def _shows_web_pages(context: Context) -> bool:
    from bgecheck.engines.server import Server
    from bgecheck.engines.sglang.pages import PAGES
    from bgecheck.http.reply import Reply

    with closing(Server(context.target, context.deadline, ANSWER, PAGES)) as server:
        replies = (server.page("/v1/models"), server.page("/v1/embeddings"))
    return all(isinstance(r, Reply) and r.status in (200, 404, 501) and r.is_html for r in replies)


KILLED = ("ps -o pid,ppid,etime,args -p {pids}", "kill {pids_apart}")
"""What ends the workers that were left over, and nothing else."""


def killed(left_over: Sequence[Orphan]) -> dict[str, Any]:
    """The values of `KILLED`."""
    pids = [str(orphan.pid) for orphan in left_over]
    return {"pids": ",".join(pids), "pids_apart": Shell(" ".join(pids))}


def restarted(server: ServerProcess | None, changed: Mapping[str, str | None]) -> dict[str, Any]:
    """The values of what stops that server, and of `{launch_line}`, which starts it again with other options."""
    if server is None:
        return {}
    return {
        "server_pid": server.pid,
        "stop": stop(server),
        "where": place(server),
        "launch_line": launch_line(launch_of(server), changed),
    }


def shown(facts: PortFacts) -> tuple[Evidence, ...]:
    """The listeners as evidence."""
    return tuple(Evidence(Text("listener", "监听者"), owner.words()) for owner in facts.owners[:4])
