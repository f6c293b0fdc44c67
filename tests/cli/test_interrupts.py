"""Runs that are interrupted, killed, or held up: they end at once, with their code, and leave nothing behind."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bgecheck.demo.stage import stage
from commandline import PROGRAM, environment, run, run_anew
from everycase import at_most

NVML = Path(__file__).parents[1] / "fakes" / "nvml" / "nvml.c"


def heed_interrupts() -> None:
    """As in a terminal, even where the tests run in the background, which ignores Ctrl-C, or under nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def ignore_interrupts() -> None:
    """As a shell starts what is put into the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def ignore_hangups() -> None:
    """As `nohup` starts a program."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def started(*words: str, prepare: Callable[[], None] = heed_interrupts, **changes: str) -> subprocess.Popen[bytes]:
    """A process of bgecheck."""
    return subprocess.Popen(
        [*PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(changes),
        preexec_fn=prepare,
    )


@contextmanager
def silent_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """A server that takes connections and never answers: its address, and a function that waits for the first one."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(30)
        asking: list[socket.socket] = []
        try:
            yield f"127.0.0.1:{silent.getsockname()[1]}", lambda: asking.append(silent.accept()[0])
        finally:
            for connection in asking:
                connection.close()


def test_ctrl_c_ends_the_demo_and_leaves_no_process() -> None:
    process = started("demo", "--serve")
    assert process.stderr is not None
    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline().decode())
    assert f"bgecheck doctor --url http://127.0.0.1:{port} " in process.stderr.readline().decode()
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (130, b"")
    assert time.monotonic() - began < 3
    assert run("probe", "--url", f"127.0.0.1:{port}").returncode == 1


def test_a_demo_that_serves_keeps_what_its_report_names_until_ctrl_c(tmp_path: Path) -> None:
    """Also where the server ends at once: its log is what the fault is read from. What is printed is run as it is."""
    process = started("demo", "--fault", "gpu-oom", "--serve", TMPDIR=str(tmp_path))
    assert process.stderr is not None
    process.stderr.readline()
    words = process.stderr.readline().decode().partition("bgecheck doctor ")[2].split()
    shown = run("doctor", *words, "--only", "logs")
    assert "ROOT CAUSE  logs.gpu-oom-weights" in shown.stdout
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert (process.returncode, list(tmp_path.iterdir())) == (130, [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_killed_in_order_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    process = started("demo", "--serve", TMPDIR=str(tmp_path))
    assert process.stderr is not None
    assert b"http://127.0.0.1:" in process.stderr.readline()
    assert b"bgecheck doctor" in process.stderr.readline()
    assert list(tmp_path.iterdir()) != []
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (128 + number, b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_look_at_a_server_that_hangs_ends_at_once(number: signal.Signals, code: int) -> None:
    with silent_server() as (address, connected):
        process = started("probe", "--url", address)
        connected()
        began = time.monotonic()
        process.send_signal(number)
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, output, errors) == (code, b"", b"")
    assert time.monotonic() - began < 3


def test_an_interrupt_that_the_starter_ignores_is_ignored() -> None:
    """A job in the background goes on to its report, whatever Ctrl-C is meant for."""
    with silent_server() as (address, connected):
        process = started("probe", "--url", address, "--quick", "--deadline", "2s", prepare=ignore_interrupts)
        connected()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (4, b"")
    assert b"probe." in output


def test_nohup_keeps_a_run_alive_when_the_terminal_closes() -> None:
    with silent_server() as (address, connected):
        process = started(
            "probe",
            "--url",
            address,
            "--quick",
            "--deadline",
            "2s",
            prepare=ignore_hangups,
        )
        connected()
        process.send_signal(signal.SIGHUP)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (4, b"")
    assert b"probe." in output


WATCHED = """
import sys

import threading

class Watch:
    entered = 0
    def find_spec(self, name, *rest):
        if threading.current_thread() is not threading.main_thread():  # where no signal comes
            return
        Watch.entered += 1
        if Watch.entered == {number}:
            raise KeyboardInterrupt

from bgecheck.__main__ import main
sys.meta_path.insert(0, Watch())
sys.argv = ["bgecheck", "ports", "--url", "127.0.0.1:1"]
code = main()
sys.stderr.write("imports %d" % Watch.entered)
sys.exit(code)
"""


def interrupted_at(number: int) -> subprocess.CompletedProcess[str]:
    """A run in which Ctrl-C comes with the import of that number."""
    return subprocess.run(
        [sys.executable, "-c", WATCHED.format(number=number)],
        capture_output=True,
        text=True,
        timeout=50,
        env=environment(),
        preexec_fn=heed_interrupts,
    )


def test_ctrl_c_while_modules_are_loaded_leaves_no_traceback() -> None:
    """At the first import, at some in the middle, and at one of the last."""
    whole = int(interrupted_at(0).stderr.removeprefix("imports "))
    assert whole > 100
    for number in (1, whole // 5, whole // 2, whole - 2):
        done = interrupted_at(number)
        assert done.returncode == 130, (number, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr


LATE = """
import atexit, os, signal, sys
from bgecheck.__main__ import main
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
sys.argv = ["bgecheck", "schema"]
sys.exit(main())
"""


def test_ctrl_c_while_modules_are_unloaded_leaves_no_traceback() -> None:
    """The report is out: the process ends by the signal, as one without a handler does."""
    done = subprocess.run(
        [sys.executable, "-c", LATE],
        capture_output=True,
        text=True,
        timeout=50,
        env=environment(),
        preexec_fn=heed_interrupts,
    )
    assert done.returncode == -signal.SIGINT
    assert done.stdout.startswith("{")
    assert done.stderr == ""


FROM_ITS_FIRST_LINE = """
import os, sys
from bgecheck.__main__ import main
os.write(2, b"begun\\n")
sys.exit(main())
"""


MOMENTS = at_most(24, 5)


@pytest.mark.timeout(180)
def test_ctrl_c_at_any_moment_of_a_run_leaves_no_traceback() -> None:
    """At moments spread over a run against a server that answers, from the program's first line on."""
    with stage(None) as staged:
        command = [sys.executable, "-c", FROM_ITS_FIRST_LINE, "doctor", "--url", staged.url, "--quick"]
        moments = [None, *range(MOMENTS)]
        whole, codes = 0.0, []
        for moment in moments:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(),
                preexec_fn=heed_interrupts,
            )
            assert process.stderr is not None
            assert process.stderr.readline() == b"begun\n"
            began = time.monotonic()
            if moment is not None:
                time.sleep(whole * (moment + 0.2) / MOMENTS)  # never in the line above that calls it
                process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=50)
            whole = whole or time.monotonic() - began
            # In a callback of Python's own nobody can catch it: it says so, forgets it, and goes on.
            missed = errors.startswith(b"Exception ignored in: ") and b"bgecheck" not in errors
            assert errors == b"" or missed, (moment, errors)
            codes.append(process.returncode)
    assert codes[0] == 0
    assert set(codes) <= {0, 130, -signal.SIGINT}, codes
    assert codes.count(130) >= MOMENTS / 3, codes


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("gcc") is None, reason="the stand-in is built by gcc")
def test_a_thread_that_hangs_in_a_driver_keeps_no_process_alive(tmp_path: Path) -> None:
    """The true pynvml, hanging for good in a stand-in for the driver's library, as no machine here has a driver."""
    library = tmp_path / "libnvidia-ml.so.1"
    subprocess.run(
        ["gcc", "-std=c11", "-D_DEFAULT_SOURCE", "-shared", "-fPIC", "-o", str(library), str(NVML)], check=True
    )
    (tmp_path / "gpus").write_text("init=hang\n")
    began = time.monotonic()
    done = run_anew(
        "gpu",
        "--url",
        "127.0.0.1:1",
        "--deadline",
        "1s",
        LD_LIBRARY_PATH=str(tmp_path),
        FAKE_NVML=str(tmp_path / "gpus"),
    )
    assert (done.returncode, done.stderr) == (4, "")
    assert "no answer within" in done.stdout
    assert time.monotonic() - began < 20


