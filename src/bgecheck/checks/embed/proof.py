"""What the server's vectors are compared with: the same weights computed here, a recorded file, or another server."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Literal, NamedTuple

from bgecheck.checks.embed.state import server_state
from bgecheck.checks.embed.texts import probe_texts
from bgecheck.checks.served_folder import refuse_demo, served_folder
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.http.embeddings import Answer, Embedded, describe
from bgecheck.http.failures import NotSent
from bgecheck.knowledge.models import Model
from bgecheck.knowledge.vectors import cosine, norm
from bgecheck.model import Target, Text, Unavailable
from bgecheck.model.state import ServerState

if TYPE_CHECKING:
    from bgecheck.reference.recipes import Match
    from bgecheck.reference.recorded import Recorded
    from bgecheck.run.context import Context

MOST_SECONDS = 15.0
"""What computing may take, or a third of a run that has more; five texts of 24 layers take one on two idle cores."""

MOST_NEIGHBOURS = 5
"""Nearest texts of each that are compared before and after an upgrade."""

SHORT_SECONDS = 2.0
"""What computing may take in a short run, which does without where it takes longer."""


class Proof(NamedTuple):
    """The same texts from the server and from somewhere else."""

    kind: Literal["weights", "file", "server"]
    source: str
    """The folder, the file, or the other server's URL."""
    served: Embedded
    dims: int
    """Components of a vector of the other side."""
    cosines: tuple[float, ...] = ()
    """Text by text, for a file or a server."""
    norms: tuple[float, ...] = ()
    """Of the other side's vectors, for a file or a server."""
    match: Match | None = None
    """The nearest recipe, for weights; None where the lengths differ."""
    counted: int | None = None
    """Tokens as the folder's tokenizer counts them."""
    wanted: str | None = None
    """The pooling that the model is published with."""
    made_by: str | None = None
    """What the file says of the model and recipe that its vectors are of."""
    upgrade: Upgrade | None = None
    """For a file that says what the server was like."""


class Upgrade(NamedTuple):
    """A server when its vectors were recorded, and now."""

    before: ServerState
    now: ServerState
    same_neighbours: float | None = None
    """The share of the nearest texts that stay the nearest; None of few texts."""
    neighbours: int = 0
    """How many of each text were looked at."""


def prove(context: Context, model: Model | None) -> Proof:
    """Ask the server for a few texts and compare. Raises `Unavailable`."""
    if context.settings.recorded is not None:
        return _with_file(context)
    if context.settings.against is not None:
        return _with_server(context, context.settings.against)
    return _with_weights(context, model)


def embedded(answer: Answer) -> Embedded:
    """The answer where it brought vectors. Raises `Unavailable` with what came instead."""
    if isinstance(answer, Embedded):
        return answer
    if isinstance(answer, NotSent):
        raise Unavailable(answer.reason, looked=not answer.spared)
    words = Text("a request for this check returned no embedding: {response}", "本项的请求没有得到向量：{response}")
    raise Unavailable(words.filled({"response": describe(answer)}))


def _with_file(context: Context) -> Proof:
    recorded = context.settings.recorded
    assert recorded is not None
    few = recorded.few()
    served = embedded(context.server().embed_in_parts(few.texts))
    origin = ", ".join(part for part in (few.model, few.recipe, few.tool) if part)
    proof = _pairs("file", few.path, served, few.vectors, origin or None)
    return proof if few.state is None else proof._replace(upgrade=_upgrade(context, few, few.state, served))


def _upgrade(context: Context, few: Recorded, before: ServerState, served: Embedded) -> Upgrade:
    """What has changed since the file was written, and whether texts still find the same neighbours."""
    from bgecheck.reference.neighbours import FEWEST_TEXTS, overlap

    now = server_state(context.server(), context.target)
    if len(few.texts) < FEWEST_TEXTS:
        return Upgrade(before, now)
    k = min(MOST_NEIGHBOURS, len(few.texts) // 3)
    return Upgrade(before, now, overlap(few.vectors, served.vectors, k), k)


def _with_server(context: Context, other: Target) -> Proof:
    texts = probe_texts(random.Random())
    served = embedded(context.server().embed_in_parts(texts))
    with closing(Server(other, context.deadline, context.settings.timeout, PAGES)) as server:
        theirs = embedded(server.embed_in_parts(texts))
    return _pairs("server", other.base_url, served, theirs.vectors, server.model_name())


def _pairs(
    kind: Literal["file", "server"],
    source: str,
    served: Embedded,
    vectors: Sequence[Sequence[float]],
    made_by: str | None,
) -> Proof:
    cosines = tuple(cosine(a, b) for a, b in zip(served.vectors, vectors, strict=True))
    return Proof(kind, source, served, len(vectors[0]), cosines, tuple(map(norm, vectors)), made_by=made_by)


def _with_weights(context: Context, model: Model | None) -> Proof:
    """Compare with what the model's folder gives here; more recipes are computed only where the usual ones fail.

    What a short run cannot do for lack of time, or of a folder that can be read, it leaves out.
    """
    try:
        return _computed(context, model)
    except Unavailable as unavailable:
        raise Unavailable(unavailable.reason, looked=unavailable.looked and not _is_short(context)) from None


def _is_short(context: Context) -> bool:
    """Whether the comparison is an extra of a short run, that nobody asked for."""
    return context.settings.quick and not context.settings.proves


def _computed(context: Context, model: Model | None) -> Proof:
    from bgecheck.reference.config import pooling_of, shape_of
    from bgecheck.reference.nearest import Folder, nearest

    refuse_demo(context)
    folder, wanted = served_folder(context), model.pooling if model else None
    shape, texts = shape_of(folder), probe_texts(random.Random())
    served = embedded(context.server().embed_in_parts(texts))
    proof = Proof("weights", folder, served, shape.hidden, wanted=pooling_of(folder) or wanted)
    if any(len(vector) != shape.hidden for vector in served.vectors):
        return proof
    asked = Folder(folder, shape, model.query_prefix if model else None, proof.wanted or "cls")
    pace = _Pace(context)
    match, counted = nearest(asked, texts, served.vectors, pace.begin)
    return proof._replace(match=match, counted=counted)


_LONGER = Text(
    "give more with --deadline, or compare with a file: bgecheck embed --reference FILE",
    "可用 --deadline 延长，或与文件比对：bgecheck embed --reference FILE",
)
_FULL = Text("bgecheck embed --full takes the time for it", "bgecheck embed --full 会算完")


class _Pace:
    """Ends a pass through the layers that will not be done in time, as soon as that can be told."""

    def __init__(self, context: Context) -> None:
        left = context.deadline.remaining()
        most = SHORT_SECONDS if _is_short(context) else max(MOST_SECONDS, left / 3)
        self._further = _FULL if _is_short(context) else _LONGER
        self._ends = time.monotonic() + min(most, left - 1.0)
        self._began = 0.0

    def begin(self) -> Callable[[int, int], None]:
        """Start the clock of a pass."""
        self._began = time.monotonic()
        return self._step

    def _step(self, number: int, layers: int) -> None:
        now = time.monotonic()
        expected = (now - self._began) / number * (layers - number) if number else 0.0
        if now + expected > self._ends:
            left = max(0.0, self._ends - self._began)
            raise Unavailable(
                Text(
                    f"computing {layers} layers here takes longer than the {left:.1f} s left; {self._further.en}",
                    f"在本机计算 {layers} 层来不及（剩余 {left:.1f} 秒）；{self._further.zh}",
                )
            )
