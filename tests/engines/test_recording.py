"""What is kept of a server's settings, and what differs between two times."""

from __future__ import annotations

from bgecheck.engines.sglang.recording import kept_settings
from bgecheck.model.state import ServerState, changes

PAGE = {
    "model_path": "/models/bge-large-zh-v1.5",
    "dtype": "float16",
    "quantization": None,
    "tp_size": 1,
    "disable_radix_cache": True,
    "chunked_prefill_size": -1,
    "attention_backend": "triton",
    "api_key": "sk-secret",
    "version": "0.5.23",
}


def test_the_pages_win_over_the_command_line_and_no_key_is_kept() -> None:
    options = {"dtype": "half", "quantization": "fp8", "api-key": "sk-secret", "port": "30000"}
    kept = kept_settings(PAGE, {"embedding": {"pooling": "CLS"}}, options)
    assert kept == {
        "model_path": "/models/bge-large-zh-v1.5",
        "dtype": "float16",
        "quantization": "fp8",
        "tp_size": "1",
        "disable_radix_cache": "True",
        "chunked_prefill_size": "-1",
        "attention_backend": "triton",
        "is_embedding": "False",
        "pooling": "cls",
    }


def test_a_server_that_tells_nothing_has_no_settings() -> None:
    assert kept_settings({}, {}, None) == {}


def test_what_a_page_says_is_bounded_and_harmless() -> None:
    kept = kept_settings({"dtype": "x" * 5000, "device": "\x1b[31mcuda", "model_path": ["a"]}, {}, None)
    assert len(kept["dtype"]) <= 201
    assert "\x1b" not in kept["device"]
    assert "model_path" not in kept


def test_what_is_known_of_one_time_only_is_no_change() -> None:
    before = ServerState(version="0.5.3.post3", settings={"dtype": "float16", "pooling": "last", "device": "cuda"})
    now = ServerState(version="0.5.23", settings={"dtype": "float16", "pooling": "cls", "tp_size": "2"})
    assert list(changes(before, now)) == [("version", "0.5.3.post3", "0.5.23"), ("pooling", "last", "cls")]
    assert not list(changes(ServerState(), now))
    assert not list(changes(before, ServerState(version=None)))
