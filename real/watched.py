"""Watches demo servers that go wrong over hours, in minutes, and the true sglang: each is told apart from the others.

usage: watched.py            the demo: healthy, leak, heat, restart, vectors (some six minutes)
       watched.py sglang     a short healthy watch of the true sglang on CPU (after setup.sh)

The clock of the watch runs 240 times as fast, so that a sample a minute is one each quarter of a second; the server,
its memory and its vectors are true. For heat this machine has no GPU: NVML is the stand-in of the tests, which tells
the temperature and clock that the script writes. Exit status 0 when all holds.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bgecheck.engines.sglang.discovery import resolve
from bgecheck.model import Report, Severity, Target, say
from bgecheck.render.screen import screen
from bgecheck.render.watchpage import watch_page
from bgecheck.run import catalog
from bgecheck.run.over_time import judged
from bgecheck.run.plan import Plan
from bgecheck.run.settings import Settings
from bgecheck.watching.clocks import Clock, Moment
from bgecheck.watching.history import Facts
from bgecheck.watching.notifying import Notifier
from bgecheck.watching.running import Watch
from bgecheck.watching.sampler import Sampler

HERE = Path(__file__).parent
ROOT = HERE.parent
SPEED, EVERY, HOURS = 240.0, 60.0, 3.0

SCENES: dict[str, tuple[str, dict[str, str]]] = {
    "healthy": ("", {}),
    "leak": ("leak:0.6", {"watch.host-memory": "fail"}),
    "heat": ("heat:0.08", {"watch.latency": "warn", "watch.heat": "warn"}),
    "restart": ("", {"watch.restarts": "warn"}),
    "vectors": ("vectors:200", {"watch.vectors": "fail"}),
}
"""What each demo server does, and the rows that do not hold of it: no others may fail."""


class Fast(Clock):
    """All clocks of this machine, so many times as fast."""

    def __init__(self) -> None:
        self._began = super().now()

    def now(self) -> Moment:
        """The time since the beginning, stretched."""
        real = super().now()
        passed = (real.running - self._began.running) * SPEED
        return Moment(self._began.running + passed, None, self._began.wall + passed)

    def sleep(self, seconds: float) -> None:
        """As long as that takes in real time."""
        super().sleep(seconds / SPEED)


class Server:
    """A demo server, which can be started anew on its port."""

    def __init__(self, folder: Path, decays: str) -> None:
        self.log = folder / "sglang.log"
        self._decays = decays
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", "bgecheck.demo.server", "--port", str(self._port), "--is-embedding"]
        line += ["--model-path", "models/bge-large-zh-v1.5", "--served-model-name", "bge-large-zh-v1.5"]
        line += ["--disable-radix-cache", "--chunked-prefill-size", "-1", "--enable-metrics"]
        environment = {**os.environ, "BGECHECK_DEMO_DECAYS": self._decays}
        with self.log.open("ab") as log:
            process = subprocess.Popen(line, stdout=log, stderr=log, env=environment)
        begun = self.log.stat().st_size
        while "fired up" not in self.log.read_text(encoding="utf-8")[begun:] and process.poll() is None:
            time.sleep(0.05)
        return process

    def restart(self) -> None:
        """Stop it as an operator does, and start it again."""
        self.stop()
        self.process = self._start()

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def warming(path: str | None, pid: int) -> Iterator[None]:
    """While it lasts the stand-in for NVML tells of a card that becomes warm as the demo's heat does."""
    ended = threading.Event()

    def write() -> None:
        began = time.monotonic()
        while path and not ended.wait(0.1):
            share = 1 - math.exp(-(time.monotonic() - began) / 20)
            lines = [
                "count=1",
                "driver=580.65.06",
                "cuda=13000",
                "gpu0.name=stand-in",
                "gpu0.memory=25769803776,4294967296",
            ]
            lines += [f"gpu0.compute={pid}:3221225472", f"gpu0.temperature={round(55 + 37 * share)}"]
            lines += [f"gpu0.clock={round(1980 - 900 * share)}", f"gpu0.throttle={0x40 if share > 0.6 else 0}"]
            Path(path + ".new").write_text("\n".join(lines) + "\n")
            os.replace(path + ".new", path)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def watched(target: Target, seconds: float, every: float, clock: Clock) -> Facts:
    """The facts of a watch of so many seconds by its clock."""
    sampler = Sampler(target, every=every, timeout=10.0, most_failed=0.05, clock=clock)
    watch = Watch(sampler, Notifier((), None, {}, print), on_alert=lambda alert: print("  ", alert.id, alert.text.en))
    try:
        watch.run(clock, every, seconds)
        return watch.facts()
    finally:
        watch.close()


