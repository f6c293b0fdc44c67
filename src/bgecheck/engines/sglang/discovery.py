"""Finds the server that is meant: as the user named it, else as it is found running on this machine."""

import os
from collections.abc import Mapping
from dataclasses import replace
from shlex import quote
from typing import NamedTuple

from bgecheck.engines.sglang.launchline import deciding, parse_launch
from bgecheck.engines.sglang.log.marks import is_of_sglang
from bgecheck.engines.sglang.optionsfile import configured
from bgecheck.http.address import Address, parse_url
from bgecheck.machine.child import MARK
from bgecheck.machine.containers import container_of, log_of, published
from bgecheck.machine.processes import group_of, output_file, snapshot, variables, visible, working_folder
from bgecheck.machine.sockets import inside
from bgecheck.model import BadInput, Secret, ServerProcess, Target, Text, Words
from bgecheck.model.processes import Process, ProcessTable
from bgecheck.model.target import DEFAULT_HOST, DEFAULT_PORT, asked_at, authority

TITLE = "sglang::"
"""How sglang's child processes name themselves (setproctitle); their command line holds no options."""

_INITS = frozenset({"systemd", "init", "tini", "dumb-init", "docker-init", "s6-svscan", "catatonit"})


def running_servers(table: ProcessTable | None = None) -> list[ServerProcess]:
    """The sglang servers of this machine, newest first; their worker processes are folded into them."""
    table = table or snapshot()
    mains = {pid: flags for pid, p in table.processes.items() if (flags := parse_launch(p.argv)) is not None}
    tops = [pid for pid in mains if not any(a.pid in mains for a in table.ancestors(pid))]
    tops.sort(key=lambda pid: (table.processes[pid].created, pid), reverse=True)
    return [_server(table.processes[pid], mains[pid], table) for pid in tops]


def _server(process: Process, flags: dict[str, str], table: ProcessTable) -> ServerProcess:
    folder = working_folder(process.pid)
    options = {**_configured(flags.get("config"), process.pid, folder), **flags}
    key = options.get("api-key")
    path = options.get("model-path") or None
    return ServerProcess(
        pid=process.pid,
        argv=process.argv,
        flags=flags,
        host=options.get("host") or DEFAULT_HOST,
        port=_port(options.get("port")),
        model_path=_folder(path, process.pid, folder),
        served_name=options.get("served-model-name") or path,
        api_key=Secret(key) if key else None,
        cwd=folder,
        log=output_file(process.pid, table) or _log_of_container(process.pid),
        started_at=process.created,
        children=table.descendants(process.pid),
        stopped=tuple(pid for pid in (process.pid, *table.descendants(process.pid)) if table.processes[pid].stopped),
        environment=deciding(variables(process.pid)),
    )


def _log_of_container(pid: int) -> str | None:
    container = container_of(pid)
    return log_of(container) if container else None


def _folder(path: str | None, process: int, working: str | None) -> str | None:
    """A model path as this program can open it: relative ones start where the server runs; hub names stay."""
    if not path:
        return None
    whole = os.path.normpath(os.path.join(working or "", path))
    folder_path = visible(process, whole, os.path.isdir)
    return folder_path or (whole if working and path.startswith(".") else path)


def _port(text: str | None) -> int:
    return int(text) if text and text.isdigit() and 0 < int(text) < 65536 else DEFAULT_PORT


def _configured(path: str | None, process: int, folder: str | None) -> Mapping[str, str]:
    """The options of a `--config` file, as the process sees it."""
    whole = visible(process, os.path.normpath(os.path.join(folder or "", path))) if path else None
    if whole is None:
        return {}
    return configured(whole, None).options


class Orphan(NamedTuple):
    """A worker process whose server is gone."""

    pid: int
    title: str


def orphans(table: ProcessTable | None = None) -> tuple[Orphan, ...]:
    """Worker processes (`sglang::scheduler` and the like) whose server is gone: their parent is init."""
    table = table or snapshot()
    return tuple(
        Orphan(p.pid, " ".join(p.argv) or p.name)
        for p in sorted(table.processes.values(), key=lambda p: p.pid)
        if _is_worker(p) and _is_left_over(p, table)
    )


def _is_worker(process: Process) -> bool:
    return bool(process.argv) and process.argv[0].startswith(TITLE)


def _is_left_over(process: Process, table: ProcessTable) -> bool:
    above = next((a for a in table.ancestors(process.pid) if not _is_worker(a)), None)
    if above is None or above.name in _INITS:
        return True
    # Process 1 of a container may be any shell or script; a Python there may be sglang's Engine class itself.
    return above.pid == 1 and not above.name.startswith(("python", "sglang"))


