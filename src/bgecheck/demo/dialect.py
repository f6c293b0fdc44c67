"""What sglang says: its log lines, info pages and error bodies, as 0.5.23 and 0.5.3 write them."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

READY = "The server is fired up and ready to roll!"
NOTICE = "This is bgecheck's demo server: its vectors are made of characters, it is not a language model."


def release(version: str) -> tuple[int, ...]:
    """A version as numbers, without its suffix: releases do not sort as text."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def stamped(message: str, at: float | None = None) -> str:
    """A line as sglang's loggers write it: no level, local time."""
    return f"[{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))}] {message}"


def server_args(settings: Mapping[str, Any]) -> str:
    """The line with the resolved options: a dict from 0.5.20 on, a dataclass before."""
    if release(settings["version"]) >= (0, 5, 20):
        return f"server_args={ {k: v for k, v in settings.items() if k != 'version'}!r}"
    inner = ", ".join(f"{key}={value!r}" for key, value in settings.items() if key != "version")
    return f"server_args=ServerArgs({inner})"


def until_weights(settings: Mapping[str, Any]) -> list[str]:
    """The lines of a start up to the loading of the weights."""
    return [
        server_args(settings),
        "Attention backend not specified. Use triton backend by default.",
        "Init torch distributed begin.",
        "Init torch distributed ends. elapsed=0.01 s, mem usage=0.00 GB",
        "Load weight begin. avail mem=21.77 GB",
    ]


def until_ready(settings: Mapping[str, Any]) -> list[str]:
    """The lines from the loaded weights to the opened port."""
    return [
        "Load weight end. elapsed=0.18 s, type=BertModel, avail mem=21.71 GB, mem usage=0.07 GB.",
        "KV Cache is allocated. dtype: torch.float16, #tokens: 16384, K size: 0.06 GB, V size: 0.06 GB",
        "Memory pool end. avail mem=21.55 GB",
        f"max_total_num_tokens=16384, chunked_prefill_size={settings['chunked_prefill_size']}, "
        "max_prefill_tokens=16384, max_running_requests=4096, context_len=512, available_gpu_mem=21.55 GB",
        "INFO:     Started server process [1]",
        "INFO:     Waiting for application startup.",
        "INFO:     Application startup complete.",
    ]


def batch(sequences: int, new: int, cached: int) -> str:
    """The line of one prefill batch."""
    return (
        f"Prefill batch, #new-seq: {sequences}, #new-token: {new}, #cached-token: {cached}, token usage: 0.00, "
        "#running-req: 0, #queue-req: 0, #pending-token: 0, cuda graph: False, input throughput (token/s): 22.46"
    )


def access(client: str, method: str, path: str, status: int, reason: str) -> str:
    """The line of one request."""
    return f'INFO:     {client} - "{method} {path} HTTP/1.1" {status} {reason}'


def taken(number: int | None, host: str, port: int) -> str:
    """What uvicorn says when it cannot bind its port."""
    return f"[Errno {number}] error while attempting to bind on address ({host!r}, {port}): address already in use"


OUT_OF_MEMORY = """Scheduler hit an exception: Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/sglang/srt/managers/scheduler.py", line 6368, in run_scheduler_process
    scheduler = Scheduler(
  File "/usr/lib/python3.12/site-packages/sglang/srt/model_executor/model_runner.py", line 1290, in load_model
    self.model = self.loader.load_model(
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 42.00 MiB. GPU 0 has a total capacity of 1.95 GiB \
of which 12.44 MiB is free. Including non-PyTorch memory, this process has 1.93 GiB memory in use.
"""

NO_FOLDER = """Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/transformers/utils/hub.py", line 531, in cached_files
    resolve_revision(path_or_repo_id)
OSError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '{path}'. Use `repo_type` argument if needed.
"""

UNKNOWN_OPTION = """usage: sglang serve [-h] --model-path MODEL_PATH
sglang serve: error: unrecognized arguments: --max-batch-size 16
"""

CRASH = """Scheduler hit an exception: Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/sglang/srt/managers/scheduler.py", line 6368, in run_scheduler_process
    scheduler.run_event_loop()
{error}
"""
SIGQUIT = "SIGQUIT received. signum=None, frame=None. It usually means one child failed."


def error(message: str, status: int = 400, kind: str = "BadRequestError") -> dict[str, Any]:
    """The body of a refusal."""
    return {"object": "error", "message": message, "type": kind, "param": None, "code": status}


def model_card(name: str) -> dict[str, Any]:
    """The body of `/v1/models`."""
    card = {"id": name, "object": "model", "created": 1, "owned_by": "sglang", "root": name, "parent": None}
    return {"object": "list", "data": [{**card, "max_model_len": 512}]}


def model_info(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The body of `/model_info` (0.5.9 on) and `/get_model_info`."""
    info: dict[str, Any] = {
        "model_path": settings["model_path"],
        "tokenizer_path": settings["model_path"],
        "is_generation": False,
    }
    if release(settings["version"]) >= (0, 5, 9):
        info |= {
            "served_model_name": settings["served_model_name"],
            "model_type": "bert",
            "architectures": ["BertModel"],
        }
    if release(settings["version"]) >= (0, 5, 17):
        cache = {
            "kv_cache_disabled": False,
            "radix_cache_disabled": settings["disable_radix_cache"],
            "chunked_prefill_disabled": settings["chunked_prefill_size"] == -1,
        }
        info["embedding"] = {"pooling": "cls", "normalize": True, "enabled": True, "cache": cache}
    return info
