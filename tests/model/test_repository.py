"""What a model is called where it is published, and what its name tells of it."""

from __future__ import annotations

import pytest

from bgecheck.knowledge.models import is_generating, lookup, repository


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
        ("/srv/qwen3-embedding-0.6b", "Qwen/Qwen3-Embedding-0.6B"),
        ("/srv/BGE-M3", "BAAI/BGE-M3"),
        ("/hub/models--BAAI--bge-m3/snapshots/5617a9f6", "BAAI/bge-m3"),
    ],
)
def test_what_to_download_is_named_by_its_hub_id(model: str, repo: str) -> None:
    assert repository(model) == repo


@pytest.mark.parametrize(
    ("name", "generates"),
    [
        ("/srv/Qwen2.5-7B-Instruct", True),
        ("C:\\models\\chatglm3-6b\\", True),
        ("acme/support-chat", True),
        ("gte-Qwen2-7B-instruct", False),
        ("/srv/Qwen3-Embedding-0.6B", False),
        ("bge-m3", False),
        ("/srv/llama/own-model", False),
        ("", False),
        (None, False),
    ],
)
def test_a_model_that_writes_texts_is_known_by_its_name_unless_it_speaks_of_vectors(
    name: str | None, generates: bool
) -> None:
    assert is_generating(name) is generates


@pytest.mark.parametrize(
    ("name", "dims", "may"),
    [
        ("Qwen3-Embedding-0.6B", 31, False),
        ("Qwen3-Embedding-0.6B", 32, True),
        ("Qwen3-Embedding-0.6B", 1023, True),
        ("Qwen3-Embedding-0.6B", 1024, False),
        ("bge-m3", 512, False),
    ],
)
def test_vectors_may_be_cut_down_to_what_the_model_was_trained_for(name: str, dims: int, may: bool) -> None:
    model = lookup(name)
    assert model is not None
    assert model.may_be_cut_to(dims) is may
