"""What the server makes of stored texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from bgecheck.knowledge.models import Model
from bgecheck.stores.stored import Row

if TYPE_CHECKING:
    from bgecheck.reference.recipes import Match

Instruction = Literal["none", "query", "passage"]


class Remade(NamedTuple):
    """Stored texts embedded anew: `vectors` stand beside the rows of `compared`."""

    instruction: Instruction
    """What was put before each text: the model's own words for this side."""
    vectors: tuple[tuple[float, ...], ...]


class Served(NamedTuple):
    """What the server answers."""

    model: Model | None
    """What the registry knows of it."""
    dims: int
    norms: tuple[float, ...]
    """Of its vectors."""
    compared: tuple[Row, ...] = ()
    """The rows whose texts were embedded anew."""
    remade: tuple[Remade, ...] = ()
    """In the order in which they were asked for, without an instruction first."""
    left_out: int = 0
    """Texts that are longer than the model reads, or that the server refused."""
    match: Match | None = None
    """The way of computing that is nearest to the stored vectors, from the model's own weights."""
    folder: str | None = None
