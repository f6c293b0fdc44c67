"""Finding the server: true processes with the command lines of sglang, true files and pipes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bgecheck.model import BadInput
from bgecheck.sources.discovery import newest_log, orphans, resolve, running_servers
from bgecheck.sources.processes import Process, Table

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads the process table of Linux")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A module `sglang.launch_server` that only waits: what is looked for is the process, not what it does."""
    folder = tmp_path / "sglang"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "launch_server.py").write_text("import time; time.sleep(60)\n")
    return tmp_path


@contextmanager
def server(package: Path, *options: str, **more: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose command line is that of a server."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sglang.launch_server", *options],
        cwd=package,
        env={**os.environ, "PYTHONPATH": str(package)},
        stdin=subprocess.DEVNULL,
        **more,  # type: ignore[call-overload]  # stdout and stderr only
    )
    try:
        wait_for(lambda: any(s.pid == process.pid for s in running_servers()))
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition: object, seconds: float = 10) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not condition():  # type: ignore[operator]  # a function
        time.sleep(0.02)


def mine(pid: int) -> object:
    return next(s for s in running_servers() if s.pid == pid)


def test_a_running_server_tells_port_model_name_key_and_log(package: Path) -> None:
    log = package / "server.log"
    with log.open("wb") as output, server(
        package,
        "--model-path", "./models/bge-large-zh-v1.5", "--port=31333", "--served-model-name", "bge",
        "--api-key", "topsecret", "--host", "0.0.0.0",
        stdout=output, stderr=output,
    ) as process:  # fmt: skip
        target = resolve(pid=process.pid)
    assert (target.url, target.port, target.pid) == ("http://127.0.0.1:31333", 31333, process.pid)
    assert target.model_path == str(package / "models/bge-large-zh-v1.5")
    assert (target.model, target.log) == ("bge", str(log))
    assert target.api_key is not None
    assert target.api_key.reveal() == "topsecret"
    assert "topsecret" not in str(target.described())
    assert target.server is not None
    assert abs(target.server.started_at - time.time()) < 30


def test_defaults_stand_in_for_what_is_not_given(package: Path) -> None:
    with server(package, stdout=subprocess.DEVNULL) as process:
        target = resolve(pid=process.pid)
    assert (target.url, target.log, target.api_key) == ("http://127.0.0.1:30000", None, None)


