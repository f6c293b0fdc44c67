"""The settings of a server: which backend, length, cache and pooling are wrong for which model and release."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.checks import launch
from bgecheck.checks.launch.facts import LaunchFacts, collect
from bgecheck.demo.stage import stage
from bgecheck.engines.base import Launch, Setting
from bgecheck.engines.sglang.backends import BACKENDS, looks_both_ways
from bgecheck.engines.sglang.discovery import resolve
from bgecheck.engines.sglang.log.sessionlog import read_log
from bgecheck.engines.sglang.serverargs import server_args
from bgecheck.model import Finding, Status, Text, say
from bgecheck.model.deadline import Deadline
from bgecheck.run import engine
from bgecheck.run.context import Context
from fakes.answering import found, pages, same, serving


def settings(
    name: str = "bge-large-zh-v1.5", architectures: tuple[str, ...] = ("BertModel",), **told: Any
) -> LaunchFacts:
    flags = {"model-path": f"/m/{name}", "context-length": "128", "prefill-attention-backend": "fa3"}
    settings = {k: Setting(v, "/server_info") for k, v in told.items()}
    return LaunchFacts(settings, Launch(options=flags), architectures, name)


def judged(facts: LaunchFacts) -> dict[str, Finding]:
    area = replace(launch.AREA, collector=lambda context: facts, needs=())
    return {f.id.removeprefix("launch."): f for f in engine.run([area], None)}


@pytest.mark.parametrize(
    ("backend", "version", "status"),
    [
        ("flashinfer", "0.4.6.post5", Status.FAIL),
        ("flashinfer", "0.4.9", Status.PASS),
        ("triton", "0.4.6", Status.PASS),
        ("torch_native", "0.4.8", Status.PASS),
        ("fa3", "0.4.9", Status.FAIL),
        ("fa3", "0.5.3.post3", Status.PASS),
        ("trtllm_mha", "0.5.16", Status.FAIL),
        ("trtllm_mha", "0.5.17", Status.PASS),
        ("intel_amx", "0.5.9", Status.FAIL),
        ("intel_amx", "0.5.18", Status.SKIP),
        ("intel_amx", "0.5.23", Status.PASS),
        ("wave", "0.5.23", Status.SKIP),
    ],
)
def test_a_backend_that_masks_what_comes_later_is_wrong_for_an_encoder(
    backend: str, version: str, status: Status
) -> None:
    """By the releases whose sources were read; what lies between them is not known."""
    assert judged(settings(version=version, attention_backend=backend))["attention-backend"].status is status


@pytest.mark.parametrize(
    ("backend", "masks", "attends"),
    [
        ("triton", None, (0, 4, 6)),
        ("torch_native", None, (0, 4, 6)),
        ("flashinfer", (0, 4, 8), (0, 4, 9)),
        ("fa3", (0, 4, 9), (0, 5, 3)),
        ("flex_attention", (0, 4, 9), (0, 5, 3)),
        ("ascend", (0, 5, 3), (0, 5, 8)),
        ("trtllm_mha", (0, 5, 16), (0, 5, 17)),
        ("intel_amx", (0, 5, 9), (0, 5, 23)),
        ("intel_xpu", (0, 5, 9), (0, 5, 23)),
        ("another", None, None),
    ],
)
def test_the_last_release_that_masks_and_the_first_that_attends_both_ways(
    backend: str, masks: tuple[int, int, int] | None, attends: tuple[int, int, int] | None
) -> None:
    """As the sources of the releases have it; between the two, and before the first that was read, nobody knows."""
    for release in ((0, 4, 5), (0, 4, 6), (0, 4, 8), (0, 4, 9), (0, 5, 2), (0, 5, 3), (0, 5, 4), (0, 5, 7), (0, 5, 8),
                    (0, 5, 9), (0, 5, 10), (0, 5, 16), (0, 5, 17), (0, 5, 22), (0, 5, 23), (0, 5, 24), (0, 6, 0),
                    (1, 0, 0)):  # fmt: skip
        masked = masks is not None and release <= masks
        expected = False if masked else True if attends is not None and release >= attends else None
        assert looks_both_ways(backend, release) is expected, release


@pytest.mark.parametrize(
    ("version", "is_embedding", "status"),
    [
        ("0.4.6", None, Status.FAIL),
        ("0.5.8.post1", True, Status.FAIL),
        ("0.5.9", None, Status.SKIP),
        ("0.5.9", True, Status.PASS),
        ("0.5.9", False, Status.FAIL),
        ("0.5.16", False, Status.FAIL),
        ("0.5.16", True, Status.PASS),
        ("0.5.16", None, Status.SKIP),
        ("0.5.17", False, Status.PASS),
        ("0.5.17", None, Status.PASS),
    ],
)
def test_bert_pools_the_first_token_from_0_5_9_on_as_an_embedding_server_and_from_0_5_17_on_always(
    version: str, is_embedding: bool | None, status: Status
) -> None:
    told: dict[str, Any] = {} if is_embedding is None else {"is_embedding": is_embedding}
    row = judged(settings(version=version, **told))["pooling"]
    assert row.status is status
    if status is Status.FAIL:
        assert ("unless" in say(row.cause, "en")) is (is_embedding is False)


@pytest.mark.parametrize(
    ("pooling", "status"), [("CLS", Status.PASS), ("cls", Status.PASS), ("LAST", Status.FAIL), ("MEAN", Status.FAIL)]
)
def test_what_the_server_says_of_its_pooling_counts_before_its_release(pooling: str, status: Status) -> None:
    assert judged(settings(version="0.5.3", pooling=pooling))["pooling"].status is status


@pytest.mark.parametrize(
    ("version", "status"), [("0.4.5", Status.SKIP), ("0.4.6", Status.PASS), ("0.5.17", Status.PASS)]
)
def test_what_a_release_that_was_not_read_pools_of_roberta_is_not_known(version: str, status: Status) -> None:
    assert judged(settings("bge-m3", ("XLMRobertaModel",), version=version))["pooling"].status is status


@pytest.mark.parametrize(
    ("architectures", "length", "status"),
    [
        (("BertModel",), 511, Status.WARN),
        (("BertModel",), 512, Status.PASS),
        (("BertModel",), 514, Status.PASS),
        (("BertModel",), 515, Status.WARN),
        (("OddModel", "BertModel"), 515, Status.WARN),
        (("OddModel",), 515, Status.PASS),
        ((), 515, Status.PASS),
    ],
)
def test_a_length_is_wrong_below_the_models_and_beyond_its_positions(
    architectures: tuple[str, ...], length: int, status: Status
) -> None:
    assert judged(settings(architectures=architectures, max_model_len=length))["context-length"].status is status


@pytest.mark.parametrize(("off", "status"), [(True, Status.PASS), (False, Status.FAIL), (None, Status.SKIP)])
def test_the_prefix_cache_has_to_be_off_for_an_encoder(off: bool | None, status: Status) -> None:
    told: dict[str, Any] = {"version": "0.5.23"} | ({} if off is None else {"disable_radix_cache": off})
    row = judged(settings(**told))["prefix-cache"]
    assert row.status is status
    assert any("--disable-radix-cache" in command for command in row.commands) is (status is Status.FAIL)
    causal = settings("qwen3-embedding-0.6b", ("Qwen3ForCausalLM",), **told)
    assert judged(causal)["prefix-cache"].status is Status.PASS


@pytest.mark.parametrize(
    ("chunk", "status", "shown"),
    [
        (-1, Status.PASS, "-1"),
        (1, Status.FAIL, "1"),
        (4096, Status.FAIL, "4096"),
        (Text("auto", "自动"), Status.FAIL, "auto"),
    ],
)
def test_chunked_prefill_has_to_be_off_for_an_encoder(chunk: Any, status: Status, shown: str) -> None:
    row = judged(settings(chunked_prefill_size=chunk))["chunked-prefill"]
    assert row.status is status
    assert say(row.evidence[0].observed, "en") == shown
    if status is Status.FAIL:
        assert ("auto" if shown == "auto" else f"{shown} tokens") in say(row.cause, "en")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (None, Status.SKIP),
        ({"model-path": "/m"}, Status.FAIL),
        ({"model-path": "/m", "chunked-prefill-size": "-1"}, Status.SKIP),
    ],
)
def test_a_chunk_that_nobody_gave_is_the_default_where_the_command_line_is_known(
    options: dict[str, str] | None, status: Status
) -> None:
    facts = settings(version="0.5.23")._replace(launch=None if options is None else Launch(options=options))
    assert judged(facts)["chunked-prefill"].status is status


def test_a_length_that_nobody_tells_is_not_judged() -> None:
    assert judged(settings(version="0.5.23"))["context-length"].status is Status.SKIP


def test_the_backend_of_the_prefill_is_the_one_that_counts() -> None:
    told: dict[str, Any] = {
        "version": "0.5.16",
        "attention_backend": "triton",
        "prefill_attention_backend": "trtllm_mha",
    }
    row = judged(settings(**told))["attention-backend"]
    assert row.status is Status.FAIL
    (command,) = row.commands
    assert "--attention-backend triton" in command
    assert "prefill-attention-backend" not in command


def test_a_backend_that_nobody_names_is_not_judged() -> None:
    row = judged(settings(version="0.5.16"))["attention-backend"]
    assert row.status is Status.SKIP
    assert "by default" in str(row.reason)


def test_a_causal_model_may_have_any_backend() -> None:
    facts = settings("qwen3-embedding-0.6b", ("Qwen3ForCausalLM",), version="0.4.6", attention_backend="flashinfer")
    assert judged(facts)["attention-backend"].status is Status.PASS


@given(st.sampled_from(sorted(BACKENDS)), st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9), st.integers(0, 30))))
def test_a_newer_release_never_looks_less_far(backend: str, releases: list[tuple[int, int, int]]) -> None:
    known = [looks_both_ways(backend, release) for release in sorted(releases)]
    assert known == sorted(known, key=[False, None, True].index)


@pytest.mark.parametrize(
    ("name", "architecture", "told", "status", "said"),
    [
        ("bge-large-zh-v1.5", "BertModel", 512, Status.PASS, ""),
        ("bge-large-zh-v1.5", "BertModel", 128, Status.WARN, "at most 128 tokens"),
        ("bge-large-zh-v1.5", "BertModel", 8192, Status.WARN, "bring the whole server down"),
        ("bge-m3", "XLMRobertaModel", 8194, Status.PASS, ""),
        ("multilingual-e5-large", "XLMRobertaModel", 514, Status.PASS, ""),
        ("jina-embeddings-v2-base-zh", "JinaBertModel", 32768, Status.PASS, ""),
        ("qwen3-embedding-0.6b", "Qwen3ForCausalLM", 40960, Status.PASS, ""),
        ("something-else", "BertModel", 128, Status.SKIP, ""),
    ],
)
def test_the_longest_text_is_the_models(name: str, architecture: str, told: int, status: Status, said: str) -> None:
    """RoBERTa's positions begin at 2; a model without a table of positions has no hard end."""
    row = judged(settings(name, (architecture,), max_model_len=told))["context-length"]
    assert row.status is status
    assert said in say(row.cause, "en")
    assert not row.commands or "--context-length" not in row.commands[0]


