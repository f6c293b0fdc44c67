"""What the `store` area reads of a vector store, and what the server makes of the same texts."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from bgecheck.bulk.tokens import Estimated
from bgecheck.checks.served_folder import refuse_demo, served_folder
from bgecheck.checks.store.measures import comparable, is_all_alike
from bgecheck.checks.store.served import Instruction, Remade, Served
from bgecheck.engines.server import Server
from bgecheck.http.embeddings import Answer, Embedded, Refused, describe, is_busy
from bgecheck.http.failures import NotSent
from bgecheck.knowledge.characters import COMMON
from bgecheck.knowledge.models import Model, lookup
from bgecheck.model import Area, Text, Unavailable
from bgecheck.stores.address import Address
from bgecheck.stores.reading import read_store
from bgecheck.stores.stored import Row, Stored, Unreadable

if TYPE_CHECKING:
    from bgecheck.run.context import Context

SHORTEST_LENGTH = 512
"""Tokens that a text may have where neither the server nor the registry tells: what the bge family reads."""

COMPUTED_TEXTS = 6
"""Texts that are computed from the model's own weights, where its folder is here."""

MOST_SECONDS = 15.0
"""What computing them may take; a pass of 24 layers takes one on two idle cores."""


class StoreFacts(NamedTuple):
    """One collection, and what the server makes of its texts."""

    address: Address
    outcome: Stored | Unreadable
    served: Served | Unavailable | None = None
    """None where nothing was read that the server could be asked about."""


# Its first collector reads the store beside the other areas; the later one asks the server.
AREA = Area("store", seconds=math.inf)

NOT_NAMED = Text(
    "no vector store was named: bgecheck embed --check-store URI", "没有指定向量库：bgecheck embed --check-store URI"
)


@AREA.collect
def collect(context: Context) -> StoreFacts:
    """Read a sample of the store that was named."""
    address = context.settings.store
    if address is None:
        raise Unavailable(NOT_NAMED, looked=False)
    return StoreFacts(address, read_store(address, context.deadline.remaining()))


@AREA.collect_later(after=("embed",))
def embed_again(context: Context, facts: StoreFacts) -> StoreFacts:
    """Embed the texts of the sample, with the model's instructions where they do not match without."""
    if isinstance(facts.outcome, Unreadable):
        return facts
    try:
        return facts._replace(served=_served(context, facts.outcome))
    except Unavailable as unavailable:
        return facts._replace(served=unavailable)


def _served(context: Context, stored: Stored) -> Served:
    server = context.server()
    model = _model(context, server)
    rows, too_long = _short_enough(stored.rows, server, model)
    first = _vectors(server, [rows[0].text or "" if rows else _fresh()])
    served = Served(model, len(first[0] or ()), _norms(first), left_out=too_long)
    if not rows or not comparable(stored, served.dims):
        return served
    plain = _vectors(server, [row.text or "" for row in rows])
    answered = [(row, vector) for row, vector in zip(rows, plain, strict=True) if vector is not None]
    if not answered:
        return served
    compared = tuple(row for row, _ in answered)
    remade = [Remade("none", tuple(vector for _, vector in answered))]
    served = served._replace(
        norms=_norms([vector for _, vector in answered]),
        compared=compared,
        left_out=too_long + len(rows) - len(answered),
        remade=tuple(remade),
    )
    for instruction, prefix in _prefixes(model):
        if is_all_alike(served) and instruction == "query":
            continue
        vectors = _vectors(server, [prefix + (row.text or "") for row in compared])
        whole = tuple(vector for vector in vectors if vector is not None)
        if len(whole) == len(compared):
            served = served._replace(remade=(*served.remade, Remade(instruction, whole)))
    return served if is_all_alike(served) else _computed(context, stored, served)


def _model(context: Context, server: Server) -> Model | None:
    path = (server.model_info() or {}).get("model_path")
    names = (path if isinstance(path, str) else None, context.target.model, *server.served(), context.target.model_path)
    return next((model for model in map(lookup, names) if model), None)


