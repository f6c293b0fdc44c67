"""A request that brought no vectors is told by who answered it and what it said, whatever the product's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bgecheck.checks.refusals import ADVICE, LOCKS, PENDING, end_of_redirect, kind_of, leads_nowhere, longer, values_of
from bgecheck.http.embeddings import Embedded, Refused, Unusable, read
from bgecheck.http.failures import Failure, NotSent
from bgecheck.http.reply import Reply
from bgecheck.model import say


def answer(status: int, body: Any, **headers: str) -> Refused | Unusable:
    """What a response becomes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = read(Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, data, 0.1), 1)
    assert not isinstance(found, Embedded | NotSent | Failure)
    return found


def page(title: str) -> bytes:
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()


ONE_API = {"x_oneapi_request_id": "20250101"}
LITELLM = {"x_litellm_version": "1.81.0"}

KINDS: list[tuple[int, Any, Mapping[str, str], str | None]] = [
    # one-api, new-api and what descends from them
    (503, {"error": {"message": "当前分组 vip 下对于模型 bge-m3 无可用渠道"}}, ONE_API, "no-channel"),
    (
        503,
        {"error": {"message": "No available channel for model bge-m3 under group default (distributor)"}},
        {},
        "no-channel",
    ),
    (400, {"error": "no available channel for model: bge-m3"}, {}, "no-channel"),
    (500, {"code": 1, "msg": "\\u65e0\\u53ef\\u7528\\u6e20\\u9053"}, {}, "no-channel"),
    (503, {"error": {"message": "No available channel for model x", "code": "model_not_found"}}, {}, "no-channel"),
    (401, {"error": {"message": "无效的令牌", "type": "one_api_error"}}, {}, "token"),
    (401, {"error": {"message": "Invalid token (request id: 2025)", "type": "new_api_error"}}, ONE_API, "token"),
    (403, {"error": {"message": "该令牌无权使用模型：bge-m3"}}, ONE_API, "model-not-allowed"),
    (403, {"error": {"message": "该令牌额度已用尽"}}, ONE_API, "quota"),
    (
        500,
        {"error": {"message": "do request failed: Post http://127.0.0.1:30000: dial tcp: refused"}},
        ONE_API,
        "no-connection",
    ),
    # LiteLLM
    (
        429,
        {"error": {"message": "No deployments available for selected model, Try again in 5 seconds."}},
        {},
        "no-deployment",
    ),
    (
        500,
        {"error": {"message": "litellm.InternalServerError: OpenAIException - Connection error."}},
        LITELLM,
        "no-connection",
    ),
    (400, {"error": {"message": "No connected db.", "code": "400"}}, {}, "token"),
    (
        401,
        {"error": {"message": "LiteLLM Virtual Key expected. Received=a, expected to start with 'sk-'."}},
        {},
        "token",
    ),
    (400, {"error": {"message": "Invalid model name passed in model=bge. Call `/v1/models`"}}, {}, "model"),
    # sglang's router, Envoy, HAProxy, Traefik
    (503, b"No available workers (all circuits open or unhealthy)", {}, "no-workers"),
    (503, {"error": {"message": "No available prefill workers", "code": "no_available_workers"}}, {}, "no-workers"),
    (503, b"no healthy upstream", {"server": "envoy"}, "no-backend"),
    (503, b"no available server", {}, "no-backend"),
    (503, b"upstream connect error or disconnect/reset before headers", {"server": "envoy"}, "no-connection"),
    (500, b"Request failed: error sending request for url (http://10.0.0.7:8000/v1/embeddings)", {}, "no-connection"),
    (504, b"upstream request timeout", {"server": "istio-envoy"}, "gateway-timeout"),
    # nginx, Cloudflare
    (502, page("502 Bad Gateway"), {"server": "nginx"}, "bad-gateway"),
    (504, page("504 Gateway Time-out"), {"server": "openresty"}, "gateway-timeout"),
    (524, page("a timeout occurred"), {"server": "cloudflare"}, "gateway-timeout"),
    (522, page("Connection timed out"), {"server": "cloudflare"}, "bad-gateway"),
    (503, page("503 Service Temporarily Unavailable"), {"server": "nginx"}, "unavailable-page"),
    (401, page("401 Authorization Required"), {"server": "nginx", "www_authenticate": 'Basic realm="x"'}, "basic"),
    (403, page("Access Denied"), {}, "forbidden-page"),
    (403, page("405 请求被拦截"), {"server": "ASERVER"}, "forbidden-page"),
    (405, page("405 Not Allowed"), {"server": "nginx"}, "method"),
    (404, page("404 Not Found"), {"server": "nginx"}, "route"),
    (302, b"", {"location": "https://sso.example.com/login?back=/v1"}, "login"),
    (307, b"", {"location": "/oauth2/start?rd=%2Fv1"}, "login"),
    (301, b"", {"location": "https://host/v1/embeddings"}, None),
    (308, b"", {"location": "https://host/catalogin/v1"}, None),
    # sglang and other engines
    (503, {"object": "error", "message": "The request queue is full.", "code": 503}, {}, "queue-full"),
    (503, {"error": {"message": "loading"}}, {}, "loading"),
    (503, {"detail": "模型加载中"}, {}, "loading"),
    (503, {}, {}, "unavailable"),
    (503, {"message": "no"}, {}, "unavailable"),
    (503, {"error": "Model is overloaded"}, {}, "busy"),
    (400, {"object": "error", "message": "The model does not support Embeddings API"}, {}, "not-embedding-vllm"),
    (501, {"error": {"message": "The model does not support Embeddings API"}}, {}, "not-embedding-vllm"),
    (
        400,
        {"message": "This model does not appear to be an embedding model by default. Please add `--is-embedding`"},
        {},
        "not-embedding-sglang",
    ),
    (
        501,
        {"error": {"message": "This server does not support embeddings. Start it with `--embeddings`"}},
        {},
        "not-embedding-llama",
    ),
    (400, {"error": '"qwen2" does not support embeddings'}, {}, "not-embedding"),
    (404, {"error": {"message": "The model `bge` does not exist."}}, {}, "model"),
    (404, {"detail": "Not Found"}, {}, "route"),
    (401, {"error": "Unauthorized"}, {}, "key"),
    (403, {"error": "denied"}, {}, "forbidden"),
    (500, {"message": "Internal server error: CUDA error: device-side assert triggered"}, {}, "gpu-error"),
    (500, {"detail": "CUDA out of memory. Tried to allocate 2.00 GiB"}, {}, "gpu-memory"),
    (500, {"message": "Internal server error"}, {}, "server-error"),
    (400, {"message": "CUDA error: an illegal memory access was encountered"}, {}, "gpu-error"),
    (400, {"error": {"message": "CUDA out of memory. Tried to allocate 2.00 GiB"}}, {}, "gpu-memory"),
    (422, {"detail": "HIP error: invalid device function"}, {}, "gpu-error"),
    (200, {"error": "CUDA out of memory"}, {}, "gpu-memory"),
    (200, {"error": {"message": "cuBLAS error 13"}}, {}, "gpu-error"),
    (200, {"error": {"message": "too long", "code": 400}}, {}, "error-in-200"),
    (400, {"message": "device must be one of cuda, cpu"}, {}, None),
    (400, {"message": "input: memory of 5 texts only"}, {}, None),
    (
        400,
        {"detail": [{"loc": ["body", "encoding_format"], "msg": "Input should be 'float' or 'base64'"}]},
        {},
        "encoding",
    ),
    (400, {"message": "Input cannot be empty"}, {}, None),
    (408, {"error": {"message": "litellm.Timeout: Connection timed out. Timeout passed=6.0"}}, {}, "gateway-timeout"),
    (408, b"Request Timeout", {}, None),
    (530, "error code: 1033", {}, "bad-gateway"),
    (429, {"message": "slow down"}, {}, "rate"),
    (429, {"error": "Model is overloaded", "error_type": "overloaded"}, {}, "busy"),
    (418, {"message": "teapot"}, {}, None),
    # a timeout is a gateway's where one has named itself, and else may be the engine's own
    (500, {"message": "Request timed out."}, LITELLM, "gateway-timeout"),
    (500, {"message": "Request timed out."}, {}, "server-error"),
    (500, {"message": "something went wrong"}, LITELLM, "server-error"),
    # success that is none
    (200, {"error": {"message": "当前分组 default 下对于模型 bge 无可用渠道"}}, ONE_API, "no-channel"),
    (200, {"code": 500, "msg": "系统异常", "data": None}, {}, "error-in-200"),
    (200, {"success": False, "message": "busy"}, {}, "error-in-200"),
    (200, page("Open WebUI"), {}, "page"),
    (200, b'{"object":"list","data":[{"embedding":[0.01,0.0', {}, "cut"),
    (200, b"OK", {}, None),
    (200, {"data": []}, {}, None),
]


