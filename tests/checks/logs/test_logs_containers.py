"""What keeps a container or a program from being started is told by what it was, with the remedy of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgecheck.model import Finding
from logsamples import Snippet, judged, roots, written

ROW = "logs.container-failed"
RUNC = "docker: Error response from daemon: failed to create shim task: OCI runtime create failed: "
START = RUNC + "runc create failed: unable to start container process: "


def _roots(path: Path, text: str) -> list[Finding]:
    return roots(judged(written(path / "sglang.log", text)))


def _words(finding: Finding) -> str:
    return "\n".join([str(finding.cause), str(finding.fix), *finding.commands])


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("exec /opt/nvidia/nvidia_entrypoint.sh: exec format error", "uname -m"),
        ("standard_init_linux.go:228: exec user process caused: exec format error", "uname -m"),
        ('standard_init_linux.go:178: exec user process caused "exec format error"', "uname -m"),
        ("bash: /opt/venv/bin/python: cannot execute binary file: Exec format error", "uname -m"),
        ("OSError: [Errno 8] Exec format error: '/opt/venv/bin/python'", "uname -m"),
        ("docker: no matching manifest for linux/arm64/v8 in the manifest list entries.", "uname -m"),
        (
            START + 'exec: "sglang": executable file not found in $PATH: unknown.',
            "program sglang",
        ),
        (
            START + 'exec: "/run.sh": stat /run.sh: no such file or directory: unknown',
            "program /run.sh",
        ),
        ("exec /opt/start.sh: no such file or directory", "program /opt/start.sh"),
        ("python3: can't open file '/app/serve.py': [Errno 2] No such file or directory", "program /app/serve.py"),
        (
            "docker: Error response from daemon: pull access denied for sglang, repository does not exist or x",
            "image sglang",
        ),
        (
            "Error response from daemon: manifest for lmsysorg/sglang:v0.9 not found: manifest unknown",
            "image lmsysorg/sglang:v0.9",
        ),
        (
            'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp 10.1.2.3:443: i/o timeout',
            "mirror",
        ),
        ("docker: Error response from daemon: toomanyrequests: You have reached your pull rate limit.", "docker login"),
        (
            "Cannot connect to the Docker daemon at unix:///run/user/1000/docker.sock. Is the docker daemon running?",
            "DOCKER_HOST",
        ),
        (
            'Error response from daemon: Conflict. The container name "/emb" is already in use by container "4f1c".',
            "docker rm emb",
        ),
        (
            START + "error during container init: open /x",
            "docker info",
        ),
        ("  Warning  Failed  2m (x4 over 4m)  kubelet  Error: ImagePullBackOff", "lmsysorg/sglang"),
    ],
)
def test_what_was_not_started(line: str, wanted: str, tmp_path: Path) -> None:
    (root,) = _roots(tmp_path, f"{line}\n")
    assert root.id == ROW
    assert wanted in _words(root)
    assert "{" not in _words(root).replace("{{.", "").replace("'{{", "")
    (in_compose,) = _roots(tmp_path, f"emb-1  | {line}\nemb-1 exited with code 1\n")
    assert in_compose.id == ROW


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: The requested image's platform (linux/amd64) does not match the detected host platform (linux/arm64)",
        "Unable to find image 'lmsysorg/sglang:latest' locally",
        "latest: Pulling from lmsysorg/sglang",
        "Attaching to emb-1",
    ],
)
def test_a_container_that_starts_all_the_same(line: str, tmp_path: Path) -> None:
    text = Snippet("", "serving", "", ()).log("0.5.23")
    assert _roots(tmp_path, f"{line}\n{text}") == []


def test_a_start_that_failed_is_over_once_another_serves(tmp_path: Path) -> None:
    text = Snippet("", "serving", "", ()).log("0.5.23")
    assert _roots(tmp_path, f"exec /opt/start.sh: exec format error\n{text}") == []


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (
            RUNC + "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.",
            "no-gpu-visible",
        ),
        (
            "docker: Error response from daemon: Bind for 0.0.0.0:30000 failed: port is already allocated.",
            "port-in-use",
        ),
        (
            'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
            "no-gpu-visible",
        ),
        ("bash: ./start.sh: Permission denied", "permission-denied"),
    ],
)
def test_other_causes_keep_their_rows(line: str, row: str, tmp_path: Path) -> None:
    assert [f.id for f in _roots(tmp_path, f"{line}\n")] == [f"logs.{row}"]


@pytest.mark.parametrize(
    "line",
    [
        "docker: permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock.",
        "Got permission denied while trying to connect to the Docker daemon socket at unix:///run/docker.sock: Get x",
        "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
    ],
)
def test_a_user_who_may_not_use_docker(line: str, tmp_path: Path) -> None:
    (root,) = _roots(tmp_path, f"{line}\n")
    assert root.id == "logs.permission-denied"
    assert "usermod -aG docker" in _words(root)
    assert "TRITON_CACHE_DIR" not in _words(root)


@pytest.mark.parametrize("between", range(4))
def test_a_key_among_the_lines_above_is_hidden_wherever_they_begin(between: int, tmp_path: Path) -> None:
    """`kubectl describe pod` writes each word of a command on a line of its own."""
    command = ["Command:", "  python", "  -m", "  sglang.launch_server", "  --api-key", "  topsecret"]
    ended = [*["  --disable-radix-cache"] * between, "State:  Terminated", "  Reason:  OOMKilled", "  Exit Code:  137"]
    [root] = _roots(tmp_path, "\n".join(["Name:  bge-0", *command, *ended]) + "\n")
    lines = root.values["context"]
    assert "  Reason:  OOMKilled".strip() in [line.strip() for line in lines]
    assert "topsecret" not in "\n".join(lines)
    assert ("***" in "\n".join(lines)) is (between < 2)


STATE = """Containers:
  sglang:
    Image:         lmsysorg/sglang:v0.5.9
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       Error
      Exit Code:    {}
    Ready:          False
