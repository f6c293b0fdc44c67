"""Whose fault it is that requests were refused: by the status that most of them got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bgecheck.engines.sglang.log.session import Hit, Session

SERVER = "server"

_FAULTS = {
    "401": "key",
    "403": "key",
    "404": "path",
    "405": "path",
    "400": "payload",
    "413": "payload",
    "422": "payload",
}


_NO_TEXT = "TypeError: TextEncodeInput must be"
"""What an input that is no text raises in releases that do not look at it before."""


def fault_of(kind: str) -> str | None:
    """Whose fault a refused request of this kind (method, path and status) is; None where its status does not say."""
    status = kind.rpartition(" ")[2]
    return SERVER if status.startswith("5") else _FAULTS.get(status)


def first_of(session: Session, refused: Mapping[str, int]) -> Hit | None:
    """The first request of the fault that most of the refused ones have."""
    counts = Counter[str | None]()
    for kind, count in refused.items():
        counts[fault_of(kind)] += count
    most = max(counts, key=lambda fault: counts[fault], default=None)
    hits = [session.refused[kind] for kind in refused if fault_of(kind) == most]
    return min(hits, key=lambda hit: hit.line, default=None)


def fault(session: Session, hit: Hit) -> str | None:
    """The variant that fits: a client that asks for another protocol, else whose fault the shown request is."""
    if "upgrade request" in hit.text:
        return "upgrade"
    if any(_NO_TEXT in line for line in hit.before):
        return "payload"
    kind = _kind(session, hit)
    return fault_of(kind) if kind else None


def values(session: Session, hit: Hit) -> dict[str, str]:
    """How many requests had the same fault, and the status of the one that is shown."""
    if (kind := _kind(session, hit)) is None:
        return {"count": str(hit.count)}
    same = [k for k in session.refused if fault_of(k) == fault_of(kind)]
    status = kind.rpartition(" ")[2]
    return {"count": str(sum(session.requests[k] for k in same)), "status": status, "written": f'" {status}'}


def _kind(session: Session, hit: Hit) -> str | None:
    return next((kind for kind, refused in session.refused.items() if refused.line == hit.line), None)
