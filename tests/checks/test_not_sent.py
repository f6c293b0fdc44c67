"""Requests that were never sent: every row that would judge them says so, and none takes them for a failure."""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from bgecheck.checks import embed, probe
from bgecheck.checks.answering import Engine
from bgecheck.checks.embed.facts import EmbedFacts
from bgecheck.checks.probe.facts import EDGE, Limits, ProbeFacts
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.http.embeddings import Answer, Embedded
from bgecheck.http.failures import Failure, NotSent
from bgecheck.http.reply import Reply
from bgecheck.http.tls import Certificate
from bgecheck.model import Finding, Secret, Status, Target, Text, say
from bgecheck.model.deadline import Deadline
from bgecheck.run import engine
from fakes.raw import accepting

WHY = "left for another day"
NOT_SENT = NotSent(Text(WHY, "改天再发"))
TARGET = Target(url="http://h:1", host="h", port=1, api_key=Secret("sk-secret"))
MODELS = Reply(200, {}, b'{"data": [{"id": "m", "owned_by": "sglang"}]}', 0.01)
VECTOR = Embedded(((0.6, 0.8),), (0,), (0,), 5, "m", 0.01)


def judged(area: Any, facts: Any) -> dict[str, Finding]:
    area = replace(area, collector=lambda context: facts, needs=())
    return {f.id: f for f in engine.run([area], None)}


def probed(**changed: Any) -> ProbeFacts:
    """A server that embeds, as far as it was asked."""
    facts = ProbeFacts(
        target=TARGET,
        models=MODELS,
        certificate=None,
        keys={},
        elsewhere={},
        engine=Engine("sglang", "0.5.23"),
        served=("m",),
        first=VECTOR,
        proxies=(),
    )
    return replace(facts, **changed)


CUT_OFF = Failure("cut-off", Text(WHY, "改天再发"))
LIMITS = Limits(VECTOR, NOT_SENT, dict.fromkeys(EDGE, NOT_SENT), None, NOT_SENT, {64: NOT_SENT}, NOT_SENT, NOT_SENT)


@pytest.mark.parametrize("nothing", [NOT_SENT, CUT_OFF])
@pytest.mark.parametrize("row", ["base64", "token-limit", "blank-input", "batch-limit", "dimensions", "token-ids"])
def test_what_the_server_takes_is_not_judged_by_what_was_not_sent(row: str, nothing: Answer) -> None:
    limits = Limits(VECTOR, nothing, dict.fromkeys(EDGE, nothing), None, nothing, {64: nothing}, nothing, nothing)
    finding = judged(probe.AREA, probed(limits=limits))[f"probe.{row}"]
    assert finding.status is Status.ERROR
    assert WHY in say(finding.reason or "", "en")


@pytest.mark.parametrize(("size", "missing"), [(EDGE[0], 0), (EDGE[2], 2)])
def test_one_length_that_was_not_sent_is_enough(size: int, missing: int) -> None:
    """Neither the shortest nor one in the middle counts as refused."""
    lengths: dict[int, Answer] = {n: NOT_SENT if n == size else VECTOR for n in EDGE}
    row = judged(probe.AREA, probed(limits=LIMITS._replace(lengths=lengths)))["probe.token-limit"]
    assert row.status is Status.ERROR


def test_a_batch_that_was_not_sent_is_not_refused() -> None:
    """The largest was refused, and no time was left for a smaller one."""
    facts = probed(limits=LIMITS._replace(batches={64: Failure("timeout", "late"), 32: NOT_SENT}))
    assert judged(probe.AREA, facts)["probe.batch-limit"].status is Status.ERROR


@pytest.mark.parametrize(
    ("answers", "status", "sent"),
    [
        ((*[VECTOR] * 152, *[NOT_SENT] * 8), Status.ERROR, None),
        ((*[VECTOR] * 151, Failure("timeout", "late"), *[NOT_SENT] * 8), Status.FAIL, 152),
        ((VECTOR,) * 160, Status.PASS, None),
    ],
)
def test_a_burst_that_ran_out_of_time_is_no_hang(answers: tuple[Answer, ...], status: Status, sent: int | None) -> None:
    row = judged(probe.AREA, probed(burst=answers))["probe.burst"]
    assert row.status is status
    if sent:
        assert f"of {sent}: no answer" in {say(e.subject, "en") for e in row.evidence}


@pytest.mark.parametrize("row", ["ready", "api-key", "model-name", "health-agrees"])
def test_a_server_whose_certificate_is_refused_is_not_judged_by_what_it_was_not_sent(row: str) -> None:
    """The model list was asked for without the key: that it is refused says nothing of the key."""
    target = replace(TARGET, url="https://h:1", model="another")
    refused = Failure("tls", "self-signed certificate", tls="self-signed")
    facts = probed(
        target=target,
        models=Reply(401, {}, b"{}", 0.01),
        certificate=refused,
        first=NOT_SENT,
        served=(),
    )
    rows = judged(probe.AREA, facts)
    assert rows["probe.tls"].status is Status.FAIL
    assert rows[f"probe.{row}"].status is Status.SKIP
    assert rows["probe.rate-limit"].status is Status.PASS
    assert "among 1 requests" in str(rows["probe.rate-limit"].evidence)


