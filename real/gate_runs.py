"""Gate runs in a row against demo servers: each verdict is planted beforehand, and nothing may be left behind.

    python real/gate_runs.py 1000 --seed 1 --at-once 4

Half of the servers are right; the others fail in one of the ways below, and all start, and die, at random moments. What
is started is the demo of the checkout that this file is in; nothing else of the machine is touched.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RIGHT = ["--is-embedding", "--disable-radix-cache", "--chunked-prefill-size", "-1", "--mem-fraction-static", "0.3"]
GATE = [sys.executable, "-m", "bgecheck", "doctor", "--skip", "*.openai-client,embed,gpu", "-o", "json"]
PORTS = range(20_000, 31_000)

LOST_WITHIN = 5.0
"""Seconds from a death to the verdict: three, and two for the start of Python on a machine whose cores are all busy."""


@dataclass(frozen=True)
class Planted:
    """One gate run: how the server behaves, how the gate is called, and what it has to say."""

    name: str
    exit_code: int
    roots: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    takes: float = 0.0
    ends: str = ""
    """Seconds and manner of its end, as the demo understands them."""
    late: float = 0.0
    """Seconds before the server is even started."""
    wait: str = "60s"
    by: str = "url"
    """What the gate is given: `url`, `pid`, `log`, or `launch`."""
    old: bool = False
    """Whether the log holds an older session that failed."""
    held: bool = False
    """Whether another program has the port."""
    serves: bool = True
    """Whether a server is started at all."""


def course(kind: str, pick: random.Random) -> Planted:
    """A run of one kind, its moments and what the gate is given drawn by chance."""
    takes, late = pick.uniform(0.2, 4), pick.choice((0.0, pick.uniform(0.1, 1.5)))
    by = pick.choice(("url", "pid", "log", "launch"))
    at = pick.uniform(0.05, 0.9) * takes
    match kind:
        case "ready":
            return Planted(kind, 0, takes=takes, late=late if by != "pid" else 0.0, by=by)
        case "ready-over-an-older-session":
            return Planted(kind, 0, takes=takes, late=late, by="log", old=True)
        case "exit":
            code = pick.randint(0, 120)
            return Planted(kind, 1, ("ports.process",), takes=takes + 1, ends=f"{at + 0.8:.2f}:{code}", by=_seen(by))
        case "killed":
            return Planted(kind, 1, ("ports.process",), takes=takes + 1, ends=f"{at + 0.8:.2f}:killed", by=_seen(by))
        case "oom":
            start = takes + 2  # the error comes while the weights are loaded, a quarter of the start in
            ends = f"{0.35 * start + pick.uniform(0.4, 0.6):.2f}:oom"
            # Of a process that has ended before the gate began nothing leads to its log, here and below.
            by = pick.choice(("log", "launch"))
            return Planted(kind, 1, ("logs.gpu-oom-weights",), takes=start + 2, ends=ends, late=0.0, by=by)
        case "unknown-flag":
            flags = ("--fault", "unknown-flag")
            return Planted(kind, 1, ("logs.bad-cli-arguments",), flags, by=pick.choice(("log", "launch")))
        case "key":
            flags = ("--api-key", "a-key-of-a-gate-run")
            return Planted(kind, 1, ("probe.api-key",), flags, takes=takes, late=late, by="remote-key")
        case "port-taken":
            return Planted(kind, 1, ("ports.owner",), takes=90, by="pid", held=True)
        case "too-slow":
            return Planted(kind, 3, takes=60, wait=f"{pick.uniform(2, 4):.1f}s", by=by)
        case "nobody":
            return Planted(kind, 3, wait=f"{pick.uniform(1, 2):.1f}s", serves=False)
        case "wrong-vectors":
            flags = ("--fault", "nan", "--skip-server-warmup")
            return Planted(kind, 1, ("probe.ready",), flags, takes=takes, late=late, by="url")
    raise AssertionError(kind)


def _seen(by: str) -> str:
    """A process that dies unseen is nobody's: what is given must lead to it from the beginning."""
    return "pid" if by in ("url", "log") else by