@pytest.mark.parametrize(
    ("name", "version", "status"),
    [
        ("bge-m3", "0.4.6", Status.PASS),
        ("bge-m3", "0.5.3", Status.PASS),
        ("multilingual-e5-large", "0.5.3", Status.FAIL),
    ],
)
def test_xlm_roberta_pools_cls_in_every_release(name: str, version: str, status: Status) -> None:
    """Whether or not anybody tells the architecture: the registry knows it by the name."""
    assert judged(settings(name, (), version=version))["pooling"].status is status


def test_the_release_that_tells_the_pooling_is_named_in_each_language() -> None:
    seen = judged(settings("bge-m3", (), version="0.5.3"))["pooling"].evidence[0].subject
    assert (say(seen, "en"), say(seen, "zh")) == ("sglang 0.5.3, XLMRobertaModel", "sglang 0.5.3，XLMRobertaModel")


@pytest.mark.parametrize("architectures", [("Gemma3TextModel",), ()])
def test_an_encoder_with_the_class_of_a_language_model_is_known_by_its_name(architectures: tuple[str, ...]) -> None:
    assert settings("embeddinggemma-300m", architectures).bidirectional is True


def test_the_servers_own_page_is_surer_than_class_and_name() -> None:
    facts = settings("embeddinggemma-300m", ("Gemma3TextModel",), bidirectional_attention=False)
    assert facts.bidirectional is False


