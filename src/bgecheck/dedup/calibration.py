"""The threshold that labelled pairs speak for: precision and recall at each, with bootstrap intervals.

A pair counts as found where its similarity exceeds the threshold. Between two neighbouring similarities every threshold
finds the same pairs, so there is one candidate for each such gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bgecheck.dedup.cosine import Doubles
from bgecheck.dedup.outcome import binned

RESAMPLES = 1000
CONFIDENCE = 0.95
LEVELS = (0.90, 0.95, 0.99)
"""Recalls for which the precision is given, and precisions for which the recall is."""
_SEED = 20240917
"""Of the resampling, so that the same pairs give the same intervals."""

Labels = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What a threshold gives on the labelled pairs, each in [0, 1]."""

    threshold: float
    precision: float
    """1 where nothing exceeds the threshold."""
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Interval:
    """Between which a figure lies in 95 of 100 resamples of the pairs."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLevel:
    """The threshold that reaches a level, what the other figure is there, and how sure that is.

    `point` is None where no threshold reaches the level.
    """

    level: float
    point: Point | None
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What labelled pairs say of thresholds."""

    similarities: Doubles
    same: Labels
    best: Point
    """The highest F1; of several the one with the higher threshold, which drops less."""
    gap: Interval
    """The similarities next to the best threshold: between them any threshold finds the same pairs."""
    threshold: Interval
    f1: Interval
    precision: Interval
    recall: Interval
    """Of the best threshold."""
    at_recall: tuple[AtLevel, ...]
    at_precision: tuple[AtLevel, ...]
    current: Point
    """What the threshold gives that was asked for."""
    auc: float
    """How often a pair of duplicates is more similar than one that is none."""

    def histograms(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many duplicates and others lie in each bin of similarity."""
        return binned(self.similarities[self.same]), binned(self.similarities[~self.same])

    @property
    def overlap(self) -> tuple[int, int]:
        """How many others reach the least similar duplicates, and how many duplicates do not pass the nearest other."""
        duplicates, others = self.similarities[self.same], self.similarities[~self.same]
        return int((others >= duplicates.min()).sum()), int((duplicates <= others.max()).sum())


def calibrated(similarities: Sequence[float] | Doubles, same: Sequence[bool] | Labels, threshold: float) -> Calibration:
    """What pairs with these similarities and labels say; `threshold` is the one to compare with.

    At least one pair of duplicates and one of others. Intervals: percentiles of resamples with replacement, of the
    duplicates and of the others apart, so that each resample has as many of them (stratified bootstrap).
    """
    order = np.argsort(np.asarray(similarities, np.float64), kind="stable")
    values, labels = np.asarray(similarities, np.float64)[order], np.asarray(same, bool)[order]
    curve = _Curve(values)
    whole = curve.points(labels.astype(np.float64), (~labels).astype(np.float64))
    best = whole.best()
    samples = [curve.points(*weights) for weights in _resampled(labels)]
    at_best = [sample.best() for sample in samples]
    return Calibration(
        similarities=values,
        same=labels,
        best=whole.point(best),
        gap=Interval(*curve.gap(best)),
        threshold=_interval(float(curve.thresholds[at]) for at in at_best),
        f1=_interval(float(sample.f1[best]) for sample in samples),
        precision=_interval(float(sample.precision[best]) for sample in samples),
        recall=_interval(float(sample.recall[best]) for sample in samples),
        at_recall=tuple(_at(level, whole, samples, "recall") for level in LEVELS),
        at_precision=tuple(_at(level, whole, samples, "precision") for level in LEVELS),
        current=_point(values, labels, threshold),
        auc=_auc(values, labels),
    )


class _Curve:
    """The candidates between sorted similarities: the lowest finds all pairs, the highest none."""

    def __init__(self, values: Doubles) -> None:
        self._values = values
        distinct, self._begins = np.unique(values, return_index=True)
        edges = np.concatenate([[distinct[0] - 0.02], distinct, [min(1.0, distinct[-1] + 0.02)]])
        self._edges = edges
        self.thresholds = np.array([_between(low, high) for low, high in pairwise(edges)])

    def gap(self, at: int) -> tuple[float, float]:
        return float(self._edges[at]), float(self._edges[at + 1])

    def points(self, same: Doubles, other: Doubles) -> _Points:
        """Precision, recall and F1 at each candidate, where the sorted pairs have these weights as either kind."""
        hits, errors = (self._above(weights) for weights in (same, other))
        above, total = hits + errors, same.sum()
        precision = np.divide(hits, above, out=np.ones_like(hits), where=above > 0)
        recall = hits / total
        return _Points(self.thresholds, precision, recall, 2 * hits / (above + total))

    def _above(self, weights: Doubles) -> Doubles:
        """The weight of the pairs above each candidate."""
        sums = np.concatenate([[0.0], np.cumsum(weights)])
        below = np.concatenate([[0.0], sums[self._begins[1:]], [sums[-1]]])
        above: Doubles = sums[-1] - below
        return above


@dataclass(frozen=True, slots=True)
class _Points:
    """The figures at each candidate, thresholds ascending."""

    thresholds: Doubles
    precision: Doubles
    recall: Doubles
    f1: Doubles

    def best(self) -> int:
        """The highest F1; of several the last, whose threshold is the highest."""
        return int(len(self.f1) - 1 - self.f1[::-1].argmax())

    def reaching(self, level: float, figure: str) -> int | None:
        """The highest threshold with that recall, or the lowest with that precision and all above it that find any."""
        reached = np.flatnonzero((self.recall if figure == "recall" else self.precision) >= level - 1e-12)
        reached = reached[self.recall[reached] > 0]
        if not len(reached):
            return None
        return int(reached[-1]) if figure == "recall" else int(reached[0])

    def point(self, at: int) -> Point:
        return Point(
            threshold=float(self.thresholds[at]),
            precision=float(self.precision[at]),
            recall=float(self.recall[at]),
            f1=float(self.f1[at]),
        )


def _resampled(labels: Labels) -> Iterable[tuple[Doubles, Doubles]]:
    """How often each sorted pair is drawn, duplicates and others apart."""
    rng = np.random.default_rng(_SEED)
    kinds = [np.flatnonzero(kind) for kind in (labels, ~labels)]
    for _ in range(RESAMPLES):
        drawn = [kind[rng.integers(len(kind), size=len(kind))] for kind in kinds]
        same, other = (np.bincount(one, minlength=len(labels)).astype(np.float64) for one in drawn)
        yield same, other


def _at(level: float, whole: _Points, samples: Sequence[_Points], figure: str) -> AtLevel:
    at = whole.reaching(level, figure)
    others = []
    for sample in samples:
        reached = sample.reaching(level, figure)
        values = sample.precision if figure == "recall" else sample.recall
        others.append(0.0 if reached is None else float(values[reached]))
    return AtLevel(level=level, point=None if at is None else whole.point(at), interval=_interval(others))


def _interval(values: Iterable[float]) -> Interval:
    rest = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.fromiter(values, np.float64), [rest, 1 - rest])
    return Interval(float(low), float(high))


def _point(values: Doubles, labels: Labels, threshold: float) -> Point:
    """The figures at one threshold."""
    above = values > threshold
    hits, count, total = int((above & labels).sum()), int(above.sum()), int(labels.sum())
    return Point(
        threshold=threshold,
        precision=hits / count if count else 1.0,
        recall=hits / total,
        f1=2 * hits / (count + total),
    )


def _auc(values: Doubles, labels: Labels) -> float:
    """The area under the ROC curve, by ranks (Mann and Whitney); equal similarities count half."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    duplicates, others = int(labels.sum()), int((~labels).sum())
    return float((ranks[labels].sum() - duplicates * (duplicates + 1) / 2) / (duplicates * others))


def _between(low: float, high: float) -> float:
    """The number with the fewest decimals near the middle of a gap: `low` does not exceed it, and `high` does."""
    middle = low + (high - low) / 2
    for digits in range(2, 17):
        candidate = round(middle, digits)
        if low <= candidate < high:
            return candidate
    return low
