"""How far the same texts lie apart when they are sent in another way, and how near different texts lie."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from bgecheck.checks.embed.facts import EmbedFacts, more_of, vectors_of
from bgecheck.checks.embed.texts import places
from bgecheck.http.embeddings import Embedded
from bgecheck.knowledge.vectors import closest_pair, cosine, is_finite
from bgecheck.model.expected import AtLeast, AtMost

SAME_TEXT = AtLeast(0.9999, "", "measured on sglang 0.5.23: 1.0 with the prefix cache off, 0.40-0.46 with it on")
SAME_IN_BATCH = AtLeast(0.999, "", "measured on sglang 0.5.23: 1.0 with chunking off, 0.40 at a chunk boundary")
COLLAPSED = AtMost(0.9999, "", "texts whose tokens are all [UNK] have one vector: cosine 1.0 (sglang 0.5.23)")
READ_ALIKE = AtMost(
    0.999999, "", "cut to the same tokens, two texts have one vector: cosine 1.0 in fp32, fp16 and bf16"
)
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


def crowd_together(facts: EmbedFacts) -> list[tuple[float, ...]]:
    """The vectors of the crowd's texts from the one request that held them all."""
    more = more_of(facts)
    together = vectors_of(more.crowd_batch)
    return [together[place] for place in places(len(more.crowd), len(together))]


def at_once(facts: EmbedFacts) -> float:
    """Lowest cosine of texts in requests of their own at the same time, and all in one request."""
    more = more_of(facts)
    return lowest(_pairwise([vectors_of(answer)[0] for answer in more.crowd], crowd_together(facts)))


def in_chunks(facts: EmbedFacts) -> list[float]:
    """Cosines of texts in a request of more tokens than a chunk, and in two that fill none; empty without a chunk."""
    long = more_of(facts).long
    if long is None:
        return []
    return _pairwise(vectors_of(long[0]), (*vectors_of(long[1]), *vectors_of(long[2])))


def closest(facts: EmbedFacts) -> float:
    """Cosine of the closest two of different texts of equal length."""
    return closest_pair(crowd_together(facts))


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
    parts = more_of(facts).meaning
    vectors = [vector for part in parts or (None,) for vector in vectors_of(part)]
    triples = [vectors[n : n + 3] for n in range(0, len(vectors), 3)]
    margins = [cosine(a, b) - cosine(a, c) for a, b, c in triples]
    return Meaning(sum(margin > 0 for margin in margins), len(margins), sum(margins) / len(margins))


def shuffled(facts: EmbedFacts) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Where in one request the texts' vectors are and where they belong; None where one is missing, or none moved."""
    if SAME_IN_BATCH.admits(at_once(facts)):
        return None
    more = more_of(facts)
    alone, together = [vectors_of(answer)[0] for answer in more.crowd], vectors_of(more.crowd_batch)
    moved = []
    for vector in alone:
        cosines = [cosine(vector, other) for other in together]
        place = max(range(len(cosines)), key=lambda n: (math.isfinite(cosines[n]), cosines[n]))
        if not SAME_IN_BATCH.admits(cosines[place]):
            return None
        moved.append(place)
    belong = places(len(alone), len(together))
    return (tuple(moved), belong) if len(set(moved)) == len(moved) and tuple(moved) != belong else None


def _kinds(facts: EmbedFacts) -> list[int]:
    """The different vectors that the fresh text got when sent alone, numbered as they first came: 0, 1, 1, 1 or so."""
    answers = [*facts.repeats, *((facts.more.after_relative,) if facts.more else ())]
    vectors = [a.vectors[0] for a in answers if isinstance(a, Embedded)]
    kinds: list[tuple[float, ...]] = []
    numbers = []
    for vector in (v for v in vectors if is_finite(v)):
        same = next((n for n, kind in enumerate(kinds) if SAME_IN_BATCH.admits(cosine(kind, vector))), len(kinds))
        kinds += [vector] * (same == len(kinds))
        numbers.append(same)
    return numbers


def comes_back(facts: EmbedFacts) -> bool:
    """Whether a vector of the fresh text came again after another one, as when two servers answer by turns."""
    kinds = _kinds(facts)
    return any(b < a for a, b in pairwise(kinds))


def never_twice(facts: EmbedFacts) -> int:
    """How many vectors the fresh text got where it never got one twice, as when chance has a part in it; else 0."""
    kinds = _kinds(facts)
    return len(kinds) if len(kinds) > 3 and len(set(kinds)) == len(kinds) else 0


def keeps_nothing(facts: EmbedFacts) -> bool:
    """Whether the fresh text alone had one vector each time, also after one that begins like it."""
    return bool(facts.more) and len(set(_kinds(facts))) == 1


def ends_alike(facts: EmbedFacts) -> float:
    """Cosine of two long texts that differ in their last characters only."""
    first, second = vectors_of(more_of(facts).whole)
    return cosine(first, second)


def case_apart(facts: EmbedFacts) -> float:
    """Cosine of the two counted texts that differ in a capital letter only."""
    *_, capital, small = vectors_of(more_of(facts).counted)
    return cosine(capital, small)


def published_pair(facts: EmbedFacts) -> float:
    """Cosine of the pair whose cosine is published."""
    first, second = vectors_of(more_of(facts).pair)
    return cosine(first, second)
