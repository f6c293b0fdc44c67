"""Which processes are sglang servers, and what they were started with."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.engines.sglang.launchline import deciding, parse_launch


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("python -m sglang.launch_server --model-path /m --port 30001", {"model-path": "/m", "port": "30001"}),
        ("python3 -m sglang.launch_server --model-path=/m --port=30001", {"model-path": "/m", "port": "30001"}),
        ("/opt/venv/bin/python3.11 -u -X dev -m sglang.launch_server --model /m", {"model-path": "/m"}),
        ("python -um sglang.launch_server --port 1", {"port": "1"}),
        ("python /srv/sglang/launch_server.py --po 8000", {"port": "8000"}),
        ("/usr/bin/python3 /usr/local/bin/sglang serve /m --is-embedding", {"model-path": "/m", "is-embedding": ""}),
        ("sglang serve --model-path /m", {"model-path": "/m"}),
        ("sglang serve", {}),
        ("/srv/launch_server.py --port 5 --host h", {"port": "5", "host": "h"}),
        ("python -m sglang.launch_server --p 5 --model-pa /m --chat x", {"p": "5", "model-path": "/m", "chat": "x"}),
        ("python -m sglang.launch_server --ports 5 --is-embeddings", {"ports": "5", "is-embeddings": ""}),
        ("python -m sglang.launch_server --port 1 2 --dtype half", {"port": "1", "dtype": "half"}),
        ("python -m sglang.launch_server -- --port 1", {"port": "1"}),
        ("python -m sglang.launch_server", {}),
        ("python -m sglang.launch_server --port 1 --port 2", {"port": "2"}),
        ("python -m sglang.launch_server --chunked-prefill-size -1", {"chunked-prefill-size": "-1"}),
        ("python -m sglang.launch_server --disable-radix --is", {"disable-radix-cache": "", "is-embedding": ""}),
        ("python -m sglang.launch_server --cuda-graph-bs 1 2 4 --tp 2", {"cuda-graph-bs": "1 2 4", "tp-size": "2"}),
        ("python -m sglang.launch_server --model_path /m", {"model-path": "/m"}),
        ("python -m bgecheck.demo.server --port 5", {"port": "5"}),
        ("python -W ignore -m sglang.launch_server --port 5", {"port": "5"}),
        ("python -Wignore -m sglang.launch_server --port 5", {"port": "5"}),
        ("python -Wonce -X dev -m sglang.launch_server --port 5", {"port": "5"}),
        ("python -IW ignore::DeprecationWarning -m sglang.launch_server --port 5", {"port": "5"}),
        ("python -IWmodule -m sglang.launch_server --port 5", {"port": "5"}),
        ("python -Xpycache_prefix=/tmp/c -m sglang.launch_server --port 5", {"port": "5"}),
        ("python -X importtime -OO -m sglang.launch_server --port 5", {"port": "5"}),
        ("python --check-hash-based-pycs always -m sglang.launch_server --port 5", {"port": "5"}),
        ("python -msglang.launch_server --port 5", {"port": "5"}),
        ("python -Sumsglang.launch_server --port 5", {"port": "5"}),
        ("python -W ignore /srv/sglang/launch_server.py --port 5", {"port": "5"}),
        ("python -u -- /srv/sglang/launch_server.py --port 5", {"port": "5"}),
        ("python3.13t -m sglang.launch_server --port 5", {"port": "5"}),
        ("python3-dbg -m sglang.launch_server --port 5", {"port": "5"}),
        ("$PYTHON -m sglang.launch_server --port 5", {"port": "5"}),
        ("$PYTHON -m sglang.launch_server --is-embedding --port 5", {"is-embedding": "", "port": "5"}),
    ],
)
def test_a_server_is_understood(line: str, expected: dict[str, str]) -> None:
    assert parse_launch(shlex.split(line)) == expected


@pytest.mark.parametrize(
    "line",
    [
        "bash -c 'python -m sglang.launch_server --port 1'",
        "grep sglang.launch_server",
        "docker run lmsysorg/sglang python3 -m sglang.launch_server --port 1",
        "tee sglang.log",
        "vim launch_server.py",
        "python -c 'import sglang.launch_server'",
        "python -cpass -m sglang.launch_server",
        "python -Wc -c pass -m sglang.launch_server",
        "python -uc 'import time' -m sglang.launch_server",
        "python -W -m sglang.launch_server",
        "python -X -m sglang.launch_server",
        "python --check-hash-based-pycs -m sglang.launch_server",
        "python -m",
        "python -mpytest sglang.launch_server",
        "python - -m sglang.launch_server",
        "python -- -m sglang.launch_server",
        "python --version",
        "torchrun --nproc-per-node 1 -m sglang.launch_server",
        "python /usr/bin/torchrun -m sglang.launch_server",
        "uv run python -m sglang.launch_server",
        "python /opt/conda/bin/conda run -n e python -m sglang.launch_server",
        "python -m pytest sglang.launch_server",
        "python -m sglang.bench_serving --port 1",
        "python train.py --config launch_server.py",
        "sglang version",
        "sglang::scheduler",
        "",
    ],
)
def test_what_only_mentions_a_server_is_none(line: str) -> None:
    assert parse_launch(shlex.split(line)) is None


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("CUDA_VISIBLE_DEVICES", "1", True),
        ("HF_ENDPOINT", "https://hf-mirror.com", True),
        ("SGLANG_USE_MODELSCOPE", "true", True),
        ("CUDA_HOME", "/usr/local/cuda", True),
        ("HF_TOKEN", "hf_topsecret", False),
        ("SGLANG_API_KEY", "x", False),
        ("PATH", "/bin", False),
        ("MY_HF_HOME", "/hf", False),
        ("HF_HOME", "/" + "h" * 199, True),
        ("HF_HOME", "/" + "h" * 200, False),
        ("HF_HOME", "/hf\n", False),
        ("HF_HOME", "\x1b[31m", False),
    ],
)
def test_a_variable_is_kept_that_decides_what_runs_and_is_no_key(name: str, value: str, kept: bool) -> None:
    assert deciding({name: value, "LANG": "C"}) == ({name: value} if kept else {})


@given(st.lists(st.text(max_size=30), max_size=20))
def test_any_arguments_are_survived(words: list[str]) -> None:
    """Whatever follows the module's name gives options, never an error."""
    assert parse_launch(["python", "-m", "sglang.launch_server", *words]) is not None
    parse_launch(words)
