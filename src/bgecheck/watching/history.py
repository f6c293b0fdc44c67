"""What is kept of the samples: a bounded table of medians, exact counts, and the events."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from bgecheck.model import Text
from bgecheck.model.expected import AtLeast
from bgecheck.watching.sample import Event, Sample, Watched
from bgecheck.watching.trend import Points

CAPACITY = 1440
"""Rows of the table: when it is full neighbours are merged, so that a day and a month take the same memory."""

COLUMNS = ("rss", "ram_free", "gpu", "gpu_free", "temperature", "clock", "latency", "load", "cosine")
"""What is kept of each sample; `load` is in requests per second. Of cosines it is the lowest, else the median."""

_EVENTS = 400
_KINDS = 40
"""Events and kinds of failure that are kept; the rest is counted."""


class When(NamedTuple):
    """An event and the seconds since the watch began."""

    elapsed: float
    event: Event


class Segment(NamedTuple):
    """The rows between two starts of the server; NaN where nothing was seen."""

    session: int
    times: Sequence[float]
    columns: Mapping[str, Sequence[float]]

    def points(self, name: str) -> Points:
        """A column without its gaps."""
        kept = [(t, v) for t, v in zip(self.times, self.columns[name], strict=True) if not math.isnan(v)]
        return Points([t for t, _ in kept], [v for _, v in kept])


@dataclass(slots=True, kw_only=True)
class Tally:
    """Exact counts over all samples."""

    samples: int = 0
    asked: int = 0
    """Samples in which a text was sent."""
    failed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    held_back: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    """Vectors that were set beside the first."""
    lowest: float | None = None
    lowest_at: float = 0.0
    odd: int = 0
    odd_words: str = ""
    first_wrong_at: float | None = None
    """When the first vector came that is not the one it was."""
    wrong: int = 0
    cached: int = 0
    """Tokens that were cached, by the answers and by what the server's metrics grew."""
    cached_known: bool = False
    restarts: int = 0
    outages: int = 0
    asleep: float = 0.0
    clock_sets: int = 0
    throttled: int = 0
    temperatures: int = 0
    """Samples with a temperature."""
    hottest: int = 0
    seen_process: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A cause that came up in the log while it was watched."""

    name: str
    text: Text
    fatal: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the judges see. They are pure functions of it."""

    watched: Watched
    seconds: float
    segments: tuple[Segment, ...]
    tally: Tally
    events: tuple[When, ...] = ()
    events_dropped: int = 0
    causes: tuple[Cause, ...] = ()
    unread: int = 0
    """Lines of a file that could not be read."""
    lines: int = 0

    def series(self, name: str) -> Points:
        """A column of all segments, its gaps included as NaN."""
        times = [t for segment in self.segments for t in segment.times]
        return Points(times, [v for segment in self.segments for v in segment.columns[name]])


SAME_VECTOR = AtLeast(0.9999, "", "measured on sglang 0.5.23: 1.0 with the prefix cache off, 0.40-0.46 with it on")
"""Of two vectors of one text."""


