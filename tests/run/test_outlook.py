"""What a first look at a server tells: each row that is final, and its near misses, which are not."""

from __future__ import annotations

from typing import Any

import pytest

from bgecheck.checks.ports.facts import Holder
from bgecheck.engines.sglang.log.diagnosis import Diagnosis
from bgecheck.http.embeddings import Refused
from bgecheck.http.failures import Failure
from bgecheck.model import Finding, Report, Status
from bgecheck.run import catalog
from bgecheck.run.outlook import ROWS, Outlook, outlook

CHECKS = {check.id: check for check in catalog.rows()}


def row(id_: str, status: str, data: object = None, *, pending: bool = False) -> Finding:
    return Finding(
        check=CHECKS[id_], status=Status(status), title="", cause="", fix="", pending=pending, data=data, values={}
    )


def log(state: Any, status: str = "skip", *, pending: bool = False) -> Finding:
    return row("logs.ready", status, Diagnosis(state, {}), pending=pending)


def refused(status: int) -> Refused:
    return Refused(status, "", html=False, server="", seconds=0.1)


def seen(*findings: Finding) -> Outlook:
    return outlook(Report(command="glance", findings=findings, target={}, started_at="", seconds=0.0))


REACHED = row("probe.reachable", "pass")
READY = row("probe.ready", "pass")
LATE = row("probe.ready", "fail", Failure("timeout", "no byte"), pending=True)


def test_every_row_that_is_looked_at_is_there() -> None:
    assert {name for name in ROWS if name not in CHECKS} == {"logs.*"}


@pytest.mark.parametrize(
    ("findings", "state"),
    [
        ([REACHED, READY], "ready"),
        ([log("ready", "pass"), REACHED, READY], "ready"),
        ([log("starting", "fail", pending=True), REACHED, READY], "coming"),
        ([log("empty"), REACHED, READY], "ready"),
        ([log("foreign"), row("logs.wrong-engine", "fail"), REACHED, READY], "ready"),
        ([row("logs.wrong-engine", "fail"), row("probe.reachable", "fail", pending=True)], "coming"),
        ([log("failed", "fail"), row("logs.gpu-oom-weights", "fail")], "lost"),
        ([log("ready", "pass"), row("logs.encoder-vectors-wrong", "fail"), REACHED, READY], "ready"),
        ([log("ready", "pass"), row("logs.encoder-vectors-wrong", "fail")], "coming"),
        ([log("ready", "pass"), row("logs.encoder-vectors-wrong", "fail"), row("probe.api-key", "fail")], "lost"),
        ([row("logs.kv-pool-small", "warn"), READY] if "logs.kv-pool-small" in CHECKS else [READY], "ready"),
        ([row("probe.reachable", "fail", Failure("refused", ""), pending=True)], "coming"),
        ([row("probe.reachable", "fail", Failure("dns", ""))], "lost"),
        ([REACHED, row("probe.api-key", "fail")], "lost"),
        ([REACHED, row("probe.base-url", "fail")], "lost"),
        ([REACHED, row("probe.model-name", "fail"), row("probe.ready", "fail", refused(404))], "lost"),
        ([REACHED, row("probe.ready", "fail", refused(500))], "lost"),
        *[([REACHED, row("probe.ready", "fail", refused(s))], "coming") for s in (429, 502, 503, 504, 520, 524)],
        *[([REACHED, row("probe.ready", "fail", refused(s))], "lost") for s in (400, 401, 403, 404, 501, 505, 519)],
        ([row("ports.owner", "fail", Holder(sglang=False, gateway=False)), READY], "lost"),
        ([row("ports.owner", "fail", Holder(sglang=True, gateway=False)), READY], "coming"),
        ([row("ports.owner", "fail", Holder(sglang=False, gateway=True)), LATE], "coming"),
        ([row("ports.owner", "fail", Holder(sglang=False, gateway=True)), row("probe.ready", "fail")], "lost"),
        ([row("ports.owner", "fail"), READY], "lost"),  # held by what a dead server has left
        ([row("ports.workers", "fail"), REACHED, LATE], "lost"),
        ([log("starting", "fail", pending=True), REACHED, row("probe.ready", "fail")], "coming"),
        ([log("stuck", "fail"), row("probe.reachable", "fail", pending=True)], "lost"),
        ([row("probe.reachable", "error"), row("probe.ready", "skip")], "coming"),
        ([], "coming"),
    ],
)
def test_the_state(findings: list[Finding], state: str) -> None:
    assert seen(*findings).state == state


@pytest.mark.parametrize(
    ("findings", "hangs"),
    [
        ([log("ready", "pass"), REACHED, LATE], True),
        ([REACHED, LATE], True),
        ([log("starting", "fail", pending=True), REACHED, LATE], False),
        ([row("probe.reachable", "fail", Failure("timeout", ""), pending=True), LATE], False),
        ([REACHED, row("probe.ready", "fail", Failure("closed", ""), pending=True)], False),
        ([REACHED, row("probe.ready", "fail", refused(503), pending=True)], False),
    ],
)
def test_what_hangs(findings: list[Finding], hangs: bool) -> None:
    assert seen(*findings).hangs == hangs


@pytest.mark.parametrize(
    ("kind", "listens"),
    [("refused", False), ("dns", False), ("unreachable", False), ("connect-timeout", False), ("timeout", True)],
)
def test_who_listens(kind: Any, listens: bool) -> None:
    assert seen(row("probe.reachable", "fail", Failure(kind, ""), pending=True)).listens == listens
    assert seen().listens
