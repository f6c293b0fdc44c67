"""Finds the best settings of a grid within a time: every other one first, then around the best, then the best again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bgecheck.benching.limits import Grid
from bgecheck.benching.measured import Result, Setting, Stretch
from bgecheck.benching.objective import Objective, meets
from bgecheck.benching.statistics import WITHIN

FIRST, SECOND = 0.55, 0.8
"""Shares of the time after which the first look, and the one around the best, end."""

SLICES = 40
"""Into which the time is cut: a stretch of the first looks has one of them."""

SHORTEST, LONGEST = 0.25, 8.0
"""Seconds of one stretch; a slow server's may take four times as long."""

SLOW = 0.2
"""Share of the time that two requests of each client may be expected to take: a setting that is slower is left out."""

GAIN = 1.03
"""Times as fast four times as many requests in flight have to be, for still more to be tried."""

NEAR = 2 * WITHIN
"""How far below the best a setting may seem to be whose neighbours are measured: noise and the knee's margin."""

CONTENDERS = 8
"""Settings that are measured again at most; half of them the fastest, half the smallest that are nearly as fast."""

AGAIN = 3
"""Times that contenders are measured again, in turn, so that a drift of the server is fair to all."""

Step = TypeVar("Step")

Measure = Callable[[Setting, float, float], Stretch]
"""Loads a setting for so many seconds, a slow server for up to so many."""


@dataclass(slots=True)
class Search:
    """A sweep that goes on: what was measured, and what may still be."""

    grid: Grid
    measure: Measure
    remaining: Callable[[], float]
    """Seconds that are left."""
    wanted: Sequence[Objective] = ()
    results: dict[Setting, Result] = field(default_factory=dict)
    confirmed: set[Setting] = field(default_factory=set)
    """Those that were measured again."""
    budget: float = 0.0

    def run(self) -> None:
        """Measure until nothing is left to find out, or no time."""
        self.budget = self.remaining()
        batches = _every_other(self.grid.batches)
        for batch in batches if self._bounds_latency else _from_the_middle(batches):
            self._climb(batch)
        self._look_around()
        self._confirm()

    @property
    def _bounds_latency(self) -> bool:
        """Whether more in flight can be too many though the throughput grows."""
        return any(objective.is_latency for objective in self.wanted)

    def _used(self) -> float:
        return 1 - self.remaining() / self.budget if self.budget > 0 else 1.0

    def _measured(self, setting: Setting, share: float) -> Result | None:
        """Load a setting for a share of the time; None where there is too little left for it."""
        seconds = min(LONGEST, max(SHORTEST, share * self.budget))
        if self.remaining() < SHORTEST or self._expected(setting) > min(self.remaining(), SLOW * self.budget):
            return None
        stretch = self.measure(setting, min(seconds, self.remaining()), min(4 * seconds, self.remaining()))
        result = self.results.get(setting, Result(setting, ())).with_stretch(stretch)
        self.results[setting] = result
        return result

    def _expected(self, setting: Setting) -> float:
        """Seconds that two requests of each client take at the rate that the nearest smaller setting has."""
        smaller = [one for one in self.results.values() if one.rate > 0 and one.setting.in_flight <= setting.in_flight]
        rate = max((one.rate for one in smaller), default=0.0)
        return 2 * setting.in_flight / rate if rate else 0.0

    def _climb(self, batch: int) -> None:
        """More and more requests in flight, until more bring nothing, or errors."""
        before = 0.0
        for setting in _every_other(self.grid.of_batch(batch)):
            result = None if self._used() > FIRST else self._measured(setting, 1 / SLICES)
            if result is None or not result.is_usable or result.rate < before * GAIN:
                return
            if any(one.is_latency and one.distance(result) > 1 + NEAR for one in self.wanted):
                return
            before = result.rate

    def _look_around(self) -> None:
        """The neighbours of what is nearly the best, until all of them are known."""
        left_out: set[Setting] = set()
        while self._used() < SECOND:
            settled = self.results.keys() | left_out
            unknown = [
                near
                for result in self._nearly_best()
                for near in self.grid.neighbours(result.setting)
                if near not in settled and not self._is_beyond(near)
            ]
            if not unknown:
                return
            if self._measured(unknown[0], 1 / SLICES) is None:
                left_out.add(unknown[0])

    def _is_beyond(self, setting: Setting) -> bool:
        """Whether fewer in flight of the same batch size were too many already."""
        return any(
            one.setting.batch == setting.batch and one.setting.in_flight < setting.in_flight and not one.is_usable
            for one in self.results.values()
        )

    def _confirm(self) -> None:
        """The contenders in turn, again and again; those that fall back are left out."""
        for number in range(AGAIN):
            contenders = self._contenders()
            turns = max(1, len(contenders) * (AGAIN - number))
            for setting in contenders:
                if self._measured(setting, self.remaining() / turns / max(1e-9, self.budget)) is None:
                    return
                self.confirmed.add(setting)

    def _contenders(self) -> list[Setting]:
        """The fastest and the smallest of those that are nearly the best."""
        fastest = self._nearly_best()
        smallest = sorted(fastest, key=lambda one: (one.setting.in_flight, one.setting.concurrency))
        half = CONTENDERS // 2
        return list(dict.fromkeys(one.setting for one in (*fastest[:half], *smallest[:half])))

    def _misses(self, result: Result) -> float:
        return max(objective.distance(result) for objective in self.wanted)

    def _nearly_best(self) -> list[Result]:
        """The fastest first; with objectives of those alone that nearly meet them, or that miss them least."""
        usable = [result for result in self.results.values() if result.is_usable]
        if self.wanted and usable:
            least = max(1.0, min(map(self._misses, usable)))
            # Nearly met is worth another look: a few slow answers decide over a p99.
            usable = [one for one in usable if self._misses(one) <= least * (1 + NEAR)]
        enough = (1 - NEAR) * max((one.rate for one in usable), default=0.0)
        met = {one.setting for one in usable if meets(one, self.wanted)}
        best_met = (1 - NEAR) * max((one.rate for one in usable if one.setting in met), default=0.0)
        near = [one for one in usable if one.rate >= (best_met if one.setting in met else enough)]
        return sorted(near, key=lambda one: -one.rate)


def _every_other(steps: Sequence[Step]) -> list[Step]:
    """Every other step, and the last."""
    return [step for place, step in enumerate(steps) if place % 2 == 0 or place == len(steps) - 1]


def _from_the_middle(batches: Sequence[int]) -> list[int]:
    """The middle size, then larger ones, then smaller ones: where the time ends early, little is missed.

    Single texts are the slowest of all, and the middle tells as well what the server is like.
    """
    middle = len(batches) // 2
    return [*batches[middle:], *reversed(batches[:middle])]


def comparable(results: Mapping[Setting, Result], confirmed: set[Setting]) -> list[Result]:
    """The settings among which one is chosen: those that were measured again, where any were.

    One short stretch of many is fast by luck.
    """
    usable = [result for result in results.values() if result.is_usable]
    sure = [result for result in usable if result.setting in confirmed]
    return sure or usable