def _prefixes(model: Model | None) -> list[tuple[Instruction, str]]:
    """The model's instructions that its texts may have been embedded with."""
    if model is None:
        return []
    both: tuple[tuple[Instruction, str | None], ...] = (
        ("query", model.query_prefix),
        ("passage", model.passage_prefix),
    )
    return [(instruction, prefix) for instruction, prefix in both if prefix]


def _fresh() -> str:
    return "".join(random.Random().choices(COMMON, k=12))


def _norms(vectors: Sequence[tuple[float, ...] | None]) -> tuple[float, ...]:
    return tuple(math.hypot(*vector) for vector in vectors if vector)


def _short_enough(rows: Sequence[Row], server: Server, model: Model | None) -> tuple[list[Row], int]:
    """The rows whose texts the model reads whole, and how many have longer ones: these could end a server."""
    limit = server.longest_text(model) or SHORTEST_LENGTH - 1
    longest = max((len(prefix) for _, prefix in _prefixes(model)), default=0)
    with_text = [row for row in rows if row.text]
    counts = Estimated().counts([row.text or "" for row in with_text])
    kept = [row for row, count in zip(with_text, counts, strict=True) if count + longest <= limit]
    return kept, len(with_text) - len(kept)


def _vectors(server: Server, texts: Sequence[str]) -> list[tuple[float, ...] | None]:
    """A vector for each text; None for one that the server refuses. Raises `Unavailable` where there is none at all."""
    answer = server.embed_in_parts(texts)
    if isinstance(answer, Embedded):
        return list(answer.vectors)
    if not isinstance(answer, Refused) or is_busy(answer) or len(texts) == 1:
        raise _no_vectors(answer)
    each = [server.embed([text]) for text in texts]  # one text may be the reason
    if not any(isinstance(one, Embedded) for one in each):
        raise _no_vectors(answer)
    return [one.vectors[0] if isinstance(one, Embedded) else None for one in each]


def _no_vectors(answer: Answer) -> Unavailable:
    if isinstance(answer, NotSent):
        return Unavailable(answer.reason, looked=not answer.spared)
    words = Text(
        "the server returned no vectors of the stored texts: {response}", "服务没有返回库中文本的向量：{response}"
    )
    return Unavailable(words.filled({"response": describe(answer)}))


def _computed(context: Context, stored: Stored, served: Served) -> Served:
    """With the way of computing that gives the stored vectors, where the model's folder is here and time is left."""
    from bgecheck.reference.config import pooling_of, shape_of
    from bgecheck.reference.nearest import Folder, nearest

    rows = served.compared[:COMPUTED_TEXTS]
    try:
        if context.target.model_path is None:
            refuse_demo(context)
        folder = served_folder(context)
        shape = shape_of(folder)
        if any(len(row.vector) != shape.hidden for row in rows):
            return served
        model = served.model
        asked = Folder(
            folder,
            shape,
            model.query_prefix if model else None,
            pooling_of(folder) or (model.pooling if model else "cls"),
        )
        texts = [row.text or "" for row in rows]
        match, _ = nearest(asked, texts, [row.vector for row in rows], lambda: _pace(context))
    except Unavailable:  # it would only say more
        return served
    return served._replace(match=match, folder=folder)


def _pace(context: Context) -> Callable[[int, int], None]:
    """What ends a pass through the layers that takes too long."""
    ends = time.monotonic() + min(MOST_SECONDS, context.deadline.remaining() - 1.0)

    def step(number: int, layers: int) -> None:
        if time.monotonic() > ends:
            raise Unavailable(Text(f"computing {layers} layers takes too long", f"计算 {layers} 层耗时过长"))

    return step


def stored_of(facts: StoreFacts) -> Stored:
    """The collection. Raises `Unavailable` where it could not be read."""
    if isinstance(facts.outcome, Unreadable):
        raise Unavailable(Text("the store was not read", "没有读到向量库"), looked=False)
    return facts.outcome


def served_of(facts: StoreFacts) -> Served:
    """What the server answered. Raises `Unavailable` with what came instead."""
    if isinstance(facts.served, Unavailable):
        raise facts.served
    if facts.served is None:
        raise Unavailable(Text("the server was not asked", "没有请求服务"), looked=False)
    return facts.served
