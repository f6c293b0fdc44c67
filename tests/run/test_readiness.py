"""Waiting for true processes, sockets and logs: what is planted is what is found, at once where waiting is in vain."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bgecheck.demo import dialect
from bgecheck.demo.stage import _free_port, stage
from bgecheck.engines.sglang.discovery import resolve
from bgecheck.machine.child import Child
from bgecheck.model import Report, Severity, Target, say
from bgecheck.run import catalog, examination
from bgecheck.run.plan import Plan
from bgecheck.run.readiness import FRESH, Pace, Progress, settled
from bgecheck.run.settings import Settings
from commandline import environment
from fakes.answering import CARD, Answer, pages, same, serving

PACE = Pace(look=0.2, step=0.05, grace=0.5, last=1.0, lost=8.0, hangs=1.0, handover=1.5)
RIGHT = ("--is-embedding", "--disable-radix-cache", "--chunked-prefill-size", "-1", "--mem-fraction-static", "0.3")
AREAS = ("logs", "ports", "probe")
EARLY = 15.0
"""Seconds below which a waiting of 20 s has ended by itself, on a machine whose cores are all busy too."""


def plan(timeout: float = 5.0) -> Plan:
    return Plan(
        command="doctor",
        areas=tuple(catalog.at("after", catalog.areas(AREAS))),
        ignored={},
        fail_on=Severity.ERROR,
        nagios=False,
        settings=Settings(timeout=timeout, deadline=20.0, quick=True),
    )


@dataclass
class Waited:
    """A report, and what was told on the way to it."""

    report: Report
    told: list[Progress]

    @property
    def roots(self) -> list[str]:
        return [finding.id for finding in self.report.root_causes]

    @property
    def phases(self) -> list[str]:
        spoken = [say(progress.phase, "en") for progress in self.told if progress.phase is not None]
        return list(dict.fromkeys(spoken))

    @property
    def notes(self) -> str:
        return " ".join(say(note, "en") for note in self.report.notes)

    def values(self, row: str) -> Mapping[str, Any]:
        return next(finding.values for finding in self.report.findings if finding.id == row)


def wait(patience: float, timeout: float = 5.0, child: Child | None = None, **options: Any) -> Waited:
    told: list[Progress] = []
    find = partial(resolve, awaited=True, **options)
    look: Callable[[Plan, Target], Report] = examination.examine
    report = settled(plan(timeout), find, patience, look, child=child, on_progress=told.append, pace=PACE)
    return Waited(report, told)


def line(port: int, *more: str) -> list[str]:
    served = ("--served-model-name", "bge-large-zh-v1.5")
    return [sys.executable, "-m", "bgecheck.demo.server", "--port", str(port), *served, *RIGHT, *more]


@contextmanager
def server(
    port: int, log: Path, *more: str, takes: float = 0.0, ends: str = "", mode: str = "wb", before: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """The demo server with its own course; `before` is what a shell does first."""
    variables = {"BGECHECK_DEMO_TAKES": str(takes), "BGECHECK_DEMO_ENDS": ends}
    words = line(port, *more)
    if before:
        words = ["sh", "-c", f'{before}; exec "$@"', "sh", *words]
    with log.open(mode) as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, env=environment(variables))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def port() -> int:
    return _free_port()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "sglang.log"


def at(port: int) -> str:
    return f"http://127.0.0.1:{port}"


# Ready.


def test_a_server_that_runs_is_ready_at_once(port: int, log: Path) -> None:
    with server(port, log) as process:
        waited = wait(20, pid=process.pid)
    assert (waited.report.verdict, waited.roots) == ("pass", [])
    assert waited.report.target["log"] == str(log)


def test_a_start_is_followed_through_its_phases_until_it_is_ready(port: int, log: Path) -> None:
    with server(port, log, takes=3) as process:
        waited = wait(20, url=at(port))
    assert (waited.report.verdict, waited.report.target["pid"]) == ("pass", str(process.pid))
    assert "the loading of the weights" in waited.phases
    assert waited.report.seconds > 2


def test_a_process_that_has_yet_to_start_the_server_is_waited_for(port: int, log: Path) -> None:
    with server(port, log, before="sleep 0.8") as process:
        waited = wait(20, pid=process.pid)
    assert waited.report.verdict == "pass"


def test_a_log_that_is_not_there_yet_is_waited_for(port: int, log: Path, tmp_path: Path) -> None:
    late = tmp_path / "late"
    with server(port, late, before=f"sleep 0.5; exec >{log} 2>&1"):
        waited = wait(20, url=at(port), log=str(log))
    assert waited.report.verdict == "pass"


def test_a_line_that_is_not_of_sglang_at_first_does_not_end_the_waiting(port: int, log: Path) -> None:
    with server(port, log, before="echo nohup: ignoring input; sleep 0.8"):
        waited = wait(20, url=at(port), log=str(log))
    assert waited.report.outcome == 0


def test_a_server_that_follows_one_that_has_died_is_waited_for(port: int, log: Path) -> None:
    again = f"until {' '.join(line(port))}; do sleep 0.1; export BGECHECK_DEMO_ENDS=; done"
    variables = {"BGECHECK_DEMO_TAKES": "4", "BGECHECK_DEMO_ENDS": "2.5:1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", again], stdout=output, stderr=output, env=environment(variables), start_new_session=True
        )
    try:
        waited = wait(20, url=at(port))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert waited.report.verdict == "pass"
    assert len({progress.target.pid for progress in waited.told if progress.alive}) == 2


FAILED = [dialect.OUT_OF_MEMORY, dialect.START_FAILED]


def session(*ends: str, begun: float) -> str:
    """A session as the demo's dialect writes it: up to the weights, then `ends`."""
    settings = {"version": "0.5.23", "model_path": "/m/bge-large-zh-v1.5", "is_embedding": True}
    settings |= {"chunked_prefill_size": -1, "disable_radix_cache": True, "port": 30000}
    return "".join(f"{dialect.stamped(text, begun)}\n" for text in (*dialect.until_weights(settings), *ends))


