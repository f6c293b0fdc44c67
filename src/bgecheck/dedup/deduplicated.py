"""From texts and their vectors to what is kept: copies set aside, the rule on the others, a checkpoint on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bgecheck.dedup.checkpoint import Checkpoint
from bgecheck.dedup.greedy import KEPT, Records, decisions
from bgecheck.dedup.outcome import Outcome, firsts, spread, unrelated
from bgecheck.dedup.vectors import Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the comparison is."""

    decided: int
    total: int
    kept: int
    pairs: int
    """Products that were made in this run."""

    @property
    def pairs_ahead(self) -> float:
        """Products that are still to be made, where as many of the texts ahead are kept as so far."""
        ahead = self.total - self.decided
        return ahead * (self.kept + self.kept / max(1, self.decided) * ahead / 2)


Decide = Callable[[Vectors, float, Records | None], Iterator[Records]]
"""What becomes of vectors at a threshold, a block after the other, after the records that are decided already."""


def _here(vectors: Vectors, threshold: float, decided: Records | None) -> Iterator[Records]:
    return decisions(vectors, threshold, decided=decided)


def deduplicated(
    texts: Sequence[str],
    vectors: Vectors,
    threshold: float,
    *,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    decide: Decide = _here,
) -> Outcome:
    """Decide all texts; `vectors` has one for each, and of a text that stands there twice the first counts.

    `decide` applies the rule; by default this process does.

    Raises `BadInput` where the checkpoint is of other input, `OSError` where it cannot be written.
    """
    numbers, place_of = firsts(texts)
    chosen = vectors if len(numbers) == len(texts) else vectors.chosen(numbers)
    blocks = [] if checkpoint is None else [checkpoint.decided()]
    decided = sum(map(len, blocks))
    kept = sum(int((block["outcome"] == KEPT).sum()) for block in blocks)
    pairs = 0
    for records in decide(chosen, threshold, blocks[0] if blocks else None):
        if checkpoint is not None:
            checkpoint.add(records)
        blocks.append(records)
        pairs += len(records) * kept + len(records) * (len(records) - 1) // 2
        kept += int((records["outcome"] == KEPT).sum())
        decided += len(records)
        progress(Progress(decided=decided, total=len(numbers), kept=kept, pairs=pairs))
    return Outcome(
        texts=texts,
        records=spread(np.concatenate(blocks), numbers, place_of, threshold),
        threshold=threshold,
        copies=int((place_of >= 0).sum()) - len(numbers),
        unrelated=unrelated(chosen, threshold),
    )
