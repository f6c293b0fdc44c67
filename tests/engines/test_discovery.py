"""Finding the server: true processes with the command lines of sglang, true files and pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bgecheck.engines.sglang.discovery import newest_log, orphans, resolve, running_servers
from bgecheck.machine.processes import environment, snapshot, visible, working_folder
from bgecheck.model import BadInput
from bgecheck.model.processes import Process, ProcessTable

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
    with pytest.raises(BadInput, match="not an sglang server"):
        resolve(pid=os.getpid())
    with pytest.raises(BadInput, match="no process"):
        resolve(pid=2**22 + 1)


OPTIONS = (
    "-W ignore",
    "-Wonce",
    "-Werror",
    "-IW ignore",
    "-X dev",
    "-Xdev",
    "-u -B -X utf8=1 -W ignore::DeprecationWarning:subprocess",
    "--check-hash-based-pycs always",
    "-bOO",
)
"""Options of the interpreter, most of which take a value; `-I` does not find a module by PYTHONPATH."""


@pytest.mark.parametrize("attached", [False, True], ids=["-m NAME", "-mNAME"])
@pytest.mark.parametrize("options", OPTIONS)
def test_a_server_is_found_whatever_options_its_interpreter_has(package: Path, options: str, attached: bool) -> None:
    module = ("-msglang.launch_server",) if attached else ("-m", "sglang.launch_server")
    words = options.replace("-IW", "-sW").split()
    with launched(package, sys.executable, *words, *module, "--port", "31340") as pid:
        assert [(s.pid, s.port) for s in running_servers() if s.pid == pid] == [(pid, 31340)]


SPAWNS = """#!/bin/sh
# Stands for a launcher that is not installed here: it keeps running beside the program that it starts.
while [ $# -gt 0 ] && [ "$1" != @ ]; do shift; done
shift
"$@" &
trap 'kill $!' TERM
wait
"""


@pytest.mark.parametrize(
    "line",
    [
        "PYTHON -m sglang.launch_server",
        "PYTHON FOLDER/sglang/launch_server.py",
        "PYTHON -W ignore FOLDER/bin/sglang serve MODEL",
        "FOLDER/bin/sglang serve MODEL",
        "env -u FOO A=1 PYTHON -m sglang.launch_server",
        "nohup nice -n 1 PYTHON -m sglang.launch_server",
        "taskset -c 0 PYTHON -m sglang.launch_server",
        "stdbuf -oL timeout 60 PYTHON -m sglang.launch_server",
        "bash -c 'PYTHON -W ignore -m sglang.launch_server --port 31341; true'",
        "FOLDER/bin/uv run --no-sync @ PYTHON -m sglang.launch_server",
        "FOLDER/bin/torchrun --nproc-per-node 1 @ PYTHON -u -m sglang.launch_server",
        "FOLDER/bin/conda run -n sgl @ PYTHON -m sglang.launch_server",
        "FOLDER/bin/numactl --membind 0 @ PYTHON -m sglang.launch_server",
    ],
)
def test_a_server_is_found_once_behind_any_launcher(package: Path, line: str) -> None:
    """True processes; a script plays `uv`, `torchrun`, `conda` and `numactl`, which starts its child as they do."""
    import shlex
    import shutil

    words = [w.replace("PYTHON", sys.executable).replace("FOLDER", str(package)) for w in shlex.split(line)]
    if not os.path.isabs(words[0]) and shutil.which(words[0]) is None:
        pytest.skip(f"no {words[0]} on this machine")
    bin_folder = package / "bin"
    bin_folder.mkdir()
    for name in ("uv", "torchrun", "conda", "numactl"):
        (bin_folder / name).write_text(SPAWNS)
    (bin_folder / "sglang").write_text(f"#!{sys.executable}\nimport time; time.sleep(60)\n")
    for script in bin_folder.iterdir():
        script.chmod(0o755)
    port = () if "--port" in line else ("--port", "31341")
    with launched(package, *words, *port) as pid:
        mine = [s for s in running_servers() if s.cwd == str(package)]
        assert [s.port for s in mine] == [31341]
        assert pid in (mine[0].pid, *(a.pid for a in snapshot().ancestors(mine[0].pid)))


@contextmanager
def launched(package: Path, *words: str) -> Iterator[int]:
    """A program in a session of its own, once a server runs in its folder; all of it ends with the context."""
    process = subprocess.Popen(
        words,
        cwd=package,
        env={**os.environ, "PYTHONPATH": str(package)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: any(s.cwd == str(package) for s in running_servers()))
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_processes_that_come_and_go_are_survived(package: Path) -> None:
    """Hundreds that end at once, the last not yet waited for, with the command line and the log of a server."""
    log = package / "sglang.log"
    log.write_text("server_args={}\n")
    over, running, errors = threading.Event(), [], []

    def start() -> None:
        with log.open("ab") as output:
            while not over.is_set():
                line = ["python3", "-m", "sglang.launch_server", "--config", "run.yaml", "--model-path", "./m"]
                running.append(
                    subprocess.Popen(line, executable="/bin/true", cwd=package, stdout=output, stderr=output)
                )
                running[max(0, len(running) - 40)].wait()
                time.sleep(0.005)

    with server(package, "--port", "31342", stdout=subprocess.DEVNULL) as steady:
        starter = threading.Thread(target=start)
        starter.start()
        try:
            ends, looks = time.monotonic() + 20, 0
            while time.monotonic() < ends and (looks < 12 or len(running) < 300):
                looks += 1
                if steady.pid not in {s.pid for s in running_servers()}:
                    errors.append("the server that goes on running was not found")
                resolve(url="http://127.0.0.1:31342")
                orphans()
        finally:
            over.set()
            starter.join()
            for process in running:
                process.wait()
    assert errors == []
    assert len(running) >= 300
    assert looks >= 12


def test_what_has_ended_and_was_not_waited_for_is_no_process(package: Path) -> None:
    process = subprocess.Popen(["python3", "-m", "sglang.launch_server"], executable="/bin/true")
    wait_for(lambda: "Z" in Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2][:3])
    try:
        assert process.pid not in snapshot().processes
        assert working_folder(process.pid) is None
        assert environment(process.pid, "PATH") is None
    finally:
        process.wait()
    assert process.pid not in snapshot().processes
    assert (working_folder(process.pid), environment(process.pid, "PATH")) == (None, None)


def test_a_file_of_a_process_that_ends_meanwhile_is_still_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A true process, which ends right after the first look at its root."""
    path = tmp_path / "x.log"
    path.touch()
    process = subprocess.Popen(["sleep", "30"])
    look, looks = os.stat, []

    def ending(name: Any, *more: Any, **options: Any) -> os.stat_result:
        seen = look(name, *more, **options)
        if str(name).startswith(f"/proc/{process.pid}/root"):
            looks.append(name)
            process.kill()
            process.wait()
        return seen

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", ending)
        assert visible(process.pid, str(path)) == str(path)
    assert looks
    assert visible(process.pid, str(path)) == str(path)
    assert visible(process.pid, str(tmp_path / "missing")) is None


def test_bytes_in_no_encoding_are_survived(package: Path) -> None:
    with server(package, "--served-model-name", b"\xff\xfe", "--port", "31343") as process:  # type: ignore[arg-type]
        assert resolve(pid=process.pid).model == "\ufffd\ufffd"


def test_a_config_that_never_ends_is_not_read(package: Path) -> None:
    os.mkfifo(package / "run.yaml")
    with server(package, "--config", "run.yaml", "--port", "31344") as process:
        assert resolve(pid=process.pid).port == 31344


def table(*processes: tuple[int, int, str, tuple[str, ...]]) -> ProcessTable:
    return ProcessTable({pid: Process(pid, parent, name, argv, float(pid)) for pid, parent, name, argv in processes})


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


ADOPTING = """
import ctypes, subprocess, sys
libc = ctypes.CDLL(None)
assert libc.prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: it adopts what its children leave behind
assert libc.prctl(15, sys.argv[1].encode(), 0, 0, 0) == 0  # PR_SET_NAME
script = 'bash -c "exec -a sglang::scheduler sleep 30" < /dev/null > /dev/null 2>&1 & echo $!; exit'
sys.stdout.write(subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, text=True).stdout)
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.mark.parametrize(("adopter", "left_over"), [("tini", True), ("my-supervisor", False)])
def test_a_true_orphan_is_seen(adopter: str, left_over: bool) -> None:
    """A process that calls itself sglang::scheduler, and whose parent has ended: who adopts it decides."""
    with subprocess.Popen(
        [sys.executable, "-c", ADOPTING, adopter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as init:
        assert init.stdout is not None
        pid = int(init.stdout.readline())
        try:
            wait_for(lambda: os.readlink(f"/proc/{pid}/exe").endswith("sleep"))
            assert snapshot().processes[pid].parent == init.pid
            assert (pid in {o.pid for o in orphans()}) is left_over
        finally:
            os.kill(pid, signal.SIGKILL)
            init.kill()


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