def test_the_log_behind_a_tee_is_found(package: Path) -> None:
    """`python -m sglang.launch_server ... | tee -a server.log`."""
    tee = subprocess.Popen(["tee", "-a", "server.log"], cwd=package, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert tee.stdin is not None
    ends = time.monotonic() + 10
    while not (package / "server.log").exists() and time.monotonic() < ends:
        time.sleep(0.01)
    with server(package, "--port", "31334", stdout=tee.stdin) as process:
        target = resolve(pid=process.pid)
    tee.stdin.close()
    tee.wait()
    assert target.log == str(package / "server.log")


def test_options_of_a_config_file_count_and_the_command_line_wins(package: Path) -> None:
    (package / "run.yaml").write_text(
        "port: 31335   # ours\nhost: 0.0.0.0\nmodel-path: /m/bge-m3\nnested:\n  port: 1\n"
    )
    with server(package, "--config", "run.yaml", "--model-path", "/m/other", stdout=subprocess.DEVNULL) as process:
        target = resolve(pid=process.pid)
    assert (target.port, target.model_path) == (31335, "/m/other")


def test_the_newest_is_taken_and_the_others_are_named(package: Path) -> None:
    with server(package, "--port", "31336", stdout=subprocess.DEVNULL) as old:
        time.sleep(0.05)
        with server(package, "--port", "31337", stdout=subprocess.DEVNULL) as new:
            target = resolve()
            by_url = resolve(url="localhost:31336/v1")
    assert target.pid == new.pid
    assert old.pid in {s.pid for s in target.others}
    assert (by_url.pid, by_url.others) == (old.pid, ())


def test_what_is_given_wins_over_the_process(package: Path, tmp_path: Path) -> None:
    log = tmp_path / "given.log"
    log.write_text("x")
    with server(package, "--port", "31338", "--api-key", "of-the-server", stdout=subprocess.DEVNULL) as process:
        target = resolve(pid=process.pid, url="http://10.0.0.1:1/gw/v1", api_key="mine", log=str(log), model="m")
    assert (target.url, target.model, target.log) == ("http://10.0.0.1:1/gw", "m", str(log))
    assert target.api_key is not None
    assert target.api_key.reveal() == "mine"


def test_a_pid_that_is_no_server_is_refused() -> None:
    with pytest.raises(BadInput, match="no sglang server"):
        resolve(pid=os.getpid())
    with pytest.raises(BadInput, match="no process"):
        resolve(pid=2**22 + 1)


def table(*processes: tuple[int, int, str, tuple[str, ...]]) -> Table:
    return Table({pid: Process(pid, parent, name, argv, float(pid)) for pid, parent, name, argv in processes})


SERVER = ("python", "-m", "sglang.launch_server", "--port", "30000")
WORKER = ("sglang::scheduler",)


def test_workers_and_forks_are_folded_into_their_server() -> None:
    found = running_servers(
        table(
            (1, 0, "bash", ("bash", "-c", "python -m sglang.launch_server --port 9")),
            (10, 1, "python", SERVER),
            (11, 10, "sglang::schedul", WORKER),
            (12, 10, "python", SERVER),
            (13, 11, "python", ("python", "-c", "from multiprocessing.spawn import spawn_main")),
        )
    )
    assert [(s.pid, s.children) for s in found] == [(10, (11, 12, 13))]


@pytest.mark.parametrize(
    ("above", "left_over"),
    [
        ((1, 0, "systemd", ("/sbin/init",)), True),
        ((1, 0, "sh", ("sh", "-c", "sleep infinity")), True),
        ((1, 0, "python3", ("python3", "my_engine.py")), False),
        ((10, 1, "python", SERVER), False),
        ((10, 1, "python3", ("python3", "my_engine.py")), False),
    ],
)
def test_a_worker_whose_server_is_gone_is_an_orphan(
    above: tuple[int, int, str, tuple[str, ...]], left_over: bool
) -> None:
    """Process 1 adopts it; a program that runs sglang's Engine class itself is no dead server."""
    found = orphans(
        table(above, (20, above[0], "sglang::schedul", WORKER), (21, 20, "sglang::detoken", ("sglang::detokenizer",)))
    )
    assert [o.pid for o in found] == ([20, 21] if left_over else [])


def test_a_true_orphan_is_seen() -> None:
    """A process that calls itself sglang::scheduler, and whose parent has ended."""
    script = 'bash -c "exec -a sglang::scheduler sleep 30" < /dev/null > /dev/null 2>&1 & echo $!; exit'
    pid = int(subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, check=True).stdout)
    try:
        wait_for(lambda: (os.readlink(f"/proc/{pid}/exe") or "").endswith("sleep"))
        ancestor = Table.now().processes[pid].parent
        seen = pid in {o.pid for o in orphans()}
        # Where the test runs below a program that adopts orphans, this one has a parent after all.
        assert seen or ancestor != 1
    finally:
        os.kill(pid, 9)


def test_the_newest_log_that_looks_like_sglangs_is_taken(tmp_path: Path) -> None:
    for name, text, age in (
        ("old.log", "server_args=ServerArgs(", 100),
        ("new.log", "[2026-01-01 00:00:00] server_args={", 50),
        ("nohup.out", "no trace of it", 10),
        ("notes.txt", "server_args=", 1),
    ):
        (tmp_path / name).write_text(text)
        when = time.time() - age
        os.utime(tmp_path / name, (when, when))
    assert newest_log(str(tmp_path)) == str(tmp_path / "new.log")
    assert newest_log(str(tmp_path / "missing")) is None
