"""Errors that ask for one thing: a package, another option, a file, a mount. The remedy is that thing, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgecheck.engines.sglang.log.packages import wanted
from bgecheck.model import Finding, Status
from logsamples import RELEASES, Snippet, judged, roots, written

SRT = "/opt/venv/lib/python3.12/site-packages/sglang/srt/"
DIED = "[@] Received sigquit from a child process. It usually means the child failed."


def _root(path: Path, text: str) -> Finding:
    (root,) = roots(judged(written(path / "sglang.log", text)))
    return root


def _words(finding: Finding) -> str:
    return "\n".join([str(finding.cause), str(finding.fix), *finding.commands])


def _log(release: str, phase: str, *lines: str, options: str = "") -> str:
    text = Snippet("", phase, "", lines).log(release)
    return text.replace("tp_size=1", f"tp_size=1{options}")


def _refused(command: str, frame: str, error: str, arguments: str = "") -> str:
    """What a start writes that its options end, under a shell that repeats the command (`set -x`)."""
    return (
        f"+ {command}\n{arguments}Traceback (most recent call last):\n"
        f'  File "{SRT}../launch_server.py", line 28, in <module>\n'
        "    server_args = prepare_server_args(sys.argv[1:])\n"
        f'  File "{SRT}{frame}\n'
        "    raise ValueError(\n"
        f"{error}\n"
    )


LAUNCH = "python3 -m sglang.launch_server --model-path /m/bge --port 8000"
RADIX_AND_HOST = (
    "ValueError: The arguments enable-hierarchical-cache and disable-radix-cache are mutually exclusive and cannot be "
    "used at the same time. Please use only one of them."
)
TWO_BATCHINGS = (
    "ValueError: Cannot enable both --enable-tokenizer-batch-encode and --enable-dynamic-batch-tokenizer. Please "
    "choose one tokenizer batching approach."
)
UNEVEN = "AssertionError: tp_size must be divisible by number of nodes"
NO_CACHE = (
    "ValueError: --prefill-only-disable-kv-cache requires --chunked-prefill-size=-1 so the FA backend takes the "
    "fa_skip_kv_cache path; otherwise the pool would be touched between prefill chunks."
)


@pytest.mark.parametrize(
    ("given", "frame", "error", "line"),
    [
        (
            "--is-embedding --disable-radix-cache --enable-hierarchical-cache",
            'server_args.py", line 2686, in _handle_cache_compatibility',
            RADIX_AND_HOST,
            "--is-embedding --disable-radix-cache",
        ),
        (
            "--enable-tokenizer-batch-encode --enable-dynamic-batch-tokenizer",
            'arg_groups/serving_hook.py", line 757, in handle_tokenizer_batching',
            TWO_BATCHINGS,
            "--enable-dynamic-batch-tokenizer",
        ),
        (
            "--prefill-only-disable-kv-cache --is-embedding",
            'arg_groups/kv_cache_hook.py", line 905, in handle_prefill_only',
            NO_CACHE,
            "--prefill-only-disable-kv-cache --is-embedding --chunked-prefill-size -1",
        ),
        (
            "--grpc-port 9000 --api-key $KEY",
            'arg_groups/serving_hook.py", line 429, in handle_grpc',
            "ValueError: --grpc-port is incompatible with --api-key/--admin-api-key: the native gRPC listener bypasses "
            "HTTP auth middleware.",
            '--api-key "${BGECHECK_API_KEY:?export it first}"',
        ),
    ],
)
def test_of_two_options_the_right_one_goes_or_comes(
    given: str, frame: str, error: str, line: str, tmp_path: Path
) -> None:
    root = _root(tmp_path, _refused(f"{LAUNCH} {given}", frame, error))
    assert root.id == "logs.bad-cli-arguments"
    assert root.commands[0] == f"{LAUNCH} {line}"
    assert "tp-size" not in _words(root)


def test_an_option_whose_value_nobody_knows_gets_no_line(tmp_path: Path) -> None:
    error = "ValueError: --ssl-keyfile requires --ssl-certfile to be specified as well."
    frame = 'arg_groups/serving_hook.py", line 52, in handle_ssl_validation'
    root = _root(tmp_path, _refused(f"{LAUNCH} --ssl-keyfile /c/k", frame, error))
    assert "--ssl-certfile with its value" in _words(root)
    assert not [command for command in root.commands if "launch_server" in command]


@pytest.mark.parametrize(
    ("error", "wanted_words", "command"),
    [
        (
            "ValueError: SSL key file not found: '/certs/tls.key'. Please check the --ssl-keyfile path.",
            "there is no file /certs/tls.key, which --ssl-keyfile names",
            "ls -l /certs/tls.key",
        ),
        (
            "ValueError: SSL key file not found: '/c/a b;id'. Please check the --ssl-keyfile path.",
            "--ssl-keyfile",
            "ls -l '/c/a b;id'",
        ),
        ("ValueError: Config file not found: /srv/bge.yaml", "--config names", "ls -l /srv/bge.yaml"),
        ("ValueError: Config file must be YAML format, got: .json", ".yaml or .yml", ""),
    ],
)
def test_a_file_that_an_option_names(error: str, wanted_words: str, command: str, tmp_path: Path) -> None:
    root = _root(tmp_path, _refused(LAUNCH, 'server_args.py", line 70, in _validate_files', error))
    assert root.id == "logs.bad-cli-arguments"
    assert wanted_words in _words(root)
    assert [each for each in root.commands if each.startswith("ls")] == ([command] if command else [])


@pytest.mark.parametrize(
    ("arguments", "error", "line"),
    [
        (
            "page_size=64, chunked_prefill_size=1000",
            "AssertionError: chunked_prefill_size must be divisible by page_size",
            "--page-size 64 --chunked-prefill-size 1024",
        ),
        ("nnodes=2, tp_size=3", UNEVEN, "--nnodes 2 --tp-size 2"),
        ("nnodes=4, tp_size=2", UNEVEN, "--nnodes 4 --tp-size 4"),
    ],
)
def test_a_size_that_does_not_divide(arguments: str, error: str, line: str, tmp_path: Path) -> None:
    text = (
        f"[2026-02-12 09:00:01] server_args=ServerArgs(model_path='Qwen/Qwen3-Embedding-8B', {arguments})\n"
        "Traceback (most recent call last):\n"
        f'  File "{SRT}entrypoints/engine.py", line 963, in _launch_subprocesses\n'
        "    server_args.check_server_args()\n"
        f'  File "{SRT}server_args.py", line 5181, in check_server_args\n'
        "    ^^^^^^^^^\n"
        f"{error}\n"
    )
    root = _root(tmp_path, text)
    assert root.id == "logs.bad-cli-arguments"
    assert root.commands[0] == f"python -m sglang.launch_server --model-path Qwen/Qwen3-Embedding-8B {line}"


@pytest.mark.parametrize("module", ["json", "orjson"])
def test_an_option_that_should_be_json(module: str, tmp_path: Path) -> None:
    raised = "json.decoder" if module == "json" else "orjson"
    error = f"{raised}.JSONDecodeError: Expecting property name: line 1 column 2"
    text = (
        f"$ {LAUNCH} --json-model-override-args {{is_matryoshka: true}}\n"
        "[2026-02-12 09:00:01] server_args=ServerArgs(model_path='/m/bge', "
        "json_model_override_args='{is_matryoshka: true}')\n"
        "Traceback (most recent call last):\n"
        f'  File "{SRT}configs/model_config.py", line 117, in __init__\n'
        f"    self.model_override_args = {module}.loads(model_override_args)\n"
        '  File "/usr/lib/python3.12/json/__init__.py", line 346, in loads\n'
        "    return _default_decoder.decode(s)\n"
        f"{error}\n"
    )
    root = _root(tmp_path, text)
    assert root.id == "logs.bad-cli-arguments"
    assert "--json-model-override-args" in str(root.cause)
    assert "single quotes" in str(root.fix)


def test_a_config_json_that_is_none_stays_a_matter_of_the_folder(tmp_path: Path) -> None:
    text = _log(
        "0.5.9",
        "device",
        "@scheduler",
        f'  File "{SRT}configs/model_config.py", line 90, in __init__',
        "    config = json.load(file)",
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        DIED,
    )
    assert _root(tmp_path, text).id == "logs.model-path-not-found"


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("ModuleNotFoundError: No module named 'modelscope'", "modelscope"),
        ("ModuleNotFoundError: No module named 'google.protobuf'", "protobuf"),
        ("ModuleNotFoundError: No module named 'torch'", None),
        ("Please install bitsandbytes>=0.44.0 via `pip install bitsandbytes>=0.44.0`", "bitsandbytes>=0.44.0"),
        ("Try `pip install hf_transfer`.", "hf_transfer"),
        ("run: pip install smg-grpc-servicer[sglang].", "smg-grpc-servicer[sglang]"),
        ("requires the 'granian' package. Install it with: pip install \"sglang[http2]\"", "sglang[http2]"),
        ("XLMRobertaConverter requires the protobuf library but it was not found in your environment.", "protobuf"),
        ("Please install vllm by `pip install vllm==0.8.4`", "vllm==0.8.4"),
        ("`pip install $(rm -rf /)`", None),
        ("`pip install --index-url http://x y`", None),
    ],
)
def test_the_package_that_an_error_asks_for(text: str, package: str | None) -> None:
    assert wanted(text) == package


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("lines", "command"),
    [
        (("ModuleNotFoundError: No module named 'modelscope'",), "pip install modelscope"),
        (
            (
                "ImportError: Please install bitsandbytes>=0.44.0 via `pip install bitsandbytes>=0.44.0` to use "
                "bitsandbytes quantizer.",
            ),
            "pip install 'bitsandbytes>=0.44.0'",
        ),
        (
            (
                "ImportError: ",
                "XLMRobertaConverter requires the protobuf library but it was not found in your environment. Check out "
                "the instructions on the",
            ),
            "pip install protobuf",
        ),
        (
            (
                "ValueError: Fast download using 'hf_transfer' is enabled (HF_HUB_ENABLE_HF_TRANSFER=1) but "
                "'hf_transfer' package is not available in your environment. Try `pip install hf_transfer`.",
            ),
            "pip install hf_transfer",
        ),
    ],
)
def test_one_package_is_installed_and_not_a_whole_environment(
    release: str, lines: tuple[str, ...], command: str, tmp_path: Path
) -> None:
    root = _root(tmp_path, _log(release, "load", "@scheduler", *lines, "", DIED))
    assert root.id == "logs.python-env-broken"
    assert root.commands[0] == command
    assert "fresh" not in _words(root)


def test_a_package_of_a_known_name_is_no_secret(tmp_path: Path) -> None:
    error = "ValueError: Fast download using 'hf_transfer' is enabled (HF_HUB_ENABLE_HF_TRANSFER=1)"
    assert "'hf_transfer'" in str(_root(tmp_path, _log("0.5.3", "load", "@scheduler", error, DIED)).evidence)


@pytest.mark.parametrize(
    ("error", "row", "words", "never"),
    [
        (
            "OSError: [Errno 116] Stale file handle: '/m/model.safetensors'",
            "weights-corrupt",
            "mount it again",
            "compare the sizes",
        ),
        (
            "AssertionError: Attempted to load weight (torch.Size([768])) into parameter (torch.Size([1024]))",
            "weights-corrupt",
            "config.json and the weights are of different models",
            "head -c 200",
        ),
        (
            "RuntimeError: Unknown gguf model_type: xlm-roberta",
            "unsupported-architecture",
            "safetensors",
            "install --upgrade",
        ),
    ],
)
def test_files_that_are_whole_and_not_the_right_ones(
    error: str, row: str, words: str, never: str, tmp_path: Path
) -> None:
    root = _root(tmp_path, _log("0.5.9", "load", "@scheduler", error, "", DIED))
    assert root.id == f"logs.{row}"
    assert words in _words(root)
    assert never not in _words(root)


@pytest.mark.parametrize(
    ("error", "words", "never"),
    [
        (
            "RuntimeError: nvidia-smi error: Failed to initialize NVML: Driver/library version mismatch",
            "reboot the host",
            "--gpus all",
        ),
        (
            "RuntimeError: nvidia-smi error: Failed to initialize NVML: Unknown Error",
            "restart the container",
            "--gpus all",
        ),
        (
            "RuntimeError: torch_npu detected, but NPU device is not available or visible.",
            "/dev/davinci0",
            "nvidia",
        ),
    ],
)
def test_accelerators_that_went_away(error: str, words: str, never: str, tmp_path: Path) -> None:
    root = _root(tmp_path, _refused(LAUNCH, 'server_args.py", line 730, in __post_init__', error))
    assert root.id == "logs.no-gpu-visible"
    assert words in _words(root)
    assert never not in _words(root)


def test_nvml_that_did_not_matter_is_none(tmp_path: Path) -> None:
    log = _log("0.5.9", "serving").splitlines()
    text = "\n".join([log[0], "Failed to initialize NVML: Unknown Error", *log[1:]])
    found = roots(judged(written(tmp_path / "sglang.log", text)))
    assert [root.id for root in found if root.status is Status.FAIL] == []


TIMED_OUT = "The client socket has timed out after 600000ms while trying to connect to ({host}, 20000)."


@pytest.mark.parametrize(
    ("host", "words"),
    [("gpu-head", "getent hosts gpu-head"), ("10.0.0.4", "--dist-init-addr"), ("127.0.0.1", "topo -m")],
)
def test_machines_that_did_not_meet(host: str, words: str, tmp_path: Path) -> None:
    error = f"torch.distributed.DistNetworkError: {TIMED_OUT.format(host=host)}"
    root = _root(tmp_path, _log("0.5.9", "device", "@scheduler", error, "", DIED))
    assert root.id == "logs.nccl-failure"
    assert words in _words(root)
    assert ("NCCL_P2P_DISABLE" in _words(root)) == (host == "127.0.0.1")


def test_a_network_plugin_of_nccl_that_finds_no_card(tmp_path: Path) -> None:
    warned = (
        "gpu1:72:72 [0] int nccl_net_ofi_create_plugin(nccl_net_ofi_plugin_t**):268 NCCL WARN NET/OFI Unable to find a "
        "protocol that worked.  Failing initialization."
    )
    error = "RuntimeError: NCCL error: unhandled system error (run with NCCL_DEBUG=INFO for details)"
    lines = (warned, "@scheduler", error, "", DIED)
    assert "NCCL_NET_PLUGIN=none" in _words(_root(tmp_path, _log("0.5.9", "device", *lines)))
    assert "NCCL_NET_PLUGIN" not in _words(_root(tmp_path, _log("0.5.9", "device", *lines[1:])))


def test_an_address_of_ipv6_where_there_is_none(tmp_path: Path) -> None:
    lines = (
        "[@] ERROR:    [Errno 97] error while attempting to bind on address ('::', 30000, 0, 0): address family not "
        "supported by protocol",
        "[@] INFO:     Waiting for application shutdown.",
    )
    root = _root(tmp_path, _log("0.5.9", "warm-up", *lines))
    assert root.id == "logs.bad-cli-arguments"
    assert "--host 0.0.0.0" in _words(root)


@pytest.mark.parametrize("last", ["Killed", "start.sh: line 3:  4711 Killed                  python3 -m sglang"])
def test_the_end_of_a_dead_server_tells_nothing_of_memory(last: str, tmp_path: Path) -> None:
    """sglang ends its own tree with signal 9 once a child has asked for it."""
    stamped = DIED.replace("@", "2026-02-12 09:00:09")
    root = _root(tmp_path, f"{stamped}\n{last}\n")
    assert root.id == "logs.ready"
    assert "memory" not in _words(root)
    assert "from the start of the server on" in _words(root)


def test_a_job_whose_time_was_over(tmp_path: Path) -> None:
    ended = "slurmstepd: error: *** STEP 8.0 ON gpu07 CANCELLED AT 2026-02-12T13:00:04 DUE TO TIME LIMIT ***"
    root = _root(tmp_path, _log("0.5.9", "serving", ended))
    assert root.id == "logs.ready"
    assert "--time" in str(root.fix)
    by_hand = ended.replace(" DUE TO TIME LIMIT", "")
    assert roots(judged(written(tmp_path / "sglang.log", _log("0.5.9", "serving", by_hand)))) == []


STOPPED = "[@] SIGTERM received. signum=None frame=None. Draining requests and shutting down..."


def _load_stopped(release: str) -> str:
    return _log(release, "load", STOPPED)


@pytest.mark.parametrize(("starts", "told"), [(1, False), (2, False), (3, True), (5, True)])
def test_starts_that_something_stops_again_and_again(starts: int, told: bool, tmp_path: Path) -> None:
    found = roots(judged(written(tmp_path / "sglang.log", _load_stopped("0.5.9") * starts)))
    assert [root.id for root in found] == (["logs.ready"] if told else [])
    assert not told or (f"the last {starts} starts" in str(found[0].cause) and "startupProbe" in str(found[0].fix))


def test_starts_that_ended_in_different_ways_are_no_series(tmp_path: Path) -> None:
    ended = _log("0.5.9", "serving", STOPPED)
    text = _load_stopped("0.5.9") + ended + _load_stopped("0.5.9")
    assert roots(judged(written(tmp_path / "sglang.log", text))) == []


@pytest.mark.parametrize(
    ("options", "asked"),
    [(", dp_size=2", "asks for 2 GPUs"), (", pp_size=2, base_gpu_id=1", "asks for 3 GPUs"), ("", "")],
)
def test_more_cards_than_there_are(options: str, asked: str, tmp_path: Path) -> None:
    error = "torch.AcceleratorError: CUDA error: invalid device ordinal"
    root = _root(tmp_path, _log("0.5.9", "device", "@scheduler", error, "", DIED, options=options))
    assert root.id == "logs.no-gpu-visible"
    assert asked in str(root.cause)
    assert ("lower --tp-size" in str(root.fix)) == bool(asked)


def test_kernels_that_cannot_be_fetched_are_none_of_the_hubs(tmp_path: Path) -> None:
    error = (
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='edge.urm.nvidia.com', port=443): Max retries "
        "exceeded with url: /artifactory/x/checksums.txt (Caused by NameResolutionError('Failed to resolve'))"
    )
    root = _root(tmp_path, _log("0.5.9", "memory", "@scheduler", error, "", DIED))
    assert root.id == "logs.kernel-package-mismatch"
    assert "flashinfer-cubin" in str(root.fix)
    assert root.commands[-1].endswith("--attention-backend triton")
    assert "HF_ENDPOINT" not in _words(root)


def test_a_template_that_is_no_file(tmp_path: Path) -> None:
    error = "RuntimeError: Chat template ./t.jinja is not a built-in template name or a valid chat template file path."
    frame = 'managers/template_manager.py", line 160, in _load_explicit_chat_template'
    root = _root(tmp_path, _refused(f"{LAUNCH} --chat-template ./t.jinja", frame, error))
    assert root.id == "logs.bad-cli-arguments"
    assert root.commands[0] == LAUNCH


def test_a_proxy_that_asks_for_a_password(tmp_path: Path) -> None:
    error = (
        "requests.exceptions.ProxyError: (MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co', port=443): Max "
        "retries exceeded with url: /BAAI/bge-m3/resolve/main/config.json (Caused by ProxyError('Unable to connect to "
        "proxy', OSError('Tunnel connection failed: 407 Proxy Authentication Required')))\"))"
    )
    root = _root(tmp_path, _log("0.5.9", "load", "@scheduler", error, "", DIED))
    assert root.id == "logs.hf-unreachable"
    assert "HTTP 407" in str(root.cause)
    assert "hf-mirror" not in _words(root)


def test_a_cache_of_kernels_that_went_away_is_told_by_its_path(tmp_path: Path) -> None:
    error = "OSError: [Errno 116] Stale file handle: '/root/.triton/cache/4HJ2K/launcher.so'"
    root = _root(tmp_path, _log("0.5.9", "memory", "@scheduler", error, "", DIED))
    assert "/root/.triton/cache/4HJ2K/launcher.so" in str(root.cause)
    assert "TRITON_CACHE_DIR" in str(root.fix)


def test_a_server_of_ones_own_is_not_sglang(tmp_path: Path) -> None:
    text = (
        "INFO:     Started server process [4121]\n"
        "2026-02-12 09:00:01,201 - sentence_transformers.SentenceTransformer - INFO - Load pretrained "
        "SentenceTransformer: /models/bge-large-zh-v1.5\n"
        "INFO:     Application startup complete.\n"
        'INFO:     10.0.0.3:40123 - "POST /v1/embeddings HTTP/1.1" 500 Internal Server Error\n'
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
    )
    root = _root(tmp_path, text)
    assert root.id == "logs.wrong-engine"
    assert "sentence-transformers" in str(root.cause)
