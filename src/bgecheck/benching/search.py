"""Finds the best settings of a grid within a time: every other batch size first, then around the best, then again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bgecheck.benching.limits import Grid
from bgecheck.benching.measured import Result, Setting, Stretch
from bgecheck.benching.objective import Objective, meets
from bgecheck.benching.statistics import WITHIN

FIRST, SECOND = 0.5, 0.7
"""Shares of the time after which the first look, and the one around the best, end."""

SLICES = 40
"""Into which the time is cut: a stretch of the first looks has one of them."""

SHORTEST, LONGEST = 0.25, 8.0
"""Seconds of one stretch; a slow server's may take four times as long."""

GAIN = 1.03
"""Times as fast twice as many in flight have to be, twice in a row, for still more to be tried."""

NEAR = 2 * WITHIN
"""How far below the best a setting may seem to be whose neighbours are measured: noise and the knee's margin."""

CONTENDERS = 8
"""Settings that are measured again at most; half of them the fastest, half the smallest that are nearly as fast."""

AGAIN = 3
"""Times that contenders are measured again, in turn, so that a drift of the server is fair to all."""

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
        for batch in _every_other(self.grid.batches):
            self._climb(batch)
        self._look_around()
        self._confirm()

    def _used(self) -> float:
        return 1 - self.remaining() / self.budget if self.budget > 0 else 1.0

    def _measured(self, setting: Setting, share: float) -> Result | None:
        """Load a setting for a share of the time; None where there is too little left for it."""
        seconds = min(LONGEST, max(SHORTEST, share * self.budget))
        if self.remaining() < min(seconds, SHORTEST) or self._expected(setting) > self.remaining():
            return None
        stretch = self.measure(setting, min(seconds, self.remaining()), min(4 * seconds, self.remaining()))
        result = self.results.get(setting, Result(setting, ())).with_stretch(stretch)
        self.results[setting] = result
        return result

    def _expected(self, setting: Setting) -> float:
        """Seconds that two requests of each client take at the rate that the nearest smaller setting has."""
        known = [one for one in self.results.values() if one.rate > 0 and one.setting.in_flight <= setting.in_flight]
        rate = max((one.rate for one in known), default=0.0)
        return 2 * setting.in_flight / rate if rate else 0.0

    def _climb(self, batch: int) -> None:
        """More and more requests in flight, until more bring nothing, or errors."""
        before, flat = 0.0, 0
        for setting in self.grid.of_batch(batch):
            result = None if self._used() > FIRST else self._measured(setting, 1 / SLICES)
            if result is None or not result.is_usable:
                return
            flat = flat + 1 if result.rate < before * GAIN else 0
            if flat == 2:
                return
            before = max(before, result.rate)

    def _look_around(self) -> None:
        """The neighbours of what is nearly the best, until all of them are known."""
        while self._used() < SECOND:
            nearest = [
                near
                for result in self._nearly_best(self._usable())
                for near in self.grid.neighbours(result.setting)
                if near not in self.results and not self._is_beyond(near)
            ]
            if not nearest or self._measured(nearest[0], 1 / SLICES) is None:
                return

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
        """The fastest and the smallest of those that are nearly the best, by the rate alone and by what is wanted."""
        usable = self._usable()
        groups = [self._nearly_best(usable)]
        if self.wanted:
            # Nearly met is worth another look: a few slow answers decide over a p99.
            groups.append(self._nearly_best([one for one in usable if self._misses(one) <= 1 + NEAR]))
        chosen: dict[Setting, None] = {}
        for group in groups:
            chosen |= dict.fromkeys(one.setting for one in group[: CONTENDERS // 2])
            small = sorted(group, key=lambda one: (one.setting.in_flight, one.setting.concurrency))
            chosen |= dict.fromkeys(one.setting for one in small[: CONTENDERS // 2])
        return list(chosen)

    def _misses(self, result: Result) -> float:
        return max(objective.distance(result) for objective in self.wanted)

    def _usable(self) -> list[Result]:
        return [result for result in self.results.values() if result.is_usable]

    def _nearly_best(self, results: Sequence[Result]) -> list[Result]:
        """The fastest first; with objectives those first that meet them."""
        if not results:
            return []
        met = [result for result in results if self.wanted and meets(result, self.wanted)]
        chosen = [_near(met), _near(results)]
        return list(dict.fromkeys(result for group in chosen for result in group))


def _near(results: Sequence[Result]) -> list[Result]:
    enough = (1 - NEAR) * max((result.rate for result in results), default=0.0)
    return sorted((one for one in results if one.rate >= enough), key=lambda one: -one.rate)


def _every_other(batches: Sequence[int]) -> list[int]:
    """Every other size, and the largest."""
    return sorted({*batches[::2], batches[-1]})


def comparable(results: Mapping[Setting, Result], confirmed: set[Setting]) -> list[Result]:
    """The settings among which one is chosen: those that were measured again, where any were.

    One short stretch of many is fast by luck.
    """
    usable = [result for result in results.values() if result.is_usable]
    sure = [result for result in usable if result.setting in confirmed]
    return sure or usable
