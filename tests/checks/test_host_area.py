"""Each limit of the machine is judged just inside and just outside; a machine that does is not blamed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bgecheck.checks.host import AREA
from bgecheck.checks.host.facts import Download, HostFacts, Temporary, download, host_of, temporary, way_to_itself
from bgecheck.checks.host.limits import FILES, RUNTIME, SHM_OF_ONE, SHM_OF_RANKS, WANTED_FILES
from bgecheck.checks.host.room import TEMPORARY
from bgecheck.checks.subject import Subject, subject
from bgecheck.http.proxies import Way
from bgecheck.machine import limits
from bgecheck.machine.limits import Cores, Memory, Space, Surroundings, memory, surroundings
from bgecheck.model import Outcome, Target, Text, Unavailable
from bgecheck.model.deadline import Deadline
from bgecheck.run import engine
from bgecheck.run.context import Context

GB = 10**9
ROOMY = Space(64 * GB, 60 * GB, 10**6)
RIGHT = HostFacts(
    runs=False,
    shm=ROOMY,
    nofile=(1024, 1048576),
    memory=Memory(16 * GB),
    weights=0,
    temporary=Temporary("/tmp", ROOMY),
    cores=Cores(8, 1, frozenset({"avx2"})),
)


def outcomes(**changed: Any) -> dict[str, Outcome]:
    facts = RIGHT._replace(**changed)
    return {check.id.partition(".")[2]: engine.judge(check, facts) for check in AREA.checks}


def bad(**changed: Any) -> dict[str, str | None]:
    return {name: outcome.advice for name, outcome in outcomes(**changed).items() if outcome.holds is False}


def test_a_machine_that_does_is_not_blamed() -> None:
    assert bad() == {}
    assert [name for name, outcome in outcomes().items() if outcome.holds is None] == ["cpu"]
    assert outcomes(runs=True)["memory"].reason


PROXY = {"http_proxy": "http://user:secret@10.0.0.1:3128"}


@pytest.mark.parametrize(
    ("environment", "caught"),
    [
        ({}, None),
        (PROXY, "http_proxy"),
        ({"HTTP_PROXY": "http://p:1"}, "HTTP_PROXY"),
        ({"ALL_PROXY": "socks5://p:1"}, "ALL_PROXY"),
        ({"https_proxy": "http://p:1"}, None),
        (PROXY | {"no_proxy": "localhost,127.0.0.1"}, None),
        (PROXY | {"NO_PROXY": "*"}, None),
        (PROXY | {"no_proxy": "localhost,10.0.0.0/8"}, "http_proxy"),
        (PROXY | {"no_proxy": "127.0.0.0/8"}, None),
    ],
)
def test_a_proxy_between_the_server_and_itself(environment: dict[str, str], caught: str | None) -> None:
    way = way_to_itself({"host": "0.0.0.0", "port": "8000"}, environment)
    outcome = outcomes(way=way)["proxy-env"]
    assert (outcome.holds is False, outcome.values.get("variable")) == (caught is not None, caught)
    assert "secret" not in str(outcome)
    if caught:
        assert "127.0.0.1" in outcome.values["no_proxy"]


def test_the_address_of_one_host_is_its_own() -> None:
    assert way_to_itself({"host": "10.0.0.5"}, PROXY | {"no_proxy": "127.0.0.1"}).variable == "http_proxy"
    assert way_to_itself({"host": "10.0.0.5"}, PROXY | {"no_proxy": "10.0.0.5"}).variable is None
    assert way_to_itself({"host": "::"}, PROXY | {"no_proxy": "::1"}).variable is None


def test_a_server_that_runs_has_been_reached_by_itself() -> None:
    assert outcomes(runs=True, way=Way("http_proxy", None, "127.0.0.1"))["proxy-env"].holds is None


def test_the_numbers_are_those_of_their_sources() -> None:
    """NCCL's guide, what sglang 0.5.23 was measured to take and leave, and what it raises its limit to."""
    assert (SHM_OF_RANKS.value, SHM_OF_ONE.value, TEMPORARY.value) == (1_000_000_000, 1_048_576, 16_777_216)
    assert (FILES.value, WANTED_FILES, RUNTIME) == (4096, 65535, 2_300_000_000)


DOCKERS = Space(64 * 2**20, 64 * 2**20)
ONE, SEVERAL = int(SHM_OF_ONE.value), int(SHM_OF_RANKS.value)


