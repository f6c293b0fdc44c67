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
NO_MEANING = AtMost(0.03, "", "random BertModels: 0.002 (CLS) to 0.019 (mean)")
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


def _each_alone(facts: EmbedFacts) -> list[tuple[float, ...]]:
    """The vectors of the fresh texts, each sent alone, in the order of their batch."""
    before, *after = (vectors_of(answer)[0] for answer in facts.others or (None,))
    return [before, vectors_of(facts.repeats[0])[0], *after]


def in_batch(facts: EmbedFacts) -> float:
    """Lowest cosine of the texts alone, the fresh one by its first answer, and together in one request."""
    together = vectors_of(facts.batch)
    return lowest(_pairwise(_each_alone(facts)[: len(together)], together))


def moved_in_batch(facts: EmbedFacts) -> tuple[int, ...] | None:
    """Where in their batch the vectors of the texts are, where all are there and not all at their own place."""
    together = vectors_of(facts.batch)
    return _places(_each_alone(facts)[: len(together)], together, range(len(together)))


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


def of_one_length(facts: EmbedFacts) -> list[tuple[float, ...]]:
    """The vectors of different texts of equal length: of the crowd, else the first two of the fresh ones."""
    return crowd_together(facts) if facts.more and facts.more.crowd_batch else _each_alone(facts)[:2]


def of_two_lengths(facts: EmbedFacts) -> float:
    """Cosine of a fresh text and one three times as long."""
    _, fresh, *longer = _each_alone(facts)
    return cosine(fresh, longer[0]) if longer else math.nan


def one_for_all(facts: EmbedFacts) -> bool:
    """Whether texts of any length have one vector, so that it is not that all their characters are one token."""
    return not COLLAPSED.admits(closest_pair(of_one_length(facts))) and not COLLAPSED.admits(of_two_lengths(facts))


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
    parts = facts.meaning
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
    belong = places(len(alone), len(together))
    moved = _places(alone, together, belong)
    return None if moved is None else (moved, belong)


def _places(
    alone: Sequence[tuple[float, ...]], together: Sequence[tuple[float, ...]], belong: Sequence[int]
) -> tuple[int, ...] | None:
    """Where in one request the texts' vectors are; None where one is missing, or none is elsewhere than it belongs."""
    moved = []
    for vector in alone:
        cosines = [cosine(vector, other) for other in together]
        place = max(range(len(cosines)), key=lambda n: (math.isfinite(cosines[n]), cosines[n]))
        if not SAME_IN_BATCH.admits(cosines[place]):
            return None
        moved.append(place)
    return tuple(moved) if len(set(moved)) == len(moved) and moved != list(belong) else None


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
    first, second = vectors_of(facts.pair)
    return cosine(first, second)
