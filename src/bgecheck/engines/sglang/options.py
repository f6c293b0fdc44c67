"""Options of sglang's command line as texts of checks name them, and what an encoder needs of them."""

import re
from collections.abc import Mapping

from bgecheck.model import Text
from bgecheck.model.target import DEFAULT_HOST, DEFAULT_PORT, asked_at


def written(options: Mapping[str, str | None]) -> str:
    """Options by long name as they stand on a command line; a switch is `""`, what is None is left out."""
    return " ".join(f"--{name} {value}".rstrip() for name, value in options.items() if value is not None)


def changes_in_words(changed: Mapping[str, str | None]) -> Text:
    """What is changed in a launch line, as what a restart is done with."""
    new, gone = written(changed), written({name: "" for name, value in changed.items() if value is None})
    en = " and ".join(filter(None, (new and f"with {new}", gone and f"without {gone}")))
    zh = "、".join(filter(None, (new and f"加上 {new}", gone and f"去掉 {gone}")))
    return Text(en, zh)


PROGRAM = "python -m sglang.launch_server"


def image(version: str | None, device: str | None) -> str:
    """The image of a container as compose takes it: that of the release, or none for what has none that is known."""
    if device == "cpu":
        return "${SGLANG_IMAGE:?name an image of sglang that is built for the CPU}"
    return f"${{SGLANG_IMAGE:-lmsysorg/sglang:{f'v{version}' if version else 'latest'}}}"


PLAIN_IMAGE = re.compile(r"(?:^|/)lmsysorg/sglang(?:[:@]|$)")
"""The image that sglang publishes, also by the name that a mirror gives it; no model is in it."""

ENCODER_OPTIONS = {
    "is-embedding": "",
    "disable-radix-cache": "",
    "chunked-prefill-size": "-1",
    "mem-fraction-static": "0.3",
}
"""What a bidirectional encoder needs on every release from 0.5.9 on.

`--mem-fraction-static` belongs to it: `--chunked-prefill-size -1` alone makes the automatic fraction
negative and the server dies in its start (seen with 0.5.23: exit code 137, `--mem-fraction-static=-0.049`).
"""

HOST_OF_ALL = "0.0.0.0"
HOST = "--host"
ALL_ADDRESSES = f"{HOST} {HOST_OF_ALL}"
PORT = "--port"
SERVED_NAME = "--served-model-name"
EMBEDDING = "--is-embedding"
PRECISION = "--dtype"
FP16 = f"{PRECISION} half"
ON_CPU = "--device cpu"
LONGEST = "--context-length"
MEMORY_SHARE = "--mem-fraction-static"
NO_PREFIX_CACHE = "--disable-radix-cache"
NO_CHUNKS = "--chunked-prefill-size -1"
FIRST_GPU = "--base-gpu-id"
RANKS = "--tp-size"
MOST_RUNNING = "--max-running-requests"
NO_OVERLAP = "--disable-overlap-schedule"
API_KEY = "--api-key"
KEY_IN_FILE = "api-key: KEY"
SETTINGS_FILE = "--config FILE"
ONE_TOKENIZER = "tokenizer-worker-num"
TOKENIZERS = f"--{ONE_TOKENIZER}"
QUEUE = "--max-queued-requests"
NO_WARM_UP = "--skip-server-warmup"
MAY_BE_CUT = "--json-model-override-args '{\"is_matryoshka\": true}'"
TRUNCATE = "--allow-auto-truncate"
TRITON = "--attention-backend triton"
EXACT = written({name: value for name, value in ENCODER_OPTIONS.items() if name != "is-embedding"})
"""What a server lacks whose texts depend on those before and beside them."""
FROM_MODELSCOPE = "SGLANG_USE_MODELSCOPE"
"""The variable with which sglang takes a hub id for one of ModelScope."""

AMX = "intel_amx"
"""The attention backend for processors with AMX."""


def ranks(options: Mapping[str, str]) -> int:
    """The processes that compute together, by the launch options."""
    count = 1
    for names in (("tp-size", "tensor-parallel-size", "tp"), ("pp-size", "pipeline-parallel-size", "pp")):
        typed = next((options[name] for name in names if name in options), "1")
        count *= int(typed) if re.fullmatch(r"[1-9][0-9]{0,3}", typed) else 1
    return count


def runs_on_cpu(options: Mapping[str, str]) -> bool:
    """Whether the options ask for no GPU."""
    return options.get("device") == "cpu"


def no_port(typed: str) -> bool:
    """Whether a number is given as a port that is none."""
    return bool(re.fullmatch(r"-?\d+", typed)) and not 0 < int(typed) < 65536


def configured(options: Mapping[str, str]) -> bool:
    """Whether a file gives more options than the line shows."""
    return "config" in options


def attention(options: Mapping[str, str]) -> str | None:
    """The attention backend that the options ask for."""
    return options.get("attention-backend")


def address(options: Mapping[str, str]) -> tuple[str, int]:
    """Host and port at which a server reaches itself, to warm up."""
    host, port = options.get("host", DEFAULT_HOST), options.get("port", "")
    return asked_at(host), int(port) if re.fullmatch(r"[0-9]{1,5}", port) else DEFAULT_PORT