class History:
    """Takes samples in bounded memory."""

    def __init__(self, watched: Watched, capacity: int = CAPACITY) -> None:
        self.watched = watched
        self.tally = Tally()
        self._capacity = capacity
        self._stride = 1
        self._pending: list[Sample] = []
        self._loads: list[float] = []
        self._times = array("d")
        self._sessions = array("l")
        self._columns = {name: array("d") for name in COLUMNS}
        self._events: list[When] = []
        self._dropped = 0
        self._causes: dict[str, Cause] = {}
        self._before: Sample | None = None

    @property
    def last(self) -> Sample | None:
        """The newest sample."""
        return self._before

    def take(self, sample: Sample) -> None:
        """Take one sample."""
        if self._pending and self._pending[0].session != sample.session:
            self._close_row()
        self._count(sample)
        self._pending.append(sample)
        self._loads.append(_load(self._before, sample))
        self._before = sample
        if len(self._pending) >= self._stride:
            self._close_row()
        for event in sample.events:
            self._note(When(sample.elapsed, event))

    def facts(self, unread: int = 0, lines: int = 0) -> Facts:
        """What was seen so far."""
        return Facts(
            watched=self.watched,
            seconds=self._before.elapsed if self._before else 0.0,
            segments=tuple(self._segments()),
            tally=deepcopy(self.tally),
            events=tuple(self._events),
            events_dropped=self._dropped,
            causes=tuple(self._causes.values()),
            unread=unread,
            lines=lines,
        )

    def recent(self, name: str, count: int) -> list[float]:
        """The newest values of a column, for a screen."""
        return list(self._columns[name][-count:])

    def newest_events(self, count: int) -> list[When]:
        """The newest events, for a screen."""
        return self._events[-count:]

    def _note(self, when: When) -> None:
        if when.event.kind == "cause" and when.event.id not in self._causes and len(self._causes) < _KINDS:
            event = when.event
            self._causes[event.id] = Cause(name=event.id, text=event.text, fatal=event.fatal, at=when.elapsed)
        if len(self._events) >= _EVENTS:
            # The first tell how it began, the last how it ended.
            del self._events[_EVENTS // 2]
            self._dropped += 1
        self._events.append(when)

    def _count(self, sample: Sample) -> None:
        tally = self.tally
        tally.samples += 1
        tally.asked += sample.asked
        tally.asleep += sample.asleep
        tally.clock_sets += sample.clock_set != 0
        tally.seen_process = tally.seen_process or sample.pid is not None
        for event in sample.events:
            tally.restarts += event.kind == "restart"
            tally.outages += event.kind == "gone"
        if sample.failure is not None:
            tally.failed += 1
            _counted(tally.failures, sample.failure)
        if sample.held_back is not None:
            _counted(tally.held_back, sample.held_back)
        if sample.temperature is not None:
            tally.temperatures += 1
            tally.throttled += bool(sample.throttled)
            tally.hottest = max(tally.hottest, sample.temperature)
        self._count_vector(sample)
        self._count_cached(sample)

    def _count_vector(self, sample: Sample) -> None:
        tally = self.tally
        if sample.odd is not None:
            tally.odd += 1
            tally.odd_words = tally.odd_words or sample.odd
        if sample.cosine is not None:
            tally.compared += 1
            if tally.lowest is None or sample.cosine < tally.lowest:
                tally.lowest, tally.lowest_at = sample.cosine, sample.elapsed
        if is_wrong(sample):
            tally.wrong += 1
            if tally.first_wrong_at is None:
                tally.first_wrong_at = sample.elapsed

    def _count_cached(self, sample: Sample) -> None:
        cached = newly_cached(self._before, sample)
        if cached is not None:
            self.tally.cached_known = True
            self.tally.cached += cached

    def _close_row(self) -> None:
        """Make a row of the samples that wait, and merge neighbours where the table is full."""
        waiting, loads = self._pending, self._loads
        self._times.append(median(sample.elapsed for sample in waiting))
        self._sessions.append(waiting[0].session)
        for name, column in self._columns.items():
            values = loads if name == "load" else [_number(getattr(sample, name)) for sample in waiting]
            column.append(_one_of(name, values))
        self._pending, self._loads = [], []
        if len(self._times) >= self._capacity:
            self._halve()

    def _halve(self) -> None:
        """Merge neighbours of one session by twos."""
        pairs: list[tuple[int, int]] = []
        at = 0
        while at < len(self._times):
            pair = at + 1 < len(self._times) and self._sessions[at] == self._sessions[at + 1]
            pairs.append((at, at + 2 if pair else at + 1))
            at = pairs[-1][1]
        if len(pairs) >= self._capacity:  # a server that starts anew with each sample: the oldest rows go
            pairs = pairs[len(pairs) // 2 :]
        times = array("d", (_middle(self._times[a:b]) for a, b in pairs))
        sessions = array("l", (self._sessions[a] for a, _ in pairs))
        columns = {
            name: array("d", (_one_of(name, column[a:b]) for a, b in pairs)) for name, column in self._columns.items()
        }
        # Together, as Ctrl-C may come at any moment and what was seen is still to be judged.
        self._times, self._sessions, self._columns, self._stride = times, sessions, columns, 2 * self._stride

    def _segments(self) -> list[Segment]:
        # Rows that are whole: a signal may have ended the watch within one.
        rows = min(len(self._times), len(self._sessions), *map(len, self._columns.values()))
        bounds = [0, *(i for i in range(1, rows) if self._sessions[i] != self._sessions[i - 1])]
        segments = []
        for begin, end in zip(bounds, [*bounds[1:], rows], strict=True):
            columns = {name: column[begin:end] for name, column in self._columns.items()}
            if end > begin:
                segments.append(Segment(self._sessions[begin], self._times[begin:end], columns))
        return segments


def is_wrong(sample: Sample) -> bool:
    """Whether a vector came that is not the one it was."""
    return sample.odd is not None or (sample.cosine is not None and not SAME_VECTOR.admits(sample.cosine))


def newly_cached(before: Sample | None, sample: Sample) -> int | None:
    """Tokens that were cached since the sample before; None where nothing tells.

    The server's own counter begins anew with its process.
    """
    grown = None
    if sample.cached_total is not None and before is not None and before.cached_total is not None:
        grown = sample.cached_total - before.cached_total
        grown = sample.cached_total if grown < 0 else grown
    counts = [count for count in (sample.cached, grown) if count is not None]
    return max(counts) if counts else None


def _load(before: Sample | None, sample: Sample) -> float:
    """Requests per second since the sample before; NaN where that is not known, or the counter began anew."""
    if before is None or before.answered is None or sample.answered is None:
        return math.nan
    seconds, grown = sample.elapsed - before.elapsed, sample.answered - before.answered
    return grown / seconds if seconds > 0 and grown >= 0 else math.nan


def _counted(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < _KINDS else "other"] += 1


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _one_of(name: str, values: Sequence[float]) -> float:
    """What stands for several values of a column."""
    if name != "cosine":
        return _middle(values)
    return min((value for value in values if not math.isnan(value)), default=math.nan)


def _middle(values: Sequence[float]) -> float:
    present = [value for value in values if not math.isnan(value)]
    return median(present) if present else math.nan
