"""What a log knows of a cause reaches its remedy: the option to leave out, the process to stop, the hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgecheck.model import Finding, Severity
from logsamples import RELEASES, Snippet, judged, roots, written

SRT = "/opt/venv/lib/python3.12/site-packages/sglang/srt/"
DIED = "[@] Received sigquit from a child process. It usually means the child failed."
SIZES = "RuntimeError: The size of tensor a (4096) must match the size of tensor b (9216) at non-singleton dimension 0"


def _log(release: str, phase: str, *lines: str, options: str = "", of: str = "") -> str:
    text = Snippet("", phase, of, lines).log(release)
    return text.replace("tp_size=1", f"tp_size=1{options}").replace(
        "'tp_size': 1", f"'tp_size': 1{_dictionary(options)}"
    )


def _dictionary(options: str) -> str:
    pairs = [pair.split("=", 1) for pair in options.split(", ") if pair]
    return "".join(f", '{name}': {value}" for name, value in pairs)


def _root(path: Path, text: str) -> Finding:
    (root,) = roots(judged(written(path / "sglang.log", text)))
    return root


def _words(finding: Finding) -> str:
    return "\n".join([str(finding.cause), str(finding.fix), *finding.commands])


def _frame(path: str, name: str = "all_reduce") -> str:
    return f'  File "{SRT}{path}", line 158, in {name}'


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("option", "frame", "error"),
    [
        ("enable_torch_symm_mem", "distributed/device_communicators/torch_symm_mem.py", SIZES),
        ("enable_mscclpp", "distributed/device_communicators/pymscclpp.py", "RuntimeError: mscclpp failure"),
        ("enable_symm_mem", "distributed/device_communicators/pynccl_allocator.py", "RuntimeError: unhandled error"),
        ("enable_flashinfer_allreduce_fusion", "layers/flashinfer_comm_fusion.py", "ValueError: bad workspace"),
        ("enable_two_batch_overlap", "two_batch_overlap.py", "AssertionError: split"),
        ("enable_hierarchical_cache", "mem_cache/hiradix_cache.py", "RuntimeError: host pool"),
    ],
)
def test_the_option_of_the_part_that_failed_is_left_out(
    release: str, option: str, frame: str, error: str, tmp_path: Path
) -> None:
    switch = "--" + option.replace("_", "-")
    lines = ("@scheduler", _frame("models/qwen3.py", "forward"), _frame(frame), "    x.copy_(y)", error, "", DIED)
    root = _root(tmp_path, _log(release, "serving", *lines, options=f", {option}=True"))
    assert root.id in ("logs.engine-internal-error", "logs.nccl-failure")
    assert f"start without {switch}" in _words(root)
    assert [c for c in root.commands if "launch_server" in c and switch not in c]
    off = _root(tmp_path, _log(release, "serving", *lines, options=f", {option}=False"))
    assert switch not in _words(off)


def test_an_option_whose_part_did_not_fail_stays(tmp_path: Path) -> None:
    lines = (
        "@scheduler",
        _frame("managers/scheduler.py", "run_batch"),
        "ValueError: token_to_kv_pool_allocator memory leak detected!",
        DIED,
    )
    root = _root(tmp_path, _log("0.5.9", "serving", *lines, options=", enable_torch_symm_mem=True"))
    assert root.id == "logs.engine-internal-error"
    assert "symm-mem" not in _words(root)


@pytest.mark.parametrize(
    "lines",
    [
        (
            _frame("distributed/device_communicators/custom_all_reduce.py", "register_graph_buffers"),
            "RuntimeError: NCCL error: invalid usage",
        ),
        (_frame("model_executor/model_runner.py"), "RuntimeError: CustomAllreduce: peer access failed"),
    ],
)
def test_sglangs_own_all_reduce_is_on_unless_it_is_switched_off(lines: tuple[str, ...], tmp_path: Path) -> None:
    text = _log("0.5.9", "graph", "@scheduler", *lines, DIED)
    root = _root(tmp_path, text)
    assert root.id == "logs.nccl-failure"
    assert root.commands[0].endswith("--disable-custom-all-reduce")
    off = _root(tmp_path, text.replace("tp_size=1", "tp_size=1, disable_custom_all_reduce=True"))
    assert "disable-custom" not in "\n".join(off.commands)


def test_a_package_that_an_option_needs(tmp_path: Path) -> None:
    lines = (
        "@scheduler",
        _frame("mem_cache/storage/lmcache.py"),
        "ModuleNotFoundError: No module named 'lmcache'",
        DIED,
    )
    root = _root(tmp_path, _log("0.5.9", "device", *lines, options=", enable_lmcache=True"))
    assert root.id == "logs.python-env-broken"
    assert "without --enable-lmcache" in _words(root)
    assert "venv" not in _words(root)
    assert "venv" in _words(_root(tmp_path, _log("0.5.9", "device", *lines)))


UPGRADE = "[@] WARNING:  Unsupported upgrade request."
REFUSED = '[@] INFO:     10.0.0.9:41{:03} - "POST /v1/embeddings HTTP/1.1" 400 Bad Request'
SERVED = '[@] INFO:     10.0.0.9:42{:03} - "POST /v1/embeddings HTTP/1.1" 200 OK'


def _requests(path: Path, *lines: str) -> list[Finding]:
    return roots(judged(written(path / "sglang.log", _log("0.5.23", "serving", *lines))))


def test_a_client_that_asks_for_another_protocol(tmp_path: Path) -> None:
    pairs = [line for n in range(6) for line in (UPGRADE, REFUSED.format(n))]
    between = [line for n in range(30) for line in (SERVED.format(n), SERVED.format(n + 100))]
    for lines in (pairs, pairs[:4], [*between, *pairs], [*pairs, *between], [pairs[1], *pairs]):
        (found,) = _requests(tmp_path, *lines)
        assert found.id == "logs.client-request-rejected", lines
        assert "HTTP_1_1" in _words(found)
        assert [e for e in found.evidence if "Unsupported upgrade" in str(e.observed)]


def test_an_upgrade_that_costs_nothing_is_none(tmp_path: Path) -> None:
    answered = [line for n in range(8) for line in (UPGRADE, SERVED.format(n))]
    assert _requests(tmp_path, *answered) == []
    assert _requests(tmp_path, UPGRADE, REFUSED.format(1), *(SERVED.format(n) for n in range(9))) == []
    (other,) = _requests(tmp_path, *(REFUSED.format(n) for n in range(9)), *answered[:2])
    assert "HTTP_1_1" not in _words(other)


@pytest.mark.parametrize(
    ("status", "wanted", "severity"),
    [
        ("500 Internal Server Error", "failed in the server itself (HTTP 500)", Severity.ERROR),
        ("401 Unauthorized", "--api-key", Severity.WARNING),
        ("404 Not Found", "exactly one /v1", Severity.WARNING),
        ("400 Bad Request", "see what the reply says", Severity.WARNING),
        ("422 Unprocessable Entity", "see what the reply says", Severity.WARNING),
    ],
)
def test_what_was_refused_is_told_by_its_status(status: str, wanted: str, severity: Severity, tmp_path: Path) -> None:
    (found,) = _requests(tmp_path, *(REFUSED.format(n).replace("400 Bad Request", status) for n in range(5)))
    assert (found.id, found.severity) == ("logs.client-request-rejected", severity)
    assert wanted in _words(found)
    others = {"--api-key", "exactly one /v1", "see what the reply says", "HTTP 500"} - {wanted}
    assert [other for other in others if other in _words(found) and other not in wanted] == []


def test_what_the_server_failed_at_is_told_beside_more_refusals_of_clients(tmp_path: Path) -> None:
    failed = [REFUSED.format(n).replace("400 Bad Request", "500 Internal Server Error") for n in range(6)]
    keys = [REFUSED.format(n).replace("400 Bad Request", "401 Unauthorized") for n in range(50)]
    (found,) = _requests(tmp_path, *keys, *failed)
    assert "6 requests failed in the server itself" in _words(found)
    (found,) = _requests(tmp_path, *keys, failed[0])
    assert "--api-key" in _words(found)


@pytest.mark.parametrize(
    ("failed", "answered", "severity", "words"),
    [
        (1, 899, Severity.WARNING, "(HTTP 500): 1, beside 900 that were answered"),
        (3, 8, Severity.WARNING, "(HTTP 500): 3, beside 9 that"),
        (4, 12, Severity.WARNING, "(HTTP 500): 4, beside 13 that"),
        (4, 11, Severity.ERROR, "4 requests failed in the server itself"),
    ],
)
def test_a_single_request_that_the_server_failed_at_is_no_pass(
    failed: int, answered: int, severity: Severity, words: str, tmp_path: Path
) -> None:
    """The warm-up is one more that was answered."""
    lines = [REFUSED.format(n).replace("400 Bad Request", "500 Internal Server Error") for n in range(failed)]
    (found,) = _requests(tmp_path, *lines, *(SERVED.format(n) for n in range(answered)))
    assert (found.id, found.severity) == ("logs.client-request-rejected", severity)
    assert words in _words(found)


@pytest.mark.parametrize(
    ("strange", "answered", "told"), [(4, 2, True), (3, 2, False), (4, 11, True), (4, 12, False), (30, 0, True)]
)
def test_clients_that_speak_https_to_an_http_port(strange: int, answered: int, told: bool, tmp_path: Path) -> None:
    """A few are scanners, which every open port has; the warm-up is one more that was answered."""
    lines = [f"[2026-11-02 22:11:{n:02}] WARNING:  Invalid HTTP request received." for n in range(strange)]
    found = _requests(tmp_path, *lines, *(SERVED.format(n) for n in range(answered)))
    assert [finding.id for finding in found] == ["logs.client-request-rejected"] * told
    if told:
        (finding,) = found
        assert f"{strange} connections" in _words(finding)
        assert "write http:// in the client's base URL" in _words(finding)
        assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    "line",
    [
        "[@] Child process unexpectedly failed with exitcode=9. pid=310",
        "[@] Child process unexpectedly failed with an exit code 9. pid=310",
        "[@] Rank 0 scheduler is dead. Please check if there are relevant logs.\n[@] Exit code: -9",
        "[@] Subprocess scheduler_0 (pid=310) crashed with exit code -9. Triggering SIGQUIT for cleanup...",
        "2026-11-02 22:10:09,101 WARN exited: sglang (terminated by SIGKILL; not expected)",
        "PM2        | App [embed:0] exited with code [0] via signal [SIGKILL]",
        "torch.multiprocessing.spawn.ProcessExitedException: process 0 terminated with signal SIGKILL",
    ],
)
def test_a_process_that_was_killed_from_outside(release: str, line: str, tmp_path: Path) -> None:
    root = _root(tmp_path, _log(release, "serving", *line.split("\n")))
    assert root.id == "logs.host-oom-killed"
    assert "from outside by signal 9" in _words(root)
    assert any(command.startswith("kill ") and command[5:].isdigit() for command in root.commands)


def test_what_the_kernel_says_is_memory(tmp_path: Path) -> None:
    root = _root(
        tmp_path, _log("0.5.23", "serving", "Memory cgroup out of memory: Killed process 4121 (sglang::schedul)")
    )
    assert root.id == "logs.host-oom-killed"
    assert "from outside" not in _words(root)


@pytest.mark.parametrize("kill", ["[@] Child process unexpectedly failed with exitcode=9. pid=3", "[@] Exit code: -9"])
def test_an_error_before_it_wins(kill: str, tmp_path: Path) -> None:
    """sglang ends its own tree with signal 9 after any failure."""
    lines = ("@scheduler", "RuntimeError: CUDA error: an illegal memory access was encountered", kill)
    assert _root(tmp_path, _log("0.5.9", "serving", *lines)).id == "logs.illegal-memory-access"


@pytest.mark.parametrize("status", ["256", "1", "0", "15", "99"])
def test_a_child_that_ended_otherwise_says_nothing(status: str, tmp_path: Path) -> None:
    line = f"[@] Child process unexpectedly failed with exitcode={status}. pid=310"
    assert roots(judged(written(tmp_path / "sglang.log", _log("0.5.3", "serving", line)))) == []


HANGS = (
    "[@] Health check failed. Server couldn't get a response from detokenizer for last 20 seconds. tic start time: 1"
)


def test_a_dead_scheduler_is_stopped_with_its_server(tmp_path: Path) -> None:
    root = _root(
        tmp_path,
        _log("0.5.9", "serving", HANGS, "[@] Rank 0 scheduler is dead. Please check if there are relevant logs."),
    )
    assert root.id == "logs.scheduler-hang"
    assert "/health and /v1/models may say 200" in _words(root)
    assert any(command.startswith("kill ") for command in root.commands)
    assert not [command for command in root.commands if "probe" in command]


@pytest.mark.parametrize(("limit", "full"), [("2", True), ("256", True), ("257", False), ("None", False)])
def test_a_batch_may_fill_all_places(limit: str, full: bool, tmp_path: Path) -> None:
    text = _log("0.5.9", "serving", HANGS).replace("max_running_requests=None", f"max_running_requests={limit}")
    text = (
        text
        if "max_running_requests=" in text.split("\n")[0]
        else text.replace("tp_size=1", f"tp_size=1, max_running_requests={limit}")
    )
    root = _root(tmp_path, text)
    assert root.id == "logs.scheduler-hang"
    assert ("--disable-overlap-schedule" in _words(root)) is full
    assert not full or "--max-running-requests" not in root.commands[-1]


def test_a_hash_that_is_another(tmp_path: Path) -> None:
    line = (
        "modelscope.hub.errors.FileIntegrityError: File /root/BAAI/bge-m3/model.safetensors integrity check failed, "
        "expected sha256 signature is 5885aa8233513d76, actual is 2f3a36bb569365da, try again."
    )
    root = _root(tmp_path, _log("0.5.9", "load", line))
    assert root.id == "logs.weights-corrupt"
    assert "is 2f3a36bb569365da, and the hub has 5885aa8233513d76" in _words(root)


NVCC = "/opt/venv/lib/python3.11/site-packages/flashinfer/data/include/flashinfer/vec_dtypes.cuh:21:10: "


@pytest.mark.parametrize(
    ("line", "wanted", "unwanted"),
    [
        (NVCC + "fatal error: cuda_fp8.h: No such file or directory", "at least 11.8", "build-essential"),
        (NVCC + "fatal error: cuda_fp4.h: No such file or directory", "at least 12.8", "build-essential"),
        ("nvcc fatal   : Value 'c++20' is not defined for option 'std'", "at least 12.0", "build-essential"),
        (NVCC + "fatal error: cuda_runtime.h: No such file or directory", "CUDA_HOME", "build-essential"),
        ("/bin/sh: 1: /usr/local/cuda/bin/nvcc: not found", "CUDA_HOME", "build-essential"),
        ("main.c:1:10: fatal error: Python.h: No such file or directory", "build-essential", "toolkit"),
        ("RuntimeError: Ninja is required to load C++ extensions", "build-essential", "toolkit"),
    ],
)
def test_what_a_kernel_could_not_be_compiled_for(line: str, wanted: str, unwanted: str, tmp_path: Path) -> None:
    lines = (
        "@scheduler",
        "subprocess.CalledProcessError: Command '['ninja', '-v']' returned non-zero exit status 1.",
        line,
        DIED,
    )
    text = _log("0.5.9", "memory", *lines).replace("attention_backend='triton'", "attention_backend='flashinfer'")
    root = _root(tmp_path, text)
    assert root.id == "logs.build-tools-missing"
    assert wanted in _words(root)
    assert unwanted not in _words(root)


def test_triton_is_not_offered_where_it_runs(tmp_path: Path) -> None:
    line = NVCC + "fatal error: cuda_fp8.h: No such file or directory"
    root = _root(
        tmp_path,
        _log("0.5.9", "memory", "@scheduler", line, DIED, options=", attention_backend='triton'").replace(
            "attention_backend=None", "attention_backend='triton'"
        ),
    )
    assert "triton" not in _words(root)


NO_ROWS = "RuntimeError: RMSNorm failed with error code invalid configuration argument"
BATCH = (
    "[@ TP0] Prefill batch. #new-seq: {}, #new-token: {}, #cached-token: {}, token usage: 0.00, #running-req: 0, "
    "#queue-req: 0"
)


@pytest.mark.parametrize(
    ("batch", "error", "row"),
    [
        (BATCH.format(1, 0, 0), NO_ROWS, "empty-text"),
        (BATCH.format(3, 0, 0), NO_ROWS.replace("RMSNorm", "FusedAddRMSNorm"), "empty-text"),
        (BATCH.format(1, 0, 0), "RuntimeError: CUDA error: invalid configuration argument", "empty-text"),
        (BATCH.format(1, 0, 40), NO_ROWS, "engine-internal-error"),
        (BATCH.format(1, 40, 0), NO_ROWS, "engine-internal-error"),
        (BATCH.format(1, 0, 0), "torch.OutOfMemoryError: CUDA out of memory.", "gpu-oom-serving"),
        ("", NO_ROWS, "engine-internal-error"),
    ],
)
def test_a_text_without_a_token(batch: str, error: str, row: str, tmp_path: Path) -> None:
    """Only a batch without any token shows that the text was empty."""
    root = _root(tmp_path, _log("0.4.6", "serving", *filter(None, (batch,)), "@scheduler", error, DIED))
    assert root.id == f"logs.{row}"
    assert ("empty and blank texts" in _words(root)) is (row == "empty-text")


NEW, OLD, EITHER = "use a build for the card's CUDA", "T4 or newer; or serve the model on the CPU", "for a new card"


@pytest.mark.parametrize(
    ("lines", "remedy"),
    [
        (("RuntimeError: SGLang only supports sm75 and above.",), OLD),
        (("RuntimeError: FlashInfer requires GPUs with sm75 or higher",), OLD),
        (("RuntimeError: Unsupported CUDA architecture sm_61",), OLD),
        (("nvcc fatal   : Unsupported gpu architecture 'compute_70'",), OLD),
        (("RuntimeError: This kernel was not built for compute capability 7.0",), OLD),
        (("nvcc fatal   : Unsupported gpu architecture 'compute_120'",), NEW),
        (("ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'",), "TRITON_PTXAS_PATH"),
        (("RuntimeError: This kernel was not built for compute capability 12.0",), NEW),
        (
            (
                "NVIDIA RTX PRO 6000 with CUDA capability sm_120 is not compatible with the current "
                "PyTorch installation.",
                "The current PyTorch install supports CUDA capabilities sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90.",
                "RuntimeError: CUDA error: no kernel image is available for execution on the device",
            ),
            NEW,
        ),
        (
            (
                "Tesla P40 with CUDA capability sm_61 is not compatible with the current PyTorch installation.",
                "RuntimeError: CUDA error: no kernel image is available for execution on the device",
            ),
            OLD,
        ),
        (("RuntimeError: CUDA error: no kernel image is available for execution on the device",), EITHER),
    ],
)
def test_an_old_card_and_a_new_one_need_different_things(lines: tuple[str, ...], remedy: str, tmp_path: Path) -> None:
    root = _root(tmp_path, _log("0.5.9", "load", "@scheduler", *lines, DIED))
    assert root.id == "logs.gpu-arch-unsupported"
    assert remedy in _words(root)
    assert ("newest image" in _words(root)) is (remedy != OLD)


def test_weights_that_only_a_newer_torch_may_open(tmp_path: Path) -> None:
    for subject in ("", "[rank0]: "):
        error = (
            f"{subject}ValueError: Due to a serious vulnerability issue in `torch.load`, even with "
            "`weights_only=True`, we now require users to upgrade torch to at least v2.6 in order to use the function."
        )
        root = _root(tmp_path, _log("0.5.3", "load", "@scheduler", error, DIED))
        assert root.id == "logs.python-env-broken"
        assert "torch to 2.6 or newer" in _words(root)
        assert "safetensors" in _words(root)
        assert "venv" not in _words(root)


STARTED = f'Traceback (most recent call last):\n  File "{SRT}server_args.py", line 901, in get_model_config\n'
UNREACHABLE = "OSError: We couldn't connect to '{}' to load the files, and couldn't find them in the cached files."
E5 = "intfloat/multilingual-e5-base"
RETRIED = "'[Errno 101] Unreachable' thrown while requesting HEAD {}/" + E5 + "/resolve/main/config.json"
HUB = "https://huggingface.co"
MIRRORED = "HF_ENDPOINT=https://hf-mirror.com hf download "


def _unreachable(path: Path, *lines: str) -> Finding:
    root = _root(path, STARTED + "\n".join([*lines, ""]))
    assert root.id == "logs.hf-unreachable"
    return root


@pytest.mark.parametrize("address", ["https://hf-mirror.com", "http://hub.corp:8080", "https://mirror.lan"])
def test_a_mirror_that_failed_is_not_the_remedy(address: str, tmp_path: Path) -> None:
    root = _unreachable(tmp_path, RETRIED.format(address), UNREACHABLE.format(address))
    assert root.commands == (f"curl -sSI -m 10 {address}", f"env -u HF_ENDPOINT hf download {E5}")
    assert f"the mirror {address} " in _words(root)


def test_a_mirror_is_told_of_without_what_opens_it(tmp_path: Path) -> None:
    root = _unreachable(tmp_path, UNREACHABLE.format("https://me:topsecret@hub.corp"))
    assert "topsecret" not in _words(root)


@pytest.mark.parametrize(
    "lines",
    [
        (RETRIED.format(HUB), UNREACHABLE.format(HUB)),
        (
            "MaxRetryError: HTTPSConnectionPool(host='cdn-lfs.huggingface.co', port=443): Max retries exceeded with "
            f"url: /{E5}/resolve/main/model.safetensors",
            UNREACHABLE.format(HUB),
        ),
        (
            "huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach "
            f"https://hf-mirror.com/{E5}/resolve/main/config.json: offline mode is enabled.",
        ),
    ],
)
def test_a_mirror_that_did_not_fail_is_one_remedy(lines: tuple[str, ...], tmp_path: Path) -> None:
    assert _unreachable(tmp_path, *lines).commands == (MIRRORED + E5,)


def test_the_repository_of_a_launch_command_is_downloaded(tmp_path: Path) -> None:
    command = "+ python3 -m sglang.launch_server --model-path acme/embed-small --is-embedding\n"
    root = _root(tmp_path, command + STARTED + UNREACHABLE.format(HUB) + "\n")
    assert root.commands == (MIRRORED + "acme/embed-small",)


def test_a_pod_gets_a_larger_shm_by_a_volume(tmp_path: Path) -> None:
    line = "RuntimeError: unable to allocate shared memory(shm) for file </torch_9_1>: No space left on device (28)"
    words = _words(_root(tmp_path, _log("0.5.9", "device", "@scheduler", line, DIED)))
    assert "--shm-size" in words
    assert "emptyDir with `medium: Memory` at /dev/shm" in words


SETTLING = """+ python3 -m sglang.launch_server --model-path /data/m --host 0.0.0.0
Traceback (most recent call last):
  File "/opt/venv/lib/python3.12/site-packages/sglang/launch_server.py", line 11, in <module>
    server_args = prepare_server_args(sys.argv[1:])
  File "/opt/venv/lib/python3.12/site-packages/sglang/srt/{}", line 642, in __post_init__
    {}
    ^^^^^^^^^
