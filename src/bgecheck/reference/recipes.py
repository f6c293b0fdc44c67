"""Which recipe a server follows: its vectors beside every way in which this model's states become one vector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bgecheck.reference.mapped import Floats

Vectors = NDArray[np.float64]
"""One vector a row."""

ALIKE = 1e-5
"""Recipes whose cosines differ by less cannot be told apart: rounding in fp32 moves a cosine by some 1e-7."""


class Recipe(NamedTuple):
    """How a text becomes a vector, once the weights are given."""

    pooling: str
    """cls, last, mean, inner-mean (without the special tokens), max, pooler, or token: some one token's state."""
    instruction: bool = False
    """Whether the model's query instruction was put before the text."""
    causal: bool = False
    """Whether each token saw only those before it."""

    def __str__(self) -> str:
        parts = (self.pooling, "with the instruction" * self.instruction, "causal attention" * self.causal)
        return ", ".join(part for part in parts if part)


class Match(NamedTuple):
    """The recipe that is nearest to a server's vectors."""

    recipe: Recipe
    cosine: float
    """The lowest over all texts."""
    highest: float
    """The highest over all texts: how exact the server computes where nothing is wrong."""
    others: tuple[tuple[Recipe, float], ...]
    """Every other recipe with its lowest cosine, the nearest first."""
    norm: float
    """Of the server's vectors, the one farthest from 1."""
    own_norm: float
    """Of the same vector under this recipe, before it is normalised."""
    positions: tuple[int, ...] = ()
    """For the recipe `token`: which token of each text, counted from 0."""
    complete: bool = True
    """Whether every recipe was tried; False where the time ended after the usual ones."""


def candidates(
    states: Sequence[Floats], first: Floats | None = None, *, instruction: bool = False, causal: bool = False
) -> dict[Recipe, Vectors]:
    """The vectors of each recipe, not normalised, from the states (tokens, hidden) of each text.

    `first` is what the model's pooler makes of the first tokens.
    """
    ways = {
        "cls": [x[0] for x in states],
        "last": [x[-1] for x in states],
        "mean": [x.mean(axis=0) for x in states],
        "inner-mean": [(x[1:-1] if len(x) > 2 else x).mean(axis=0) for x in states],
        "max": [x.max(axis=0) for x in states],
    }
    if first is not None:
        ways["pooler"] = list(first)
    return {Recipe(name, instruction, causal): np.array(rows, np.float64) for name, rows in ways.items()}


def best_match(served: Vectors, made: Mapping[Recipe, Vectors], own: str = "cls") -> Match:
    """The recipe whose vectors are nearest to those of the server, text by text.

    Both have one row a text and as many columns. The nearest is the one whose worst text is best: a recipe
    that is right for some texts only is not the server's. The model's `own` pooling is the nearest where another
    is no nearer than `ALIKE`, as where all states of a text are the same.
    """
    by_text = {recipe: cosines(served, vectors) for recipe, vectors in made.items()}
    lowest = {recipe: float(np.min(row)) for recipe, row in by_text.items()}
    ranked = sorted(lowest.items(), key=lambda item: -item[1] if np.isfinite(item[1]) else np.inf)
    recipe, cosine = ranked[0]
    if (usual := Recipe(own)) in lowest and cosine - lowest[usual] < ALIKE:
        recipe = usual
    others = [pair for pair in ranked if pair[0] != recipe]
    return _match(served, recipe, by_text[recipe], others, made[recipe])


def one_token(served: Vectors, states: Sequence[Floats]) -> Match:
    """The single token of each text whose state is nearest, as a recipe of its own.

    A server that pools the first token of what it computed, and takes the beginning from a cache, answers the
    state of some token in the middle, another one for each text.
    """
    rows = [
        cosines(np.repeat(s[None], len(x), axis=0), x.astype(np.float64)) for s, x in zip(served, states, strict=True)
    ]
    positions = tuple(int(np.argmax(np.nan_to_num(row, nan=-2.0))) for row in rows)
    chosen = np.array([x[p] for x, p in zip(states, positions, strict=True)], np.float64)
    return _match(served, Recipe("token"), cosines(served, chosen), [], chosen)._replace(positions=positions)


def _match(
    served: Vectors, recipe: Recipe, cosines_by_text: Vectors, others: Iterable[tuple[Recipe, float]], own: Vectors
) -> Match:
    norms, own_norms = np.linalg.norm(served, axis=1), np.linalg.norm(own, axis=1)
    worst = int(np.argmax(np.abs(norms - 1)))
    lowest, highest = float(np.min(cosines_by_text)), float(np.max(cosines_by_text))
    return Match(recipe, lowest, highest, tuple(others), float(norms[worst]), float(own_norms[worst]))


def cosines(a: Vectors, b: Vectors) -> Vectors:
    """The cosine of each row of `a` with the same row of `b`; NaN where one of them is zero or not finite."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        result: Vectors = np.einsum("ij,ij->i", a, b) / lengths
    return np.clip(result, -1.0, 1.0)
