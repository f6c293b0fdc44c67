"""Runs bgecheck across true network namespaces: the true sglang in one, as in a container, and clients outside it.

usage: network.py      (as root, after setup.sh, with iproute2; exit status 0 when all is told rightly)

Two namespaces with a wire between them stand for two containers; this machine's own stands for their host. Routes that
lead nowhere and a neighbour that never answers stand for firewalls. Nothing outside the two namespaces is changed.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from prove import HERE, MEANINGLESS, RIGHT, START, free_port, launch_line, started

ONE, OTHER = "bgecheck-one", "bgecheck-two"
AT, FROM = "10.213.0.1", "10.213.0.2"
NOWHERE, SILENT, CLOSED = "198.51.100.7", "10.213.0.9", "203.0.113.7"
PORT = 30000
DELAY = 0.15
"""Seconds in each direction of the slow way."""
WHERE = HERE.parent / "docs" / "network-seen.md"
PAGE = (
    "# What bgecheck tells across networks",
    "",
    "Written by `make real-network`: sglang 0.5.23 on CPU in a network namespace, as in a container; `bgecheck doctor` "
    "from there, from a second namespace with a process table of its own, and from the machine that holds both.",
    "",
    "| scene | exit | root cause | what it says | seconds |",
    "| --- | --- | --- | --- | --- |",
)


class Scene(NamedTuple):
    """From where the server is asked, and what must be told."""

    name: str
    words: Sequence[str]
    exit_code: int
    root: str | None
    says: str
    """Words of the cause."""
    inside: str | None = None
    """The namespace; None for this machine's own."""
    alone: bool = True
    """Whether the client sees its own processes only, as in another container."""


def ip(*words: str, namespace: str | None = None) -> None:
    """One call of iproute2."""
    line = ["ip", *(("-n", namespace) if namespace else ()), *words]
    subprocess.run(line, check=True, capture_output=True, timeout=20)


@contextmanager
def namespaces() -> Iterator[None]:
    """Two networks with a wire between them, and ways that lead nowhere."""
    made = []
    try:
        for name in (ONE, OTHER):
            ip("netns", "add", name)
            made.append(name)
        ip("link", "add", "wire", "netns", ONE, "type", "veth", "peer", "name", "wire", "netns", OTHER)
        for name, address in ((ONE, AT), (OTHER, FROM)):
            ip("addr", "add", f"{address}/24", "dev", "wire", namespace=name)
            for device in ("lo", "wire"):
                ip("link", "set", device, "up", namespace=name)
        ip("route", "add", "unreachable", f"{CLOSED}/32", namespace=OTHER)
        # An address that the wire seems to lead to, and where nobody is: packets go and nothing comes back.
        ip("neigh", "add", SILENT, "lladdr", "02:00:00:00:00:09", "dev", "wire", namespace=OTHER)
        yield
    finally:
        for name in made:
            ip("netns", "del", name)


def told(scene: Scene) -> tuple[int, dict[str, Any]]:
    """The report of one run."""
    where = ["ip", "netns", "exec", scene.inside] if scene.inside else []
    if scene.inside and scene.alone:
        where += ["unshare", "--pid", "--fork", "--mount-proc"]
    line = [
        *where,
        sys.executable,
        "-m",
        "bgecheck",
        "doctor",
        *scene.words,
        *MEANINGLESS,
        "-o",
        "json",
        "--lang",
        "en",
    ]
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run(line, capture_output=True, timeout=120, env=environment, check=False)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"{scene.name}: no report: {done.stderr.decode()[-2000:]}") from None


