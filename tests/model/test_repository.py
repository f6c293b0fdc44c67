"""What a model is called where it is published."""

from __future__ import annotations

import pytest

from bgecheck.knowledge.models import repository


@pytest.mark.parametrize(
    ("model", "repo"),
    [
        ("/data/models/bge-large-zh-v1.5", "BAAI/bge-large-zh-v1.5"),
        ("models/bge-m3/", "BAAI/bge-m3"),
        ("BAAI/bge-m3", "BAAI/bge-m3"),
        ("/srv/Qwen3-Embedding-0.6B", "Qwen/Qwen3-Embedding-0.6B"),
        ("acme/own-model", "acme/own-model"),
        ("/srv/own-model", "<owner>/own-model"),
        ("./own-model", "<owner>/own-model"),
        ("own-model", "<owner>/own-model"),
        ("bge-m3", "BAAI/bge-m3"),
    ],
)
def test_what_to_download_is_named_by_its_hub_id(model: str, repo: str) -> None:
    assert repository(model) == repo