@pytest.mark.parametrize(("status", "body", "headers", "kind"), KINDS, ids=[f"{n}-{k[3]}" for n, k in enumerate(KINDS)])
def test_each_answer_has_its_kind(status: int, body: Any, headers: dict[str, str], kind: str | None) -> None:
    assert kind_of(answer(status, body, **headers)) == kind


def test_a_bad_gateway_whose_list_comes_through_is_another_fault() -> None:
    refused = answer(502, page("502 Bad Gateway"), server="nginx")
    assert (kind_of(refused), kind_of(refused, listed=True)) == ("bad-gateway", "bad-gateway-midway")


def test_a_route_that_is_missing_beside_a_model_list_is_an_engine_without_embeddings() -> None:
    refused = answer(404, {"detail": "Not Found"})
    assert (kind_of(refused), kind_of(refused, listed=True)) == ("route", "no-embeddings")


def test_only_what_says_that_a_queue_is_full_is_a_full_queue() -> None:
    words = {kind: say(advice.cause, "en") + say(advice.fix, "en") for kind, advice in ADVICE.items()}
    assert {kind for kind, text in words.items() if "queue" in text} == {"queue-full"}


def test_every_kind_is_declared_and_filled() -> None:
    kinds = {kind_of(answer(status, body, **headers)) for status, body, headers, _ in KINDS} - {None}
    assert kinds | PENDING | LOCKS <= set(ADVICE)
    values = values_of(answer(504, b"", server="nginx/1.2"), None)
    for advice in ADVICE.values():
        for language in ("en", "zh"):
            text = say(advice.cause, language) + say(advice.fix, language)
            text.format(**{name: str(value) for name, value in values.items()}, address="a", base_url="b", found="c")


