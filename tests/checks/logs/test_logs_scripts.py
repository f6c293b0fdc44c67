"""The start script, the unit or the pod that failed by itself: its cause and the command that mends it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bgecheck.model import Finding, Language, say
from logsamples import Snippet, judged, roots, written

ROW = "logs.script-failed"
UNIT = "Nov 28 10:00:00 gpu1 systemd[1]: emb.service: "


def _roots(path: Path, text: str) -> list[Finding]:
    return roots(judged(written(path / "sglang.log", text)))


def _words(finding: Finding, language: Language = "en") -> str:
    return "\n".join([say(finding.cause, language), say(finding.fix, language), *finding.commands])


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("start.sh: line 4: --port: command not found", "sed -i -E"),
        ("/opt/run.sh: line 12: --is-embedding: command not found", "grep -nE '\\\\[[:blank:]]+$' /opt/run.sh"),
        ("start.sh: 第 4 行：--port: 未找到命令", "before --port"),
        ("start.sh: 4: --host: not found", "before --host"),
        ("zsh: command not found: --port", "on one line"),
        ("-bash: --mem-fraction-static: command not found", "on one line"),
        ("./start.sh: line 2: $'\\r': command not found", "sed -i 's/\\r$//' ./start.sh"),
        ("./start.sh: 第 2 行：$'\\r': 未找到命令", "sed -i 's/\\r$//' ./start.sh"),
        ("/usr/bin/env: ‘bash\\r’: No such file or directory", "grep -rlI"),
        ("env: 'python3\\r': No such file or directory", "grep -rlI"),
        ('/usr/bin/env: "bash\\r": 没有那个文件或目录', "grep -rlI"),
        ("-bash: ./start.sh: /bin/bash^M: bad interpreter: No such file or directory", "sed -i 's/\\r$//' ./start.sh"),
        ("bash: ./start.sh: /bin/bash^M: 错误的解释器: 没有那个文件或目录", "sed -i 's/\\r$//' ./start.sh"),
        (
            "bash: /opt/venv/bin/sglang: /home/a/venv/bin/python: bad interpreter: No such file",
            "head -n 1 /opt/venv/bin/sglang",
        ),
        ("bash: line 1: ./start.sh: cannot execute: required file not found", "head -n 1 ./start.sh"),
        ("bash: ./start.sh: 无法执行：找不到需要的文件", "head -n 1 ./start.sh"),
        ("start.sh: line 2: MODEL_PATH: unbound variable", "export MODEL_PATH="),
        ("start.sh: 2: MODEL_PATH: parameter not set", "export MODEL_PATH="),
        ("start.sh: 第 2 行：MODEL_PATH: 未绑定的变量", "export MODEL_PATH="),
        ("./start.sh: line 5: syntax error near unexpected token `newline'", "bash -n ./start.sh"),
        ('start.sh: 5: Syntax error: end of file unexpected (expecting "then")', "bash -n start.sh"),
        ("start.sh: line 9: unexpected EOF while looking for matching `\"'", "bash -n start.sh"),
        ('start.sh: 第 5 行：未预期的记号 "newline" 附近有语法错误', "bash -n start.sh"),
        (
            f"{UNIT}Failed at step EXEC spawning /opt/e/bin/python: No such file or directory",
            "systemctl cat emb.service",
        ),
        (
            f"{UNIT}Failed at step CHDIR spawning /opt/e/bin/python: No such file or directory",
            "WorkingDirectory",
        ),
        (
            f"{UNIT}Failed at step USER spawning /opt/e/bin/python: No such process",
            "-p User",
        ),
        (
            f"{UNIT}Failed at step NAMESPACE spawning /opt/e/bin/python: Invalid argument",
            "step NAMESPACE",
        ),
        (
            f"{UNIT}Failed to load environment files: No such file or directory",
            "EnvironmentFile=-PATH",
        ),
        (f"{UNIT}Start request repeated too quickly.", "journalctl -u emb.service"),
        (f"{UNIT}start operation timed out. Terminating.\n{UNIT}Failed with result 'timeout'.", "Type=exec"),
    ],
)
def test_what_failed_before_the_server(line: str, wanted: str, tmp_path: Path) -> None:
    (root,) = _roots(tmp_path, f"{line}\n")
    assert root.id == ROW
    assert wanted in _words(root)
    assert "{" not in _words(root) + _words(root, "zh")


@pytest.mark.parametrize(
    ("line", "row", "wanted"),
    [
        ("bash: ./start.sh: Permission denied", "permission-denied", "chmod +x ./start.sh"),
        ("bash: ./start.sh: 权限不够", "permission-denied", "chmod +x ./start.sh"),
        (
            'runc create failed: unable to start container process: exec: "/run.sh": permission denied: unknown',
            "permission-denied",
            "chmod +x /run.sh",
        ),
        ("bash: python: command not found", "python-env-broken", "found no python"),
        ("start.sh: line 3: sglang: command not found", "python-env-broken", "found no sglang"),
        ("zsh: command not found: sglang", "python-env-broken", "found no sglang"),
        ("nohup: failed to run command 'python': No such file or directory", "python-env-broken", "found no python"),
        ("/usr/bin/python3: No module named sglang", "python-env-broken", "/usr/bin/python3 -m pip install"),
        (
            "/usr/bin/python: Error while finding module specification for 'sglang.launch_server' (ModuleNotFoundError:"
            " No module named 'sglang')",
            "python-env-broken",
            "/usr/bin/python -m pip install",
        ),
        (
            'docker: Error response from daemon: invalid mount config for type "bind": bind source path does not exist:'
            " /data/m.",
            "model-path-not-found",
            "ls -ld /data/m",
        ),
        (
            "Warning  FailedScheduling  5s  default-scheduler  0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
            "container-failed",
            "device plugin",
        ),
        (
            'Warning  FailedMount  5s  kubelet  MountVolume.SetUp failed for volume "m" : hostPath type check failed',
            "container-failed",
            "kubectl get pvc,pv",
        ),
        (
            "Normal  Killing  1m  kubelet  Container emb failed startup probe, will be restarted",
            "container-failed",
            "startupProbe",
        ),
        (
            "Warning  BackOff    2m (x40 over 10m)  kubelet  Back-off restarting failed container emb in pod emb-6d4b",
            "container-failed",
            "kubectl logs --previous",
        ),
        ("    State:  Waiting\n      Reason:   CrashLoopBackOff", "container-failed", "kubectl logs --previous"),
        ("yaml: line 12: mapping values are not allowed in this context", "container-failed", "docker compose config"),
        (
            "validating /srv/docker-compose.yml: services.emb additional properties 'shmsize' not allowed",
            "container-failed",
            "docker compose config",
        ),
    ],
)
def test_what_was_not_found_or_not_allowed(line: str, row: str, wanted: str, tmp_path: Path) -> None:
    (root,) = _roots(tmp_path, f"{line}\n")
    assert root.id == f"logs.{row}"
    assert wanted in _words(root)
    assert "{" not in _words(root) + _words(root, "zh")


def test_another_module_than_sglang_is_still_a_missing_module(tmp_path: Path) -> None:
    (root,) = _roots(tmp_path, "ModuleNotFoundError: No module named 'uvicorn'\n")
    assert root.id == "logs.python-env-broken"
    assert "has no sglang" not in _words(root)


@pytest.mark.parametrize(
    "line",
    [
        "start.sh: line 2: nvidia-smi: command not found",
        "start.sh: line 2: cd: /data/old: No such file or directory",
        "Warning  Unhealthy  2m  kubelet  Readiness probe failed: Get http://10.0.0.5:30000/health: connection refused",
    ],
)
def test_a_script_whose_small_faults_stop_nothing(line: str, tmp_path: Path) -> None:
    text = Snippet("", "serving", "", ()).log("0.5.23")
    assert _roots(tmp_path, f"{line}\n{text}") == []


def test_the_program_s_own_error_counts_more_than_what_started_it(tmp_path: Path) -> None:
    own = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.25 GiB."
    for around in (
        f"{UNIT}Start request repeated too quickly.",
        "Warning  BackOff  2m  kubelet  Back-off restarting failed container e",
    ):
        assert [root.id for root in _roots(tmp_path, f"{own}\n{around}\n")] == ["logs.gpu-oom-weights"]


def test_a_unit_that_is_started_again_is_not_given_up(tmp_path: Path) -> None:
    lines = (
        "Main process exited, code=exited, status=1/FAILURE",
        "Failed with result 'exit-code'.",
        "Scheduled restart job, restart counter is at 1.",
    )
    assert [root.id for root in _roots(tmp_path, "".join(f"{UNIT}{line}\n" for line in lines))] == ["logs.wrong-engine"]


def test_an_orderly_stop_by_systemd_is_no_fault(tmp_path: Path) -> None:
    text = Snippet("", "serving", "", ()).log("0.5.23")
    stop = f"{UNIT}Stopping sglang embeddings...\n{UNIT}Deactivated successfully.\n"
    assert _roots(tmp_path, text + stop) == []


def test_a_start_after_the_failed_one_is_judged_alone(tmp_path: Path) -> None:
    text = Snippet("", "serving", "", ()).log("0.5.23")
    assert _roots(tmp_path, f"start.sh: line 4: --port: command not found\n{text}") == []


def test_the_commands_mend_a_true_script(tmp_path: Path) -> None:
    """Run as they are printed, for what a true bash writes of a true script."""
    script = tmp_path / "start.sh"
    script.write_bytes(b"echo launched \\ \n  --port 30000\n")
    failed = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    (root,) = _roots(tmp_path, failed.stdout + failed.stderr)
    assert root.id == ROW
    look, mend, preflight = root.commands
    assert subprocess.run(["bash", "-c", look], capture_output=True, text=True, check=True).stdout.startswith("1:")
    subprocess.run(["bash", "-c", mend], check=True)
    assert preflight == f"bgecheck preflight --file {script}"
    mended = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True)
    assert (mended.stdout, mended.stderr) == ("launched --port 30000\n", "")


def test_line_ends_of_a_true_script_are_mended(tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    script = tmp_path / "start.sh"
    script.write_bytes(b"\r\necho launched\r\n")
    failed = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    (root,) = _roots(tmp_path, failed.stderr)
    (mend,) = root.commands
    subprocess.run(["bash", "-c", mend], check=True)
    assert subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True).stdout == "launched\n"
