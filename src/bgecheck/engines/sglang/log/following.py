"""Judges a log while it is being written, until it says whether the server has become ready."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime

from bgecheck.engines.sglang.log.diagnosis import State, diagnose
from bgecheck.engines.sglang.log.follower import Follower
from bgecheck.engines.sglang.log.sessionlog import SessionLog
from bgecheck.engines.sglang.serverargs import START
from bgecheck.logfile.reading import PIPE, Origin
from bgecheck.logfile.tail import PipeTail, Tail

_LOOK = 0.2
"""Seconds between two looks at the file."""
_SETTLED = 1.0
"""Seconds of silence after which a failure is told: the line that says most may come after the first error."""
_AT_MOST = 5.0
"""Seconds that a failure may go on writing before it is told."""

OnPhase = Callable[[str], None]
"""Is told each phase that a start comes to."""


def until_decided(path: str, seconds: float, on_phase: OnPhase = lambda phase: None) -> State:
    """Follow a log for at most `seconds`, until its newest session is ready, has failed or was stopped.

    A file that is not there yet is waited for.
    """
    return _decided(Follower(), Tail(path, START), seconds, on_phase)


def stdin_until_decided(seconds: float, on_phase: OnPhase = lambda phase: None) -> tuple[State, SessionLog]:
    """The same of standard input, which ends earlier where its writer does; what came cannot be read again."""
    follower, tail = Follower(), PipeTail(sys.stdin.fileno())
    state = _decided(follower, tail, seconds, on_phase)
    follower.finish()
    origin = Origin(PIPE, tail.silent, cut=not tail.ended)
    log = SessionLog(origin=origin, session=follower.session, older=follower.older, past=tuple(follower.past))
    return ("stopped" if tail.ended else state), log


def _decided(follower: Follower, tail: Tail | PipeTail, seconds: float, on_phase: OnPhase) -> State:
    ends, changed, failed, phase = time.monotonic() + seconds, time.monotonic(), 0.0, ""
    state: State = "empty"
    try:
        while time.monotonic() < ends:
            for block in tail.added():
                follower.take(block)
                changed = time.monotonic()
            state = diagnose(follower.session, 0.0, datetime.now()).state
            if follower.session.phase != phase and follower.session.lines:
                phase = follower.session.phase
                on_phase(phase)
            now = time.monotonic()
            failed = (failed or now) if state == "failed" else 0.0
            if state in ("ready", "stopped") or (failed and (now - changed > _SETTLED or now - failed > _AT_MOST)):
                return state
            if tail.ended:
                return state
            time.sleep(max(0.0, min(_LOOK, ends - now)))
    finally:
        tail.close()
    return state
