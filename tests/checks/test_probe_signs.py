"""The signs of life, the way past proxies and the matrix of keys: what "
"contradicts what, over true sockets and files."""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bgecheck.engines.sglang.log.sessionlog import read_log
from bgecheck.http.proxies import DIRECT, Way, client_way
from bgecheck.model import Finding, Secret, Status, Target
from bgecheck.model.deadline import Deadline
from bgecheck.run.context import Context
from fakes.answering import Answer, bad, embedded, found, pages, same, serving, vector

START = "[2026-11-26 10:00:00] server_args=ServerArgs(model_path='/m/bge')\n"
READY = "[2026-11-26 10:00:20] The server is fired up and ready to roll!\n"
END = "[2026-11-26 10:05:00] SIGTERM received. signum=None frame=None. Draining requests and shutting down...\n"


def log(folder: Path, *lines: str) -> str:
    path = folder / "sglang.log"
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


def said(row: Finding) -> str:
    return f"{row.cause} {row.fix} {row.evidence} {row.reason}"


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ((), None),
        (("INFO: hello\n",), None),
        ((START,), "starting"),
        ((START, READY), "ready"),
        ((START, READY, END), "ended"),
        ((START, READY, END, START), "starting"),
        ((START, READY, END, START, READY), "ready"),
    ],
)
def test_the_newest_session_of_a_log_decides(tmp_path: Path, lines: tuple[str, ...], state: str | None) -> None:
    assert read_log(log(tmp_path, *lines)).session.readiness == state


def test_a_log_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe"):
        context = Context(Target(url="http://x", host="x", port=1, log=str(path)), Deadline(10))
        assert context.logged_session() is None


def test_a_log_is_read_once_in_a_run(tmp_path: Path) -> None:
    """Areas share the session; what was written since the first look is not judged."""
    path = log(tmp_path, START, READY)
    context = Context(Target(url="http://x", host="x", port=1, log=path), Deadline(10))
    session = context.logged_session()
    log(tmp_path, START, READY, END)
    assert session is context.logged_session() is context.session_log().session
    assert session is not None
    assert session.readiness == "ready"


def test_every_sign_stands_in_one_table(tmp_path: Path) -> None:
    with serving(pages(_health=(200, b""), _health_generate=(200, b"")), same) as url:
        row = found(url, "probe", log=log(tmp_path, START, READY), pid=os.getpid())["probe.health-agrees"]
    signs = row.values["signs"]
    assert row.status is Status.PASS
    assert signs["log"] == "ready"
    assert signs["process"] == signs["listener"] == f"pid {os.getpid()}"
    assert {"GET /v1/models", "GET /health", "GET /model_info", "GET /server_info", "POST /v1/embeddings"} <= set(signs)
    assert str(signs["GET /health_generate"]).startswith("HTTP 200")


def test_an_answer_of_another_process_than_the_one_meant_is_told() -> None:
    """The parent of this test runs and does not hold the port."""
    with serving(pages(_health=(200, b"")), same) as url:
        row = found(url, "probe", pid=_stranger())["probe.health-agrees"]
    assert row.status is Status.WARN
    assert f"pid {os.getpid()}" in str(row.cause)


def _stranger() -> int:
    """A process that is there and is neither this one nor above it."""
    mine = {os.getpid(), os.getppid(), 1}
    family = {os.getpid()}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in mine | family:
            with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                if f" {os.getpid()} " not in file.read():
                    return int(entry)
    pytest.skip("no other process is seen here")


@pytest.mark.parametrize(("lines", "words"), [((START, READY, END), "ended"), ((START,), "starting")])
def test_a_log_of_another_server_is_told(tmp_path: Path, lines: tuple[str, ...], words: str) -> None:
    with serving(pages(_health=(200, b"")), same) as url:
        row = found(url, "probe", log=log(tmp_path, *lines))["probe.health-agrees"]
    assert row.status is Status.WARN
    assert words in str(row.cause)