def test_an_older_session_of_the_same_file_neither_ends_the_waiting_nor_is_judged(port: int, log: Path) -> None:
    log.write_text(session(*FAILED, begun=time.time() - 60))
    with server(port, log, mode="ab", before="sleep 0.1", takes=2):
        waited = wait(20, url=at(port), log=str(log))
    assert (waited.report.verdict, waited.roots) == ("pass", [])


def test_an_older_session_that_was_ready_is_not_this_one(port: int, log: Path) -> None:
    log.write_text(session(dialect.READY, begun=time.time() - 60))
    with server(port, log, mode="ab", takes=20) as process:
        waited = wait(1.5, pid=process.pid)
    assert (waited.report.outcome, waited.report.unseen) == (3, False)


def test_a_log_of_an_earlier_start_is_no_sign_that_a_server_that_is_not_seen_is_ready(port: int, log: Path) -> None:
    """Nothing runs and nothing listens: what served a minute ago is over, whatever its log says."""
    then = time.time() - 60
    log.write_text(session(dialect.READY, begun=then))
    os.utime(log, (then, then))
    waited = wait(0.5, url=at(port), log=str(log))
    assert (waited.report.outcome, waited.report.unseen) == (3, True)
    assert "saw nothing" in waited.notes


def test_the_log_of_a_server_that_is_ready_at_once_and_not_seen_is_judged(log: Path) -> None:
    """Of one in a container for instance: it answers here, its process is not seen, and its log is older than this."""
    then = time.time() - 60
    log.write_text(session(dialect.READY, begun=then))
    os.utime(log, (then, then))
    with serving(pages(), same) as url:
        waited = wait(20, url=url, log=str(log))
    assert waited.report.outcome == 0, waited.roots
    assert "earlier start" not in waited.notes
    assert waited.values("logs.ready")["state"] == "ready"


# Lost.


def test_a_process_that_ends_before_it_has_started_a_server_is_lost(port: int) -> None:
    with subprocess.Popen(["sleep", "0.3"]) as process:
        waited = wait(20, pid=process.pid, url=at(port))
    assert (waited.report.outcome, waited.roots) == (1, ["ports.process"])
    assert waited.report.seconds < EARLY


