"""The launch options of a session as its log shows them: `server_args=` without what sglang settles by itself."""

from __future__ import annotations

from collections.abc import Mapping

from bgecheck.engines.base import Launch
from bgecheck.engines.sglang.launchline import typed
from bgecheck.engines.sglang.log.session import Session
from bgecheck.engines.sglang.serverargs import Value, server_args

_DEFAULTS: Mapping[str, Value] = {
    "model_path": None,
    "tokenizer_path": None,
    "tokenizer_mode": "auto",
    "load_format": "auto",
    "served_model_name": None,
    "revision": None,
    "context_length": None,
    "chat_template": None,
    "host": "127.0.0.1",
    "port": None,
    "device": "cuda",
    "dtype": "auto",
    "kv_cache_dtype": "auto",
    "quantization": None,
    "mem_fraction_static": None,
    "max_running_requests": None,
    "max_total_tokens": None,
    "max_prefill_tokens": 16384,
    "tp_size": 1,
    "pp_size": 1,
    "dp_size": 1,
    "ep_size": 1,
    "base_gpu_id": 0,
    "gpu_id_step": 1,
    "nnodes": 1,
    "node_rank": 0,
    "dist_init_addr": None,
    "dist_timeout": None,
    "nccl_port": None,
    "page_size": 1,
    "prefill_max_requests": None,
    "tokenizer_worker_num": 1,
    "json_model_override_args": "{}",
    "model_loader_extra_config": "{}",
    "watchdog_timeout": 300,
    "crash_dump_folder": None,
    "fastapi_root_path": "",
    "attention_backend": None,
    "prefill_attention_backend": None,
    "api_key": None,
    "admin_api_key": None,
    "ssl_keyfile": None,
    "ssl_certfile": None,
    "download_dir": None,
    "log_level": "info",
    "log_level_http": None,
}
"""Options with a value that a user gives, and the value that says that nothing was given (0.4.6 to 0.5.23)."""

_SWITCHES = ("enable_", "disable_", "skip_", "allow_", "trust_", "is_embedding")
"""How the names of switches begin; one that is off was not given."""

_OF_THE_MODEL = ("tokenizer_path", "served_model_name")
"""Options that sglang fills with the model's path."""

_AUTOMATIC_CHUNKS = (2048, 4096, 8192, 16384)
"""Chunk sizes that sglang picks by the memory of the card."""


def launched(session: Session) -> Launch | None:
    """How a session was started: by the command that its log repeats, else by its arguments; None without both."""
    if session.command:
        return typed(session.command)
    options = _options(server_args(session.args))
    return None if options is None else Launch(options=options)


def _options(arguments: Mapping[str, Value]) -> dict[str, str] | None:
    """The options that were given, by what they became; None where no model is among them."""
    model = arguments.get("model_path")
    if not isinstance(model, str):
        return None
    options = {}
    for name, value in arguments.items():
        if value is True and name.startswith(_SWITCHES):
            options[name.replace("_", "-")] = ""
        elif _given(name, value, model):
            options[name.replace("_", "-")] = str(value)
    return options


def _given(name: str, value: Value, model: str) -> bool:
    if name == "chunked_prefill_size":
        return value is not None and value not in _AUTOMATIC_CHUNKS
    if name in _OF_THE_MODEL and value == model:
        return False
    return name in _DEFAULTS and value not in (None, _DEFAULTS[name])
