"""The door to GPUs: the true pynvml over a stand-in libnvidia-ml.so.1 of our own, as no test machine has a GPU.

The stand-in (tests/fakes/nvml) is compiled here and found by the loader as a driver's library is. It shows how
every answer and error of NVML is taken, not that a driver gives them.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bgecheck.machine.gpus import Gpus, Holder
from bgecheck.model import Text, Unavailable

SOURCE = Path(__file__).parents[1] / "fakes" / "nvml" / "nvml.c"
GIB = 2**30
ONE = {
    "driver": "580.65.06",
    "cuda": 13000,
    "count": 1,
    "gpu0.name": "NVIDIA A10",
    "gpu0.uuid": "GPU-aaaaaaaa-0000-0000-0000-000000000001",
    "gpu0.memory": f"{24 * GIB},{1 * GIB}",
    "gpu0.capability": "8,6",
    "gpu0.temperature": 45,
    "gpu0.slowdown": 90,
    "gpu0.throttle": 1,
    "gpu0.ecc": 0,
    "gpu0.remapped": "0,0,0,0",
    "gpu0.mig": 0,
    "gpu0.compute": "",
    "gpu0.graphics": "",
}
"""A card in order: idle, and nobody holds memory."""
TWO = {k.replace("gpu0.", "gpu1_"): v for k, v in ONE.items() if k.startswith("gpu0")} | {"count": 2}
"""A second one beside it."""
READ = """
import pickle, sys
from bgecheck.model import Unavailable
from bgecheck.machine.gpus import read_gpus
try:
    answer = read_gpus()
except Unavailable as error:
    answer = error
sys.stdout.buffer.write(pickle.dumps(answer))
"""

READ_EACH = """
import os, pickle, sys
from bgecheck.model import Unavailable
from bgecheck.machine.gpus import read_gpus
answers = []
for path in sys.argv[1:]:
    os.environ["FAKE_NVML"] = path
    try:
        answers.append(read_gpus())
    except Unavailable as error:
        answers.append(error)
sys.stdout.buffer.write(pickle.dumps(answers))
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="the stand-in for NVML is built by gcc on Linux"
)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the stand-in."""
    folder = tmp_path_factory.mktemp("nvml")
    made = ["gcc", "-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*made, "-o", str(folder / "libnvidia-ml.so.1"), str(SOURCE)], check=True)
    return folder


class Machine:
    """A machine with a driver: what it answers, and programs that see it."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.file = folder / "gpus"
        self.folder = folder
        self.environment = {**os.environ, "LD_LIBRARY_PATH": str(library), "FAKE_NVML": str(self.file)}

    def tells(self, **answers: Any) -> Machine:
        """Answer as a card in order, but for `answers`, whose first underscore stands for a dot; None is no answer."""
        told = ONE | {name.replace("_", ".", 1): value for name, value in answers.items()}
        self.file.write_text("".join(f"{k}={v}\n" for k, v in told.items() if v is not None))
        return self

    def read(self) -> Gpus | Unavailable:
        """What `read_gpus` gives or raises on it."""
        ran = subprocess.run([sys.executable, "-c", READ], env=self.environment, capture_output=True, timeout=30)
        assert not ran.stderr, ran.stderr.decode()
        answer = pickle.loads(ran.stdout)
        assert isinstance(answer, Gpus | Unavailable)
        return answer

    def gpus(self) -> Gpus:
        """What `read_gpus` gives, when it does not raise."""
        answer = self.read()
        assert isinstance(answer, Gpus), answer
        return answer

    def report(self, *options: str) -> dict[str, Any]:
        """What `bgecheck gpu` reports."""
        command = [sys.executable, "-m", "bgecheck", "gpu", "-o", "json", *options]
        ran = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, timeout=30)
        report: dict[str, Any] = json.loads(ran.stdout)
        return report

    def planned(self, *line: str, **variables: str) -> dict[str, dict[str, Any]]:
        """The rows of `bgecheck preflight` about the GPUs for a launch of bge-large-zh with these options."""
        words = ["preflight", "--only", "gpu", "-o", "json", "--"]
        words += [*(f"{k}={v}" for k, v in variables.items()), "python", "-m", "sglang.launch_server"]
        words += ["--model-path", "BAAI/bge-large-zh-v1.5", *line]
        surroundings = {k: v for k, v in self.environment.items() if not k.startswith("CUDA_")}
        ran = subprocess.run(
            [sys.executable, "-m", "bgecheck", *words],
            env=surroundings,
            cwd=self.folder,
            capture_output=True,
            timeout=30,
        )
        assert not ran.stderr, ran.stderr.decode()
        return {found["id"].removeprefix("gpu."): found for found in json.loads(ran.stdout)["findings"]}

    def judged(self, port: int) -> dict[str, dict[str, Any]]:
        """The rows of `bgecheck gpu` by their name, for the server at a port of this machine."""
        findings = self.report("--url", f"http://127.0.0.1:{port}")["findings"]
        return {found["id"].removeprefix("gpu."): found for found in findings}