@pytest.mark.parametrize(
    ("shm", "ranks", "rows"),
    [
        (DOCKERS, 1, {}),
        (DOCKERS, 2, {"shm": None}),
        (Space(SEVERAL, SEVERAL), 2, {}),
        (Space(SEVERAL - 1, SEVERAL - 1), 2, {"shm": None}),
        (Space(DOCKERS.total, ONE), 1, {}),
        (Space(DOCKERS.total, ONE - 1), 1, {"shm": "full"}),
        (None, 2, {}),
    ],
)
def test_shared_memory(shm: Space | None, ranks: int, rows: dict[str, str | None]) -> None:
    assert bad(shm=shm, ranks=ranks) == rows


LEAST = int(FILES.value)


@pytest.mark.parametrize(
    ("soft", "hard", "runs", "holds"),
    [
        (1024, 1048576, False, True),  # sglang raises it by itself
        (1024, WANTED_FILES, False, True),
        (1024, WANTED_FILES - 1, False, False),  # and gets nothing where it may not have all of it
        (1024, 4096, False, False),
        (LEAST, LEAST, False, True),
        (LEAST - 1, LEAST - 1, False, False),
        (1024, 2**60, True, True),
        (1024, 1024, True, False),
        (WANTED_FILES, WANTED_FILES, True, True),
    ],
)
def test_open_files(soft: int, hard: int, runs: bool, holds: bool) -> None:
    row = outcomes(nofile=(soft, hard), runs=runs)["nofile"]
    assert row.holds is holds
    if not holds:
        assert row.values["limit"] == soft


@pytest.mark.parametrize(
    ("held", "weights", "rows"),
    [
        (Memory(RUNTIME), 0, {}),
        (Memory(RUNTIME - 1), 0, {"memory": None}),
        (Memory(RUNTIME + GB), GB, {}),
        (Memory(RUNTIME + GB - 1), GB, {"memory": None}),
        (Memory(RUNTIME, RUNTIME), 0, {}),
        (Memory(RUNTIME - 1, RUNTIME - 1), 0, {"memory": "limit"}),
        (Memory(16 * GB), None, {}),
    ],
)
def test_main_memory(held: Memory, weights: int | None, rows: dict[str, str | None]) -> None:
    assert bad(memory=held, weights=weights) == rows


SMALL = int(TEMPORARY.value)


@pytest.mark.parametrize(
    ("held", "rows"),
    [
        (Temporary("/tmp", Space(GB, SMALL, 9)), {}),
        (Temporary("/tmp", Space(GB, SMALL - 1, 9)), {"disk": None}),
        (Temporary("/tmp", Space(GB, GB, 0)), {"disk": None}),
        (Temporary("/tmp", Space(GB, GB, None)), {}),
        (Temporary("/tmp", ROOMY, writable=False), {"disk": "forbidden"}),
        (Temporary("/tmp", None), {}),
    ],
)
def test_temporary_files(held: Temporary, rows: dict[str, str | None]) -> None:
    assert bad(temporary=held) == rows


def test_both_disks_are_shown_where_they_have_room() -> None:
    row = outcomes(temporary=Temporary("/tmp", ROOMY), download=Download("/cache", 1, ROOMY))["disk"]
    assert [evidence.subject for evidence in row.evidence] == ["/tmp", "/cache"]
    assert outcomes(temporary=None, download=None)["disk"].evidence == ()


def test_a_download_needs_room() -> None:
    for free, rows in ((1300, {}), (1299, {"disk": "download"})):
        assert bad(download=Download("/cache", 1300, Space(9999, free))) == rows


@pytest.mark.parametrize(
    ("around", "on_cpu", "rows"),
    [
        (Surroundings(None), False, {}),
        (Surroundings(None, driver=True, cards=0), False, {}),
        (Surroundings("Docker", driver=False, cards=0), False, {}),
        (Surroundings("Docker", driver=True, cards=1), False, {}),
        (Surroundings("Docker", driver=True, cards=0), False, {"container": None}),
        (Surroundings("Kubernetes", driver=True, cards=0), True, {}),
    ],
)
def test_a_container_without_the_gpus_of_its_machine(
    around: Surroundings, on_cpu: bool, rows: dict[str, str | None]
) -> None:
    assert bad(around=around, on_cpu=on_cpu) == rows


@pytest.mark.parametrize(
    ("attention", "flags", "holds"),
    [
        ("intel_amx", {"avx2", "avx512f", "amx_tile"}, True),
        ("intel_amx", {"avx2", "avx512f"}, False),
        ("intel_amx", set(), True),  # which instructions there are is not told
        ("torch_native", {"avx2"}, True),
        (None, {"avx2"}, True),
    ],
)
def test_the_processor(attention: str | None, flags: set[str], holds: bool) -> None:
    cores = Cores(2, 1, frozenset(flags))
    assert outcomes(on_cpu=True, cores=cores, attention=attention)["cpu"].holds is holds


