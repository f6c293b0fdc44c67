"""What follows from the measurements: the fastest setting, the knee, the one to use, and how long many texts take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bgecheck.benching.measured import Result, Setting
from bgecheck.benching.objective import Objective, meets
from bgecheck.benching.search import comparable
from bgecheck.benching.statistics import Point, knee


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The settings that matter; None where none is."""

    best: Result | None
    """The highest throughput; of those that were measured again, unless that was to find what meets the objectives."""
    knee: Result | None
    """The smallest setting that is nearly as fast."""
    chosen: Result | None
    """The smallest that is nearly as fast as the best of those that meet the objectives; without any the knee."""
    nearest: Result | None
    """Where no setting meets the objectives, the one that misses them least."""
    missed: tuple[Objective, ...] = ()
    """The objectives that this one misses."""


def advice(results: Mapping[Setting, Result], confirmed: set[Setting], wanted: Sequence[Objective]) -> Advice:
    """The advice for what was measured, in whatever order."""
    usable = [result for result in results.values() if result.is_usable]
    sure = comparable(results, confirmed)
    meeting = [one for one in sure if meets(one, wanted)] or [one for one in usable if meets(one, wanted)]
    nearest = None
    if usable and not meeting:
        nearest = min(usable, key=lambda one: max(objective.distance(one) for objective in wanted))
    return Advice(
        best=max(usable if wanted else sure, key=lambda one: one.rate, default=None),
        knee=_knee(sure),
        chosen=_highest_rate(meeting) or _knee(meeting),
        nearest=nearest,
        missed=tuple(one for one in wanted if nearest is not None and not one.holds(nearest)),
    )


def _highest_rate(results: Sequence[Result]) -> Result | None:
    """In an open loop the rate is given, and the highest that holds is the answer; None in a closed one."""
    return max((one for one in results if one.setting.rate), key=lambda one: one.setting.rate, default=None)


def _knee(results: Sequence[Result]) -> Result | None:
    """Of as many texts in flight those in fewer requests come first: they cost a client less."""
    ordered = sorted(results, key=lambda one: (one.setting.in_flight, one.setting.concurrency))
    place = knee([Point(one.setting.in_flight, one.rate) for one in ordered])
    return None if place is None else ordered[place]


def seconds_for(texts: int, result: Result) -> float:
    """Seconds that so many texts take at the rate of a setting."""
    return texts / result.rate