RIGHT_KINDS = ("ready", "ready", "ready-over-an-older-session")
FAULTY_KINDS = ("exit", "killed", "oom", "unknown-flag", "key", "port-taken", "too-slow", "nobody", "wrong-vectors")

OLD = (
    "[2026-11-01 08:00:00] server_args={'model_path': '/m/bge', 'is_embedding': True}\n"
    "[2026-11-01 08:00:09] Load weight begin. avail mem=1.00 GB\n"
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 42.00 MiB.\n"
    "[2026-11-01 08:00:10] Received sigquit from a child process. It usually means the child failed.\n"
)


class Ports:
    """Free ports, each given out once at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = iter(random.sample(PORTS, len(PORTS)))

    def take(self) -> int:
        """A port that nobody listens on."""
        with self._lock:
            for port in self._next:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)):
                        return port
        raise RuntimeError("no free port is left")


def environment(planted: Planted, folder: Path) -> dict[str, str]:
    """Of a server and its gate, which put what they leave into one folder."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("BGECHECK_")}
    source = str(Path(__file__).parents[1] / "src")
    return {
        **given,
        "PYTHONPATH": source,
        "TMPDIR": str(folder),
        "BGECHECK_DEMO_TAKES": f"{planted.takes:.2f}",
        "BGECHECK_DEMO_ENDS": planted.ends,
    }


@contextmanager
def server(planted: Planted, line: list[str], log: Path, variables: dict[str, str]) -> Iterator[Callable[[], int]]:
    """The server, started now or later by a thread; what it gives is its pid, for which is waited."""
    processes: list[subprocess.Popen[bytes]] = []
    there = threading.Event()

    def start() -> None:
        time.sleep(planted.late)
        with log.open("ab") as output:
            processes.append(subprocess.Popen(line, stdout=output, stderr=output, env=variables))
        there.set()

    thread = threading.Thread(target=start)
    if planted.serves and planted.by != "launch":
        thread.start()

    def pid() -> int:
        there.wait()
        return processes[0].pid

    try:
        yield pid
    finally:
        if thread.ident is not None:
            thread.join()
        for process in processes:
            process.kill()
            process.wait()


def gate(planted: Planted, port: int, log: Path, pid: Callable[[], int], line: list[str]) -> list[str]:
    """The command line of the gate."""
    words = [*GATE, "--wait", planted.wait]
    if planted.by == "launch":
        return [*words, "--stop-on-failure", "--log", str(log), "--launch", "--", *line]
    if planted.by == "pid":
        return [*words, "--pid", str(pid())]
    if planted.by == "log":
        return [*words, "--url", f"127.0.0.1:{port}", "--log", str(log)]
    key = ["--api-key", "wrong"] if planted.by == "remote-key" else []
    return [*words, "--url", f"127.0.0.1:{port}", *key]


def once(number: int, planted: Planted, ports: Ports, root: Path) -> str | None:
    """One run; None where the verdict is the one that was planted, and nothing is left."""
    folder, port = root / str(number), ports.take()
    folder.mkdir()
    log, temporary = folder / "sglang.log", folder / "tmp"
    temporary.mkdir()
    line = [sys.executable, "-m", "bgecheck.demo.server", "--port", str(port), *RIGHT, *planted.flags]
    variables = environment(planted, temporary)
    if planted.old:
        log.write_text(OLD)
        os.utime(log, (time.time() - 120, time.time() - 120))
    with socket.socket() as holder, server(planted, line, log, variables) as pid:
        if planted.held:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("127.0.0.1", port))
            holder.listen()
        words = gate(planted, port, log, pid, line)
        done = subprocess.run(words, capture_output=True, text=True, env=variables, timeout=180, check=False)
        wrong = _verdict(planted, done)
        if planted.by == "launch":
            wrong = wrong or _stopped(planted, port)
    left = [path.name for path in temporary.iterdir()]
    wrong = wrong or (f"left behind: {left}" if left else None) or _listens(port)
    if wrong:
        return f"{number} {planted}: {wrong}\n{' '.join(words)}\n{done.stderr[-800:]}"
    shutil.rmtree(folder)
    return None


