"""Options of sglang's command line as texts of checks name them, and what an encoder needs of them."""

from collections.abc import Mapping

from bgecheck.model import Text


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
ALL_ADDRESSES = f"--host {HOST_OF_ALL}"
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