class Table:
    """The scenes so far."""

    def __init__(self) -> None:
        self.wrong = 0
        self.rows: list[str] = []

    def see(self, scene: Scene) -> None:
        """Run one scene and compare."""
        code, report = told(scene)
        roots = report["root_causes"]
        cause = next((f["cause"] for f in report["findings"] if f["id"] in roots), "")
        right = code == scene.exit_code and roots == ([scene.root] if scene.root else []) and scene.says in cause
        self.wrong += not right
        seconds = f"{report['seconds']:.1f}"
        print(f"{'ok   ' if right else 'WRONG'} {scene.name}: exit {code}, {roots}, {seconds} s: {cause}", flush=True)
        shown = " ".join(cause.split()).replace("|", "\\|")
        server = next((word for word in shown.split() if word.isdigit() and shown.startswith("pid ")), None)
        shown = shown.replace(f"pid {server}", "pid N") if server else shown
        self.rows.append(f"| {scene.name} | {code} | {', '.join(roots) or '-'} | {shown or '-'} | {seconds} |")


@contextmanager
def slow_way(to: tuple[str, int]) -> Iterator[int]:
    """A port of this machine from which every piece reaches `to` late, and comes back late."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await asyncio.sleep(DELAY)
            sink.write(data)
        sink.close()

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(DELAY)
        there, sink = await asyncio.open_connection(*to)
        await asyncio.gather(pump(reader, sink), pump(there, writer), return_exceptions=True)

    async def serve() -> None:
        server = await asyncio.start_server(taken, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await asyncio.sleep(600)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    ready.wait(10)
    yield ports[0]


def fired_up(log: Path) -> None:
    """Wait until the server's log says that it is ready."""
    ends = time.monotonic() + START
    while b"fired up" not in log.read_bytes():
        if time.monotonic() > ends:
            raise SystemExit(f"the server was not ready; see {log}")
        time.sleep(0.3)


def bound(table: Table, host: str, scenes: Sequence[Scene]) -> None:
    """The scenes with a server bound to `host` in its own network."""
    line = launch_line(PORT, *RIGHT)
    line[line.index("--host") + 1] = host
    line = ["ip", "netns", "exec", ONE, *line]
    log = HERE / "logs" / "network.log"
    with started(line, log):
        fired_up(log)
        for scene in scenes:
            table.see(scene)


def main() -> int:
    """All scenes."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        raise SystemExit("run as root, with iproute2 and util-linux: apt-get install -y iproute2 util-linux")
    (HERE / "logs").mkdir(exist_ok=True)
    table = Table()
    there, nowhere, closed, silent = (("--url", f"http://{host}:{PORT}") for host in (AT, NOWHERE, CLOSED, SILENT))
    with namespaces():
        bound(
            table,
            "127.0.0.1",
            (
                Scene("bound to 127.0.0.1, asked in its own container", (), 0, None, "", ONE, alone=False),
                Scene("the same, from another container", there, 1, "probe.reachable", "127.0.0.1 only", OTHER),
                Scene("the same, from the machine that holds it", (), 1, "ports.listening", "127.0.0.1 only"),
            ),
        )
        slow = ("--timeout", "20s", "--deadline", "90s")
        bound(
            table,
            "0.0.0.0",
            (
                Scene("bound to 0.0.0.0, from another container", there, 0, None, "", OTHER),
                Scene("the same, from the machine that holds it", (), 1, "ports.listening", "not published"),
                Scene("no route", nowhere, 1, "probe.reachable", "no route", OTHER),
                Scene(
                    "a route that refuses",
                    closed,
                    1,
                    "probe.reachable",
                    "no route",
                    OTHER,
                ),
                Scene("packets dropped", silent, 1, "probe.reachable", "firewall", OTHER),
            ),
        )
    port = free_port()
    log = HERE / "logs" / "network.log"
    with started(launch_line(port, *RIGHT), log), slow_way(("127.0.0.1", port)) as late:
        fired_up(log)
        url = ("--url", f"http://127.0.0.1:{late}")
        table.see(Scene(f"every answer {2 * DELAY * 1000:.0f} ms late", url, 0, None, ""))
        table.see(Scene(f"the same, with {' '.join(slow)}", (*url, *slow), 0, None, ""))
    WHERE.write_text("\n".join([*PAGE, *table.rows, ""]), encoding="utf-8")
    print("all told rightly" if not table.wrong else f"{table.wrong} told wrongly")
    return 1 if table.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
