"""Vectors that are none, errors in place of them, refusals that no key mends: told by what came, over true sockets."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bgecheck.model import Status, say
from checks.test_embed_causes import words
from fakes.answering import Answer, bad, beyond_text, embedded, found, pages, same, serving, vector

Embed = Callable[[dict[str, Any], Mapping[str, str]], Answer]


def each(vector: Any) -> Embed:
    """One vector for each text."""
    return lambda body, headers: (200, embedded(*[vector] * len(body["input"])))


def always(answer: Answer) -> Embed:
    return lambda body, headers: answer


@pytest.mark.parametrize(
    ("vector", "observed"),
    [
        ([0.0] * 768, "all 768 numbers are 0"),
        ([0] * 768, "all 768 numbers are 0"),
        ([-0.0] * 768, "all 768 numbers are 0"),
        ([None] * 768, "768 nulls and no number"),
        ([math.nan] * 768, "no number among them"),
        ([math.inf, -math.inf] * 384, "no number among them"),
    ],
    ids=["zeros", "whole", "negative", "nulls", "nan", "inf"],
)
def test_a_vector_without_direction_is_no_ready_server(vector: list[Any], observed: str) -> None:
    with serving(pages(), each(vector)) as url:
        ready = found(url, "probe")["probe.ready"]
        finite = found(url, "embed", texts=["今天"])["embed.finite"]
    assert ready.status is Status.FAIL
    assert observed in say(ready.evidence[0].observed, "en")
    assert ready.evidence[0].expected != "HTTP 200"
    assert finite.status is Status.FAIL


@pytest.mark.parametrize("vector", [[0.0] * 767 + [1.0], [1e-30] * 768])
def test_a_vector_of_mostly_zeros_has_a_direction(vector: list[float]) -> None:
    with serving(pages(), each(vector)) as url:
        assert found(url, "probe")["probe.ready"].status is Status.PASS


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ((200, {"error": {"message": "model overloaded, try later", "code": 500}}), "model overloaded, try later"),
        ((200, {"code": 1001, "msg": "无权限", "data": None}), "无权限"),
        ((200, {"error": "CUDA out of memory"}), "memory"),
        ((500, {"message": "CUDA error: device-side assert triggered"}), "the GPU failed under this request"),
        ((400, {"message": "CUDA error: an illegal memory access was encountered"}), "the GPU failed"),
        ((500, b"Internal Server Error"), "the server failed on this request"),
    ],
)
def test_what_fails_in_the_server_is_no_refusal(answer: Answer, cause: str) -> None:
    with serving(pages(), always(answer)) as url:
        rows = found(url, "probe")["probe.ready"], found(url, "embed", texts=["今天"])["embed.answers"]
    for row in rows:
        assert row.status is Status.FAIL
        assert cause in words(row)
        assert "refuses the request" not in words(row)


WAF = {"Content-Type": "text/html", "Server": "nginx"}


@pytest.mark.parametrize(
    ("answer", "of_the_key"),
    [
        ((403, b"<html><title>403 Forbidden</title></html>", WAF), False),
        ((403, {"message": "Request blocked by security policy"}), False),
        ((403, {"error": "denied by ip restriction"}), False),
        ((403, {"message": "Missing Authentication Token"}), True),
        ((403, {"error": "invalid api key"}), True),
        ((401, {"error": "Unauthorized"}), True),
    ],
    ids=["page", "policy", "address", "missing", "invalid", "sglang"],
)
def test_a_firewall_is_not_blamed_on_the_key(answer: Answer, of_the_key: bool) -> None:
    with serving(dict.fromkeys(pages(), answer), always(answer)) as url:
        rows = found(url, "probe")
    roots = {id_ for id_ in bad(rows) if rows[id_].caused_by is None}
    said = " ".join(words(rows[id_]) for id_ in roots)
    assert ("no key was given" in said) is of_the_key
    assert of_the_key or "let" in said


def test_a_right_server_is_none_of_these() -> None:
    with serving(pages(), same) as url:
        assert bad(found(url, "probe", "embed")) == set()


class Mixing:
    """A server that gives requests in flight at the same time each other's vectors, and takes its time for each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = 0
        self._last: list[list[float]] = []

    def __call__(self, body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        if (answer := beyond_text(body)) is not None:
            return answer
        with self._lock:
            self._in_flight += 1
        time.sleep(0.05)
        vectors = [vector(text) for text in body["input"]]
        with self._lock:
            mixed, self._in_flight = self._in_flight > 1, self._in_flight - 1
            answered = [self._last[-1]] * len(vectors) if mixed and self._last else vectors
            self._last += vectors
        return 200, embedded(*answered, tokens=sum(len(text) + 2 for text in body["input"]))


def test_requests_in_flight_that_are_mixed_up_break_the_row_of_requests_in_flight_alone() -> None:
    """Whatever is compared for another row is sent when nothing else is, by openai too."""
    for texts in ([], ["今天天气"]):
        with serving(pages(), Mixing()) as url:
            rows = found(url, "embed", openai=True, texts=texts)
        broken = {name for name, row in rows.items() if row.status.bad and name != "embed.semantic"}
        assert broken == ({"embed.concurrent"} if not texts else set()), texts
