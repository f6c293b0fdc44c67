"""Gateways, web pages and forms of request, over true sockets: who answers, what it refuses, and what then is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bgecheck.model import Finding, Secret, Status, say
from fakes.answering import CARD, Answer, bad, found, pages, same, serving

VLLM: Answer = (200, {"object": "list", "data": [{"id": "bge-base-zh-v1.5", "owned_by": "vllm"}]})
MATRYOSHKA: Answer = (400, {"error": {"message": "Model m does not support Matryoshka embeddings", "code": 400}})
NULL: Answer = (400, {"detail": [{"loc": ["body", "encoding_format"], "msg": "Input should be 'float' or 'base64'"}]})


def web(title: str) -> bytes:
    return f"<!doctype html><html><head><title>{title}</title></head><body></body></html>".encode()


def always(answer: Answer) -> Callable[[dict[str, Any], Mapping[str, str]], Answer]:
    return lambda body, headers: answer


def refusing(
    refuses: Callable[[dict[str, Any]], bool], answer: Answer
) -> Callable[[dict[str, Any], Mapping[str, str]], Answer]:
    """A server that refuses some requests and is right else, `dimensions` included."""
    return lambda body, headers: answer if refuses(body) else same(_plain(body), headers)


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "dimensions"}


def words(finding: Finding) -> str:
    return " ".join([say(finding.cause, "en"), say(finding.fix, "en"), *finding.commands])


def test_a_page_that_forbids_is_not_blamed_on_the_key() -> None:
    answer: Answer = (403, web("Access Denied"), {"Server": "WAF", "Content-Type": "text/html"})
    with serving({"/v1/models": answer}, always(answer)) as url:
        rows = found(url, "probe", api_key=Secret("sk-right"))
        smoke = found(url, "embed", texts=["今天"])
    assert rows["probe.api-key"].status is Status.SKIP
    assert bad(rows) == {"probe.ready"}
    assert "page of its own: HTTP 403, an HTML page: Access Denied" in words(rows["probe.ready"])
    assert "Access Denied" in words(smoke["embed.answers"])


@pytest.mark.parametrize("headers", [{}, {"X-Oneapi-Request-Id": "1"}], ids=["unnamed", "named"])
def test_the_keys_of_a_gateway_are_its_own(headers: dict[str, str]) -> None:
    answer: Answer = (401, {"error": {"message": "无效的令牌", "type": "one_api_error"}}, headers)
    with serving({"/v1/models": answer}, always(answer)) as url:
        rows = found(url, "probe", api_key=Secret("sk-of-sglang"))
        smoke = found(url, "embed", texts=["今天"], api_key=Secret("sk-of-sglang"))
    assert "keys of its own" in words(rows["probe.api-key"])
    assert "keys of its own" in words(smoke["embed.answers"])


def test_a_web_interface_is_no_api() -> None:
    page: Answer = (200, web("Open WebUI"), {"Content-Type": "text/html"})
    with serving({}, always((405, b"")), otherwise=page) as url:
        rows = found(url, "probe")
    assert "web page (Open WebUI)" in words(rows["probe.base-url"])
    assert {row.caused_by for id_, row in rows.items() if row.status.bad and id_ != "probe.base-url"} <= {
        "probe.base-url"
    }


def test_the_api_beside_a_web_interface_is_found() -> None:
    page: Answer = (200, web("Portal"), {"Content-Type": "text/html"})
    with serving({"/api/v1/models": (200, CARD)}, same, prefix="/api/v1", otherwise=page) as url:
        row = found(url, "probe")["probe.base-url"]
    assert row.values["found"] == f"{url}/api/v1"


def test_a_login_page_is_no_address_for_clients() -> None:
    answer: Answer = (302, b"", {"Location": "https://sso.example.com/login?back=%2Fv1"})
    with serving({"/v1/models": answer}, always(answer)) as url:
        row = found(url, "probe")["probe.base-url"]
        smoke = found(url, "embed", texts=["今天"])["embed.answers"]
    for finding in (row, smoke):
        assert "login page" in words(finding)
        assert "address at the end of the redirect" not in words(finding)


def test_an_error_within_a_success_is_told_in_its_own_letters() -> None:
    body = b'{"code": 500, "msg": "\\\\u7cfb\\\\u7edf\\\\u5f02\\\\u5e38", "data": null}'
    with serving(pages(), always((200, body))) as url:
        rows = found(url, "probe")
    assert "HTTP 200 holds an error in place of vectors: 系统异常" in words(rows["probe.ready"])


MANY: dict[str, Answer] = {
    "named": (400, {"error": {"message": "batch size is invalid, it should not be larger than 10.: input.contents"}}),
    "size": (413, {"error": "Payload Too Large"}),
    "field": (422, {"detail": "too many inputs"}),
}


@pytest.mark.parametrize(
    ("most", "words_of"),
    [(1, "field"), (2, "size"), (3, "field"), (5, "size"), (7, "field"), (10, "named"), (17, "size")],
)
def test_a_gateway_that_takes_few_texts_fails_nothing_else(most: int, words_of: str) -> None:
    """DashScope takes ten, others one: every row that sends more asks again with fewer; a chunk takes 16 texts."""
    card: Answer = (200, {"version": "0.5.23", "disable_radix_cache": True, "chunked_prefill_size": 2048})
    with serving(
        pages() | {"/server_info": card}, refusing(lambda body: len(body["input"]) > most, MANY[words_of])
    ) as url:
        rows = found(url, "probe", "embed")
    of_three = {"embed.batch-equals-single"} if most < 3 else set()
    assert bad(rows) - {"probe.dimensions"} == {"probe.batch-limit"} | of_three
    assert all(rows[id_].status is Status.WARN for id_ in bad(rows))
    assert {rows[id_].caused_by for id_ in of_three} <= {"probe.batch-limit"}
    assert [id_ for id_, row in rows.items() if row.status is Status.ERROR] == []
    for name in ("semantic", "token-count", "distinct", "concurrent", "whole-text"):
        assert rows[f"embed.{name}"].status is Status.PASS
    assert rows["embed.order"].status is (Status.SKIP if most == 1 else Status.PASS)
    assert rows["probe.batch-limit"].values["taken"] <= most < 2 * rows["probe.batch-limit"].values["taken"] + 8
    assert rows["embed.long-batch"].status is (Status.PASS if most >= 16 else Status.SKIP)


def test_several_texts_are_embedded_in_as_many_requests_as_it_takes() -> None:
    with serving(pages(), refusing(lambda body: len(body["input"]) > 2, MANY["field"])) as url:
        rows = found(url, "embed", texts=["今天", "明天", "后天", "昨天", "前天"])
    assert rows["embed.answers"].values["vectors"] == 5
    assert rows["embed.batch-equals-single"].status is Status.WARN
    assert "one of 2 is answered" in words(rows["embed.batch-equals-single"])


def test_a_text_that_is_too_long_is_no_batch_that_is_too_large() -> None:
    asked: list[int] = []

    def refuse(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        asked.append(len(body["input"]))
        return 400, {"message": "The input (600 tokens) is longer than the model's context length (512 tokens)."}

    with serving(pages(), refuse) as url:
        rows = found(url, "embed", texts=["今天" * 300, "明天"])
    assert rows["embed.answers"].status is Status.FAIL
    assert 1 not in asked


def test_wrong_vectors_are_told_behind_a_limit_too() -> None:
    """Two texts of one request share what one of them holds: the limit must not hide it."""

    def mixed(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        if len(body["input"]) > 2:
            return MANY["field"]
        return same(body | {"input": [body["input"][0]] * len(body["input"])}, headers)

    with serving(pages(), mixed) as url:
        assert found(url, "embed")["embed.batch-equals-single"].status is Status.FAIL


FORMS: list[tuple[str, Callable[[dict[str, Any]], bool], Answer, str | None]] = [
    ("dimensions", lambda body: "dimensions" in body, MATRYOSHKA, "leave `dimensions` out"),
    ("null", lambda body: body.get("encoding_format", "") is None, NULL, None),
    ("unnamed", lambda body: not body.get("encoding_format"), NULL, 'send encoding_format="float"'),
    ("alone", lambda body: "sent_alone" in body, (422, {"detail": "input must be a list"}), "list of one text"),
]


@pytest.mark.parametrize(("form", "refuses", "answer", "remedy"), FORMS, ids=[form for form, *_ in FORMS])
def test_a_form_that_is_refused_is_told_with_whom_it_breaks(
    form: str, refuses: Callable[[dict[str, Any]], bool], answer: Answer, remedy: str | None
) -> None:
    with serving({"/v1/models": VLLM, "/version": (200, {"version": "0.10.0"})}, refusing(refuses, answer)) as url:
        row = found(url, "probe", expect_dim=768)["probe.request-forms"]
        bare = found(url, "probe")["probe.request-forms"]
    assert row.status is (Status.WARN if remedy else Status.PASS)
    assert form in row.values["refused"]
    assert remedy is None or remedy in words(row)
    assert bare.status is (Status.PASS if form == "dimensions" else row.status)


@pytest.mark.parametrize(
    ("refused", "also"),
    [
        (("alone", "unnamed"), "input as a string (Dify"),
        (("alone", "null"), "encoding_format=null (LiteLLM"),
        (("unnamed", "null"), "encoding_format=null (LiteLLM"),
        (("alone", "unnamed", "null"), "input as a string (Dify"),
        (("alone",), None),
        (("unnamed",), "encoding_format=null"),  # an engine that wants a value takes null as little
    ],
)
def test_every_form_that_is_refused_is_told(refused: tuple[str, ...], also: str | None) -> None:
    rules = [refuses for name, refuses, _, _ in FORMS if name in refused]
    answer: Answer = (400, {"error": "bad request"})
    with serving({"/v1/models": VLLM}, refusing(lambda body: any(rule(body) for rule in rules), answer)) as url:
        row = found(url, "probe")["probe.request-forms"]
    assert row.status is Status.WARN
    assert (f"Refused too: {also}" in words(row)) is (also is not None)
    observed = [say(item.observed, "en") for item in row.evidence]
    assert observed == sorted(observed, key=lambda text: "HTTP 200" in text)
    assert set(refused) <= set(row.values["refused"])


@pytest.mark.parametrize(
    ("form", "status"), [("dimensions", Status.PASS), ("null", Status.PASS), ("alone", Status.WARN)]
)
def test_what_sglang_refuses_by_its_nature_is_no_fault_of_a_server(form: str, status: Status) -> None:
    refuses, answer = next((refuses, answer) for name, refuses, answer, _ in FORMS if name == form)
    with serving(pages(), refusing(refuses, answer)) as url:
        row = found(url, "probe", expect_dim=768)["probe.request-forms"]
    assert (row.status, row.values["refused"]) == (status, [form])


def test_a_gateway_that_adds_null_is_named() -> None:
    version = {"x-litellm-version": "1.80.11"}
    listed: Answer = (200, {"data": [{"id": "text-768", "owned_by": "openai"}]}, version)
    with serving({"/v1/models": listed}, refusing(lambda body: not body.get("encoding_format"), NULL)) as url:
        row = found(url, "probe")["probe.request-forms"]
    assert "LiteLLM from 1.80.11" in words(row)


def test_forms_that_were_turned_away_show_nothing() -> None:
    with serving({"/v1/models": VLLM}, refusing(lambda body: "sent_alone" in body, (503, {}))) as url:
        row = found(url, "probe")["probe.request-forms"]
    assert row.status is Status.PASS


def test_a_redirect_to_the_right_address_is_still_one() -> None:
    answer: Answer = (308, b"", {"Location": "https://127.0.0.1/catalogin/v1/models"})
    with serving({"/v1/models": answer}, always(answer)) as url:
        row = found(url, "probe")["probe.base-url"]
        smoke = found(url, "embed", texts=["今天"])["embed.answers"]
    assert "end of the redirect" in words(row)
    assert row.commands[0] == "bgecheck doctor --url https://127.0.0.1/catalogin/v1"
    assert smoke.commands[0] == "bgecheck embed --url https://127.0.0.1/catalogin/v1"


def test_a_reranker_is_known_before_a_vector_is_asked_for() -> None:
    """By the folder that the page tells, whatever the server calls itself; by its class where the name says nothing."""
    asked: list[dict[str, Any]] = []

    def note(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        asked.append(body)
        return same(body, headers)

    folder = {"model_path": "/models/bge-reranker-v2-m3", "is_generation": False}
    head = {"model_path": "/models/my-model", "architectures": ["XLMRobertaForSequenceClassification"]}
    for page in (folder, head):
        with serving(pages() | {"/model_info": (200, page)}, note) as url:
            rows = found(url, "probe", "embed")
            smoke = found(url, "embed", texts=["今天"])
        assert {i for i in bad(rows) if rows[i].caused_by is None} == {"probe.model-name"}
        assert "is a reranker" in words(rows["probe.model-name"])
        assert "is a reranker" in words(smoke["embed.answers"])
    assert asked == []


@pytest.mark.parametrize(
    "page",
    [
        {"model_path": "/models/bge-base-zh-v1.5", "architectures": ["BertForSequenceClassification"]},
        {"model_path": "/models/rerankers/bge-base-zh-v1.5", "architectures": ["BertModel"]},
    ],
    ids=["class", "folder"],
)
def test_an_embedding_model_is_no_reranker(page: dict[str, Any]) -> None:
    with serving(pages() | {"/model_info": (200, page)}, same) as url:
        assert bad(found(url, "probe")) == set()


def test_a_gateway_that_lists_a_reranker_too_is_asked() -> None:
    cards = [{"id": name, "owned_by": "custom"} for name in ("bge-reranker-v2-m3", "bge-base-zh-v1.5")]
    with serving({"/v1/models": (200, {"data": cards})}, same) as url:
        rows = found(url, "embed", texts=["今天"], model="bge-base-zh-v1.5")
    assert bad(rows) == set()


def test_a_deployment_that_is_paused_is_no_limited_rate() -> None:
    """LiteLLM answers 429 where what stands behind it has failed."""
    message = "No deployments available for selected model, Try again in 5 seconds. Passed model=bge."
    with serving(pages(), always((429, {"error": {"message": message, "code": "429"}}))) as url:
        rows = found(url, "probe")
    assert "LiteLLM has no deployment left" in words(rows["probe.rate-limit"])
    assert rows["probe.ready"].caused_by == "probe.rate-limit"


def test_the_smoke_test_finds_the_right_address_too() -> None:
    with serving({"/api/v1/models": (200, CARD)}, same, prefix="/api/v1") as url:
        row = found(url, "embed", texts=["今天"])["embed.answers"]
    assert row.commands == (f"bgecheck embed --url {url}/api/v1",)


def test_an_engine_without_embeddings_is_no_wrong_path() -> None:
    """Newer releases of vLLM have no such route for a generator."""
    with serving(
        {"/v1/models": VLLM, "/version": (200, {"version": "0.14.0"})}, always((404, {"detail": "Not Found"}))
    ) as url:
        row = found(url, "probe")["probe.ready"]
        smoke = found(url, "embed", texts=["今天"])["embed.answers"]
    assert "--runner pooling" in words(row)
    assert "--runner pooling" in words(smoke)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ((404, {"detail": "Not Found"}, {"Server": "nginx/1.27.0"}), "the slash at the end of proxy_pass"),
        ((404, {"detail": "Not Found"}, {"Server": "uvicorn"}), "the slash at the end of proxy_pass"),
        (
            (404, web("404 Not Found"), {"Server": "nginx/1.27.0", "Content-Type": "text/html"}),
            "does not forward this path",
        ),
    ],
    ids=["behind-nginx", "behind-another", "nginx-itself"],
)
def test_who_has_no_such_path_is_told_by_the_body(answer: Answer, cause: str) -> None:
    """A forgotten slash of proxy_pass, beside a path that nobody passes on."""
    with serving({}, None, otherwise=answer) as url:
        row = found(f"{url}/embed1", "probe")["probe.base-url"]
    assert cause in words(row).replace("forward this path to", "forward this path")