Events:
  Warning  BackOff  10s (x12 over 5m)  kubelet  Back-off restarting failed container emb in pod emb-0_models(7f8061d3)
"""
PS = """CONTAINER ID   IMAGE                    COMMAND                  CREATED         STATUS      PORTS     NAMES
3b1f0c1e2d4a   lmsysorg/sglang:v0.5.9   "python3 -m sglang.l…"   3 minutes ago   {}             sglang-bge
"""
COMPOSE_PS = """NAME           IMAGE                    COMMAND                  SERVICE   CREATED         STATUS
models-emb-1   lmsysorg/sglang:v0.5.9   "python3 -m sglang.l…"   emb       3 minutes ago   Exited (1) 2 minutes ago
"""
INSPECT = """        "State": {{
            "Status": "exited",
            "OOMKilled": false,
            "ExitCode": {},
            "Error": ""
        }},
        "Name": "/sglang-bge", "Image": "lmsysorg/sglang:v0.5.9"
"""
KILLED_BY_PROBE = (
    STATE.format(137) + "  Normal  Killing  1m  kubelet  Container sglang failed liveness probe, will be restarted\n"
)


@pytest.mark.parametrize(
    ("text", "row", "wanted"),
    [
        (STATE.format(1), "container-failed", "kubectl logs --previous -n models emb-0 "),
        (STATE.format(2), "container-failed", "kubectl logs --previous -n models emb-0 "),
        (STATE.format(137), "host-oom-killed", "signal 9"),
        (STATE.format(139), "segfault", ""),
        (KILLED_BY_PROBE, "container-failed", "startupProbe"),
        ("emb-0   0/1     CrashLoopBackOff   6 (2m ago)   10m", "container-failed", "kubectl logs --previous emb-0 "),
        ("emb-0   0/1     ImagePullBackOff   0            10m", "container-failed", "lmsysorg/sglang"),
        ("      Reason:       ErrImagePull", "container-failed", "lmsysorg/sglang"),
        ("      Reason:       CreateContainerConfigError", "container-failed", "kubectl get secrets,configmaps"),
        (PS.format("Exited (1) 2 minutes ago"), "container-failed", "docker logs sglang-bge 2>&1"),
        (COMPOSE_PS, "container-failed", "docker logs models-emb-1 2>&1"),
        (PS.format("Restarting (2) 12 seconds ago"), "container-failed", "exit code 2"),
        (PS.format("Exited (137) 2 minutes ago"), "host-oom-killed", "signal 9"),
        (PS.format("Exited (139) 2 minutes ago"), "segfault", ""),
        (INSPECT.format(1), "container-failed", "docker logs NAME 2>&1"),
        (INSPECT.format(137), "host-oom-killed", "signal 9"),
        ("Message:  The node was low on resource: memory. Threshold quantity: 100Mi.", "host-oom-killed", ""),
    ],
)
def test_what_a_runtime_says_of_a_container_is_read(text: str, row: str, wanted: str, tmp_path: Path) -> None:
    (root,) = _roots(tmp_path, text + "\n")
    assert root.id == f"logs.{row}"
    assert wanted in _words(root)


@pytest.mark.parametrize(
    "text",
    [
        PS.format("Up 3 hours"),
        PS.format("Exited (0) 2 minutes ago"),
        PS.format("Exited (143) 2 minutes ago"),
        PS.format("Up 3 hours")
        + '8c1f   redis:7   "docker-entrypoint.s…"   2 days ago   Exited (1) 2 days ago   cache\n',
        INSPECT.format(0),
        STATE.partition("    State")[0] + "    State:  Running\n    Ready:  True\n    Restart Count:  0\n",
    ],
)
def test_a_container_that_runs_or_was_stopped_has_no_cause(text: str, tmp_path: Path) -> None:
    assert [root.id for root in _roots(tmp_path, text)] == ["logs.wrong-engine"]


def test_an_error_of_the_program_says_more_than_how_it_ended(tmp_path: Path) -> None:
    (root,) = _roots(
        tmp_path, STATE.format(1) + "OSError: /data/m does not appear to have a file named config.json. Checkout x\n"
    )
    assert root.id == "logs.model-path-not-found"