TypeError: '>' not supported between instances of {}
"""


@pytest.mark.parametrize(
    ("file", "code", "types", "wanted"),
    [
        (
            "server_args.py",
            "if gpu_mem > 60 * 1024:",
            "'NoneType' and 'int'",
            "--host 0.0.0.0 --mem-fraction-static 0.3",
        ),
        ("server_args.py", "if self.max_running_requests > 1:", "'NoneType' and 'int'", "add --max-running-requests"),
        (
            "arg_groups/memory_hook.py",
            "size = max(args.chunked_prefill_size, 2048)",
            "'int' and 'NoneType'",
            "add --chunked-prefill-size",
        ),
        ("server_args.py", "if limit > 1:", "'NoneType' and 'int'", "--help"),
    ],
)
def test_an_option_that_was_not_given_is_named(file: str, code: str, types: str, wanted: str, tmp_path: Path) -> None:
    (root,) = roots(judged(written(tmp_path / "sglang.log", SETTLING.format(file, code, types))))
    assert root.id == "logs.bad-cli-arguments"
    assert wanted in "\n".join([str(root.fix), *root.commands])


def test_a_number_that_a_model_compares_is_no_option(tmp_path: Path) -> None:
    text = SETTLING.format("models/bert.py", "if self.tp_size > 1:", "'NoneType' and 'int'")
    (root,) = roots(judged(written(tmp_path / "sglang.log", text)))
    assert "add --tp-size" not in str(root.fix)


@pytest.mark.parametrize(
    "error",
    [
        "ImportError: gRPC mode requires the smg-grpc-servicer package. If not installed, run: pip install x",
        "RuntimeError: --enable-metrics requires smg-grpc-servicer ≥ 0.5.3 (the version that accepts it); upgrade it.",
    ],
)
def test_the_package_of_grpc_mode_is_named(error: str, tmp_path: Path) -> None:
    text = Snippet("", "args", "", ("Traceback (most recent call last):", error)).log("0.5.23")
    (root,) = roots(judged(written(tmp_path / "sglang.log", text)))
    assert root.id == "logs.python-env-broken"
    assert [command for command in root.commands if "--upgrade 'smg-grpc-servicer[sglang]'" in command]


def test_an_evicted_pod_is_told_of_its_own_disk(tmp_path: Path) -> None:
    line = "Message:          The node was low on resource: ephemeral-storage. Threshold quantity: 5Gi, available: 4Gi."
    (root,) = roots(judged(written(tmp_path / "pod.txt", f"Reason:           Evicted\n{line}\n")))
    assert root.id == "logs.disk-full"
    assert "resources.limits" in str(root.fix)


def test_a_server_without_an_address_to_listen_on(tmp_path: Path) -> None:
    error = "requests.exceptions.InvalidURL: Invalid URL 'http://:8000/model_info': No host supplied"
    text = Snippet(
        "",
        "warm-up",
        "",
        ("[@] Initialization failed. warmup error: Traceback (most recent call last):", error, "Killed"),
    )
    (root,) = roots(judged(written(tmp_path / "sglang.log", text.log("0.5.9"))))
    assert root.id == "logs.bad-cli-arguments"
    assert [command for command in root.commands if "--host 0.0.0.0" in command]


@pytest.mark.parametrize(
    "line",
    [
        "subprocess.CalledProcessError: Command '['python3', '-m', 'sglang.launch_server', '--model-path', '/data/m', "
        "'--port', '31000']' returned non-zero exit status 1.",
        '[launcher] cmd=["python3","-m","sglang.launch_server","--model-path","/data/m","--port","31000"]',
    ],
)
def test_a_command_that_is_logged_as_a_list_is_the_one_to_correct(line: str, tmp_path: Path) -> None:
    error = "launch_server.py: error: unrecognized arguments: --enable-embedding"
    (root,) = roots(judged(written(tmp_path / "sglang.log", f"{line}\n{error}\n")))
    assert root.commands == ("python3 -m sglang.launch_server --model-path /data/m --port 31000",)


@pytest.mark.parametrize(("given", "row"), [("True", "logs.engine-internal-error"), ("False", "logs.ready")])
def test_ranks_that_exchange_parts_of_unequal_size(given: str, row: str, tmp_path: Path) -> None:
    lines = ("@scheduler", "ValueError: input tensor must be the same size as output size times world size", "@died")
    text = Snippet("", "graph", "", lines).log("0.5.9")
    text = text.replace("is_embedding=", f"tp_size=8, dp_size=4, enable_dp_attention={given}, is_embedding=")
    (root,) = roots(judged(written(tmp_path / "sglang.log", text)))
    assert root.id == row
    assert given == "False" or [line for line in root.commands if "--tp-size 8" in line and "--dp-size" not in line]
