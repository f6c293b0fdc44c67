"""Names the recipe that a server follows, from a model's folder, a few texts and the vectors it gave for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from bgecheck.model import Unavailable
from bgecheck.reference.config import Shape
from bgecheck.reference.encoder import Pace, pooled, states
from bgecheck.reference.mapped import Floats
from bgecheck.reference.recipes import ALIKE, Match, best_match, candidates, one_token
from bgecheck.reference.tokens import ids_of
from bgecheck.reference.weights import open_weights

ENOUGH = 0.998
"""From here on a recipe may be the server's, in any precision (bf16 is off by up to 9e-4): no more are computed."""

_CLEARLY = 0.1
"""A single token is the recipe where it misses the vectors by this share of what the usual recipes miss them by."""


class Folder(NamedTuple):
    """The model that vectors are computed with."""

    path: str
    shape: Shape
    prefix: str | None = None
    """Its query instruction."""
    pooling: str = "cls"
    """Its own pooling."""


def nearest(
    folder: Folder, texts: Sequence[str], served: Sequence[Sequence[float]], pace: Callable[[], Pace]
) -> tuple[Match, int]:
    """The recipe nearest to `served`, one vector a text, each with `hidden` components; and the tokens of all texts.

    One pass through the layers where a usual recipe fits. Where none does, two more tell attention that only looks
    back, and an instruction before the text, as far as there is time for them; `pace` is asked before each pass for
    what is called before each layer. Raises `Unavailable`.
    """
    weights = open_weights(folder.path)
    theirs = np.array(served, np.float64)

    def compute(of: Sequence[Sequence[int]], causal: bool = False) -> list[Floats]:
        return states(folder.shape, weights, of, causal=causal, pace=pace())

    ids = ids_of(folder.path, texts)
    counted = sum(map(len, ids))
    plain = compute(ids)
    first = pooled(folder.shape, weights, np.stack([x[0] for x in plain]))
    made = candidates(plain, first)
    usual, token = best_match(theirs, made, folder.pooling), one_token(theirs, plain)
    if max(usual.cosine, token.cosine) >= ENOUGH:
        # Of so many tokens one may be near by chance; where a model's states are all alike, so may a mean.
        clearly = token.cosine - usual.cosine >= ALIKE and 1.0 - token.cosine < _CLEARLY * (1.0 - usual.cosine)
        return token if clearly else usual, counted
    try:
        made |= candidates(compute(ids, causal=True), causal=True)
        if folder.prefix:
            made |= candidates(compute(ids_of(folder.path, [folder.prefix + text for text in texts])), instruction=True)
    except Unavailable:
        # That none of the usual ones fits is proved all the same.
        return best_match(theirs, made, folder.pooling)._replace(complete=False), counted
    return best_match(theirs, made, folder.pooling), counted
