"""What sglang says: its log lines, pages and error bodies, as 0.5.23 writes them, and older releases where they differ.

Nothing here is made up: lines and bodies were recorded from sglang 0.5.23 on CPU (bodies, order of lines, endings),
from 0.5.3.post3 (its lines), and read in the sources of 0.5.9; only the numbers of memory and speed are samples.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from bgecheck.engines.base import DEMO_MARK

READY = "The server is fired up and ready to roll!"
NOTICE = "This is bgecheck's demo server: its vectors are made of characters, it is not a language model."
WARM_UP = "The capital city of France is"
"""The text that sglang embeds before it calls itself ready."""

CONTEXT = 512
"""sglang refuses from this many tokens on, so 511 are the most (measured on 0.5.23 and 0.5.3.post3)."""

POOL = 16384
"""`max_total_num_tokens` of the recorded server."""


def release(version: str) -> tuple[int, ...]:
    """A version as numbers, without its suffix: releases do not sort as text."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def stamped(message: str, at: float | None = None) -> str:
    """A line as sglang's loggers write it: no level, local time."""
    return f"[{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))}] {message}"


def pooling(settings: Mapping[str, Any]) -> str:
    """What a release takes for BertModel (bert.py): LAST up to 0.5.8, by flag up to 0.5.16, then CLS."""
    of = release(settings["version"])
    return "cls" if of >= (0, 5, 17) or (of >= (0, 5, 9) and settings["is_embedding"]) else "last"


def server_args(settings: Mapping[str, Any]) -> str:
    """The line with the resolved options: a dict from 0.5.20 on, a dataclass before. The key stands in clear."""
    arguments = {key: value for key, value in settings.items() if key != "version"}
    if release(settings["version"]) >= (0, 5, 20):
        return f"server_args={arguments!r}"
    return f"server_args=ServerArgs({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def until_weights(settings: Mapping[str, Any]) -> list[str]:
    """The lines of a start up to the loading of the weights."""
    of = release(settings["version"])
    lines = [server_args(settings)]
    if of >= (0, 5, 20):
        lines += ["No HuggingFace chat template found"]
        lines += ["No chat template found, defaulting to 'string' content format"]
        lines += ["Init parallel begin.", "Init parallel ends. elapsed=0.01 s"]
        lines += ["Memory baseline taken. mem usage=0.00 GB"]
    else:
        lines += ["Init torch distributed begin.", "Init torch distributed ends. mem usage=0.00 GB"]
    return [*lines, "Load weight begin. avail mem=21.77 GB"]


def until_port(settings: Mapping[str, Any], pid: int) -> list[str]:
    """The lines from the loaded weights to the opening of the port."""
    of = release(settings["version"])
    if of >= (0, 5, 20):
        loaded = "Load weight end. elapsed=0.18 s, type=BertModel, avail mem=21.71 GB, mem usage=0.07 GB."
    elif of >= (0, 5, 9):
        loaded = "Load weight end. elapsed=0.18 s, type=BertModel, dtype=torch.float16, avail mem=21.71 GB"
    else:
        loaded = "Load weight end. type=BertModel, dtype=torch.float16, avail mem=21.71 GB, mem usage=0.07 GB."
    dtype = "dtype: torch.float16, " if of >= (0, 5, 20) else ""
    return [
        loaded,
        f"KV Cache is allocated. {dtype}#tokens: {POOL}, K size: 0.06 GB, V size: 0.06 GB",
        "Memory pool end. avail mem=21.55 GB",
        f"max_total_num_tokens={POOL}, chunked_prefill_size={settings['chunked_prefill_size']}, "
        f"max_prefill_tokens=16384, max_running_requests=4096, context_len={CONTEXT}, available_gpu_mem=21.55 GB",
        f"INFO:     Started server process [{pid}]",
        "INFO:     Waiting for application startup.",
        "INFO:     Application startup complete.",
    ]


def listening(host: str, port: int) -> str:
    """The line after the port was opened; the warm-up is still to come."""
    return f"INFO:     Uvicorn running on http://{host}:{port} (Press CTRL+C to quit)"