def test_a_process_that_was_given_is_not_said_to_have_been_launched_here(log: Path) -> None:
    """What its log begins with is another program's, not what this one has yet to write."""
    log.write_text("hello\n")
    with subprocess.Popen(["sleep", "20"]) as process:
        try:
            waited = wait(0.3, pid=process.pid, log=str(log))
        finally:
            process.kill()
    row = next(finding for finding in waited.report.findings if finding.id == "logs.wrong-engine")
    assert "no line of this file was written by sglang" in say(row.cause, "en")


@pytest.mark.parametrize(("ends", "status"), [("0.8:7", 7), ("0.8:killed", -9), ("0.8:0", 0)])
def test_a_given_process_that_ends_silently_is_lost_with_its_code(port: int, log: Path, ends: str, status: int) -> None:
    """Its starter has not asked for the code yet: the kernel still keeps it."""
    with server(port, log, takes=9, ends=ends) as process:
        waited = wait(20, pid=process.pid)
    assert (waited.report.outcome, waited.roots) == (1, ["ports.process"])
    assert waited.values("ports.process")["ended_with"] == status
    assert waited.report.seconds < EARLY


def test_a_found_process_that_ends_silently_is_lost(port: int, log: Path) -> None:
    with server(port, log, takes=9, ends="1:3"):
        waited = wait(20, url=at(port))
    assert (waited.report.outcome, waited.roots) == (1, ["ports.process"])
    rows = {finding.id: finding for finding in waited.report.findings}
    assert {rows[row].caused_by for row in ("ports.listening", "probe.reachable")} == {"ports.process"}


def test_the_last_line_of_the_log_is_told(port: int, log: Path) -> None:
    """Where a busy machine gave no time to read the log before the death, once more."""
    for _ in range(2):
        with server(port, log, takes=8, ends="4:1") as process:
            waited = wait(20, pid=process.pid)
        (row,) = waited.report.root_causes
        if len(row.evidence) > 1:
            break
    assert "Load weight begin" in say(row.evidence[-1].observed, "en")


def test_a_code_that_its_starter_has_taken_is_not_invented(port: int, log: Path) -> None:
    with server(port, log, takes=9) as process:
        find = partial(resolve, awaited=True, pid=process.pid)
        told: list[Progress] = []

        def tell(progress: Progress) -> None:
            told.append(progress)
            if progress.elapsed > 0.5 and process.poll() is None:
                process.kill()
                process.wait()

        report = settled(plan(), find, 20, examination.examine, on_progress=tell, pace=PACE)
    assert [finding.id for finding in report.root_causes] == ["ports.process"]
    assert report.root_causes[0].values["ended_with"] is None
    assert "its starter alone" in say(report.root_causes[0].cause, "en")


def test_a_given_process_that_has_ended_before_is_lost_at_once(log: Path, port: int) -> None:
    with server(port, log, "--fault", "unknown-flag") as process:
        process.wait()
        waited = wait(20, pid=process.pid, log=str(log))
    assert (waited.report.outcome, waited.roots) == (1, ["logs.bad-cli-arguments"])
    assert waited.report.seconds < EARLY


def test_a_given_process_that_ends_is_final_whoever_follows_on_its_port(port: int, log: Path, tmp_path: Path) -> None:
    with server(port, log, takes=9, ends="1:1") as first, server(port, tmp_path / "other", before="sleep 1.1"):
        waited = wait(20, pid=first.pid)
    assert waited.report.outcome == 1
    assert "ports.process" in waited.roots


def test_a_fatal_cause_in_the_log_is_lost_with_it(port: int, log: Path) -> None:
    with server(port, log, takes=9, ends="0.8:oom"):
        waited = wait(20, url=at(port))
    assert (waited.report.outcome, waited.roots) == (1, ["logs.gpu-oom-weights"])


def test_a_fresh_log_of_a_start_that_has_failed_is_lost_though_nobody_runs(port: int, log: Path) -> None:
    log.write_text(session(*FAILED, begun=time.time() - 30))
    waited = wait(20, url=at(port), log=str(log))
    assert (waited.report.outcome, waited.roots) == (1, ["logs.gpu-oom-weights"])
    assert waited.report.seconds < EARLY