@pytest.fixture
def machine(library: Path, tmp_path: Path) -> Machine:
    return Machine(library, tmp_path).tells()


@pytest.fixture
def port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(folder: Path, port: int, *flags: str, **environment: str) -> Iterator[int]:
    """The pid of a process that was started as sglang is, and does nothing."""
    package = folder / "sglang"
    package.mkdir(exist_ok=True)
    (package / "launch_server.py").write_text("import time\nopen('up', 'w').close()\ntime.sleep(60)\n")
    up = folder / "up"
    up.unlink(missing_ok=True)
    command = [sys.executable, "-m", "sglang.launch_server", "--model-path", "m", "--port", str(port), *flags]
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("CUDA_")}
    with subprocess.Popen(command, cwd=folder, env={**surroundings, **environment}) as process:
        ends = time.monotonic() + 10
        while not up.exists() and time.monotonic() < ends:
            time.sleep(0.01)
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_card_in_order_is_read_as_it_is(machine: Machine) -> None:
    seen = machine.tells(gpu0_compute=f"100:{GIB},7:-", gpu0_graphics=f"100:5,9:{GIB}").gpus()
    (gpu,) = seen.gpus
    assert (seen.driver, seen.cuda, seen.lost) == ("580.65.06", (13, 0), ())
    assert (gpu.index, gpu.name, gpu.uuid[:8]) == (0, "NVIDIA A10", "GPU-aaaa")
    assert (gpu.total, gpu.used, gpu.free) == (24 * GIB, GIB, 23 * GIB)
    assert (gpu.capability, gpu.temperature, gpu.slows_down_at) == ((8, 6), 45, 90)
    assert (gpu.throttled, gpu.uncorrected, gpu.pending, gpu.mig) == ((), 0, False, False)
    assert gpu.holders == (Holder(7, None), Holder(9, GIB), Holder(100, GIB))


def test_nvml_is_left_as_it_was_found(machine: Machine) -> None:
    """Also when a call in between fails, nvmlShutdown is called."""
    for answers in ({}, {"count": 0}, {"count": "!999"}):
        trace = machine.folder / "shut"
        machine.tells(shutdown=trace, **answers).read()
        assert trace.exists()
        trace.unlink()


@pytest.mark.parametrize(
    ("answers", "reason", "looked"),
    [
        ({"init": "!9"}, "not loaded", False),
        ({"count": 0}, "shows no GPU", False),
        ({"init": "!18"}, "version mismatch; reboot to fix", True),
        ({"init": "!4"}, "this user may not ask", True),
        ({"init": "!999"}, "Unknown Error", True),
        ({"count": "!10"}, "Timeout", True),
        ({"gpu0_handle": "!15"}, "GPU is lost", True),
        ({"gpu0_memory": "!15"}, "GPU is lost", True),
        ({"gpu0_handle": "!4"}, "this user may not ask", True),
        ({"init": "!77"}, "error", True),
    ],
)
def test_a_driver_that_fails_is_a_reason(machine: Machine, answers: dict[str, Any], reason: str, looked: bool) -> None:
    """Not looked where there is nothing; looked where there is something that does not answer."""
    answer = machine.tells(**answers).read()
    assert isinstance(answer, Unavailable)
    assert isinstance(answer.reason, Text)
    assert reason in answer.reason.en
    assert answer.looked is looked


def test_without_the_library_there_is_nothing_to_look_at_and_pynvml_is_not_loaded(machine: Machine) -> None:
    del machine.environment["LD_LIBRARY_PATH"]
    loaded = machine_has_a_driver(machine.environment)
    if loaded:
        pytest.skip("this machine has a driver of its own")
    answer = machine.read()
    assert isinstance(answer, Unavailable)
    assert not answer.looked
    script = READ + "sys.exit('pynvml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], env=machine.environment, capture_output=True).returncode == 0


def machine_has_a_driver(environment: dict[str, str]) -> bool:
    code = "import ctypes; ctypes.CDLL('libnvidia-ml.so.1')"
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).returncode == 0


