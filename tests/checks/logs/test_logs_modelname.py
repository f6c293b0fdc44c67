"""The model that a line complains of is named as the user wrote it, never by the hub's own address."""

from __future__ import annotations

import pytest

from bgecheck.engines.sglang.log.modelname import model_of


@pytest.mark.parametrize(
    ("line", "model"),
    [
        (
            "OSError: bge-large-zh-v1.5 is not a local folder and is not a valid model identifier listed on "
            "'https://huggingface.co/models'",
            "bge-large-zh-v1.5",
        ),
        (
            "OSError: /data/bge-m3 does not appear to have a file named config.json. Checkout "
            "'https://huggingface.co//data/bge-m3/tree/main' for available files.",
            "/data/bge-m3",
        ),
        ("OSError: We couldn't connect to 'https://huggingface.co' to load the files", None),
        (
            "OSError: We couldn't connect to 'https://hf-mirror.com' to load the files of 'BAAI/bge-m3'",
            "BAAI/bge-m3",
        ),
        (
            "ValueError: Unrecognized model in /data/bge. Should have a `model_type` key in its config.json.",
            "/data/bge",
        ),
        (
            "modelscope.hub.errors.NotExistError: The model: BAAI/bge-large-zh-v15 has no revision: master",
            "BAAI/bge-large-zh-v15",
        ),
        (
            "401 Client Error: Unauthorized for url: https://huggingface.co/api/models/acme/private-bge (ID: 1)",
            "acme/private-bge",
        ),
        (
            "404 Client Error: Not Found for url: http://hf.corp:8080/BAAI/bge-m4/resolve/main/config.json",
            "BAAI/bge-m4",
        ),
        ("Max retries exceeded with url: /api/models/BAAI/bge-m3 (Caused by ProxyError)", "BAAI/bge-m3"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/mnt/bge/config.json'", "/mnt/bge"),
        (r"OSError: Incorrect path_or_model_id: 'D:\models\bge-large-zh-v1.5'.", r"D:\models\bge-large-zh-v1.5"),
        (
            "Loading jinaai/jina-embeddings-v3 requires you to execute the file",
            "jinaai/jina-embeddings-v3",
        ),
        ("HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/srv/bge'", "/srv/bge"),
        ("see https://huggingface.co/models for a list", None),
        ("ssl.SSLError: The handshake operation timed out", None),
    ],
)
def test_the_model_that_a_line_complains_of(line: str, model: str | None) -> None:
    assert model_of(line) == model
