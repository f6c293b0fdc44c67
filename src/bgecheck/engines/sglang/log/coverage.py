"""Which phases of a server's life a log covers, so that a cause without a line in it can be said to be absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bgecheck.engines.sglang.log.marks import PHASES, STAGE_NAMES
from bgecheck.engines.sglang.log.session import Session
from bgecheck.knowledge.models import lookup
from bgecheck.model import Text

EXCERPT = 100
"""Lines of a log that begins while the server serves, below which it is an excerpt: what went wrong may stand before."""

SERVING = PHASES.index("serving")


def span(first: str, last: str) -> tuple[str, ...]:
    """The phases from `first` to `last`, both included. Raises `ValueError` for a name that is no phase."""
    return PHASES[PHASES.index(first) : PHASES.index(last) + 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The part of a session that its log holds; the numbers are indices of `PHASES`."""

    first: int
    """The first phase that is there from its beginning."""
    reached: int
    """The phase that the session came to; those before it are over."""
    excerpt: int | None = None
    """Lines of a log that holds nothing of the start and is too short to show anything of serving."""
    served: bool
    """True where the log holds a request that was answered or refused, or a batch, after the server was ready."""

    def gap(self, phases: Sequence[str]) -> Text | None:
        """Why a cause that shows in `phases` cannot be excluded; None where the log covers all of them.

        A phase is covered when the log holds its beginning and the session came past it. Serving never is past: it
        is covered from the first request or batch on, since most of what goes wrong there does so under one.
        """
        wanted = sorted(map(PHASES.index, phases))
        if wanted and wanted[0] < self.first:
            return _begins_later(PHASES[wanted[0]])
        missing = next((index for index in wanted if index >= self.reached and index != SERVING), None)
        if missing is not None:
            return _ends_before(PHASES[missing], during=missing == self.reached)
        if SERVING not in wanted:
            return None
        if self.reached < SERVING:
            return _ends_before("serving", during=False)
        if self.excerpt is not None:
            return _too_short(self.excerpt)
        return None if self.served else _NOTHING_SERVED


_NOTHING_SERVED = Text("the log holds no request since the server became ready", "日志里还没有就绪之后的请求")


def _too_short(lines: int) -> Text:
    counted = f"{lines} line{'s' * (lines != 1)}"
    return Text(f"{counted} without the start prove nothing", f"日志只有 {lines} 行且没有启动过程，说明不了问题")


def _begins_later(phase: str) -> Text:
    name = STAGE_NAMES[phase]
    return Text(f"the log begins after {name.en}", f"日志从{name.zh}阶段之后才开始")


def _ends_before(phase: str, *, during: bool) -> Text:
    name = STAGE_NAMES[phase]
    if during:
        return Text(f"the log ends in {name.en}", f"日志停在{name.zh}阶段")
    return Text(f"the log does not reach {name.en}", f"日志没有到{name.zh}阶段")


def coverage(session: Session) -> Coverage:
    """What the log holds of a session: only serving where no line of the start is in it, as of a rotated log."""
    reached = PHASES.index(session.phase)
    first = session.covered_from
    if first is None:
        serving = reached == SERVING
        begun = "ready" in session.stages
        excerpt = session.lines if serving and not begun and session.lines < EXCERPT else None
        return Coverage(first=SERVING if serving else 0, reached=reached, served=_served(session), excerpt=excerpt)
    return Coverage(first=PHASES.index(first), reached=reached, served=_served(session))


def _served(session: Session) -> bool:
    return session.computed or any(n for kind, n in session.requests.items() if kind != "page")


def vectors_unknown(session: Session) -> Text | None:
    """Why it cannot be said that a session computes right vectors; None where its model and arguments say so."""
    if session.phase != "serving":
        return _ends_before("serving", during=False)
    if not session.architecture and lookup(session.argument("model_path")) is None:
        return Text("the log does not show which model runs", "日志里看不出运行的是哪个模型")
    if session.encoder is None:
        return None
    if not session.args:
        return Text("the log does not hold the arguments of the server", "日志里没有启动参数")
    whole = session.argument("chunked_prefill_size") in ("-1", "None")
    if (session.argument("disable_radix_cache") == "True" and whole) or _served(session):
        return None
    return _NOTHING_SERVED