@pytest.mark.parametrize("content", [b"", b"not a library"])
def test_a_library_that_cannot_be_loaded_is_no_driver(machine: Machine, content: bytes) -> None:
    folder = machine.folder / "junk"
    folder.mkdir()
    (folder / "libnvidia-ml.so.1").write_bytes(content)
    machine.environment["LD_LIBRARY_PATH"] = str(folder)
    answer = machine.read()
    assert isinstance(answer, Unavailable)
    assert not answer.looked


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ("memory", "total"),
        ("memory", "free"),
        ("capability", "capability"),
        ("temperature", "temperature"),
        ("slowdown", "slows_down_at"),
        ("throttle", "throttled"),
        ("ecc", "uncorrected"),
        ("remapped", "pending"),
        ("mig", "mig"),
        ("compute", "holders"),
    ],
)
@pytest.mark.parametrize("code", [None, "!3", "!4", "!999"])
def test_what_a_card_does_not_tell_is_none_and_nothing_else_is(
    machine: Machine, answer: str, field: str, code: str | None
) -> None:
    (gpu,) = machine.tells(**{f"gpu0_{answer}": code}).gpus().gpus
    assert getattr(gpu, field) is None
    missing = {"total", "used", "free"} if answer == "memory" else {field}
    fields = {"name", "total", "capability", "temperature", "throttled", "uncorrected", "pending", "mig", "holders"}
    assert all(getattr(gpu, other) is not None for other in fields - missing)


def test_a_name_that_is_no_text_is_left_out(machine: Machine) -> None:
    machine.file.write_bytes(machine.file.read_bytes().replace(b"NVIDIA A10", b"\xff\xfe"))
    assert machine.gpus().gpus[0].name == "GPU"


def test_escapes_in_a_name_do_not_come_through(machine: Machine) -> None:
    assert machine.tells(gpu0_name="A\x1b[31m10\u202e").gpus().gpus[0].name == "A10"


def test_one_lost_card_leaves_the_others_readable(machine: Machine) -> None:
    seen = machine.tells(**{**TWO, "gpu1_temperature": "!15"}).gpus()
    assert [gpu.index for gpu in seen.gpus] == [0]
    assert seen.lost == ((1, "GPU is lost"),)


def test_a_card_that_this_container_may_not_use_is_not_lost(machine: Machine) -> None:
    seen = machine.tells(**TWO, gpu1_handle="!4").gpus()
    assert ([gpu.index for gpu in seen.gpus], seen.lost) == ([0], ())


def test_only_throttling_that_means_trouble_is_named(machine: Machine) -> None:
    """Idle (1), applications clocks (2) and power cap (4) are ordinary."""
    assert machine.tells(gpu0_throttle=0x1 | 0x2 | 0x4 | 0x100).gpus().gpus[0].throttled == ()
    told = machine.tells(gpu0_throttle=0x48).gpus().gpus[0].throttled
    assert told == ("hardware slowdown", "hardware thermal")


@pytest.mark.parametrize(
    ("remapped", "retiring", "pending"),
    [("2,0,0,0", None, False), ("0,1,1,0", None, True), ("0,1,0,1", 0, True), (None, 1, True), (None, 0, False)],
)
def test_memory_that_waits_for_a_reset(
    machine: Machine, remapped: str | None, retiring: int | None, pending: bool
) -> None:
    (gpu,) = machine.tells(gpu0_remapped=remapped, gpu0_retiring=retiring).gpus().gpus
    assert gpu.pending is pending


MIG = {
    "gpu0_mig": 1,
    "gpu0_mig0.name": "NVIDIA A100 MIG 3g.20gb",
    "gpu0_mig0.uuid": "MIG-1",
    "gpu0_mig0.memory": f"{20 * GIB},{GIB}",
    "gpu0_mig0.compute": f"42:{GIB}",
    "gpu0_mig2.name": "NVIDIA A100 MIG 1g.5gb",
    "gpu0_mig2.memory": f"{5 * GIB},0",
    "gpu0_mig2.compute": "",
}


def test_the_instances_of_a_cut_card_are_read_instead_of_it(machine: Machine) -> None:
    first, second = machine.tells(**MIG).gpus().gpus
    assert (first.name, first.uuid, first.total) == ("NVIDIA A100 MIG 3g.20gb", "MIG-1", 20 * GIB)
    assert (first.holders, first.capability, first.temperature, first.mig) == ((Holder(42, GIB),), (8, 6), 45, True)
    assert (second.name, second.total, second.holders) == ("NVIDIA A100 MIG 1g.5gb", 5 * GIB, ())


def test_a_cut_card_whose_instances_are_hidden_is_read_whole(machine: Machine) -> None:
    (gpu,) = machine.tells(gpu0_mig=1).gpus().gpus
    assert (gpu.mig, gpu.name) == (True, "NVIDIA A10")