def resolve(
    *,
    url: str | None = None,
    model: str | None = None,
    api_key: str | None = None,
    log: str | None = None,
    pid: int | None = None,
    model_path: str | None = None,
    expect_dim: int | None = None,
    old_log: bool = False,
    awaited: bool = False,
    table: ProcessTable | None = None,
) -> Target:
    """The server to look at. What is given wins; its process, where it can be seen, says the rest.

    Without `url` and `pid` the newest running server is taken, the others are named; without any, sglang's
    default address and a log in the working folder, of an earlier day only with `old_log`. Its process is looked for
    in `table`, else in one that is taken now. Raises `BadInput` for a URL or pid that cannot be meant. Of a server that
    is `awaited` the pid may be of what has yet to start it, or has ended: then there is no server.
    """
    given = parse_url(url) if url is not None else None
    table = table or snapshot()
    servers = running_servers(table)
    server = _started_by(servers, pid, table) if awaited and pid is not None else _chosen(servers, table, given, pid)
    address = given or (_address_of(server, table) if server else parse_url(f"{DEFAULT_HOST}:{DEFAULT_PORT}"))
    nothing = server is None and given is None and log is None
    newest = newest_log(".") if nothing else None
    passed_over = None if newest is None or old_log else _passed_over(newest)
    nearby = newest if passed_over is None else None
    origins = {**_origins(given, server, log, nearby), "pid": "none" if pid is None else "option"}
    key = Secret(api_key) if api_key else server.api_key if server else None
    return Target(
        url=address.url,
        host=address.host,
        port=address.port,
        given_url=url,
        model=model or (server.served_name if server else None),
        api_key=key,
        log=log or (server.log if server else None) or nearby,
        pid=server.pid if server else pid,
        model_path=model_path or (server.model_path if server else None),
        expect_dim=expect_dim,
        server=server,
        others=tuple(s for s in servers if s is not server) if url is None and pid is None else (),
        origins=origins,
        searched=_searched(nearby, passed_over) if server is None and given is None else (),
        processes=table,
    )


def _origins(
    given: Address | None, server: ServerProcess | None, log: str | None, nearby: str | None
) -> Mapping[str, str]:
    return {
        "url": "option" if given else "process" if server else "default",
        "log": "option" if log else "process" if server and server.log else "folder" if nearby else "none",
    }


def _chosen(
    servers: list[ServerProcess], table: ProcessTable, given: Address | None, pid: int | None
) -> ServerProcess | None:
    if pid is not None:
        return _by_pid(servers, table, pid)
    if given is None:
        return servers[0] if servers else None
    if given.host not in ("localhost", "::1") and not given.host.startswith("127."):
        return None
    # Of a container whose published port is not known, the port in it is the best guess.
    ports = {server.pid: reached_at(server, table) for server in servers}
    match = next((s for s in servers if ports[s.pid] == given.port), None)
    return match or next((s for s in servers if ports[s.pid] is None and s.port == given.port), None)


def _started_by(servers: list[ServerProcess], pid: int, table: ProcessTable) -> ServerProcess | None:
    """The server that a process is, belongs to, or has started, as a shell or `nohup` does."""
    own = next((s for s in servers if pid == s.pid or pid in s.children), None)
    below = (s for s in servers if any(a.pid == pid for a in table.ancestors(s.pid)) or group_of(s.pid) == pid)
    return own or next(below, None)


def left_behind(target: Target) -> Target:
    """A target with the server that a launcher has left behind: one that began after it, at the URL that was given.

    Where none was given it is the first that began and is known by its environment, or runs in a container; its address
    is then the target's.
    """
    start, table = target.start, target.processes or snapshot()
    if start is None or not start.created or not target.is_local:
        return target
    later = [s for s in running_servers(table) if s.started_at >= start.created]
    if target.given_url is None:
        there = [s for s in later[::-1] if container_of(s.pid) or variables(s.pid).get(MARK) == start.mark]
    else:
        there = [s for s in later if reached_at(s, table) == target.port]
    if not there:
        return target
    server = there[0]
    if target.given_url is None:
        address = _address_of(server, table)
        origins = {**target.origins, "url": "process"}
        target = replace(target, url=address.url, host=address.host, port=address.port, origins=origins, searched=())
    return replace(
        target,
        server=server,
        pid=server.pid,
        model=target.model or server.served_name,
        api_key=target.api_key or server.api_key,
        model_path=target.model_path or server.model_path,
        log=target.log or server.log,
    )


