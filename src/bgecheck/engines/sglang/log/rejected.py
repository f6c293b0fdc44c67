"""Whose fault it is that requests were refused: by the status that most of them got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bgecheck.engines.sglang.log.session import Hit, Session

SERVER = "server"
SOME = "server-some"
"""Where so few requests failed that the server is not broken as a whole."""

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
    if "Invalid HTTP request" in hit.text:
        return "no-http"
    if any(_NO_TEXT in line for line in hit.before):
        return "payload"
    kind = _kind(session, hit)
    whose = fault_of(kind) if kind else None
    return SOME if whose == SERVER and not is_no_accident(session, _same(session, SERVER)) else whose


def is_no_accident(session: Session, refused: Mapping[str, int]) -> bool:
    """Whether the share is none by chance: with none answered two, or one with a wrong key or path; else a quarter."""
    bad, good = sum(refused.values()), answered(session)
    plain = any(kind.endswith((" 401", " 403", " 404")) for kind in refused)
    return bad >= (1 if plain else 2) if good == 0 else bad >= 4 and bad * 3 >= good


def answered(session: Session) -> int:
    """Requests that got what they asked for."""
    return session.requests["ok"] + session.requests["other"] + session.requests["generated"]


def _same(session: Session, whose: str | None) -> dict[str, int]:
    """The refused requests of one fault, by kind."""
    return {kind: session.requests[kind] for kind in session.refused if fault_of(kind) == whose}


def values(session: Session, hit: Hit) -> dict[str, str]:
    """How many requests had the same fault, and the status of the one that is shown."""
    if (kind := _kind(session, hit)) is None:
        return {"count": str(hit.count), "answered": str(answered(session))}
    status = kind.rpartition(" ")[2]
    count = sum(_same(session, fault_of(kind)).values())
    return {"count": str(count), "answered": str(answered(session)), "status": status, "written": f'" {status}'}


def _kind(session: Session, hit: Hit) -> str | None:
    return next((kind for kind, refused in session.refused.items() if refused.line == hit.line), None)
