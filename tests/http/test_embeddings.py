"""What the embeddings client makes of an answer: vectors, or why there are none."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.http.embeddings import Embedded, Refused, Unusable, describe, read, request_body, wanted
from bgecheck.http.failures import Failure
from bgecheck.http.reply import Reply
from bgecheck.model import say

VECTOR = [0.5, -0.25, 0.125]


def reply(payload: Any, status: int = 200, **headers: str) -> Reply:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Reply(status, headers, body, 0.01)


def data(*embeddings: Any, order: list[int] | None = None) -> dict[str, Any]:
    numbers = order or list(range(len(embeddings)))
    items = [{"object": "embedding", "index": i, "embedding": e} for i, e in zip(numbers, embeddings, strict=True)]
    return {"object": "list", "data": items, "model": "m", "usage": {"prompt_tokens": 7, "total_tokens": 7}}


def test_floats_are_read() -> None:
    answer = read(reply(data(VECTOR)), 1)

    assert isinstance(answer, Embedded)
    assert (answer.vectors, answer.tokens, answer.model) == ((tuple(VECTOR),), 7, "m")


def test_base64_is_little_endian_float32() -> None:
    """The encoding that OpenAI's clients ask for by default."""
    packed = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()

    answer = read(reply(data(packed)), 1)

    assert isinstance(answer, Embedded)
    assert answer.vectors == (tuple(VECTOR),)


def test_vectors_follow_their_index() -> None:
    """An answer in another order is put right by its own index fields."""
    answer = read(reply(data([1.0], [2.0], order=[1, 0])), 2)

    assert isinstance(answer, Embedded)
    assert answer.vectors == ((2.0,), (1.0,))


def test_null_components_are_counted_and_stand_as_nan() -> None:
    """sglang writes NaN as null (measured on 0.5.23 with --skip-server-warmup)."""
    answer = read(reply(data([None, None, 1.0])), 1)

    assert isinstance(answer, Embedded)
    assert answer.nulls == (2,)
    assert math.isnan(answer.vectors[0][0])


def test_bare_nan_and_overflow_are_numbers_that_are_not_finite() -> None:
    answer = read(reply(b'{"data": [{"index": 0, "embedding": [NaN, 1e999, -Infinity]}]}'), 1)

    assert isinstance(answer, Embedded)
    assert not any(map(math.isfinite, answer.vectors[0]))


@pytest.mark.parametrize(
    ("payload", "count", "kind"),
    [
        (b"null", 1, "null"),
        (b"<html>Welcome</html>", 1, "page"),
        (b'{"data": [{"embedding": [0.1, 0.2', 1, "cut"),
        ({"error": {"message": "no channel"}}, 1, "error"),
        ({"code": 500, "msg": "failed", "data": None}, 1, "error"),
        ({"object": "list", "data": [], "error": None}, 1, "no-data"),
        (b"", 1, "not-json"),
        ("a string", 1, "no-data"),
        ({"data": []}, 1, "no-data"),
        ({"data": None}, 1, "no-data"),
        (data(VECTOR), 2, "wrong-count"),
        (data(None), 1, "no-vector"),
        (data([]), 1, "no-vector"),
        (data(["a", "b"]), 1, "no-vector"),
        (data([True]), 1, "no-vector"),
        (data([[1.0]]), 1, "no-vector"),
        (data("not base64!"), 1, "no-vector"),
        ({"data": ["x"]}, 1, "no-vector"),
    ],
)
def test_a_200_without_vectors_says_what_is_wrong(payload: Any, count: int, kind: str) -> None:
    answer = read(reply(payload), count)

    assert isinstance(answer, Unusable)
    assert answer.kind == kind


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"object": "error", "message": "Input cannot be empty", "code": 400}, "Input cannot be empty"),
        ({"error": "Unauthorized"}, "Unauthorized"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"error": {"message": "no such model", "type": "NotFoundError"}}, "no such model"),
        (b"<html><h1>502 Bad Gateway</h1></html>", "502 Bad Gateway"),
        (b"<!DOCTYPE html>\n<html><head><title>\n 429 Too&#32;Many </title></head><body>", "429 Too Many"),
        (b"", ""),
    ],
)
def test_an_error_is_told_in_the_servers_own_words(payload: Any, message: str) -> None:
    """The shapes of sglang, of its auth layer, of FastAPI, of OpenAI and vLLM, and of a gateway."""
    answer = read(reply(payload, 400), 1)

    assert isinstance(answer, Refused)
    assert answer.message == message