def followed(target: Target) -> Target:
    """A target whose server was found, as it is now: its process, else a later one that has taken over its port.

    Without a server where neither runs.
    """
    before = target.server
    assert before is not None, "followed is what was found"
    table = snapshot()
    servers = running_servers(table)
    same = next((s for s in servers if s.pid == before.pid and abs(s.started_at - before.started_at) < 1), None)
    later = (s for s in servers if s.port == before.port and s.started_at > before.started_at)
    server = same or next(later, None)
    others = tuple(s for s in servers if s is not server) if target.others else ()
    return replace(
        target,
        server=server,
        pid=server.pid if server else before.pid,
        log=target.log if server is None or target.origins.get("log") == "option" else server.log,
        processes=table,
        others=others,
    )


def reached_at(server: ServerProcess, table: ProcessTable) -> int | None:
    """The port of this machine that leads to a server; None where it runs in a container and none is seen to."""
    net = inside(server.pid, server.port)
    return server.port if net is None else published(net, server.port, table)


def _by_pid(servers: list[ServerProcess], table: ProcessTable, pid: int) -> ServerProcess:
    for server in servers:
        if pid == server.pid or pid in server.children:
            return server
    process = table.processes.get(pid)
    pids = ", ".join(str(s.pid) for s in servers)
    raise BadInput(
        f"--pid {pid}",
        Text(f"{process.name} is not an sglang server", f"{process.name} 不是 sglang 服务")
        if process
        else Text("no process has this number", "没有这个进程"),
        Text(f"running servers: pid {pids}", f"正在运行的服务：pid {pids}")
        if pids
        else Text(
            "no sglang server is seen running; name it by --url and --log",
            "没有看到运行中的 sglang 服务，用 --url 和 --log 指定",
        ),
    )


def _address_of(server: ServerProcess, table: ProcessTable) -> Address:
    """Where a client on this machine reaches a server that was bound to `host`, or whose port Docker publishes."""
    host = asked_at(server.host)
    # Bound to one address of its container, it is asked there; else where Docker publishes it.
    port = (reached_at(server, table) if host in ("127.0.0.1", "::1") else None) or server.port
    scheme = "https" if "ssl-certfile" in server.flags else "http"
    return parse_url(f"{scheme}://{authority(host, port)}")


def newest_log(folder: str) -> str | None:
    """The newest file of a folder that looks like a sglang log, or None."""
    try:
        names = [n for n in os.listdir(folder) if n.endswith((".log", ".out"))]
    except OSError:
        return None
    paths = [os.path.join(folder, name) for name in names] if folder != "." else names
    files = [path for path in paths if os.path.isfile(path)]
    files.sort(key=os.path.getmtime, reverse=True)
    return next((path for path in files[:50] if _looks_like_sglang(path)), None)


def _looks_like_sglang(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(256 * 1024)
    except OSError:
        return False
    return is_of_sglang(head.decode("utf-8", "replace"))


def _passed_over(path: str) -> Text | None:
    """Why a log that nobody named is left out: nothing was started since, so it tells nothing of today."""
    from bgecheck.engines.sglang.log.age import OLD, age_of_file, ago

    age = age_of_file(path)
    if age is None or age <= OLD:
        return None
    written = ago(age)
    return Text(
        f"the newest log of this folder, {path}, was last written {written.en} and tells nothing of today; "
        f"to judge it: bgecheck logs {quote(path)}",
        f"当前目录下最新的日志 {path} 最后写于{written.zh}，说明不了现在的情况；要看它：bgecheck logs {quote(path)}",
    )


def _searched(nearby: str | None, passed_over: Text | None) -> tuple[Words, ...]:
    looked = Text(
        f"no running sglang server was found among the processes; looked at {DEFAULT_HOST}:{DEFAULT_PORT}, "
        "sglang's default, instead. Another address: --url",
        f"进程列表里没有运行中的 sglang 服务；改查默认地址 {DEFAULT_HOST}:{DEFAULT_PORT}，其他地址用 --url 指定",
    )
    log = (
        Text(f"took the newest log of this folder: {nearby}", f"使用当前目录下最新的日志：{nearby}")
        if nearby
        else Text("no sglang log in this folder; name it with --log", "当前目录下没有 sglang 日志，可用 --log 指定")
    )
    return looked, passed_over or log