def batch(version: str, sequences: int, new: int, cached: int) -> str:
    """The line of one prefill batch."""
    of = release(version)
    mark = "," if of >= (0, 5, 9) else "."
    counts = (
        f"Prefill batch{mark} #new-seq: {sequences}, #new-token: {new}, #cached-token: {cached}, token usage: 0.00, "
        "#running-req: 0, #queue-req: 0, "
    )
    if of >= (0, 5, 20):
        return counts + "#pending-token: 0, cuda graph: False, input throughput (token/s): 203.15"
    return counts + "input throughput (token/s): 203.15, cuda graph: False" if of >= (0, 5, 9) else counts


def access(client: str, method: str, path: str, status: int, reason: str) -> str:
    """The line of one request."""
    return f'INFO:     {client} - "{method} {path} HTTP/1.1" {status} {reason}'


def deprecated(path: str) -> str:
    """The line that the two old info pages write from 0.5.9 on."""
    better = path.replace("get_", "")
    return f"Endpoint '{path}' is deprecated and will be removed in a future version. Please use '{better}' instead."


def taken(number: int | None, host: str, port: int) -> str:
    """What uvicorn says when it cannot bind its port."""
    return f"[Errno {number}] error while attempting to bind on address ({host!r}, {port}): address already in use"


def warm_up_failed(status: int | None, error: str) -> str:
    """The end of a warm-up that another program answered, or nobody."""
    why = "None" if status is None else f"<Response [{status}]>, res.text={error!r}"
    return (
        "Initialization failed. warmup error: Traceback (most recent call last):\n"
        '  File "/usr/lib/python3.12/site-packages/sglang/srt/entrypoints/http_server.py", line 2382, '
        "in _execute_server_warmup\n"
        '    assert res.status_code == 200, f"{res=}, {res.text=}"\n'
        f"AssertionError: res={why}\n"
    )


def tree_killed(pid: int, include_parent: bool) -> str:
    """The last line of most endings."""
    return f"kill_process_tree called: parent_pid={pid}, include_parent={include_parent}, pid={pid}"


STOPPING = (
    "SIGTERM received. signum=None frame=None. Draining requests and shutting down...",
    "Gracefully exiting... Remaining number of requests 0. Remaining requests remaining_rids=[].",
)
STOPPED = (
    "INFO:     Shutting down",
    "INFO:     Waiting for application shutdown.",
    "INFO:     Application shutdown complete.",
)

OUT_OF_MEMORY = """Scheduler hit an exception: Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/sglang/srt/managers/scheduler.py", line 6368, in run_scheduler_process
    scheduler = Scheduler(
  File "/usr/lib/python3.12/site-packages/sglang/srt/model_executor/model_runner.py", line 1290, in load_model
    self.model = self.loader.load_model(
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 42.00 MiB. GPU 0 has a total capacity of 1.95 GiB \
of which 12.44 MiB is free. Including non-PyTorch memory, this process has 1.93 GiB memory in use.
"""
START_FAILED = "Received sigquit from a child process. It usually means the child failed."

NO_FOLDER = """Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/transformers/utils/hub.py", line 595, in cached_files
    raise OSError(f"{{e}}") from e
OSError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': {path!r}. Use `repo_type` argument if needed.
"""

UNKNOWN_OPTION = """usage: sglang serve [-h] --model-path MODEL_PATH
sglang serve: error: unrecognized arguments: --max-batch-size 16
"""

CRASH = """Scheduler hit an exception: Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/sglang/srt/managers/scheduler.py", line 6368, in run_scheduler_process
    scheduler.run_event_loop()
{error}
"""
CRASHED = "SIGQUIT received. signum=None, frame=None. It usually means one child failed."

UNAUTHORIZED = {"error": "Unauthorized"}
NOT_FOUND = {"detail": "Not Found"}
NOT_ALLOWED = {"detail": "Method Not Allowed"}
CHAT_TEMPLATE = (
    "Cannot use chat template functions because tokenizer.chat_template is not set and no template argument was passed!"
)
FLUSHED = (
    b"Cache flushed.\nPlease check backend logs for more details. "
    b"(When there are running or waiting requests, the operation will not be performed.)\n"
)