def report_on(facts: Facts, name: str) -> Report:
    """The report, its page kept in real/logs."""
    areas = tuple(catalog.at("while", catalog.areas(["watch"])))
    plan = Plan(command="watch", areas=areas, ignored={}, fail_on=Severity.ERROR, nagios=False, settings=Settings())
    report = judged(plan, facts, target={"url": facts.watched.url}, started_at=time.strftime("%Y-%m-%dT%H:%M:%S+00:00"))
    (HERE / "logs").mkdir(exist_ok=True)
    page = watch_page(report, facts, screen("en", verbose=False, terminal=False, encoding="utf-8"))
    (HERE / "logs" / f"watched-{name}.html").write_text(page, encoding="utf-8")
    return report


def show(report: Report) -> None:
    """Each row in a line."""
    for row in report.findings:
        seen = "; ".join(f"{say(e.subject, 'en')}: {say(e.observed, 'en')}" for e in row.evidence)
        print(f"   {row.status} {row.id}: {say(row.reason, 'en') if row.reason else seen}")


def scene(name: str) -> int:
    """One demo server, watched for some hours of a fast clock."""
    decays, wrong = SCENES[name]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), decays)
        try:
            target = resolve(url=server.url, pid=server.process.pid, log=str(server.log))
            again = threading.Timer(HOURS * 3600 / SPEED / 2, server.restart)
            if name == "restart":
                again.start()
            with warming(os.environ.get("FAKE_NVML"), server.process.pid):
                facts = watched(target, HOURS * 3600, EVERY, Fast())
            again.cancel()
        finally:
            server.stop()
    report = report_on(facts, name)
    show(report)
    seen = {row.id: str(row.status) for row in report.findings if row.status.bad}
    # Of a restart a request may have met the server while it was down.
    seen.pop("watch.errors", None) if name == "restart" else None
    holds = seen == wrong and not any(str(row.status) == "error" for row in report.findings)
    print(f"{'ok   ' if holds else 'WRONG'} {name}: {seen or 'nothing wrong'}", flush=True)
    return int(not holds)


def stand_in(folder: str) -> dict[str, str]:
    """The environment in which NVML is the stand-in of the tests; empty without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return {}
    source = ROOT / "tests/fakes/nvml/nvml.c"
    library = Path(folder, "libnvidia-ml.so.1")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return {"LD_LIBRARY_PATH": folder, "FAKE_NVML": str(Path(folder, "nvml.txt"))}


def true_sglang() -> int:
    """A short watch of the true server, by the program as a user runs it."""
    from prove import MODEL, PYTHON, free_port

    port = free_port()
    line = [str(PYTHON), "-m", "sglang.launch_server", "--model-path", MODEL, "--port", str(port), "--device", "cpu"]
    line += ["--is-embedding", "--disable-radix-cache", "--chunked-prefill-size", "-1", "--mem-fraction-static", "0.3"]
    line += ["--enable-metrics", "--served-model-name", "bge-large-zh-v1.5"]
    (HERE / "logs").mkdir(exist_ok=True)
    log = HERE / "logs" / "watched-sglang.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            line, cwd=HERE, stdout=file, stderr=file, env={**os.environ, "SGLANG_USE_CPU_ENGINE": "1"}
        )
    try:
        return _watch_sglang(server, port)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def _watch_sglang(server: subprocess.Popen[bytes], port: int) -> int:
    url = f"http://127.0.0.1:{port}"
    program = [sys.executable, "-m", "bgecheck"]
    gate = [*program, "doctor", "--url", url, "--wait", "5m", "--quick", "--only", "probe.ready"]
    subprocess.run(gate, check=True, stdout=subprocess.DEVNULL, timeout=330)
    line = [
        *program,
        "watch",
        "--pid",
        str(server.pid),
        "--every",
        "1s",
        "--for",
        os.environ.get("SECONDS_", "60") + "s",
    ]
    page = HERE / "logs" / "watched-sglang.html"
    done = subprocess.run(
        [*line, "-o", "json", "--report", str(page)], stdout=subprocess.PIPE, timeout=400, check=False
    )
    report = json.loads(done.stdout)
    for row in report["findings"]:
        seen = "; ".join(f"{e['subject']}: {e['observed']}" for e in row["evidence"])
        print(f"   {row['status']} {row['id']}: {row['reason'] or seen}")
    bad = [row["id"] for row in report["findings"] if row["status"] in ("warn", "fail", "error")]
    holds = done.returncode == 0 and not bad
    print(f"{'ok   ' if holds else 'WRONG'} sglang on CPU: exit {done.returncode}, {bad or 'nothing wrong'}")
    return int(not holds)


def main(words: list[str]) -> int:
    """All scenes, each in a process of its own; or one."""
    if words == ["sglang"]:
        return true_sglang()
    if words:
        return scene(words[0])
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in SCENES:
            more = stand_in(folder) if name == "heat" else {}
            done = subprocess.run(
                [sys.executable, __file__, name], env={**os.environ, **more}, timeout=300, check=False
            )
            wrong += done.returncode != 0
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
