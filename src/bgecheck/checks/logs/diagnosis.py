"""Decides what became of a session: its state, and the one cause that all else follows from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bgecheck.checks.logs.session import Hit, Session

State = Literal["ready", "starting", "stuck", "failed", "stopped", "empty", "foreign"]

QUIET = 180.0
"""Seconds without a line after which a start is stuck: sglang's slowest step that writes nothing, reading the
weights of this size from a cold network disk, ends well within."""

ANY_ZONE = 15 * 3600.0
"""Seconds that two clocks can differ by time zone alone; a larger gap is age."""

GENERATION = ("/v1/chat/completions", "/v1/completions", "/generate", "/v1/rerank", "/v1/score")
"""Routes that an embedding server cannot serve."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The state of a session and its causes: the decisive one first, then what is wrong independently of it."""

    state: State
    causes: Mapping[str, Hit]
    why: str | None = None
    """The decisive cause, when the session failed."""


def diagnose(session: Session, age: float | None, now: datetime) -> Diagnosis:
    """What became of a session whose file was last written `age` seconds ago (None: not known)."""
    fatal = _decisive(session)
    if not session.sglang and (session.engine or fatal is None):
        return Diagnosis("foreign" if session.lines else "empty", {})
    if fatal is not None:
        return Diagnosis("failed", {fatal.cause: fatal}, fatal.cause)
    if session.stopped_line is not None and session.died_line is None:
        return Diagnosis("stopped", _proven(session) if session.ready_line else {})
    if session.died_line is not None or (session.bind_failed and session.ready_line is not None):
        return Diagnosis("failed", {})
    if session.ready_line is not None:
        return Diagnosis("ready", _while_ready(session))
    if _quiet(session, age, now):
        number, text = session.last
        return Diagnosis("stuck", {"stalled-no-error": Hit("stalled-no-error", number, text, 3, True, session.phase)})
    return Diagnosis("starting", {})


def _decisive(session: Session) -> Hit | None:
    """The fatal line that says most, and of those the first: what comes later follows from it.

    What was written before the ready line was survived, unless the ready line is false; what comes after an
    orderly stop belongs to the stop.
    """
    survived = session.ready_line if session.ready_line and not session.bind_failed else 0
    until = session.stopped_line or float("inf")
    fatal = [h for h in session.hits.values() if h.fatal and survived <= h.line <= until]
    return min(fatal, key=lambda h: (-h.weight, h.line), default=None)


def _quiet(session: Session, age: float | None, now: datetime) -> bool:
    """Whether nothing was written for so long that the start hangs: by the file's age and its time stamps."""
    if age is None or age > QUIET:
        return True
    try:
        last = datetime.strptime(session.last_stamp.replace("T", " "), "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return False
    return abs((now - last).total_seconds()) > ANY_ZONE


def _proven(session: Session) -> dict[str, Hit]:
    """What a session that was stopped in order did wrong beyond doubt: its vectors outlive it in an index."""
    found = {h.cause: h for h in session.hits.values() if h.cause == "tokenizer-missing"}
    if session.cached and (encoder := _encoder_vectors(session)):
        found[encoder.cause] = encoder
    return found


def _while_ready(session: Session) -> dict[str, Hit]:
    """What is wrong with a server that serves: its settings, and the requests it refuses."""
    found = {h.cause: h for h in session.hits.values() if not h.fatal}
    if encoder := _encoder_vectors(session):
        found["encoder-vectors-wrong"] = encoder
    if "not-launched-as-embedding" not in found and (hit := _not_as_embedding(session)):
        found["not-launched-as-embedding"] = hit
    if hit := _generation_requests(session):
        found.setdefault("generation-request-on-embedding", hit)
    if not set(found) - {"encoder-vectors-wrong"} and (hit := _rejected(session)):
        found["client-request-rejected"] = hit
    return found


def _encoder_vectors(session: Session) -> Hit | None:
    """A bidirectional encoder with the prefix cache on: `#cached-token` above zero is proof, the setting enough."""
    if session.encoder is None:
        return None
    cache_off = session.argument("disable_radix_cache")
    number, text = session.cached or (session.first_line, "")
    if session.cached is None or cache_off == "True":
        if cache_off != "False" and not (session.generate_warm_up and session.args):
            return None
        text = f"disable_radix_cache={cache_off}"
        if session.generate_warm_up:
            text += ', warm-up by "POST /generate"'
        number = session.args_line or session.first_line
    return Hit("encoder-vectors-wrong", number, text, 4, False, "serving")


def _not_as_embedding(session: Session) -> Hit | None:
    """Warmed up by /generate, and no embeddings request was ever answered."""
    refused = sum(n for kind, n in session.requests.items() if kind.endswith(" 400") and "embeddings" in kind)
    if not session.generate_warm_up or refused < 2 or session.requests["ok"]:
        return None
    return session.refused


def _generation_requests(session: Session) -> Hit | None:
    kinds = [k for k in session.requests if k not in ("ok", "page") and k.split()[1] in GENERATION]
    if not kinds or session.generate_warm_up:
        return None
    return session.refused


def _rejected(session: Session) -> Hit | None:
    """A share of requests that is no accident: all of two or more, or a quarter of at least eight."""
    bad = sum(n for kind, n in session.requests.items() if kind not in ("ok", "page") and not kind.endswith(" 503"))
    good = session.requests["ok"]
    enough = bad >= 2 if good == 0 else bad >= 4 and bad * 3 >= good
    return session.refused if enough else None
