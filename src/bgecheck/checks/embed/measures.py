"""How far the same texts lie apart when they are sent in another way, and how near different texts lie."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bgecheck.checks.embed.facts import EmbedFacts, more_of, vectors_of
from bgecheck.model.expected import AtLeast, AtMost
from bgecheck.model.vectors import cosine

SAME_TEXT = AtLeast(0.9999, "", "measured on sglang 0.5.23: 1.0 with the prefix cache off, 0.40-0.46 with it on")
SAME_IN_BATCH = AtLeast(0.999, "", "measured on sglang 0.5.23: 1.0 with chunking off, 0.40 at a chunk border")
COLLAPSED = AtMost(0.9999, "", "texts whose tokens are all [UNK] have one vector: cosine 1.0 (sglang 0.5.23)")
MARGINS = AtLeast(0.75, "", "share of triples; a single miss decides nothing")
MEAN_MARGIN = AtLeast(
    0.05,
    "",
    "random BertModels: 0.002 (CLS) to 0.019 (mean); all-MiniLM-L6-v2: 0.66, and 0.20 in Chinese, which it never saw",
)
GOLDEN_COSINE = 0.6119
GOLDEN_BAND = AtMost(0.02, "", "published in the unit tests of mindnlp for the model's own weights, tolerance 1e-3")


def lowest(cosines: Iterable[float]) -> float:
    """The lowest; one that is not a number counts as the lowest."""
    return min(cosines, key=lambda c: c if math.isfinite(c) else -2.0)


def _pairwise(some: Iterable[Sequence[float]], others: Iterable[Sequence[float]]) -> list[float]:
    return [cosine(a, b) for a, b in zip(some, others, strict=True)]


def repeated(facts: EmbedFacts) -> float:
    """Lowest cosine among the answers to one text that was never sent before."""
    first, *others = (vectors_of(answer)[0] for answer in facts.repeats)
    return lowest(cosine(first, other) for other in others)


def in_batch(facts: EmbedFacts) -> float:
    """Cosine of the fresh text alone, its first answer, and between two others in one request."""
    return cosine(vectors_of(facts.repeats[0])[0], vectors_of(facts.batch)[1])


def after_relative(facts: EmbedFacts) -> float:
    """Cosine of the fresh text alone, and again after a text that shares its first half."""
    return cosine(vectors_of(facts.repeats[0])[0], vectors_of(more_of(facts).after_relative)[0])


def in_reverse(facts: EmbedFacts) -> float:
    """Lowest cosine of the batch of three and its reverse, text by text."""
    return lowest(_pairwise(vectors_of(facts.batch), reversed(vectors_of(more_of(facts).reversed))))


def at_once(facts: EmbedFacts) -> float:
    """Lowest cosine of texts in requests of their own at the same time, and all in one request."""
    more = more_of(facts)
    return lowest(_pairwise([vectors_of(answer)[0] for answer in more.crowd], vectors_of(more.crowd_batch)))


def in_chunks(facts: EmbedFacts) -> list[float]:
    """Cosines of texts in a request of more tokens than a chunk, and in two that fill none; empty without a chunk."""
    long = more_of(facts).long
    if long is None:
        return []
    return _pairwise(vectors_of(long[0]), (*vectors_of(long[1]), *vectors_of(long[2])))


def closest(facts: EmbedFacts) -> float:
    """Cosine of the closest two of different texts of equal length."""
    vectors = vectors_of(more_of(facts).crowd_batch)
    return max((cosine(a, b) for n, a in enumerate(vectors) for b in vectors[n + 1 :]), default=math.nan)


class Meaning(NamedTuple):
    """How texts that mean the same lie to each other, beside strangers."""

    right: int
    """Triples in which the relative is closer than the stranger."""
    triples: int
    margin: float
    """By how much closer, on the average of all triples: a difference of cosines."""

    @property
    def kept(self) -> bool:
        """Whether these can be the vectors of a model that knows the language."""
        return MARGINS.admits(self.right / self.triples) and MEAN_MARGIN.admits(self.margin)


def meaning(facts: EmbedFacts) -> Meaning:
    """The triples of the model's language."""
    vectors = vectors_of(more_of(facts).meaning)
    triples = [vectors[n : n + 3] for n in range(0, len(vectors), 3)]
    margins = [cosine(a, b) - cosine(a, c) for a, b, c in triples]
    return Meaning(sum(margin > 0 for margin in margins), len(margins), sum(margins) / len(margins))


def shuffled(facts: EmbedFacts) -> tuple[int, ...] | None:
    """At which place of one request the vector of each text was found, where all were found and not in their order."""
    more = more_of(facts)
    alone, together = [vectors_of(answer)[0] for answer in more.crowd], vectors_of(more.crowd_batch)
    places = []
    for vector in alone:
        cosines = [cosine(vector, other) for other in together]
        place = max(range(len(cosines)), key=lambda n: (math.isfinite(cosines[n]), cosines[n]))
        if not SAME_IN_BATCH.admits(cosines[place]):
            return None
        places.append(place)
    inorder = list(range(len(alone)))
    return tuple(places) if sorted(places) == inorder and places != inorder else None


def published_pair(facts: EmbedFacts) -> float:
    """Cosine of the pair whose cosine is published."""
    first, second = vectors_of(more_of(facts).pair)
    return cosine(first, second)
