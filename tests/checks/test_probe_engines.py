"""Which engine or gateway answers, by what each writes of itself.

Infinity 0.0.78 and LiteLLM 1.80.0 answered so when they were run; the others as their sources say. Fakes over true
sockets: the engines themselves are run by `make real-http`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest

from bgecheck.checks.answering import Engine
from bgecheck.checks.probe.engines import engine_of
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.http.reply import Reply
from bgecheck.model import Secret, Status, Target
from bgecheck.model.deadline import Deadline
from fakes.answering import Answer, bad, found, pages, same, serving

LITELLM: dict[str, Answer] = {
    "/v1/models": (200, {"data": [{"id": "bge-base-zh-v1.5", "owned_by": "openai"}], "object": "list"}),
    "/health/readiness": (200, {"status": "healthy", "litellm_version": "1.80.0"}),
    "/health": (200, {"healthy_endpoints": [{}], "unhealthy_endpoints": []}),
}
NO_KEY = (401, {"error": {"message": "Authentication Error, No api key passed in.", "type": "auth_error"}})
WRONG_KEY = (400, {"error": {"message": "No connected db.", "type": "no_db_connection", "code": "400"}})


def owned(by: str, **headers: str) -> Answer:
    """A model list whose models belong to somebody."""
    card = {"object": "list", "data": [{"id": "bge-base-zh-v1.5", "owned_by": by}]}
    return 200, card, {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("answers", "name", "version"),
    [
        ({"/v1/models": owned("vllm"), "/version": (200, {"version": "0.11.0"})}, "vLLM", "0.11.0"),
        ({"/v1/models": owned("infinity")}, "Infinity", None),
        ({"/v1/models": owned("xinference")}, "Xinference", None),
        ({"/v1/models": owned("library"), "/api/version": (200, {"version": "0.12.3"})}, "Ollama", "0.12.3"),
        (LITELLM, "LiteLLM", "1.80.0"),
        ({"/v1/models": owned("custom", X_Oneapi_Request_Id="20261126")}, "one-api / new-api", None),
        ({"/v1/models": owned("custom", X_New_Api_Version="v0.9.1")}, "new-api", "v0.9.1"),
        ({"/v1/models": owned("openai")}, None, None),
        ({"/v1/models": (503, b"No available workers (all circuits open or unhealthy)")}, "sglang router", None),
        ({"/v1/models": (503, b"no healthy upstream")}, None, None),
        ({"/v1/models": owned("sglang"), "/server_info": (200, {"version": "0.5.10"})}, "sglang", "0.5.10"),
    ],
)
def test_each_engine_is_known_by_what_it_writes(
    answers: Mapping[str, Answer], name: str | None, version: str | None
) -> None:
    with serving(answers, same) as url:
        row = found(url, "probe")["probe.engine"]
    if name is None:
        assert row.status is Status.SKIP
    else:
        assert (row.values["engine"], row.values["version"]) == (name, version)
        assert row.status is (Status.PASS if name == "sglang" else Status.WARN)


def test_the_page_of_litellm_that_calls_every_model_is_not_asked() -> None:
    asked: list[str] = []

    class Noted(dict[str, Answer]):
        def get(self, path: str, default: Any = None) -> Any:
            asked.append(path)
            return super().get(path, default)

    with serving(Noted(LITELLM), same) as url:
        rows = found(url, "probe")
    assert "/health/readiness" in asked
    assert "/health" not in asked
    assert not bad(rows) - {"probe.engine"}


@pytest.mark.parametrize("key", [None, "EMPTY", "sk-wrong-0123456789"])
def test_a_wrong_key_of_litellm_is_told_although_its_status_is_400(key: str | None) -> None:
    """Without a database the proxy cannot look a key up."""

    def refuses(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        return WRONG_KEY if headers.get("Authorization") else NO_KEY

    with serving({**LITELLM, "/v1/models": lambda headers: refuses({}, headers)}, refuses) as url:
        rows = found(url, "probe", api_key=Secret(key) if key else None)
    assert rows["probe.api-key"].status is Status.FAIL
    assert rows["probe.ready"].caused_by == "probe.api-key"
    assert rows["probe.engine"].values["engine"] == "LiteLLM"


def test_a_gateway_does_not_make_of_sglang_another_engine() -> None:
    with serving(pages(), same) as url:
        assert found(url, "probe")["probe.engine"].status is Status.PASS


def identified(answers: Mapping[str, Answer]) -> Engine:
    """The engine that the pages of a server show."""
    with serving(answers, same) as url:
        target = Target(url=url, host="127.0.0.1", port=int(url.rsplit(":", 1)[1]))
        with closing(Server(target, Deadline(20), 5.0, PAGES)) as server:
            models = server.models()
            assert isinstance(models, Reply)
            return engine_of(server, models)


@pytest.mark.parametrize(
    ("refusal", "pages_of", "engine"),
    [
        ({"error": "Unauthorized"}, {"/version": (200, {"version": "0.11.0"})}, Engine("vLLM", "0.11.0")),
        ({"error": "Unauthorized"}, {"/version": (401, {"error": "Unauthorized"})}, Engine("sglang", None)),
        ({"error": "no such key"}, {"/version": (200, {"version": "0.11.0"})}, Engine(None, None)),
    ],
    ids=["vLLM", "sglang", "somebody"],
)
def test_who_refuses_the_key_is_known_by_words_and_by_what_is_open(
    refusal: Any, pages_of: dict[str, Answer], engine: Engine
) -> None:
    """The words are those of both engines and of nobody else; vLLM leaves its version open."""
    assert identified({"/v1/models": (401, refusal), **pages_of}) == engine


@pytest.mark.parametrize(("status", "name"), [(499, "sglang"), (500, None), (501, None), (599, None)])
def test_a_list_that_ends_in_a_server_error_tells_no_engine(status: int, name: str | None) -> None:
    """Pages beside it may be those of another server: what fails may be in front of it."""
    assert identified(pages(**{"/v1/models": (status, b"oops")})).name == name


def test_of_models_of_several_owners_the_first_decides_which_is_the_one_that_is_requested() -> None:
    cards = [{"id": "bge-base-zh-v1.5", "owned_by": "infinity"}, {"id": "gpt-4", "owned_by": "library"}]
    assert identified({"/v1/models": (200, {"data": cards})}).name == "Infinity"


CARD_OF_SGLANG: dict[str, Answer] = {"/v1/models": owned("sglang")}
OLD_INFO, NEW_INFO = {"model_path": "/m", "is_generation": False}, {"model_path": "/m", "embedding": {"dim": 768}}


@pytest.mark.parametrize(
    ("more", "version"),
    [
        ({"/model_info": (200, OLD_INFO), "/server_info": (200, {"version": "0.5.10"})}, "0.5.10"),
        ({"/model_info": (200, NEW_INFO)}, ">= 0.5.17"),
        ({"/model_info": (200, OLD_INFO)}, ">= 0.5.6"),
        ({"/get_model_info": (200, OLD_INFO)}, "< 0.5.6"),
        ({}, None),
    ],
    ids=["told", "by the object of embeddings", "by the newer page", "by the older page", "untold"],
)
def test_the_release_of_sglang_is_told_as_near_as_its_pages_show_it(
    more: dict[str, Answer], version: str | None
) -> None:
    assert identified({**CARD_OF_SGLANG, **more}) == Engine("sglang", version)


@pytest.mark.parametrize(
    ("status", "body", "name"),
    [
        (200, {"data": [{"id": "m", "owned_by": "openai"}]}, "LiteLLM"),
        (400, {"error": {"message": "No connected db."}}, "LiteLLM"),
        (401, {"error": {"message": "Authentication Error"}}, "LiteLLM"),
        (401, {"error": "Unauthorized"}, "sglang"),
        (403, {"error": "Unauthorized"}, "sglang"),
        (402, {"error": {"message": "no credit"}}, None),
        (403, {"error": {"message": "forbidden"}}, None),
    ],
)
def test_litellm_is_asked_for_its_version_only_where_the_answer_may_be_its_own(
    status: int, body: Any, name: str | None
) -> None:
    """Its page tells the version without a key; other servers are not asked for a page that is none of theirs."""
    readiness: Answer = (200, {"litellm_version": "1.80.0"})
    assert identified({"/v1/models": (status, body), "/health/readiness": readiness}).name == name