@pytest.mark.parametrize(("seconds", "wanted"), [(0.2, 60), (30.0, 60), (31.0, 70), (60.0, 120), (600.1, 1210)])
def test_a_time_out_is_raised_to_what_the_measured_time_needs(seconds: float, wanted: int) -> None:
    assert longer(seconds) == wanted


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("https://host.example/v1/embeddings", "https://host.example/v1"),
        ("https://host.example/catalog/v1/embeddings/", "https://host.example/catalog/v1"),
        ("/api/v1/embeddings", "http://127.0.0.1:9/api/v1"),
        ("//other.example/v1/embeddings", "http://other.example/v1"),
        ("https://127.0.0.1:9/v1/embeddings", "https://127.0.0.1:9/v1"),
        ("/v1/embeddings/", None),
        ("", None),
        ("https://user:secret@host.example/v1", None),
        ("https://sso.example.com/login?back=%2Fv1", None),
        ("mailto:somebody", None),
        ("https://[::1", None),
        ("https://host.example/v1/embeddings\u202e", None),
    ],
)
def test_where_a_redirect_ends_is_a_base_url_or_nothing(location: str, leads_to: str | None) -> None:
    assert end_of_redirect(location, "http://127.0.0.1:9/v1/embeddings") == leads_to


@pytest.mark.parametrize(
    ("headers", "front"),
    [
        ({}, "a gateway"),
        ({"server": "uvicorn"}, "a gateway"),
        ({"server": "nginx/1.2"}, "nginx/1.2"),
        (ONE_API, "one-api / new-api"),
    ],
    ids=["none", "uvicorn", "nginx", "one-api"],
)
def test_who_answers_is_named_as_far_as_it_tells(headers: dict[str, str], front: str) -> None:
    assert say(values_of(answer(503, {}, **headers), "bge")["front"], "en") == front


@pytest.mark.parametrize(
    ("status", "body", "served", "nowhere"),
    [
        (404, {"detail": "Not Found"}, (), True),
        (405, {"detail": "Method Not Allowed"}, (), True),
        (200, page("Open WebUI"), (), True),
        (404, {"detail": "Not Found"}, ("bge-m3",), False),
        (401, {"error": "Unauthorized"}, (), False),
        (503, {"message": "full"}, (), False),
    ],
)
def test_another_address_is_looked_for_only_where_there_is_no_api_at_the_one_given(
    status: int, body: Any, served: tuple[str, ...], nowhere: bool
) -> None:
    """What refuses the key, is busy or lists a model is the right address."""
    assert leads_nowhere(answer(status, body), served) is nowhere
    assert not leads_nowhere(Failure("timeout", "late"), served)
