"""One server that texts are sent to: what an answer of it means for the batch, and for the server."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from bgecheck.bulk.pace import Pace
from bgecheck.engines.server import Server
from bgecheck.http.embeddings import Answer, Refused, Unusable, describe, read
from bgecheck.http.failures import Failure
from bgecheck.http.matrix import Matrix, matrix_of
from bgecheck.http.reply import Reply
from bgecheck.http.toolong import too_long
from bgecheck.model import Text, Words, clean, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal[
    "vectors",
    "too-long",  # refused for its length
    "refused",  # refused for what it holds, or how many
    "busy",  # 429, 503: nothing is wrong with the batch
    "late",  # no whole answer in time
    "fault",  # an error of the server, or a connection that broke: the batch may be why
    "gone",  # nobody there: the batch was never taken
    "barred",  # the key, the path or the model is refused: nothing else will be taken
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request."""

    kind: Kind
    seconds: float
    matrix: Matrix | None = None
    words: Words = ""
    """Why there are no vectors."""
    retry_after: float | None = None

    def message(self) -> str:
        """The reason as one English line, for the file of rejected texts."""
        return clean(say(self.words, "en"), 300)


GONE = ("dns", "refused", "unreachable", "connect-timeout", "tls", "unsendable")
"""Failures before a request was sent."""


@dataclass(eq=False, slots=True)
class Replica:
    """A server with what is known of it; the fields that change are guarded by the caller's lock."""

    server: Server
    pace: Pace
    seconds: float
    """That one request may take."""
    texts: int
    """Of one request, at most."""
    encoding: Literal["base64", "float"] = "base64"
    control: NDArray[np.float32] | None = None
    """The vector of the control text, as it was at the beginning."""
    probes: NDArray[np.float32] | None = None
    """Of the texts beside it, with which servers are compared; None where it takes too few at once."""
    failing: float | None = None
    """Since when, by the monotonic clock, it gives no vectors; None while it does."""
    reported: float | None = None
    """The `failing` of which the user was told; None where of none yet."""
    reason: Words = ""
    """What it last said in place of vectors."""
    lost: bool = False
    """Whether it was given up."""
    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    """What a request waits for before it is sent, where other programs send to the same server too."""
    proved: float = field(default=float("-inf"))
    """When, by the monotonic clock, the last right answer to the control text was asked for."""

    @property
    def url(self) -> str:
        """Where it is."""
        return self.server.base_url

    def ask(self, texts: Sequence[str]) -> Outcome:
        """The vectors of texts, or what stands in their way."""
        with self.turn():
            began = time.monotonic()
            reply = self.server.embed_raw(texts, encoding=self.encoding, seconds=self.seconds)
            seconds = time.monotonic() - began
        if isinstance(reply, Reply) and (matrix := matrix_of(reply, len(texts))) is not None:
            return Outcome("vectors", seconds, matrix)
        answer = read(reply, len(texts))
        after = _retry_after(reply.headers) if isinstance(reply, Reply) else None
        return Outcome(_kind(answer), seconds, None, _words(answer), after)


def _words(answer: Answer) -> Words:
    if isinstance(answer, Failure | Refused | Unusable):
        return describe(answer)
    return Text("HTTP 200, vectors of different lengths", "HTTP 200，各条向量长度不一")


def _kind(answer: Answer) -> Kind:
    match answer:
        case Failure():
            if answer.kind in GONE:
                return "gone"
            return "late" if answer.late or answer.kind == "cut-off" else "fault"
        case Refused(status=status):
            return _of_status(status, answer.message)
        case _:
            return "fault"


def _of_status(status: int, message: str) -> Kind:
    if status in (429, 503):
        return "busy"
    if status in (400, 413, 422):
        return "too-long" if too_long(message) else "refused"
    if status >= 500 or status == 408:
        return "fault"
    return "barred"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to be left alone for; as a number or as a date (RFC 9110, 10.2.3)."""
    given = headers.get("retry-after", "").strip()
    if given.isascii() and given.isdecimal():
        return float(given[:6])
    try:
        moment = email.utils.parsedate_to_datetime(given) if given else None
    except (ValueError, TypeError):
        return None
    return None if moment is None else max(0.0, moment.timestamp() - time.time())