@pytest.mark.parametrize("row", ["ready", "health-agrees"])
def test_a_first_text_that_was_cut_off_is_not_judged(row: str) -> None:
    finding = judged(probe.AREA, probed(first=CUT_OFF))[f"probe.{row}"]
    assert finding.status is Status.ERROR
    assert WHY in say(finding.reason or "", "en")


def test_a_model_list_that_was_cut_off_is_not_judged() -> None:
    """Nothing listens, says the row of a server that is not reachable."""
    assert judged(probe.AREA, probed(models=CUT_OFF))["probe.reachable"].status is Status.ERROR


def test_a_second_text_that_was_cut_off_does_not_make_a_server_unsteady() -> None:
    rows = judged(probe.AREA, probed(limits=LIMITS._replace(again=CUT_OFF)))
    assert rows["probe.ready"].status is Status.PASS
    rows = judged(probe.AREA, probed(limits=LIMITS._replace(again=Failure("timeout", "late"))))
    assert rows["probe.ready"].status is Status.FAIL


def silent(connection: socket.socket) -> None:
    connection.settimeout(20)
    connection.recv(65536)
    connection.recv(65536)


@pytest.mark.parametrize(
    ("asked", "left", "kind"),
    [(10.0, 4.7, "cut-off"), (10.0, 5.3, "timeout"), (0.4, 20.0, "timeout"), (0.6, 0.3, "cut-off")],
)
def test_a_request_that_the_run_cut_off_shows_nothing_unless_it_had_a_fair_time(
    asked: float, left: float, kind: str
) -> None:
    """Five seconds, or all of its time-out."""
    with accepting(silent) as port:
        target = Target(url=f"http://127.0.0.1:{port}", host="127.0.0.1", port=port)
        with closing(Server(target, Deadline(left), asked, PAGES)) as server:
            page = server.get("/v1/models")
    assert isinstance(page, Failure)
    assert page.kind == kind


def test_the_second_opinion_on_a_certificate_is_shown_where_it_differs() -> None:
    accepted = Certificate(90 * 86400.0, "TLSv1.3")
    refused = Failure("tls", "self-signed certificate in chain", tls="unknown-authority")
    https = replace(TARGET, url="https://h:1")

    def evidence(shown: Any, second: Any) -> str:
        row = judged(probe.AREA, probed(target=https, certificate=shown, by_certifi=second))["probe.tls"]
        assert (row.status is Status.PASS) is (shown is accepted)
        return str(row.evidence)

    assert "certifi's list" in evidence(accepted, refused)
    assert "certifi's list" in evidence(refused, accepted)
    assert "certifi's list" not in evidence(accepted, accepted)
    assert "certifi's list" not in evidence(refused, refused)
    assert "certifi's list" not in evidence(accepted, Failure("timeout", "late"))
    assert "certifi's list" not in evidence(accepted, None)


def embedded(*repeats: Answer, batch: Answer | None = VECTOR) -> EmbedFacts:
    return EmbedFacts(TARGET, ("m",), ("text",), VECTOR, repeats, batch, (VECTOR, VECTOR))


def test_texts_that_were_not_sent_are_no_alarm() -> None:
    for nothing in (NOT_SENT, CUT_OFF):
        rows = judged(embed.AREA, embedded(VECTOR, nothing, nothing, batch=nothing))
        assert rows["embed.answers"].status is Status.PASS
        assert rows["embed.repeatable"].status is Status.ERROR
        assert rows["embed.batch-equals-single"].status is Status.ERROR


def test_texts_that_were_sent_in_vain_are() -> None:
    late = Failure("timeout", "no answer within 1 s")
    assert judged(embed.AREA, embedded(VECTOR, late, late))["embed.answers"].status is Status.FAIL
    assert judged(embed.AREA, embedded(VECTOR, VECTOR, late))["embed.answers"].status is Status.PASS
    assert judged(embed.AREA, embedded(VECTOR, late, NOT_SENT))["embed.answers"].status is Status.PASS


@pytest.mark.parametrize("nothing", [NOT_SENT, CUT_OFF])
def test_a_first_text_that_was_not_sent_is_not_judged(nothing: Answer) -> None:
    facts = EmbedFacts(TARGET, ("m",), ("text",), nothing, (), None)
    row = judged(embed.AREA, facts)["embed.answers"]
    assert row.status is Status.ERROR
    assert WHY in say(row.reason or "", "en")