def test_a_ready_line_and_no_listener_is_a_server_that_died(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    row = found(url, "probe", log=log(tmp_path, START, READY))["probe.reachable"]
    assert row.status is Status.FAIL
    assert "became ready and nothing listens" in str(row.cause)


def test_a_process_without_a_port_is_still_loading() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    row = found(url, "probe", pid=os.getpid())["probe.reachable"]
    assert "does not listen" in str(row.cause)


def test_a_ready_line_without_an_embedding_is_told(tmp_path: Path) -> None:
    """No health page, so that nothing but the log contradicts."""
    with serving(pages(), lambda body, headers: (503, {"message": "no"})) as url:
        row = found(url, "probe", log=log(tmp_path, START, READY))["probe.health-agrees"]
    assert row.status is Status.WARN
    assert "scheduler is stuck or dead" in str(row.cause)


WAYS: list[tuple[dict[str, str], Way]] = [
    ({}, DIRECT),
    ({"http_proxy": "http://p:3128"}, Way("http_proxy", None, "10.1.2.3")),
    ({"HTTP_PROXY": "http://p:3128"}, Way("HTTP_PROXY", None, "10.1.2.3")),
    ({"HTTP_PROXY": "http://p:3128", "http_proxy": ""}, DIRECT),
    ({"ALL_PROXY": "socks5://p:1080"}, Way("ALL_PROXY", None, "10.1.2.3")),
    ({"https_proxy": "http://p:3128"}, DIRECT),
    ({"http_proxy": "p", "no_proxy": "*"}, DIRECT),
    ({"http_proxy": "p", "no_proxy": "localhost, 10.1.2.3"}, DIRECT),
    ({"http_proxy": "p", "NO_PROXY": "10.1.2.3:30000"}, DIRECT),
    ({"http_proxy": "p", "no_proxy": "10.1.2.3:80"}, Way("http_proxy", None, "10.1.2.3:80,10.1.2.3")),
    ({"http_proxy": "p", "no_proxy": "10.0.0.0/8"}, Way("http_proxy", "10.0.0.0/8", "10.0.0.0/8,10.1.2.3")),
    (
        {"http_proxy": "p", "no_proxy": "192.168.0.0/16,1/2/3,::1/128"},
        Way("http_proxy", None, "192.168.0.0/16,1/2/3,::1/128,10.1.2.3"),
    ),
    (
        {"http_proxy": "p", "NO_PROXY": ".Corp.example, 10.1.2"},
        Way("http_proxy", None, ".Corp.example,10.1.2,10.1.2.3"),
    ),
    ({"http_proxy": "p", "no_proxy": "3"}, DIRECT),
]


@pytest.mark.parametrize(("environment", "way"), WAYS[:-1])
def test_the_way_of_a_client_follows_its_environment(environment: dict[str, str], way: Way) -> None:
    assert client_way("http://10.1.2.3:30000", "10.1.2.3", 30000, environment) == way


@pytest.mark.parametrize(
    ("entry", "direct"),
    [
        ("corp.example", True),
        (".corp.example", True),
        ("GPU-01.corp.example", True),
        ("gpu-01.corp.example:30000", True),
        ("orp.example", False),
        ("*.corp.example", False),
        ("gpu-01", False),
    ],
)
def test_a_name_is_excepted_by_itself_or_its_domain(entry: str, direct: bool) -> None:
    way = client_way("http://h", "gpu-01.corp.example", 30000, {"http_proxy": "p", "no_proxy": entry})
    assert (way == DIRECT) is direct


def test_both_ways_are_compared_where_a_proxy_catches_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is a true web server that answers 502, as one does that cannot reach a loopback of another machine."""
    asked: list[Mapping[str, str]] = []

    def refuses(url: str) -> Answer:
        return 502, b"<html>Bad Gateway</html>"

    with serving(pages(), same) as url, serving({}, None, otherwise=refuses("")) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        row = found(url, "probe", api_key=Secret("sk-never-for-a-proxy"))["probe.proxy"]
    assert row.status is Status.WARN
    assert "HTTP 502" in said(row)
    assert "HTTP 200" in said(row)
    assert asked == []


def test_a_proxy_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.getsockname()[1]}")
    with serving(pages(), same) as url:
        row = found(url, "probe")["probe.proxy"]
    assert row.status is Status.WARN
    assert "refused" in said(row)


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "http://[", "http://192.0.2.1.invalid:1", "::::"])
def test_a_proxy_that_cannot_be_asked_is_still_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("http_proxy", value)
    with serving(pages(), same) as url:
        row = found(url, "probe")["probe.proxy"]
    assert row.status is Status.WARN
    assert "not tried" in said(row)


def keyed(key: str) -> Callable[[dict[str, Any], Mapping[str, str]], Answer]:
    def answer(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        return same(body, headers) if headers.get("Authorization") == f"Bearer {key}" else (401, {"error": "no"})

    return answer


def test_embeddings_behind_a_key_that_the_model_list_does_not_want() -> None:
    with serving(pages(), keyed("sk-right")) as url:
        row = found(url, "probe", api_key=Secret("sk-wrong"))["probe.api-key"]
        right = found(url, "probe", api_key=Secret("sk-right"))["probe.api-key"]
    assert row.status is Status.FAIL
    assert "POST /v1/embeddings" in said(row)
    assert right.status is Status.PASS
    assert right.values["tried"] == {"no key": "HTTP 200", "EMPTY": "HTTP 200", "the key given": "HTTP 200"}


def test_a_name_that_the_server_refuses_gets_no_other_model_s_vectors() -> None:
    """A gateway looks the name up; only where vectors came all the same are they another model's."""
    unknown = (404, {"error": {"message": "The model does not exist"}})
    with serving(pages(), lambda body, headers: unknown) as url:
        row = found(url, "probe", model="bge-m3")["probe.model-name"]
    assert (row.status, "has no model of the name bge-m3" in str(row.cause)) == (Status.FAIL, True)
    with serving(pages(), same) as url:
        row = found(url, "probe", model="bge-m3")["probe.model-name"]
    assert (row.status, "without any error" in str(row.cause)) == (Status.FAIL, True)


@pytest.mark.parametrize(
    ("listed", "asked", "status"),
    [
        ("bge-m3:latest", "bge-m3", Status.PASS),
        ("bge-m3", "bge-m3:latest", Status.PASS),
        ("library/bge-m3:latest", "BGE-M3", Status.PASS),
        ("bge-m3:567m", "bge-m3", Status.FAIL),
        ("bge-large:latest", "bge-m3", Status.FAIL),
    ],
)
def test_a_name_without_a_tag_is_that_of_the_latest(listed: str, asked: str, status: Status) -> None:
    """As Ollama names its models."""
    card = {"object": "list", "data": [{"id": listed, "owned_by": "library"}]}
    nothing = (404, {"error": "not found"})
    with serving(pages(**{"/v1/models": (200, card), "/model_info": nothing, "/server_info": nothing}), same) as url:
        assert found(url, "probe", model=asked)["probe.model-name"].status is status


def packed_always(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
    vectors = (base64.b64encode(struct.pack("<768f", *vector(text))).decode() for text in body["input"])
    return 200, embedded(*vectors)


def test_base64_in_place_of_the_floats_that_were_requested_is_a_warning() -> None:
    with serving(pages(), packed_always) as url:
        rows = found(url, "probe")
    assert rows["probe.base64"].status is Status.WARN
    assert "though floats were requested" in str(rows["probe.base64"].cause)
    assert "768 numbers in base64" in said(rows["probe.ready"])


@pytest.mark.parametrize(("library", "variable"), [("httpx", "http_proxy"), ("httpx2", None)])
def test_a_network_in_no_proxy_is_understood_by_one_of_openai_s_libraries(library: str, variable: str | None) -> None:
    """httpx 0.28.1 and httpx2 2.16.2 were tried with a proxy that is not there."""
    assert Way("http_proxy", "10.0.0.0/8").of(library) == variable
    assert Way("http_proxy").of(library) == "http_proxy"
    assert DIRECT.of(library) is None


def test_a_folder_of_another_model_than_its_name_is_told() -> None:
    info = {"model_path": "/models/bge-small-zh-v1.5", "is_generation": False, "architectures": ["BertModel"]}
    with serving(pages(_model_info=(200, info)), same) as url:
        row = found(url, "probe")["probe.model-name"]
    assert row.status is Status.FAIL
    assert "runs bge-small-zh-v1.5" in str(row.cause)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ((400, {"message": "no matryoshka"}), Status.PASS, ""),
        ((200, embedded(vector("你好"))), Status.WARN, "is ignored"),
        ((200, embedded([0.01] * 384)), Status.WARN, "not normalised again"),
        ((200, embedded([384**-0.5] * 384)), Status.PASS, ""),
        ((500, b"oops"), Status.WARN, "HTTP 500"),
        ((200, b"null"), Status.WARN, "server error"),
    ],
)
def test_dimensions_are_refused_or_given_whole(answer: Answer, status: Status, words: str) -> None:
    with serving(pages(), lambda body, headers: answer if "dimensions" in body else same(body, headers)) as url:
        row = found(url, "probe")["probe.dimensions"]
    assert row.status is status
    assert words in said(row)


@pytest.mark.parametrize(
    ("answer", "status", "taken"),
    [((422, {"detail": []}), Status.PASS, False), (None, Status.PASS, True), ((500, b""), Status.WARN, None)],
)
def test_two_small_token_ids_are_sent_and_no_others(answer: Answer | None, status: Status, taken: bool | None) -> None:
    given: list[Any] = []

    def ids(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        if isinstance(body["input"][0], str):
            return same(body, headers)
        given.append(body["input"])
        return answer or same(body, headers)

    with serving(pages(), ids) as url:
        row = found(url, "probe")["probe.token-ids"]
    assert (row.status, row.values.get("taken")) == (status, taken)
    assert given == [[[101, 102]]]


def test_a_healthy_server_has_no_bad_row_with_all_signs(tmp_path: Path) -> None:
    with serving(pages(_health=(200, b""), _health_generate=(200, b"")), same) as url:
        assert bad(found(url, "probe", log=log(tmp_path, START, READY))) == set()