@pytest.mark.parametrize(("age", "code"), [(FRESH - 30, 1), (FRESH + 30, 3)])
def test_a_log_counts_as_long_as_it_is_fresh(port: int, log: Path, age: float, code: int) -> None:
    written = time.time() - age
    log.write_text(session(*FAILED, begun=written))
    os.utime(log, (written, written))
    waited = wait(1.5, url=at(port), log=str(log))
    assert (waited.report.outcome, waited.report.unseen) == (code, code == 3)


def test_another_program_on_the_port_is_lost(port: int, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as holder:
        try:
            waited = wait(20, url=at(port))
        finally:
            holder.kill()
    assert (waited.report.outcome, waited.roots) == (1, ["ports.owner"])


def test_another_program_on_the_port_of_a_server_that_loads_is_lost(port: int, log: Path) -> None:
    with socket.socket() as held, server(port, log, takes=30) as process:
        held.bind(("127.0.0.1", port))
        held.listen()
        waited = wait(20, timeout=10, pid=process.pid)
    assert (waited.report.outcome, waited.roots) == (1, ["ports.owner"])
    assert waited.report.seconds < EARLY


def test_an_older_server_on_the_port_neither_ends_the_waiting_nor_is_taken_for_the_new_one(
    port: int, log: Path, tmp_path: Path
) -> None:
    with server(port, tmp_path / "old"):
        wait(20, url=at(port))
        with server(port, log, takes=30) as new:
            waited = wait(1.5, pid=new.pid)
    assert waited.report.verdict != "pass"
    assert waited.report.seconds >= 1.5


def answering(status: int, payload: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return status, payload, headers or {}


def test_a_key_that_is_refused_is_lost() -> None:
    with stage("api-key") as staged:
        waited = wait(20, url=staged.url, api_key="wrong")
    assert (waited.report.outcome, waited.roots) == (1, ["probe.api-key"])


def test_a_path_that_is_not_there_is_lost() -> None:
    with serving({}) as url:
        waited = wait(20, url=url)
    assert (waited.report.outcome, waited.roots) == (1, ["probe.base-url"])
    assert waited.report.seconds < EARLY


@pytest.mark.parametrize("url", ["http://no-such-host.invalid:30000", "https://127.0.0.1:{port}"])
def test_what_no_start_mends_is_lost(url: str) -> None:
    """A name that does not resolve, and a server that speaks no TLS."""
    with serving(pages(), same) as plain:
        waited = wait(20, url=url.format(port=plain.rpartition(":")[2]))
    assert (waited.report.outcome, waited.roots) == (1, ["probe.reachable"])
    assert waited.report.seconds < EARLY


def test_a_model_that_is_not_served_is_lost() -> None:
    def refused(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        return answering(404, {"error": {"message": "The model `other` does not exist."}})

    with serving(pages(), refused) as url:
        waited = wait(20, url=url, model="other")
    assert waited.report.outcome == 1
    assert waited.roots == ["probe.model-name"]


def test_a_dead_scheduler_behind_pages_that_answer_is_lost() -> None:
    with stage("dead-scheduler") as staged:
        waited = wait(30, timeout=0.6, url=staged.url)
    assert (waited.report.outcome, waited.report.verdict) == (1, "fail")
    assert "probe.ready" in waited.roots
    assert waited.report.seconds < 15


def never(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
    time.sleep(1.5)
    return answering(503, {"message": "late"})


def test_embeddings_that_hang_behind_pages_are_not_starting_though_no_log_tells() -> None:
    with serving(pages(), never) as url:
        waited = wait(20, timeout=0.4, url=url)
    assert (waited.report.outcome, waited.report.starting) == (1, False)


# Still coming.


@pytest.mark.parametrize(
    ("status", "page"),
    [
        (502, b"<html><title>502 Bad Gateway</title></html>"),
        (503, {"object": "error", "message": "The server is starting", "code": 503}),
        (504, b"<html><title>504 Gateway Time-out</title></html>"),
        (429, {"message": "too many requests"}),
    ],
)
def test_a_gateway_or_a_server_that_loads_is_waited_for(status: int, page: Any) -> None:
    """Whether it answers all paths so, or its pages already."""
    headers = {"Server": "nginx"} if isinstance(page, bytes) else {}
    if isinstance(page, bytes):
        headers["Content-Type"] = "text/html"

    def turned_away(body: dict[str, Any], given: Mapping[str, str]) -> Answer:
        return answering(status, page, headers)

    for answers in (pages(), {}):
        with serving(answers, turned_away, otherwise=answering(status, page, headers)) as url:
            waited = wait(1.2, url=url)
        assert waited.report.seconds >= 1.2, waited.roots
        if status != 429:
            assert (waited.report.outcome, waited.report.verdict) == (3, "starting"), waited.roots


def test_a_health_page_is_no_embedding() -> None:
    """200 while the warm-up runs, then real vectors."""
    begun = time.monotonic()

    def later(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        if time.monotonic() - begun < 1.5:
            return answering(503, {"message": "loading"})
        return same(body, headers)

    with serving(pages(_health=(200, b"")), later) as url:
        waited = wait(20, url=url)
    assert waited.report.verdict in ("pass", "warn")
    assert waited.report.seconds > 1.4


@pytest.mark.parametrize("content", [None, ""])
def test_nothing_at_all_is_said_to_be_nothing(port: int, log: Path, content: str | None) -> None:
    if content is not None:
        log.write_text(content)
    waited = wait(1, url=at(port), log=str(log))
    assert (waited.report.outcome, waited.report.unseen) == (3, True)
    assert f"saw nothing: no process of that server, nothing that listens at 127.0.0.1:{port}, no log" in waited.notes


def test_a_process_that_starts_no_server_is_named(log: Path) -> None:
    with subprocess.Popen(["sleep", "30"]) as process:
        try:
            waited = wait(1, pid=process.pid)
        finally:
            process.kill()
    assert waited.report.outcome == 3
    assert f"pid {process.pid} (sleep) runs and has started no sglang server" in waited.notes


def test_when_time_runs_out_the_phase_is_told(port: int, log: Path) -> None:
    with server(port, log, takes=4) as process:
        waited = wait(2.5, url=at(port))
    assert (waited.report.outcome, waited.report.verdict, waited.report.unseen) == (3, "starting", False)
    assert re.search(
        f"waited 2.5 s, pid {process.pid} alive: the (parsing|loading) of .* has gone on for", waited.notes
    )


def test_a_host_that_hangs_does_not_make_the_waiting_longer() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        waited = wait(1.5, timeout=10, url=at(silent.getsockname()[1]))
    assert waited.report.seconds < 3.5
    assert waited.report.outcome in (1, 3)


def test_all_seconds_are_counted(port: int) -> None:
    began = time.monotonic()
    waited = wait(1, url=at(port))
    assert waited.report.seconds == pytest.approx(time.monotonic() - began, abs=0.2)


# Launched by this program.


@contextmanager
def launched(words: list[str], log: Path, **variables: str) -> Iterator[Child]:
    os.environ.update(environment(variables))
    child = Child(words, str(log))
    try:
        yield child
    finally:
        child.end(1)
        for name in variables:
            del os.environ[name]


def test_a_launched_server_is_waited_for_and_runs_on(port: int, log: Path) -> None:
    with launched(line(port), log, BGECHECK_DEMO_TAKES="1") as child:
        waited = wait(20, child=child, pid=child.pid, log=str(log))
        assert (waited.report.verdict, child.status) == ("pass", None)
        assert waited.report.target["url"] == f"{at(port)}/v1"


@pytest.mark.parametrize("status", [3, 0])
def test_the_code_of_a_launched_server_is_exact(port: int, log: Path, status: int) -> None:
    with launched(line(port), log, BGECHECK_DEMO_TAKES="9", BGECHECK_DEMO_ENDS=f"0.8:{status}") as child:
        waited = wait(20, child=child, pid=child.pid, log=str(log))
    assert (waited.report.outcome, waited.roots) == (1, ["ports.process"])
    assert waited.values("ports.process")["ended_with"] == status


def test_a_script_may_put_the_server_into_the_background_and_end(port: int, log: Path) -> None:
    script = f"{' '.join(line(port))} & sleep 0.3"
    with launched(["sh", "-c", script], log, BGECHECK_DEMO_TAKES="2") as child:
        waited = wait(20, child=child, pid=child.pid, log=str(log))
        assert child.status == 0
    assert waited.report.verdict == "pass"


def test_a_server_in_a_session_of_its_own_is_that_of_the_command_that_started_it(port: int, log: Path) -> None:
    """As `nohup`, a daemon or a service leave it behind; its address is its own, as none was given."""
    script = f"setsid {' '.join(line(port))} > {log}.server 2>&1 &"
    waited = None
    with launched(["sh", "-c", script], log, BGECHECK_DEMO_TAKES="1") as child:
        try:
            waited = wait(20, child=child, pid=child.pid, log=str(log))
        finally:
            subprocess.run(["pkill", "-f", "--", f"--port {port}"], check=True)
    assert (waited.report.verdict, waited.report.target["url"]) == ("pass", f"{at(port)}/v1")


def test_a_command_that_ends_in_order_and_leaves_nothing_is_lost(port: int, log: Path) -> None:
    """Another server that begins at the same time is not its own."""
    with launched(["true"], log) as child, server(port, Path(f"{log}.other")):
        waited = wait(20, child=child, pid=child.pid, log=str(log))
    assert (waited.report.outcome, waited.roots) == (1, ["ports.process"])


@pytest.mark.parametrize("given", [True, False])
def test_what_another_program_starts_is_waited_for(port: int, log: Path, given: bool, tmp_path: Path) -> None:
    """`docker run -d` ends at once; where its server cannot be seen, its address has to be named."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 4a464b4ecc66\n")
    docker.chmod(0o755)
    with launched([str(docker), "run", "-d", "lmsysorg/sglang"], log) as child:
        waited = wait(1.5, child=child, pid=child.pid, log=str(log), url=at(port) if given else None)
    (row,) = waited.report.root_causes
    assert (waited.report.outcome, row.id) == (3, "ports.listening")
    assert ("--url" in say(row.fix, "en")) is not given


def test_what_a_file_held_before_the_launch_is_of_an_earlier_start(port: int, log: Path) -> None:
    log.write_text(session(*FAILED, begun=time.time() - 5))
    with launched(line(port), log, BGECHECK_DEMO_TAKES="1.5") as child:
        waited = wait(20, child=child, pid=child.pid, log=str(log))
    assert (waited.report.verdict, waited.roots) == ("pass", [])


def test_another_server_that_answers_at_the_usual_address_is_not_the_launched_one(port: int, log: Path) -> None:
    with launched(["sleep", "20"], log) as child, serving(pages(_v1_models=(200, CARD)), same):
        waited = wait(1, child=child, pid=child.pid, log=str(log))
    assert waited.report.outcome == 3


# An older server on the port of one that is yet to come.


@pytest.fixture
def old(port: int, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with server(port, tmp_path / "old") as process:
        assert wait(20, url=at(port)).report.verdict == "pass"
        time.sleep(0.05)  # two processes of one clock tick began at the same time
        yield process


@pytest.mark.parametrize(
    ("script", "roots"), [("exec sleep 30", ["ports.owner"]), ("sleep 0.8; exit 1", ["ports.process"])]
)
def test_an_old_server_is_not_what_a_launch_has_started(
    port: int, log: Path, old: subprocess.Popen[bytes], script: str, roots: list[str]
) -> None:
    with launched(["sh", "-c", script], log) as child:
        waited = wait(2, child=child, pid=child.pid, log=str(log), url=at(port))
    assert (waited.report.outcome, waited.roots) == (1, roots)


def test_an_old_server_is_not_what_a_given_process_has_started(
    port: int, log: Path, old: subprocess.Popen[bytes]
) -> None:
    with subprocess.Popen(["sleep", "30"]) as process:
        try:
            waited = wait(1.5, pid=process.pid, url=at(port))
        finally:
            process.kill()
    assert (waited.report.outcome, waited.roots) == (1, ["ports.owner"])
    assert waited.values("ports.owner")["owner_pid"] == old.pid


@pytest.mark.parametrize("then", ["exec {line}", "{line} & sleep 0.3", "setsid {line} & sleep 1.5"])
def test_a_launcher_that_replaces_the_old_server_is_right(
    port: int, log: Path, old: subprocess.Popen[bytes], then: str
) -> None:
    script = f"kill {old.pid}; sleep 0.3; {then.format(line=' '.join(line(port)))}"
    with launched(["sh", "-c", script], log) as child:
        waited = wait(20, child=child, pid=child.pid, log=str(log), url=at(port))
        if (pid := waited.report.target.get("pid")) and waited.report.outcome == 0:
            os.kill(int(pid), signal.SIGKILL)
    assert (waited.report.verdict, waited.roots) == ("pass", [])
    assert waited.report.target["pid"] != str(old.pid)


def test_a_server_that_is_none_of_sglang_is_that_of_the_process_that_was_given_before_it(port: int) -> None:
    """An engine of another kind begins after the shell that starts it, and so is not of an earlier start."""
    code = """
import sys; sys.path.insert(0, "tests")
from fakes.answering import CARD, pages, same, serving
import time
with serving(pages(_v1_models=(200, CARD)), same) as url:
    print(url, flush=True); time.sleep(30)
"""
    with subprocess.Popen(
        ["sh", "-c", 'sleep 0.1; "$0" -c "$1"; true', sys.executable, code],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        assert shell.stdout is not None
        try:
            waited = wait(5, pid=shell.pid, url=shell.stdout.readline().strip())
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
    assert waited.report.verdict in ("pass", "warn"), waited.roots


@pytest.mark.parametrize("code", [3, 0])
def test_the_end_of_a_launched_process_is_the_root_of_a_log_without_sglang(log: Path, port: int, code: int) -> None:
    with launched(["sh", "-c", f"echo boom >&2; exit {code}"], log) as child:
        waited = wait(20, child=child, pid=child.pid, log=str(log), url=at(port))
    assert (waited.report.outcome, waited.roots) == (1, ["ports.process"])


def test_a_process_that_ended_is_told_though_no_time_was_left_to_look(log: Path, port: int) -> None:
    def starved(given: Plan, target: Target) -> Report:
        return examination.examine(given.with_settings(deadline=0.001), target)

    with launched(["sh", "-c", "echo boom >&2; exit 3"], log) as child:
        find = partial(resolve, awaited=True, pid=child.pid, log=str(log), url=at(port))
        report = settled(plan(), find, 20, starved, child=child, pace=PACE)
    assert [finding.id for finding in report.root_causes] == ["ports.process"]


def test_what_the_last_look_saw_stands_where_no_time_was_left(port: int) -> None:
    def starved(given: Plan, target: Target) -> Report:
        return examination.examine(given.with_settings(deadline=0.001), target)

    report = settled(plan(), partial(resolve, awaited=True, url=at(port)), 1.5, starved, pace=PACE)
    assert (report.outcome, report.starting, report.unseen) == (3, True, True)
    assert [finding.id for finding in report.root_causes] == ["ports.listening"]


def test_another_server_of_this_machine_is_no_remedy_for_the_one_that_is_meant(
    port: int, log: Path, tmp_path: Path
) -> None:
    other = _free_port()
    with server(other, tmp_path / "other"), launched(["sleep", "30"], log) as child:
        by_url = wait(1, url=at(port))
        by_launch = wait(1, child=child, pid=child.pid, log=str(log), url=at(port))
    rows = [{f.id: f for f in waited.report.findings}["ports.listening"] for waited in (by_url, by_launch)]
    assert not say(rows[0].fix, "en").startswith("use port")
    assert str(other) not in say(rows[1].fix, "en") + say(rows[1].cause, "en")
    assert str(child.pid) in say(rows[1].cause, "en")