def test_the_list_of_holders_is_bounded(machine: Machine) -> None:
    (gpu,) = machine.tells(gpu0_compute=",".join(f"{pid}:1" for pid in range(1, 600))).gpus().gpus
    assert gpu.holders is not None
    assert len(gpu.holders) == 512


def test_a_card_in_order_with_its_server_passes_every_row(machine: Machine, port: int) -> None:
    with server(machine.folder, port) as pid:
        machine.tells(gpu0_memory=f"{24 * GIB},{21 * GIB}", gpu0_compute=f"{pid}:{20 * GIB}")
        rows = machine.judged(port)
    assert {name: row["status"] for name, row in rows.items()} == dict.fromkeys(rows, "pass")
    assert rows["memory"]["evidence"][0]["observed"] == "21.0 GiB / 24.0 GiB"


def test_a_stranger_that_fills_the_card_is_the_root_cause_by_name(machine: Machine, port: int) -> None:
    """One cause, not two: that others hold memory is folded under that there is too little."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        machine.tells(gpu0_memory=f"{24 * GIB},{23 * GIB}", gpu0_compute=f"{stranger.pid}:{22 * GIB}")
        rows = machine.judged(port)
        stranger.kill()
    assert (rows["memory"]["status"], rows["memory"]["caused_by"]) == ("fail", None)
    assert f"pid {stranger.pid} sleep (22.0 GiB)" in rows["memory"]["cause"]
    assert (rows["others"]["status"], rows["others"]["caused_by"]) == ("warn", "gpu.memory")


def test_what_an_ignored_row_caused_is_ignored_with_it(machine: Machine, port: int) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        machine.tells(gpu0_memory=f"{24 * GIB},{23 * GIB}", gpu0_compute=f"{stranger.pid}:{22 * GIB}")
        report = machine.report("--url", f"http://127.0.0.1:{port}", "--ignore", "gpu.memory:known")
        stranger.kill()
    assert (report["root_causes"], report["counts"]["ignored"]) == ([], 2)
    assert {found["id"]: found["caused_by"] for found in report["findings"]}["gpu.others"] == "gpu.memory"


def test_the_server_s_own_choice_of_cards_counts(machine: Machine, port: int) -> None:
    """CUDA_VISIBLE_DEVICES is read from the running process."""
    machine.tells(**TWO, gpu0_ecc=4)
    with server(machine.folder, port, CUDA_VISIBLE_DEVICES="1"):
        assert machine.judged(port)["health"]["status"] == "pass"
    with server(machine.folder, port, CUDA_VISIBLE_DEVICES="0"):
        assert machine.judged(port)["health"]["status"] == "warn"
    with server(machine.folder, port, CUDA_VISIBLE_DEVICES="7"):
        rows = machine.judged(port)
    assert (rows["visible"]["status"], rows["memory"]["caused_by"]) == ("fail", "gpu.visible")
    assert "CUDA_VISIBLE_DEVICES=7" in rows["visible"]["cause"]


@pytest.mark.parametrize(("flags", "visible"), [(("--device", "cpu"), "0"), ((), ""), ((), "-1")])
def test_a_server_without_a_gpu_by_its_own_wish_is_not_judged(
    machine: Machine, port: int, flags: tuple[str, ...], visible: str
) -> None:
    with server(machine.folder, port, *flags, CUDA_VISIBLE_DEVICES=visible):
        rows = machine.judged(port)
    assert {row["status"] for row in rows.values()} == {"skip"}


def test_a_port_that_answers_without_a_process_leaves_memory_unjudged(machine: Machine) -> None:
    """A server in a container that is not seen from here fills the card by right."""
    machine.tells(gpu0_memory=f"{24 * GIB},{23 * GIB}", gpu0_compute="4000001:20000000000")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        rows = machine.judged(listener.getsockname()[1])
    assert (rows["memory"]["status"], rows["others"]["status"]) == ("skip", "skip")


def test_a_driver_that_hangs_costs_the_area_s_time_and_no_more(machine: Machine, port: int) -> None:
    machine.tells(init="hang")
    script = (
        "import time; from bgecheck.run import engine; from bgecheck.checks.gpu import AREA; "
        "from bgecheck.model import Target; from bgecheck.run.context import Context; "
        "from bgecheck.model.deadline import Deadline; "
        f"target = Target(url='http://127.0.0.1:{port}', host='127.0.0.1', port={port}); "
        "assert AREA.seconds <= 10; AREA.seconds = 0.3; "
        "found = engine.run([AREA], Context(target, Deadline(5))); print(found[0].status, found[0].reason.en)"
    )
    started = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", script], env=machine.environment, capture_output=True, timeout=20)
    assert ran.stdout.decode().strip() == "error no answer within 0.3 s"
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert time.monotonic() - started < 5


def test_another_machine_is_not_looked_at(machine: Machine) -> None:
    report = machine.report("--url", "http://203.0.113.9:30000")
    assert {found["status"] for found in report["findings"]} == {"skip"}
    assert "203.0.113.9 is another machine" in report["findings"][0]["reason"]


def statuses(rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: row["status"] for name, row in rows.items()}


def test_a_launch_is_judged_by_the_cards_that_it_would_take(machine: Machine) -> None:
    machine.tells(**TWO, gpu0_memory=f"{24 * GIB},{23 * GIB}")
    share = ("--mem-fraction-static", "0.3")
    assert set(statuses(machine.planned(*share, CUDA_VISIBLE_DEVICES="1")).values()) == {"pass"}
    full = machine.planned(*share)
    assert (full["memory"]["status"], full["share"]["caused_by"]) == ("fail", "gpu.memory")
    assert full["memory"]["fix"]["commands"][0].startswith("CUDA_VISIBLE_DEVICES=1 python -m sglang.launch_server")
    missing = machine.planned(*share, CUDA_VISIBLE_DEVICES="7")
    assert (missing["visible"]["status"], missing["memory"]["caused_by"]) == ("fail", "gpu.visible")
    assert machine.planned("--tp", "3")["devices"]["status"] == "fail"


CODES = (1, 2, 3, 4, 6, 7, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 23, 26, 999)
"""What nvmlReturn_t has for a query that fails: from not initialised and no permission to unknown."""


@pytest.mark.parametrize("call", ["init", "count", "gpu0_handle", "gpu0_memory", "driver", "cuda"])
def test_no_error_of_the_driver_is_a_bug_of_ours(machine: Machine, call: str) -> None:
    """Every code at every kind of call: a reason, or a value that is not told, and never a traceback or a pass."""
    # The stand-in takes "not supported" for a call that succeeds, where there is nothing else to tell.
    codes = [code for code in CODES if code != 3 or call in ("count", "gpu0_memory", "driver", "cuda")]
    files = []
    for code in codes:
        machine.tells(**{call: f"!{code}"})
        files.append(str(machine.file.rename(machine.folder / f"{call}-{code}")))
    ran = subprocess.run(
        [sys.executable, "-c", READ_EACH, *files], env=machine.environment, capture_output=True, timeout=60
    )
    assert not ran.stderr, ran.stderr.decode()
    for code, answer in zip(codes, pickle.loads(ran.stdout), strict=True):
        lost = code in (15, 16)
        assert isinstance(answer, Unavailable) is (lost or call in ("init", "count", "gpu0_handle")), code
        if isinstance(answer, Unavailable):
            assert answer.looked is not (code in (9, 12)), code


def test_a_card_that_is_unplugged_is_told_and_the_other_is_judged(machine: Machine) -> None:
    rows = machine.tells(**TWO, gpu1_handle="!15").planned("--mem-fraction-static", "0.3")
    assert (rows["memory"]["status"], rows["health"]["status"]) == ("pass", "warn")
    assert "GPU 1 is lost" in rows["health"]["cause"]
    assert machine.planned("--base-gpu-id", "1")["devices"]["status"] == "fail"


def test_a_driver_that_refuses_is_an_error_of_every_row_and_none_is_a_pass(machine: Machine) -> None:
    rows = statuses(machine.tells(init="!4").planned())
    assert rows["visible"] == "error"
    assert "pass" not in rows.values()


def test_a_running_server_s_own_line_is_not_judged_by_what_it_holds_itself(machine: Machine, port: int) -> None:
    with server(machine.folder, port, "--mem-fraction-static", "0.3") as pid:
        machine.tells(gpu0_memory=f"{24 * GIB},{23 * GIB}", gpu0_compute=f"{pid}:{22 * GIB}")
        command = [
            sys.executable,
            "-m",
            "bgecheck",
            "preflight",
            "--pid",
            str(pid),
            "--only",
            "gpu,ports",
            "-o",
            "json",
        ]
        ran = subprocess.run(command, env=machine.environment, cwd=machine.folder, capture_output=True, timeout=30)
    found = {row["id"]: row["status"] for row in json.loads(ran.stdout)["findings"]}
    assert {found["gpu.memory"], found["gpu.others"]} == {"pass"}
    assert {found["gpu.share"], found["ports.free"], found["ports.internal"]} == {"skip"}
