"""The rows of HTTP, the settings and the cheap vectors, judged over true sockets by servers made for each case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from bgecheck.checks import launch
from bgecheck.checks.launch.facts import LaunchFacts
from bgecheck.engines.base import Launch, Setting
from bgecheck.http.address import parse_url
from bgecheck.model import Finding, Secret, Status
from bgecheck.run import engine
from fakes.answering import CARD, Answer, bad, beyond_text, embedded, found, pages, same, serving, vector


def test_a_healthy_server_passes() -> None:
    with serving(pages(), same) as url:
        rows = found(url)
    assert bad(rows) == set()
    assert rows["probe.engine"].values == {"engine": "sglang", "version": "0.5.23"}


@pytest.mark.parametrize(
    ("shape", "path"),
    [
        ("/nowhere", "/v1/models"),
        ("/gateway", "/models"),
        ("/gateway/v1", "/gateway/models"),
        ("/v1", "/v1/v1/models"),
        ("", "/v1/v1/models"),
    ],
)
def test_a_wrong_base_url_names_the_right_one(shape: str, path: str) -> None:
    """The model list is found where it is; the URL to use instead is part of the fix."""
    with serving({path: (200, CARD)}, same, prefix=path.removesuffix("/models")) as url:
        rows = found(parse_url(url + shape).url, "probe", given_url=url + shape)
    assert "probe.base-url" in bad(rows)
    assert rows["probe.base-url"].values["found"] == url + path.removesuffix("/models")


@pytest.mark.parametrize(
    ("shape", "prefix"), [("", ""), ("/v1/v1", "/v1/v1"), ("/v1", "/v1"), ("/v1/embeddings", "/v1")]
)
def test_what_is_given_works_in_the_shape_that_the_server_has(shape: str, prefix: str) -> None:
    """Infinity has its routes at the root; the same requests then go there, whichever row sends them."""
    with serving({f"{prefix}/models": (200, CARD)}, same, prefix=prefix) as url:
        rows = found(parse_url(url + shape).url, "probe", "embed", given_url=url + shape)
    assert bad(rows) == set()
    assert rows["probe.base-url"].values["clients"]["LangChain"] == url + prefix
    assert rows["probe.ready"].status is rows["embed.answers"].status is Status.PASS


def test_a_server_without_a_model_list_is_known_by_what_it_embeds() -> None:
    """text-embeddings-inference: `/v1/embeddings` and `/info`, and no `/v1/models`."""
    info = {"model_id": "BAAI/bge-base-zh-v1.5", "max_client_batch_size": 32, "version": "1.8.0"}
    with serving({"/info": (200, info)}, same) as url:
        rows = found(url, "probe", model="bge-base-zh-v1.5")
    assert bad(rows) == {"probe.engine"}
    assert rows["probe.engine"].values == {"engine": "text-embeddings-inference", "version": "1.8.0"}
    assert rows["probe.model-name"].status is Status.PASS


def test_a_bare_web_server_is_named() -> None:
    page: Answer = (404, b"<html>404 Not Found</html>", {"Server": "nginx/1.22.1", "Content-Type": "text/html"})
    with serving({}, None, otherwise=page) as url:
        row = found(url, "probe")["probe.base-url"]
    assert row.status is Status.FAIL
    assert "nginx/1.22.1" in str(row.cause)


def test_a_redirect_is_not_followed() -> None:
    with serving({"/v1/models": (302, {}, {"Location": "http://127.0.0.1:1/v1/models"})}, same) as url:
        rows = found(url, "probe", api_key=Secret("topsecret"))
    assert rows["probe.base-url"].status is Status.FAIL


@pytest.mark.parametrize(
    ("key", "cause"), [(None, "no key was given"), ("EMPTY", "placeholder"), ("wrong-key", "is not the server")]
)
def test_a_refused_key_says_which_kind(key: str | None, cause: str) -> None:
    with serving(
        {"/v1/models": (401, {"error": "Unauthorized"})}, lambda b, h: (401, {"error": "Unauthorized"})
    ) as url:
        rows = found(url, "probe", api_key=Secret(key) if key else None)
    assert bad(rows) == {"probe.api-key", "probe.ready"}
    assert cause in str(rows["probe.api-key"].cause)
    assert rows["probe.ready"].caused_by == "probe.api-key"


@pytest.mark.parametrize("checks", [True, False])
def test_whether_a_key_is_checked_is_told(checks: bool) -> None:
    with serving(pages(), same) as url:
        row = found(url, "probe", api_key=Secret("any-key"))["probe.api-key"]
    assert (row.status, row.values["key_checked"]) == (Status.PASS, False)


def test_another_model_than_asked_for_fails() -> None:
    """sglang itself never compares the names."""
    with serving(pages(), same) as url:
        assert "probe.model-name" in bad(found(url, "probe", model="bge-m3"))
        assert "probe.model-name" not in bad(found(url, "probe", model="BAAI/bge-base-zh-v1.5"))


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ((503, {"message": "The request queue is full."}), "503"),
        (
            (502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
            "answers HTTP 502 to an embedding, while the model list comes through",
        ),
        ((400, {"message": "Input cannot be empty"}), "Input cannot be empty"),
        ((200, None), "NoneType"),
        ((200, {"object": "list", "data": []}), "NoneType"),
        ((200, b"not json"), "NoneType"),
    ],
)
def test_a_status_page_does_not_make_a_server_ready(answer: Answer, cause: str) -> None:
    with serving(pages(), lambda body, headers: answer) as url:
        rows = found(url)
    assert bad(rows) == {"probe.ready", "embed.answers"}
    assert cause in str(rows["probe.ready"].cause)
    assert rows["embed.answers"].caused_by == "probe.ready"


def test_a_429_is_a_gateways() -> None:
    with serving(pages(), lambda body, headers: (429, {})) as url:
        rows = found(url)
    assert {i for i, f in rows.items() if f.status.bad and f.caused_by is None} == {"probe.rate-limit"}


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (lambda v: [2 * x for x in v], {"embed.normalized"}),
        (lambda v: [*v, 0.0], {"embed.dimension"}),
        (
            lambda v: [*v[1:], None],
            {"embed.finite", "embed.normalized", "embed.repeatable", "embed.batch-equals-single"},
        ),
        (
            lambda v: [0.0] * 768,
            {"probe.ready", "embed.finite", "embed.normalized", "embed.repeatable", "embed.batch-equals-single"},
        ),
    ],
)
def test_what_is_wrong_with_the_numbers_is_told(change: Callable[[list[float]], Any], rows: set[str]) -> None:
    with serving(
        pages(), lambda b, h: beyond_text(b) or (200, embedded(*(change(vector(t)) for t in b["input"])))
    ) as url:
        assert bad(found(url)) == rows


def test_192_of_768_is_a_misread_base64() -> None:
    with serving(pages(), lambda b, h: (200, embedded(*(vector(t, 192) for t in b["input"])))) as url:
        assert "base64" in str(found(url)["embed.dimension"].cause)


def test_an_unknown_model_is_judged_by_what_the_user_expects() -> None:
    card = {"object": "list", "data": [{"id": "mine", "owned_by": "sglang"}]}
    with serving({"/v1/models": (200, card)}, same) as url:
        assert found(url)["embed.dimension"].status is Status.SKIP
        assert found(url, expect_dim=1024)["embed.dimension"].status is Status.FAIL


def test_a_text_that_changes_its_vector_is_caught_by_a_fresh_text() -> None:
    """The first answer to a text is one vector, every later one another, as under a prefix cache."""
    known: set[str] = set()

    def forgetful(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        answer = embedded(*(vector("错" if text in known else text) for text in body["input"]))
        known.update(body["input"])
        return 200, answer

    with serving(pages(), forgetful) as url:
        for _ in range(2):
            assert {"embed.repeatable", "embed.batch-equals-single"} <= bad(found(url))


def settings(**told: Any) -> LaunchFacts:
    names = told.pop("architectures", ("BertModel",))
    launch_ = Launch(options=told.pop("flags", {"model-path": "/m/bge-large-zh-v1.5", "port": "30000"}))
    return LaunchFacts({k: Setting(v, "/server_info") for k, v in told.items()}, launch_, names, "bge-large-zh-v1.5")


def judged(facts: LaunchFacts) -> dict[str, Finding]:
    area = replace(launch.AREA, collector=lambda context: facts, needs=())
    return {f.id: f for f in engine.run([area], None)}


@pytest.mark.parametrize(
    ("version", "flag", "status"),
    [
        ("0.4.6.post5", True, Status.FAIL),
        ("0.5.8", True, Status.FAIL),
        ("0.5.9", False, Status.FAIL),
        ("0.5.9", True, Status.PASS),
        ("0.5.16", False, Status.FAIL),
        ("0.5.17", False, Status.PASS),
        ("0.5.23", False, Status.PASS),
        ("0.6.0", False, Status.PASS),
        ("nightly", True, Status.SKIP),
    ],
)
def test_pooling_is_told_by_release_and_flag(version: str, flag: bool, status: Status) -> None:
    """BertModel pools the last token up to 0.5.8, and the first from 0.5.17 on, with --is-embedding from 0.5.9 on."""
    assert judged(settings(version=version, is_embedding=flag))["launch.pooling"].status is status


def test_a_causal_model_may_keep_its_caches() -> None:
    rows = judged(settings(disable_radix_cache=False, chunked_prefill_size=8192, architectures=("Qwen3Model",)))
    assert rows["launch.prefix-cache"].status is Status.PASS
    assert rows["launch.chunked-prefill"].status is Status.PASS


@pytest.mark.parametrize(("told", "status"), [(False, Status.FAIL), (True, Status.PASS), (None, Status.SKIP)])
def test_the_prefix_cache_is_judged_by_what_the_server_says(told: bool | None, status: Status) -> None:
    known = {} if told is None else {"disable_radix_cache": told}
    assert judged(settings(version="0.5.23", **known))["launch.prefix-cache"].status is status
