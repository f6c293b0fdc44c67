"""A window: some hundred texts in a row, whose pieces are sent in batches and come back in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bgecheck.bulk.options import MOST_TOKENS, BulkOptions
from bgecheck.bulk.tokens import Counter, pieces
from bgecheck.textfile.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RECORDS = 256
"""Texts of a window: what is done again after a kill, and what batches of like lengths are made from.

Windows begin at fixed records, so that a run that goes on makes the same batches as one that was never interrupted.
"""

CHARACTERS = 4 * 2**20
"""Characters after which a window is full as well."""

Reason = Literal[
    "blank", "no-value", "not-a-string", "half-character", "too-long", "refused", "no-answer", "not-finite", "bad-norm"
]
"""Why a text has no vector."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a text, or one piece of it, has no vector; `message` is the server's own, where it gave one."""

    reason: Reason
    message: str = ""


@dataclass(slots=True)
class Piece:
    """What is sent for a text, or a part of it, and what came of it."""

    record: int
    """Its place in the window."""
    chunk: int
    part: str
    """Of the record's text."""
    text: str
    """As it is sent, with the prefix; empty where it never is."""
    tokens: int
    vector: NDArray[np.float32] | None = None
    rejection: Rejection | None = None

    @property
    def was_sent(self) -> bool:
        """Whether it is for a server to say what becomes of it; what is blank is never sent."""
        return bool(self.text)


@dataclass(eq=False, slots=True)
class Batch:
    """Pieces that are sent in one request."""

    window: Window
    pieces: list[Piece]
    faults: int = 0
    """How often the server failed over it."""
    within: Batch | None = None
    """The larger one, of which this is half."""
    is_large: bool = False
    """Whether it was refused, or took too long, so that it may have had too many texts."""

    @property
    def tokens(self) -> int:
        """Of all its texts."""
        return sum(piece.tokens for piece in self.pieces)

    def halves(self) -> list[Batch]:
        """The same pieces in two requests."""
        middle = len(self.pieces) // 2
        parts = (self.pieces[:middle], self.pieces[middle:])
        return [Batch(self.window, part, within=self) for part in parts]


@dataclass(eq=False, slots=True)
class Window:
    """Some hundred records in a row."""

    records: list[Record]
    pieces: list[Piece]
    open: int = 0
    """Batches that have not come back."""
    proved: bool = False
    """Whether the servers that answered for it gave the right vector of a known text afterwards."""
    servers: set[Any] = field(default_factory=set)
    """Those that answered for it."""
    tokens: int = 0
    """As the servers counted them."""
    bad: int = 0
    """Vectors that cannot be right."""

    @property
    def is_done(self) -> bool:
        """Whether it may be written."""
        return not self.open and self.proved

    def by_record(self) -> list[list[Piece]]:
        """The pieces of each record."""
        pieces: list[list[Piece]] = [[] for _ in self.records]
        for piece in self.pieces:
            pieces[piece.record].append(piece)
        return pieces


def windows(records: Iterable[Record]) -> Iterator[list[Record]]:
    """The records in windows of `RECORDS`, or fewer where they hold many characters."""
    some: list[Record] = []
    characters = 0
    for record in records:
        some.append(record)
        characters += len(record.text)
        if len(some) == RECORDS or characters >= CHARACTERS:
            yield some
            some, characters = [], 0
    if some:
        yield some


def prepared(records: Sequence[Record], counter: Counter, options: BulkOptions) -> Window:
    """A window with its pieces, those of them that are never sent rejected already."""
    window = Window(list(records), [])
    for place, record in enumerate(records):
        if record.problem or not record.text.strip():
            piece = Piece(place, 0, record.text, "", 0, rejection=Rejection(record.problem or "blank"))
            window.pieces.append(piece)
            continue
        parts = _parts(record.text, counter, options)
        window.pieces += [Piece(place, chunk, part, options.prefix + part, 0) for chunk, part in enumerate(parts)]
    sent = [piece for piece in window.pieces if piece.rejection is None]
    for piece, tokens in zip(sent, counter.counts([piece.text for piece in sent]), strict=True):
        piece.tokens = tokens
    return window


def _parts(text: str, counter: Counter, options: BulkOptions) -> list[str]:
    if options.too_long == "refuse":
        return [text]
    prefix = len(counter.ends(options.prefix)) if options.prefix else 0
    room = options.size - counter.special - prefix
    parts = [part for part in pieces(text, counter, room, options.overlap) if part.strip()]
    return parts[:1] if options.too_long == "truncate" else parts


def batches(window: Window, most: int) -> list[Batch]:
    """The pieces that are to be sent, in batches of like lengths, of at most `most` texts and `MOST_TOKENS` tokens.

    Tokens count as a padded batch computes them: as many for each text as the longest has. Batches depend on the
    window alone, never on what other windows or servers do.
    """
    by_length = sorted((piece for piece in window.pieces if piece.rejection is None), key=lambda piece: piece.tokens)
    made: list[Batch] = []
    some: list[Piece] = []
    for piece in by_length:
        if some and (len(some) == most or (len(some) + 1) * piece.tokens > MOST_TOKENS):
            made.append(Batch(window, some))
            some = []
        some.append(piece)
    if some:
        made.append(Batch(window, some))
    window.open = len(made)
    return made