def _verdict(planted: Planted, done: subprocess.CompletedProcess[str]) -> str | None:
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return f"no report, exit {done.returncode}: {done.stdout[-300:]}"
    came = (done.returncode, report["exit_code"], tuple(report["root_causes"]))
    if done.returncode != planted.exit_code or report["exit_code"] != planted.exit_code:
        return f"exit {planted.exit_code} was planted, and came {came}"
    if planted.exit_code == 1 and not set(planted.roots) <= set(report["root_causes"]):
        return f"{planted.roots} was planted, and came {came}"
    seconds = float(planted.ends.partition(":")[0]) if planted.ends else None
    if seconds is not None and report["seconds"] > seconds + LOST_WITHIN:
        return f"the end at {seconds} s was told after {report['seconds']} s"
    return None


def _stopped(planted: Planted, port: int) -> str | None:
    """A launched server runs on where it is right, and is ended here; else it has been stopped."""
    running = _running(port)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    if bool(running) != (planted.exit_code == 0):
        return f"the launched server {'still' if running else 'no longer'} runs: {running}"
    for _ in range(100):
        if not _running(port):
            return None
        time.sleep(0.05)
    return "the launched server cannot be ended"


def _running(port: int) -> list[int]:
    """The servers that were started for a port."""
    pids = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"bgecheck.demo.server" in words and str(port).encode() in words:
            pids.append(int(path.parent.name))
    return pids


def _listens(port: int) -> str | None:
    """What is wrong where a port stays held; a process that was killed lets go of it a moment later."""
    for _ in range(100):
        if not _is_held(port):
            return None
        time.sleep(0.05)
    return f"port {port} is still listened on"


def _is_held(port: int) -> bool:
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return any(fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port for fields in lines)


def _left() -> dict[str, int]:
    """What this program holds: its descriptors, threads and children."""
    pid = os.getpid()
    children = [path for path in Path("/proc").glob("[0-9]*/stat") if _parent(path) == pid]
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "children": len(children),
    }


def _parent(path: Path) -> int | None:
    try:
        return int(path.read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return None


def _told(result: str | None) -> bool:
    """Whether a run went wrong, which is printed at once."""
    if result is not None:
        print(result, flush=True)
    return result is not None


def main() -> int:
    """Plant, run, compare; the exit code is 1 where a verdict was another one or anything is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--only", help="one kind")
    options = parser.parse_args()
    pick = random.Random(options.seed)
    kinds = [pick.choice(RIGHT_KINDS if number % 2 else FAULTY_KINDS) for number in range(options.runs)]
    planted = [course(options.only or kind, pick) for kind in kinds]
    before, began, ports = _left(), time.monotonic(), Ports()
    with tempfile.TemporaryDirectory(prefix="bgecheck-gate-") as folder:
        Path(folder, "planted.json").write_text(json.dumps([repr(one) for one in planted]))
        with ThreadPoolExecutor(options.at_once) as pool:
            results = pool.map(lambda item: once(*item, ports, Path(folder)), enumerate(planted))
            wrong = [result for result in results if _told(result)]
    left = {name: count for name, count in _left().items() if count > before[name]}
    for name, count in sorted(Counter(one.name for one in planted).items()):
        print(f"{count:5} {name}")
    print(f"{len(planted)} gate runs in {time.monotonic() - began:.0f} s, seed {options.seed}: {len(wrong)} wrong")
    print(f"left behind: {left or 'nothing'}")
    return 1 if wrong or left else 0


if __name__ == "__main__":
    sys.exit(main())