def error(message: str, status: int = 400, kind: str = "BadRequestError") -> dict[str, Any]:
    """The body of a refusal."""
    return {"object": "error", "message": message, "type": kind, "param": None, "code": status}


def too_long(count: int) -> str:
    """The refusal of one text of `count` tokens; the whole request goes with it."""
    return f"The input ({count} tokens) is longer than the model's context length ({CONTEXT} tokens)."


def no_matryoshka(model_path: str) -> str:
    """The refusal of any `dimensions`, the model's own too (0.5.7 on)."""
    return (
        f"Model '{model_path}' does not support matryoshka representation, "
        "changing output dimensions will lead to poor results."
    )


def model_card(name: str, created: int) -> dict[str, Any]:
    """One entry of `/v1/models`."""
    card = {"id": name, "object": "model", "created": created, "owned_by": "sglang", "root": name, "parent": None}
    return {**card, "max_model_len": CONTEXT}


def no_model(name: str) -> dict[str, Any]:
    """The body of `/v1/models/{name}` for another name than the served one."""
    message = f"The model '{name}' does not exist"
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": "model", "code": "model_not_found"},
    }


def model_info(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The body of `/model_info` (0.5.9 on) and `/get_model_info`."""
    of, path = release(settings["version"]), settings["model_path"]
    info: dict[str, Any] = {"model_path": path, "tokenizer_path": path, "is_generation": False}
    info[DEMO_MARK] = True
    info |= {"preferred_sampling_params": None, "weight_version": "default"}
    if of >= (0, 5, 9):
        info["served_model_name"] = settings["served_model_name"]
        info |= {"model_type": "bert", "architectures": ["BertModel"]}
    if of >= (0, 5, 17):
        cache = {
            "kv_cache_disabled": False,
            "radix_cache_disabled": settings["disable_radix_cache"],
            "chunked_prefill_disabled": settings["chunked_prefill_size"] == -1,
        }
        info["embedding"] = {
            "family": "bert",
            "task": "embed",
            "execution": "encoder_only",
            "attention": "bidirectional",
            "pooling": pooling(settings),
            "normalize": True,
            "supports_dimensions": False,
            "enabled": True,
            "cache": cache,
        }
    return info


def server_info(settings: Mapping[str, Any], launch_command: str) -> dict[str, Any]:
    """The body of `/server_info` (0.5.9 on) and `/get_server_info`; `launch_command` holds the options as typed."""
    info = dict(settings)
    if release(settings["version"]) >= (0, 5, 20):
        info |= {"launch_command": launch_command, "status": "ready"}
    states = [{key: value for key, value in settings.items() if key != "version"}]
    return {**info, "max_total_num_tokens": POOL, "max_req_input_len": 506, "internal_states": states}


def answer(vectors: list[dict[str, Any]], model_path: str, count: int) -> dict[str, Any]:
    """The body of a good embeddings answer; `model` is the path as typed, whatever was asked for."""
    usage: dict[str, Any] = {"prompt_tokens": count, "total_tokens": count, "completion_tokens": 0}
    usage |= {"prompt_tokens_details": None, "reasoning_tokens": 0, "completion_tokens_details": None}
    return {"data": vectors, "model": model_path, "object": "list", "usage": usage}


def metrics(name: str, counts: Mapping[str, float]) -> str:
    """The Prometheus page (`--enable-metrics`), as far as an embedding server's numbers go."""
    labels = f'{{engine_type="unified",model_name="{name}",moe_ep_rank="0",pp_rank="0",tp_rank="0"}}'
    lines = []
    for key, value in counts.items():
        kind = "counter" if key.endswith("_total") else "gauge"
        lines += [f"# TYPE sglang:{key} {kind}", f"sglang:{key}{labels} {float(value)}"]
    return "\n".join(lines) + "\n"
