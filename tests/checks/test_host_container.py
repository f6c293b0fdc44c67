"""A container is judged by the file that starts it: can it be reached, and does it have what its server needs."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from bgecheck.checks.launch.facts import collect
from bgecheck.engines.planned import Planned
from bgecheck.engines.sglang.planned import planned_as_typed, planned_in
from bgecheck.machine import gpus, processes
from bgecheck.model import Finding, Status, Target, Unavailable, say
from bgecheck.model.deadline import Deadline
from bgecheck.run import catalog, engine, machine
from bgecheck.run.context import Context
from bgecheck.run.machine import Machine
from bgecheck.run.settings import Settings

IMAGE = "lmsysorg/sglang:v0.5.9"
RUN = "python3 -m sglang.launch_server --model-path /models/m --host 0.0.0.0 --port 30000"


def context(planned: Planned, of_run: Machine | None = None) -> Context:
    target = Target(url="", host="", port=0, model_path=planned.model_path)
    return Context(target, Deadline(10), Settings(before_launch=True, planned=planned, machine=of_run))


def rows(planned: Planned) -> dict[str, Finding]:
    area = catalog.at("before", [catalog.area("host")])
    return {f.id.removeprefix("host."): f for f in engine.run(area, context(planned), seconds=10)}


def docker(options: str, command: str = RUN) -> dict[str, Finding]:
    return rows(planned_as_typed(shlex.split(f"docker run {options} {IMAGE} {command}")))


def causes(row: Finding) -> str:
    return say(row.cause, "en")


GIVEN = "--gpus all -v /data:/models -p 30000:30000"


def test_a_container_with_all_it_needs_is_right() -> None:
    assert docker(GIVEN)["container"].status is Status.PASS
    assert docker("--gpus all -v /data:/models --network host", f"{RUN} --tp-size 1")["container"].status is Status.PASS


@pytest.mark.parametrize(
    ("options", "command", "status", "cause"),
    [
        ("--gpus all -v /data:/models -p 8000:8000", RUN, Status.FAIL, "publishes port 8000"),
        ("--gpus all -v /data:/models", RUN, Status.WARN, "no port of the container is published"),
        ("--gpus all -p 30000:30000", RUN, Status.FAIL, "no volume of the container holds /models/m"),
        ("-v /data:/models -p 30000:30000", RUN, Status.WARN, "gives the container no GPU"),
        ("-v /data:/models -p 30000:30000", f"{RUN} --device cpu", Status.PASS, ""),
        (GIVEN, RUN.replace("0.0.0.0", "127.0.0.1"), Status.FAIL, "listens on 127.0.0.1 of the container"),
    ],
)
def test_what_keeps_clients_or_the_model_away(options: str, command: str, status: Status, cause: str) -> None:
    row = docker(options, command)["container"]
    assert (row.status, cause in causes(row)) == (status, True)


@pytest.mark.parametrize(
    ("volumes", "status", "shown"),
    [
        ("-v /data:/models/m", Status.PASS, ""),
        ("-v /data:/models/", Status.PASS, ""),
        ("-v /data:/model", Status.FAIL, "/model"),
        ("-v /data:/data -v /cache:/root", Status.FAIL, "/data, /root"),
        ("", Status.FAIL, "none"),
    ],
)
def test_the_folder_of_the_model_stands_in_a_volume(volumes: str, status: Status, shown: str) -> None:
    row = docker(f"--gpus all {volumes} -p 30000:30000")["container"]
    assert row.status is status
    if status is Status.FAIL:
        assert say(row.evidence[0].observed, "en") == shown
        assert say(row.evidence[0].observed, "zh") == ("、".join(shown.split(", ")) if volumes else "无")


@pytest.mark.parametrize(("published", "shown"), [("8000:31000", "8000:31000"), ("31000", "31000:31000")])
def test_a_published_port_at_which_nobody_listens_is_shown_as_it_is(published: str, shown: str) -> None:
    row = docker(f"--gpus all -v /data:/models -p {published}")["container"]
    assert (row.status, row.evidence[0].observed) == (Status.FAIL, shown)


@pytest.mark.parametrize(("limit", "status"), [("2g", Status.FAIL), ("2300000000", Status.PASS), ("8g", Status.PASS)])
def test_the_memory_that_the_file_allows(limit: str, status: Status) -> None:
    assert docker(f"{GIVEN} -m {limit}")["memory"].status is status


def test_without_a_limit_nothing_is_said_of_memory() -> None:
    assert docker(GIVEN)["memory"].status is Status.SKIP


@pytest.mark.parametrize(
    ("options", "ranks", "status"),
    [
        ("", 2, Status.FAIL),
        ("--shm-size 999999999", 2, Status.FAIL),
        ("--shm-size 1000000000", 2, Status.PASS),
        ("--ipc=host", 2, Status.SKIP),
        ("", 1, Status.PASS),
    ],
)
def test_the_shared_memory_of_the_container(options: str, ranks: int, status: Status) -> None:
    assert docker(f"{GIVEN} {options}", f"{RUN} --tp-size {ranks}")["shm"].status is status


@pytest.mark.parametrize(("files", "status"), [(4095, Status.WARN), (4096, Status.PASS)])
def test_the_open_files_of_the_container(files: int, status: Status) -> None:
    assert docker(f"{GIVEN} --ulimit nofile={files}:{files}")["nofile"].status is status


POD = """
kind: Pod
apiVersion: v1
metadata: {name: bge}
spec:
  containers:
    - name: sglang
      image: lmsysorg/sglang:v0.5.9
      args: [python3, -m, sglang.launch_server, --model-path, BAAI/bge-m3, --host, 0.0.0.0, --port, "30000"]
      PROBE: {httpGet: {path: /health, port: PORT}}
      resources: {limits: {nvidia.com/gpu: 1}}
"""


@pytest.mark.parametrize(
    ("probe", "port", "cause"),
    [
        ("readinessProbe", 8000, "never counts as ready"),
        ("livenessProbe", 8000, "started again and again"),
        ("livenessProbe", 30000, ""),
    ],
)
def test_a_probe_of_another_port(probe: str, port: int, cause: str, tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD.replace("PROBE", probe).replace("PORT", str(port)))
    row = rows(planned_in(str(tmp_path / "pod.yaml"))[0])["container"]
    assert (row.status is Status.FAIL) is bool(cause)
    assert cause in causes(row)


def test_processes_and_gpus_are_asked_once_for_all_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the driver has nothing to say."""
    asked: list[str] = []
    snapshot = processes.snapshot

    def no_driver() -> None:
        asked.append("gpus")
        raise Unavailable("no driver", looked=False)

    def table() -> object:
        asked.append("processes")
        return snapshot()

    monkeypatch.setattr(gpus, "read_gpus", no_driver)
    monkeypatch.setattr(machine, "snapshot", table)
    of_run = Machine()
    for line in (RUN, f"{RUN} --tp-size 2"):
        one = context(planned_as_typed(shlex.split(line)), of_run)
        collect(one)
        one.processes()
    assert sorted(asked) == ["gpus", "processes"]
