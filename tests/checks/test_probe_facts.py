"""What the rows of `probe` say of facts made by hand: who is blamed, and which numbers and names a reader is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bgecheck.checks import probe
from bgecheck.checks.answering import Engine
from bgecheck.checks.probe import vitals as signs
from bgecheck.checks.probe.facts import EDGE, Limits
from bgecheck.checks.probe.vitals import Vitals
from bgecheck.http.embeddings import Answer, Refused
from bgecheck.http.failures import Failure
from bgecheck.http.proxies import Way
from bgecheck.http.reply import Reply
from bgecheck.http.tls import Certificate
from bgecheck.machine.sockets import Listener
from bgecheck.model import Finding, Status, say
from bgecheck.model.processes import Process, ProcessTable
from bgecheck.run.context import Context
from checks.test_not_sent import LIMITS, NOT_SENT, TARGET, VECTOR, WHY, judged, probed

OTHER = replace(VECTOR, vectors=((0.8, 0.6),))
THIRD = replace(VECTOR, vectors=((1.0, 0.0),))
BUSY = Refused(503, "the queue is full", False, "", 0.01)


def row(name: str, **changed: Any) -> Finding:
    return judged(probe.AREA, probed(**changed))[f"probe.{name}"]


def cause(finding: Finding) -> str:
    return say(finding.cause, "en")


def reason(finding: Finding) -> str:
    return say(finding.reason or "", "en")


def shown(finding: Finding) -> dict[str, str]:
    """What is observed, by what it is observed of."""
    return {say(item.subject, "en"): say(item.observed, "en") for item in finding.evidence}


def reply(status: int, body: bytes = b"{}", **headers: str) -> Reply:
    return Reply(status, headers, body, 0.01)


@pytest.mark.parametrize(
    ("host", "proxies", "told"),
    [
        ("10.1.2.3", ("http_proxy", "https_proxy"), "http_proxy, https_proxy set (not used by this check)"),
        ("10.1.2.3", (), None),
        ("8.8.8.8", ("http_proxy",), None),
    ],
)
def test_proxies_are_named_where_a_near_server_is_not_reached_directly(
    host: str, proxies: tuple[str, ...], told: str | None
) -> None:
    """Somebody whose curl goes through the proxy sees another error than this check does."""
    finding = row(
        "reachable",
        target=replace(TARGET, url=f"http://{host}:1", host=host),
        models=Failure("timeout", "no answer within 5 s"),
        proxies=proxies,
    )
    assert finding.status is Status.FAIL
    assert shown(finding).get("environment") == told


def test_a_redirect_to_a_very_long_address_is_told_in_a_sentence_that_can_be_read() -> None:
    moved = reply(302, location="http://gpu-02:30000/v1/models?ticket=" + "x" * 2000)
    told = cause(row("base-url", models=moved))
    assert "sends clients to http://gpu-02:30000/v1/models?ticket=xxx" in told
    assert len(told) < 500


@pytest.mark.parametrize(
    ("status", "wanted"),
    [(200, Status.PASS), (400, Status.PASS), (401, Status.FAIL), (402, Status.PASS), (403, Status.FAIL)],
)
def test_a_model_list_that_refuses_the_key_fails_although_embeddings_are_open(status: int, wanted: Status) -> None:
    """A gateway may lock one route and not the other; what else refuses the list is no matter of keys."""
    finding = row("api-key", models=reply(status, b'{"error": "invalid key"}'))
    assert finding.status is wanted
    if wanted is Status.FAIL:
        assert "the key that was given is not accepted" in cause(finding)


MANY = tuple(f"model-{number}" for number in range(1, 41))


@pytest.mark.parametrize(
    "more", [{}, {"reranker": "bge-reranker-v2-m3"}, {"real_model": "/models/bge-m3", "served": ("bge-base-zh", *MANY)}]
)
def test_of_the_many_models_of_a_gateway_a_few_are_listed(more: dict[str, Any]) -> None:
    """All forty would bury the sentence."""
    finding = row("model-name", **{"target": replace(TARGET, model="bge-m3"), "served": MANY, **more})
    assert shown(finding)["served"].count(", ") == 4


@pytest.mark.parametrize(
    ("answer", "words"),
    [(NOT_SENT, WHY), (BUSY, "the request was inconclusive: HTTP 503: the queue is full")],
)
def test_a_request_that_was_never_sent_is_told_from_one_whose_answer_shows_nothing(answer: Answer, words: str) -> None:
    assert reason(row("blank-input", limits=LIMITS._replace(blank=answer))) == words


@pytest.mark.parametrize(
    ("again", "status"), [(VECTOR, Status.WARN), (OTHER, Status.SKIP)], ids=["the same twice", "another each time"]
)
def test_base64_is_not_blamed_where_the_floats_themselves_change(again: Answer, status: Status) -> None:
    packed = replace(THIRD, packed=True)
    finding = row("base64", limits=LIMITS._replace(again=again, packed=packed))
    assert finding.status is status
    assert ("differ from request to request" in reason(finding)) is (status is Status.SKIP)


@pytest.mark.parametrize(
    ("forms", "status"),
    [
        ({"alone": BUSY, "unnamed": BUSY}, Status.ERROR),
        ({"alone": VECTOR, "unnamed": BUSY}, Status.PASS),
        ({"alone": VECTOR, "unnamed": VECTOR}, Status.PASS),
        ({}, Status.ERROR),
    ],
)
def test_forms_of_request_are_not_judged_where_all_were_turned_away(forms: Any, status: Status) -> None:
    assert row("request-forms", limits=LIMITS._replace(forms=forms)).status is status


def test_what_is_refused_besides_the_gravest_form_is_named_without_it() -> None:
    no = Refused(400, "no", False, "", 0.01)
    told = cause(row("request-forms", limits=LIMITS._replace(forms={"alone": no, "unnamed": no, "null": VECTOR})))
    assert told.endswith("Refused too: input as a string (Dify, openai with one text)")


@pytest.mark.parametrize(
    ("name", "dims", "status"),
    [("sglang", 2, Status.PASS), ("vLLM", 2, Status.WARN), (None, 2, Status.WARN), ("vLLM", None, Status.PASS)],
)
def test_dimensions_that_are_refused_break_the_clients_of_an_index_but_are_sglangs_nature(
    name: str | None, dims: int | None, status: Status
) -> None:
    forms: Any = {"alone": VECTOR, "dimensions": Refused(400, "no matryoshka", False, "", 0.01)}
    finding = row(
        "request-forms",
        target=replace(TARGET, expect_dim=dims),
        engine=Engine(name, None),
        limits=LIMITS._replace(forms=forms),
    )
    assert finding.status is status


def test_both_latencies_are_told_in_milliseconds() -> None:
    slow, warm = replace(VECTOR, seconds=1.2345), replace(VECTOR, seconds=0.0123)
    values = row("ready", first=slow, limits=Limits(warm)).values
    assert (values["ms"], values["warm_ms"]) == (1234.5, 12.3)


NO_CHANNEL = "no available channel for this model"


@pytest.mark.parametrize(
    ("asked", "served", "named"),
    [
        (None, ("bge-base-zh-v1.5", "gpt-4"), "bge-base-zh-v1.5"),
        ("bge-m3", ("gpt-4",), "bge-m3"),
        (None, (), "default"),
    ],
)
def test_a_refusal_names_the_model_that_was_requested(asked: str | None, served: Sequence[str], named: str) -> None:
    """Without --model the first of the list is sent."""
    finding = row(
        "ready",
        target=replace(TARGET, model=asked),
        served=tuple(served),
        first=Refused(503, NO_CHANNEL, False, "", 0.01),
    )
    assert f"for the model {named} " in cause(finding)


@pytest.mark.parametrize(
    ("name", "front"),
    [
        ("new-api", "new-api has no enabled channel"),
        ("sglang router", "sglang router has no enabled channel"),
        ("vLLM", "nginx/1.27.0 has no enabled channel"),
    ],
)
def test_a_refusal_names_the_gateway_before_the_web_server_in_front(name: str, front: str) -> None:
    """What answers for an engine is not the engine."""
    finding = row("ready", engine=Engine(name, None), first=Refused(503, NO_CHANNEL, False, "nginx/1.27.0", 0.01))
    assert cause(finding).startswith(front)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        *((status, Status.SKIP) for status in (401, 403, 404, 405, 429)),
        *((status, Status.WARN) for status in (400, 402, 500, 503)),
    ],
)
def test_a_health_page_behind_a_lock_or_not_there_says_nothing_of_health(status: int, wanted: Status) -> None:
    vital = Vitals({"/health": reply(status)}, process=None, alive=None, owners=(), family=(), log=None)
    finding = row("health-agrees", vitals=vital)
    assert finding.status is wanted
    if wanted is Status.SKIP:
        assert reason(finding) == f"there is no health page: HTTP {status}"


@pytest.mark.parametrize(
    ("pids", "owners"),
    [
        ((None,), ()),
        ((None, 7), (7,)),
        ((5, 7), (7,)),
        ((7, 8, 7), (7, 8)),
    ],
    ids=["unseen", "one unseen", "forwarded", "two sockets of one"],
)
def test_whose_a_port_is_leaves_out_who_cannot_be_seen_and_who_only_forwards(
    monkeypatch: pytest.MonkeyPatch, pids: tuple[int | None, ...], owners: tuple[int, ...]
) -> None:
    """An owner of another user has no pid here, and docker-proxy holds the port for a server elsewhere."""
    table = ProcessTable({pid: Process(pid, 1, name, (), 0.0) for pid, name in ((5, "docker-proxy"), (7, "python"))})
    target = replace(TARGET, url="http://127.0.0.1:1", host="127.0.0.1")
    context = SimpleNamespace(target=target, processes=lambda: table, logged_session=lambda: None)
    monkeypatch.setattr(signs, "listeners", lambda port, likely: tuple(Listener("0.0.0.0", port, pid) for pid in pids))
    seen = signs.vitals(cast(Context, context), {})
    assert seen.owners == owners
    finding = row("health-agrees", target=target, vitals=seen)
    assert finding.values["signs"]["listener"] == (", ".join(f"pid {pid}" for pid in owners) or "-")


def test_texts_that_all_get_one_vector_do_not_show_where_the_server_cuts() -> None:
    lengths: dict[int, Answer] = dict.fromkeys(EDGE, VECTOR)
    alike = LIMITS._replace(lengths=lengths, tails=(VECTOR, VECTOR))
    assert "nothing in common" in reason(row("token-limit", limits=alike))
    cut = LIMITS._replace(lengths=lengths, tails=(OTHER, OTHER))
    assert "silently cuts" in cause(row("token-limit", limits=cut))


REFUSED = Failure("refused", "connection refused")


@pytest.mark.parametrize(
    ("alive", "log", "words", "pending"),
    [
        (True, None, "pid 7 runs and does not listen", True),
        (True, "ready", "pid 7 runs and the log says that it is ready", False),
        (False, None, "nothing listens at", True),
        (False, "ready", "became ready and nothing listens", False),
        (None, None, "nothing listens at", True),
    ],
)
def test_a_port_on_which_nobody_listens_is_explained_by_process_and_log(
    alive: bool | None, log: Any, words: str, pending: bool
) -> None:
    """Only a server that has yet to open its port is waited for; one that is ready and does not listen is lost."""
    vital = Vitals({}, process=None if alive is None else 7, alive=alive, owners=(), family=(), log=log)
    finding = row("reachable", models=REFUSED, vitals=vital)
    assert finding.status is Status.FAIL
    told = cause(finding).replace("{server_pid}", str(finding.values.get("server_pid")))
    assert (words in told, finding.pending) == (True, pending)


@pytest.mark.parametrize(("days", "status"), [(13.99, Status.FAIL), (14.0, Status.PASS)])
def test_a_certificate_that_ends_within_two_weeks_is_told_with_its_days(days: float, status: Status) -> None:
    shown_one = Certificate(days * 86400, "TLSv1.3")
    finding = row("tls", target=replace(TARGET, url="https://h:1"), certificate=shown_one)
    assert finding.status is status
    if status is Status.FAIL:
        assert "expires in 13 days" in cause(finding)


LISTED, ANOTHER = reply(200, b'{"data": [{"id": "m"}]}'), reply(200, b'{"data": []}')


@pytest.mark.parametrize(
    ("direct", "through", "status"),
    [
        (LISTED, LISTED, Status.PASS),
        (LISTED, ANOTHER, Status.WARN),
        (LISTED, reply(502), Status.WARN),
        (reply(401, b'{"error": 1}'), reply(401, b'{"error": 2}'), Status.PASS),
        (reply(401), reply(502), Status.WARN),
        (LISTED, None, Status.WARN),
    ],
)
def test_a_proxy_is_harmless_only_where_it_passes_on_what_the_server_answers(
    direct: Reply, through: Reply | None, status: Status
) -> None:
    """Without the key: of a refusal the status is enough, its words may hold the number of the request."""
    near = replace(TARGET, url="http://10.1.2.3:1", host="10.1.2.3")
    assert row("proxy", target=near, models=direct, way=Way("http_proxy"), through=through).status is status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("url", "location", "circle"),
    [
        ("http://h", "http://h:80/v1/models", True),
        ("http://h:80", "http://h/v1/models", True),
        ("https://h", "https://h:443/v1/models", True),
        ("http://h", "http://h:81/v1/models", False),
        ("http://h:81", "http://h:82/v1/models", False),
        ("http://h", "https://h/v1/models", False),
    ],
)
def test_a_redirect_to_the_same_address_has_no_end_however_its_port_is_written(
    status: int, url: str, location: str, circle: bool
) -> None:
    finding = row("base-url", target=replace(TARGET, url=url), models=reply(status, location=location))
    assert finding.status is Status.FAIL
    assert ("this redirect has no end" in cause(finding)) is circle


@pytest.mark.parametrize(
    ("version", "told"), [("0.5.23", "sglang 0.5.23"), (None, "sglang (version unknown)")], ids=["told", "untold"]
)
def test_the_engine_is_named_with_its_release(version: str | None, told: str) -> None:
    assert shown(row("engine", engine=Engine("sglang", version))) == {"engine": told}


@pytest.mark.parametrize(
    ("listed", "without", "first", "status", "checked"),
    [
        (200, 200, VECTOR, Status.PASS, False),
        (200, 401, VECTOR, Status.PASS, True),
        (200, 403, VECTOR, Status.PASS, True),
        (200, 404, VECTOR, Status.PASS, False),
        (400, 401, VECTOR, Status.FAIL, True),  # LiteLLM without a database
        (400, 400, VECTOR, Status.PASS, False),
        (200, 200, Refused(401, "no", False, "", 0.01), Status.FAIL, True),
    ],
)
def test_whether_the_key_is_checked_is_told_by_what_each_key_gets(
    listed: int, without: int, first: Answer, status: Status, checked: bool
) -> None:
    finding = row("api-key", models=reply(listed), keys={"no key": reply(without)}, first=first)
    assert (finding.status, finding.values["key_checked"]) == (status, checked)
    assert ("POST /v1/embeddings" in shown(finding)) is isinstance(first, Refused)


def no(status: int) -> Refused:
    return Refused(status, "no", False, "", 0.01)


@pytest.mark.parametrize("name", ["base64", "token-limit", "blank-input", "batch-limit", "dimensions", "token-ids"])
def test_what_a_quick_run_leaves_out_is_skipped_and_no_error(name: str) -> None:
    assert row(name, limits=None).status is Status.SKIP


@pytest.mark.parametrize(
    ("answer", "status", "takes"),
    [
        (no(400), Status.PASS, False),
        (no(499), Status.PASS, False),
        (no(500), Status.WARN, None),
        (replace(VECTOR, vectors=((1.0,),)), Status.PASS, True),
        (replace(VECTOR, vectors=((-0.991,),)), Status.PASS, True),
        (replace(VECTOR, vectors=((0.989,),)), Status.WARN, None),
        (VECTOR, Status.WARN, None),
    ],
)
def test_fewer_dimensions_are_refused_or_come_with_length_one(
    answer: Answer, status: Status, takes: bool | None
) -> None:
    """Half of the two that the vector has."""
    finding = row("dimensions", limits=LIMITS._replace(fewer=answer))
    assert (finding.status, finding.values.get("takes")) == (status, takes)


@pytest.mark.parametrize(
    ("batches", "most", "most_zh"),
    [
        ({64: no(422), 4: no(422), 2: no(422)}, "request: 1 (", "上限：1（"),
        ({64: no(422), 4: no(422), 2: VECTOR}, "request: between 2 and 3 (", "上限：2 到 3 之间（"),
        ({64: no(422), 32: VECTOR}, "request: between 32 and 63 (", "上限：32 到 63 之间（"),
    ],
)
def test_the_most_texts_of_one_request_are_told_in_both_languages(
    batches: dict[int, Answer], most: str, most_zh: str
) -> None:
    finding = row("batch-limit", limits=LIMITS._replace(batches=batches))
    assert finding.status is Status.WARN
    assert most in cause(finding)
    assert most_zh in say(finding.cause, "zh")
