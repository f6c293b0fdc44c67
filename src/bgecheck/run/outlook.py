"""What a first look at a server that is waited for tells: it is ready, it is lost, or it may still come."""

from __future__ import annotations

from typing import Literal, NamedTuple

from bgecheck.checks.ports.facts import Holder
from bgecheck.engines.sglang.log.diagnosis import Diagnosis
from bgecheck.http.embeddings import Refused
from bgecheck.http.failures import Failure
from bgecheck.model import Finding, Report, Status

ROWS = (
    *("logs.*", "ports.readable", "ports.listening", "ports.owner", "ports.workers"),
    *("probe.reachable", "probe.tls", "probe.base-url", "probe.api-key", "probe.model-name", "probe.ready"),
)
"""The rows that tell it: the log, the port, and one real embedding with what may turn it away."""

_TRANSIENT = frozenset({429, 502, 503, 504, 520, 521, 522, 523, 524})
"""Of a server that is loading or busy, and of a gateway (above 519 Cloudflare's) whose server has yet to come."""

_NOT_LOST = ("logs.wrong-engine", "logs.readable")
"""Rows of a log in which nobody has written a line of sglang yet, as `nohup` or a package manager writes first."""

_NOT_THERE = ("refused", "unreachable", "connect-timeout", "dns")

State = Literal["ready", "lost", "coming"]


class Outlook(NamedTuple):
    """What may be expected of a server."""

    state: State
    hangs: bool = False
    """Whether it says of itself that it is ready, and a real embedding is not answered."""
    listens: bool = True
    """Whether anybody answers at its address."""


def outlook(report: Report) -> Outlook:
    """What the `ROWS` of a report tell."""
    rows = {finding.id: finding for finding in report.findings}
    log = next((f.data.state for f in report.findings if isinstance(f.data, Diagnosis)), None)
    reachable, ready = rows.get("probe.reachable"), rows.get("probe.ready")
    listens = reachable is None or not (
        isinstance(reachable.data, Failure) and reachable.status.bad and reachable.data.kind in _NOT_THERE
    )
    owner = rows.get("ports.owner")
    if any(_is_lasting(finding, rows, log) for finding in report.findings):
        return Outlook("lost", listens=listens)
    if ready is not None and ready.status is Status.PASS and log != "starting" and not (owner and owner.status.bad):
        return Outlook("ready")
    return Outlook("coming", hangs=log in (None, "ready") and _hangs(reachable, ready), listens=listens)


def _is_lasting(finding: Finding, rows: dict[str, Finding], log: str | None) -> bool:
    """Whether a row fails for something that waiting does not change."""
    if finding.status is not Status.FAIL or finding.pending or finding.id in _NOT_LOST:
        return False
    # What the log of a serving server tells is judged with all else once an embedding is answered.
    if finding.check.area == "logs" and log == "ready":
        return False
    if isinstance(finding.data, Refused) and finding.data.status in _TRANSIENT:
        return False
    if isinstance(finding.data, Holder):
        waits = finding.data.sglang or finding.data.earlier
        return not waits and not (finding.data.gateway and _passes_on(rows.get("probe.ready")))
    # While the warm-up runs a request may well take too long.
    return not (finding.id == "probe.ready" and log == "starting")


def _passes_on(ready: Finding | None) -> bool:
    """Whether a gateway answers as one whose server has yet to come, or is there."""
    if ready is None or ready.status is Status.PASS:
        return True
    return ready.pending or (isinstance(ready.data, Refused) and ready.data.status in _TRANSIENT)


def _hangs(reachable: Finding | None, ready: Finding | None) -> bool:
    """Whether pages are answered, and an embedding is not in all the time that it may take."""
    if reachable is None or ready is None or reachable.status is not Status.PASS:
        return False
    return isinstance(ready.data, Failure) and ready.data.late
