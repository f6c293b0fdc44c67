"""What mends one fault of a cause and not another is said of that one alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgecheck.model import Finding
from logsamples import Snippet, judged, roots, written

DIED = "[@] Received sigquit from a child process. It usually means the child failed."
DAEMON = "Error response from daemon: failed to create task for container: OCI runtime create failed: "
TOO_OLD = (
    DAEMON + "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver"
)
WATCHDOG = "[@] Watchdog timeout (self.watchdog_timeout=300)"
READ = (
    "requests.exceptions.ReadTimeout: HTTPConnectionPool(host='127.0.0.1', port=30000): Read timed out. "
    "(read timeout=600)"
)
NO_WAY = (
    "node5:240:240 [6] misc/socket.cc:533 NCCL WARN socketPollConnect: Connect to 10.0.0.4<56849> "
    "returned 113(No route to host)"
)


def _log(phase: str, *lines: str) -> str:
    return Snippet("", phase, "", lines).log("0.5.9")


def _root(path: Path, text: str) -> Finding:
    (root,) = roots(judged(written(path / "sglang.log", text)))
    return root


def _words(finding: Finding) -> str:
    return "\n".join([str(finding.cause), str(finding.fix), *finding.commands])


@pytest.mark.parametrize(
    ("phase", "line", "cause", "fits", "alien"),
    [
        (
            "args",
            "PermissionError: [Errno 13] Permission denied: '/srv/hf/hub/.locks/m.lock'",
            "permission-denied",
            "namei -l /srv/hf/hub/.locks/m.lock",
            "SYS_NICE",
        ),
        (
            "args",
            "OSError: [Errno 30] Read-only file system: '/root/.cache/flashinfer'",
            "permission-denied",
            "findmnt -O ro",
            "SYS_NICE",
        ),
        ("device", "setting membind: Invalid argument", "permission-denied", "SGLANG_NUMA_BIND_V2=0", "HF_HOME"),
        ("args", "RuntimeError: can't start new thread", "permission-denied", "seccomp=unconfined", "HF_HOME"),
        (
            "args",
            "ImportError: libnuma.so.1: cannot open shared object file: No such file or directory",
            "system-library-missing",
            "apt-get install -y libnuma1",
            "nvrtc",
        ),
        (
            "args",
            "ImportError: libnvrtc.so.12: cannot open shared object file: No such file or directory",
            "system-library-missing",
            "torch.version.cuda",
            "libnuma1",
        ),
        (
            "memory",
            "/usr/bin/ld: cannot find -lcuda: No such file or directory",
            "build-tools-missing",
            "LIBRARY_PATH=/usr/local/cuda/lib64/stubs",
            "build-essential",
        ),
        (
            "memory",
            "ninja: build stopped: subcommand failed.",
            "build-tools-missing",
            "rm -rf ~/.cache/flashinfer",
            "build-essential",
        ),
        (
            "args",
            "ImportError: cannot import name 'is_valid_list_of_images' from 'transformers.models.mllama'",
            "transformers-too-old",
            "may be too new",
            "install --upgrade sglang transformers",
        ),
        (
            "args",
            "requests.exceptions.HTTPError: 404 Client Error: Not Found for url: "
            "https://www.modelscope.cn/api/v1/models/BAAI/bge-large-zh-v15/revisions",
            "hf-repo-not-found",
            "modelscope download --model ",
            "hf download",
        ),
        ("device", NO_WAY, "nccl-failure", "NCCL_SOCKET_IFNAME", "NCCL_P2P_DISABLE"),
        (
            "warm-up",
            "CUDA Error: too many resources requested for launch (701) /flashinfer/sampling.cuh: line 547",
            "gpu-arch-unsupported",
            "--attention-backend triton",
            "older than sm75",
        ),
        ("memory", "IndexError: map::at", "gpu-arch-unsupported", "--dtype float16", "older than sm75"),
        (
            "serving",
            "       Kernel task happen error, retCode=0x31, [vector core exception].[FUNC:PreCheckTaskErr]",
            "illegal-memory-access",
            "out of bounds",
            "engine",
        ),
    ],
)
def test_a_remedy_fits_what_the_line_names(
    phase: str, line: str, cause: str, fits: str, alien: str, tmp_path: Path
) -> None:
    root = _root(tmp_path, _log(phase, "@scheduler", line, DIED))
    assert root.id == f"logs.{cause}"
    assert fits in _words(root)
    assert alien not in _words(root)


def test_a_low_port_asks_for_another_port_and_no_folder(tmp_path: Path) -> None:
    line = "[@] ERROR:    [Errno 13] error while attempting to bind on address ('0.0.0.0', 80): permission denied"
    root = _root(tmp_path, _log("warm-up", line, "[@] INFO:     Application shutdown complete."))
    assert "port 80" in _words(root)
    assert "above 1023" in _words(root)
    assert "HF_HOME" not in _words(root)


@pytest.mark.parametrize(("phase", "line"), [("serving", WATCHDOG), ("warm-up", READ)])
def test_a_server_that_its_watch_has_ended_is_started_again_and_not_asked(
    phase: str, line: str, tmp_path: Path
) -> None:
    root = _root(tmp_path, _log(phase, line, DIED, "Killed"))
    assert root.id == "logs.scheduler-hang"
    assert "start it again" in _words(root)
    assert "sglang.launch_server" in _words(root)
    assert "bgecheck embed" not in _words(root)


def test_a_watchdog_names_its_limit(tmp_path: Path) -> None:
    assert "(300 s)" in _words(_root(tmp_path, _log("serving", WATCHDOG, DIED, "Killed")))


@pytest.mark.parametrize("before", ["", "Gracefully stopping... (press Ctrl+C again to force)\n"])
def test_compose_that_gives_up_has_stopped_no_server(before: str, tmp_path: Path) -> None:
    root = _root(tmp_path, f"Attaching to sglang-1\n{before}{TOO_OLD}\n")
    assert root.id == "logs.cuda-driver-too-old"


def test_an_image_that_is_given_options_only_is_told_its_program(tmp_path: Path) -> None:
    line = "/opt/nvidia/nvidia_entrypoint.sh: line 67: exec: --: invalid option"
    root = _root(tmp_path, f"== CUDA ==\n\n{line}\nexec: usage: exec [-cl] [-a name] [command [argument ...]]\n")
    assert root.id == "logs.container-failed"
    assert "sglang.launch_server" in _words(root)


def test_a_supervisor_that_gave_up_leads_to_the_log_of_the_program(tmp_path: Path) -> None:
    lines = (
        "2026-01-12 10:00:02,127 INFO spawned: 'sglang' with pid 8",
        "2026-01-12 10:00:20,800 WARN exited: sglang (exit status 1; not expected)",
        "2026-01-12 10:00:41,801 INFO gave up: sglang entered FATAL state, too many start retries too quickly",
    )
    root = _root(tmp_path, "\n".join(lines) + "\n")
    assert root.id == "logs.container-failed"
    assert "stderr_logfile" in _words(root)