UNDER_A_THREAD = """
import ssl, sys, threading
from bgecheck.__main__ import main

def read_certificates():
    while True:
        ssl.create_default_context()

for _ in range(3):
    threading.Thread(target=read_certificates, daemon=True).start()
sys.argv = ["bgecheck", "ports", "--url", "127.0.0.1:1"]
sys.exit(main())
"""


def test_a_thread_at_work_in_openssl_does_not_change_the_exit_code() -> None:
    """Without a way out of its own, about every second of these runs ends by SIGSEGV in the C library's cleaning up."""
    for _ in range(6):
        done = subprocess.run(
            [sys.executable, "-c", UNDER_A_THREAD], capture_output=True, text=True, timeout=50, env=environment()
        )
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout.rstrip().endswith("exit 1")


LOADING = """
import sys, threading

class Watch:
    def find_spec(self, name, *rest):
        sys.stderr.write(f"{name.partition('.')[0]} {threading.current_thread().name}\\n")

import bgecheck.cli.main
sys.meta_path.insert(0, Watch())
sys.argv = ["bgecheck", "doctor", "--url", "{url}"]
from bgecheck.__main__ import main
sys.exit(main())
"""


def test_no_library_is_loaded_by_two_threads() -> None:
    """They could wait for each other for good, which no limit of time ends."""
    with stage(None) as staged:
        line = [sys.executable, "-c", LOADING.replace("{url}", staged.url)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=50, env=environment())
    assert done.returncode == 0, done.stderr
    loaded: dict[str, set[str]] = {}
    for library, thread in (line.split(" ", 1) for line in done.stderr.splitlines()):
        loaded.setdefault(library, set()).add(thread)
    assert loaded["httpx"] == {"MainThread"}
    shared = {library for library, threads in loaded.items() if len(threads) > 1}
    assert shared <= {"bgecheck", "encodings"}, "whose modules import each other in one direction only"