def test_an_unknown_class_is_not_taken_for_causal() -> None:
    """A claim about the prefix cache needs to know which way the model looks."""
    facts = settings("something-else", ("SomethingModel",), disable_radix_cache=False)
    assert judged(facts)["prefix-cache"].status is Status.SKIP


LINE = (
    "[2026-01-01 00:00:00] server_args=ServerArgs(model_path='/m/bge-large-zh-v1.5', api_key='topsecret', "
    'disable_radix_cache={}, chunked_prefill_size={}, mem_fraction_static=0.5, attention_backend=None, dtype="auto")\n'
)


def test_the_newest_start_in_the_log_tells_its_arguments(tmp_path: Path) -> None:
    path = tmp_path / "sglang.log"
    path.write_text(LINE.format(False, 4096) + "some line\n" + LINE.format(True, -1) + "another\n")
    arguments = server_args(read_log(str(path)).session.args)
    assert (arguments["disable_radix_cache"], arguments["chunked_prefill_size"]) == (True, -1)
    assert (arguments["mem_fraction_static"], arguments["attention_backend"], arguments["dtype"]) == (0.5, None, "auto")


def test_arguments_written_as_a_dictionary_are_read_alike() -> None:
    line = "server_args={'model_path': '/m', 'disable_radix_cache': False, 'chunked_prefill_size': 2048}"
    assert server_args(line) == {"model_path": "/m", "disable_radix_cache": False, "chunked_prefill_size": 2048}