@pytest.mark.parametrize(
    ("body", "status", "count", "en", "zh"),
    [
        (b"null", 200, 1, "HTTP 200, null in place of vectors", "HTTP 200，响应体是 null，没有向量"),
        (b"OK", 200, 1, "HTTP 200, not JSON: OK", "HTTP 200，不是 JSON：OK"),
        (b"", 200, 1, "HTTP 200, an empty body", "HTTP 200，响应体为空"),
        (b"[]", 200, 1, "HTTP 200, JSON without vectors: []", "HTTP 200，JSON 里没有向量：[]"),
        (b'{"data":[{}]}', 200, 2, "HTTP 200, 1 vector for 2 texts", "HTTP 200，2 条文本返回了 1 条向量"),
        (
            b"<!DOCTYPE html><title>Welcome to nginx!</title>",
            200,
            1,
            "HTTP 200, an HTML page: Welcome to nginx!",
            "HTTP 200，HTML 页面：Welcome to nginx!",
        ),
        (b"<html><body>x", 404, 1, "HTTP 404, an HTML page", "HTTP 404，一个 HTML 页面"),
        (b"", 302, 1, "HTTP 302", "HTTP 302"),
    ],
)
def test_an_answer_without_vectors_is_told_in_words(body: bytes, status: int, count: int, en: str, zh: str) -> None:
    shown = describe(read(reply(body, status), count))

    assert (say(shown, "en"), say(shown, "zh")) == (en, zh)


def test_a_200_without_vectors_is_not_held_against_its_status() -> None:
    assert say(wanted(read(reply(b"null"), 1)), "en") == "a vector"
    assert say(wanted(read(reply(b"null"), 3), 3), "zh") == "3 条向量"
    assert wanted(read(reply(b"no", 500), 1)) == "HTTP 200"


@pytest.mark.parametrize("open_tag", [b"<title>", b"<h1>", b"<!--", b"<?xml "])
def test_a_hostile_page_has_a_bounded_title(open_tag: bytes) -> None:
    answer = read(reply(b"<html>" + open_tag * 20_000 + b"x" * 5000 + b"</title>", 500), 1)

    assert isinstance(answer, Refused)
    assert answer.html
    assert len(answer.message) <= 100


def test_error_text_cannot_carry_escapes() -> None:
    answer = read(reply({"message": "\x1b[31mred\x1b[0m\u202eevil"}, 400), 1)

    assert isinstance(answer, Refused)
    assert answer.message == "redevil"


def test_no_answer_stays_the_failure_it_is() -> None:
    failure = Failure("refused", "x")

    assert read(failure, 1) is failure


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values | json_values.map(lambda v: {"data": [{"embedding": v, "index": v}], "usage": v, "model": v}))
def test_any_json_is_one_of_the_four_answers(payload: Any) -> None:
    """Nothing that a server can write into its JSON raises."""
    body = json.dumps(payload).encode("utf-8", "surrogatepass")

    assert isinstance(read(Reply(200, {}, body, 0.0), 1), Embedded | Unusable)


@given(st.binary(max_size=64), st.integers(100, 599))
def test_any_bytes_and_status_are_one_of_the_answers(body: bytes, status: int) -> None:
    assert isinstance(read(Reply(status, {}, body, 0.0), 1), Embedded | Unusable | Refused)


def test_a_request_holds_texts_and_never_token_ids() -> None:
    """Token ids beyond the vocabulary kill the server, so there is no way to send any."""
    assert json.loads(request_body(["你好"], "m")) == {"input": ["你好"], "encoding_format": "float", "model": "m"}