def test_what_starts_elsewhere_is_not_judged_by_this_shell() -> None:
    why = Text("in a container", "在容器里")
    judged = outcomes(elsewhere=why, shm=DOCKERS, ranks=8, nofile=(1, 1), memory=Memory(1), way=Way("http_proxy"))
    of_this_machine = {name for name, outcome in judged.items() if outcome.reason != why}
    assert of_this_machine == {"readable", "disk", "cpu"}, "the others answer `absent(facts.elsewhere)`"
    assert not [name for name, outcome in judged.items() if outcome.holds is False]


# How it is looked at.


def starting(**changed: Any) -> Subject:
    return Subject(**{"model_path": None, "environment": {}, "options": {}, "starts": True, **changed})


def test_this_machine_is_looked_at() -> None:
    facts = host_of(starting(options={"tp-size": "2", "pp-size": "2", "device": "cpu"}))
    assert facts.ranks == 4
    assert facts.on_cpu
    assert facts.cores
    assert facts.cores.number >= 1
    assert facts.memory
    assert facts.memory.available > 0
    assert facts.temporary
    assert facts.temporary.space
    own = host_of(starting(pid=os.getpid()))
    assert own.runs
    assert own.nofile == facts.nofile


def test_the_folder_for_temporary_files_is_the_environments(tmp_path: Path) -> None:
    assert temporary(starting(environment={"TMPDIR": str(tmp_path)}), "").path == str(tmp_path)
    assert temporary(starting(environment={"TMPDIR": ""}), "").path == "/tmp"
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        assert not temporary(starting(environment={"TMPDIR": str(tmp_path)}), "").writable


def test_a_download_is_that_of_a_hub_id_that_is_not_cached(tmp_path: Path) -> None:
    environment = {"HF_HOME": str(tmp_path / "not-made-yet")}
    found = download(starting(model_path="BAAI/bge-large-zh-v1.5", environment=environment))
    assert found
    assert (found.size, found.space.free > 0) == (1_302_220_525, True)
    for path in ("BAAI/bge-m3", str(tmp_path), None):
        assert download(starting(model_path=path, environment=environment)) is None


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


@pytest.mark.parametrize(
    ("line", "place", "files", "limit", "available"),
    [
        ("0::/a/b", "a/b", {"memory__max": GB, "memory__current": GB // 4}, GB, GB - GB // 4),
        ("0::/a/b", "a", {"memory__max": GB, "memory__current": 0}, GB, GB),
        ("0::/", "", {"memory__max": GB, "memory__current": 2 * GB}, GB, 0),
        ("0::/a", "a", {"memory__max": "max", "memory__current": 5}, None, None),
        (
            "0::/a",
            "a",
            {"memory__max": GB, "memory__current": GB, "memory__stat": "anon 1\ninactive_file 400"},
            GB,
            400,
        ),
        ("5:memory:/a", "memory/a", {"memory__limit_in_bytes": GB, "memory__usage_in_bytes": 1}, GB, GB - 1),
        ("5:memory:/a", "memory/a", {"memory__limit_in_bytes": 9223372036854771712}, None, None),
        ("4:cpu,cpuacct:/a", "memory/a", {"memory__limit_in_bytes": GB}, None, None),
    ],
)
def test_the_limit_of_a_control_group(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    place: str,
    files: dict[str, object],
    limit: int | None,
    available: int | None,
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"9:other:/x\n{line}\n")
    group(tmp_path / "cgroup" / place, **files)
    monkeypatch.setattr(limits, "PROC", str(tmp_path / "proc"))
    held = memory(cgroups=str(tmp_path / "cgroup"))
    assert held
    assert held.limit == limit
    if available is not None:
        assert held.available == available


def test_a_container_by_its_marks(tmp_path: Path) -> None:
    assert surroundings(str(tmp_path)).kind is None
    group(tmp_path, __dockerenv="")
    assert surroundings(str(tmp_path)).kind == "Docker"
    group(tmp_path / "dev", nvidia0="", nvidiactl="")
    assert surroundings(str(tmp_path)).cards == 1
    (tmp_path / "var/run/secrets/kubernetes.io").mkdir(parents=True)
    assert surroundings(str(tmp_path)).kind == "Kubernetes"


def test_another_machine_is_not_looked_at() -> None:
    target = Target(url="http://10.1.2.3:30000", host="10.1.2.3", port=30000)
    with pytest.raises(Unavailable, match="another machine") as caught:
        subject(Context(target, Deadline(5)))
    assert not caught.value.looked