def test_of_an_argument_that_comes_twice_the_outer_one_counts() -> None:
    """A nested configuration, which stands behind, may have options of the same names."""
    line = "server_args=ServerArgs(port=30000, page_size=1, extra={'port': 7})"
    assert server_args(line) == {"port": 30000, "page_size": 1}


@pytest.mark.parametrize("text", ["", "no arguments here", "server_args=", "server_args=ServerArgs(\0\0'"])
def test_a_line_may_hold_no_arguments(text: str) -> None:
    assert server_args(text) == {}


@given(st.text(max_size=300))
def test_no_line_brings_the_parser_down(text: str) -> None:
    arguments = server_args("server_args=ServerArgs(" + text)
    assert all(isinstance(value, str | int | float | bool | None) for value in arguments.values())


def test_where_the_pages_are_closed_the_log_tells(tmp_path: Path) -> None:
    """The demo of a fault without its own pages: a server of another kind in front of the same log."""
    path = tmp_path / "sglang.log"
    path.write_text(LINE.format(False, 4096))
    with stage("wrong-path") as staged:
        target = resolve(url=staged.url, log=str(path))
        context = Context(replace(target, server=None), Deadline(10))
        facts = collect(context)
        context.close()
    told = facts.get("disable_radix_cache")
    assert told is not None
    assert (told.value, say(told.label("it"), "en")) == (False, "it in server_args= in the log")


@pytest.mark.parametrize(
    ("path", "served", "asked", "wanted"),
    [
        ("/models/prod-7", "embedder", "bge-large-zh-v1.5", "CLS"),
        ("/models/prod-7", "embedder", None, None),
        ("/models/bge-large-zh-v1.5", "embedder", "gte-large", "CLS"),
        ("/models/prod-7", "embedder", "gte-large", "MEAN"),
    ],
)
def test_the_model_that_was_named_sets_what_is_expected_where_the_folder_does_not(
    path: str, served: str, asked: str | None, wanted: str | None
) -> None:
    """The folder that was loaded says more than a name; gte-large takes the mean, which 0.5.8 does not do either."""
    info = {"model_path": path, "served_model_name": served, "architectures": ["BertModel"]}
    told = {"version": "0.5.8", "disable_radix_cache": True, "chunked_prefill_size": -1}
    with serving(pages(_model_info=(200, info), _server_info=(200, told)), same) as url:
        row = found(url, "launch", model=asked)["launch.pooling"]
    assert row.values.get("wanted") == wanted
    assert row.status is (Status.FAIL if wanted else Status.SKIP)
