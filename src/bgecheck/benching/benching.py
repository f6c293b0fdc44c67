"""One run: the server proved, its limits learned, its settings measured, and whatever ended it before its end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bgecheck.benching.lengths import Lengths
from bgecheck.benching.limits import Grid, grid
from bgecheck.benching.load import Load
from bgecheck.benching.measured import Result, Setting, Stretch
from bgecheck.benching.objective import Objective
from bgecheck.benching.proof import Proof
from bgecheck.benching.search import Search
from bgecheck.benching.texts import Fresh, Own, Scale, Source, samples, scale_of
from bgecheck.bulk import control
from bgecheck.bulk.options import MOST_TEXTS, BulkOptions
from bgecheck.bulk.replica import Replica
from bgecheck.bulk.start import replicas
from bgecheck.bulk.tokens import Estimated
from bgecheck.model import BadInput, Target, Text, Words

WARM_UP = 0.05
"""Share of the time that goes to requests which are not counted: a server's first ones load and compile."""

LEAST_WARM = 5
"""Single requests at least, before anything is counted."""

USUAL_LONGEST = 512
"""Tokens of a text at most, where the server does not tell how many it takes."""

STILL_THERE = 5.0
"""Seconds in which a server that gave no vectors has to answer a text, or it is lost."""

PATIENCE = 15.0
"""Seconds for which a busy server is waited for at the beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What is measured."""

    batches: tuple[int, ...] = ()
    """Texts of a request; empty where all powers of two are meant."""
    concurrencies: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    """Requests a second of an open loop; empty where clients wait for their answers."""
    lengths: Lengths
    wanted: tuple[Objective, ...] = ()
    budget: float = 60.0
    """Seconds of the whole run."""
    seconds: float = 10.0
    """That one request may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """How far a run is."""

    setting: Setting
    used: float
    """Seconds."""
    budget: float
    results: Mapping[Setting, Result]


@dataclass(slots=True, kw_only=True)
class Bench:
    """What was measured of a server, while it is measured and afterwards."""

    url: str
    model: str | None
    page: Mapping[str, Any]
    """The server's page about its settings; may hold its key, so it is never shown as a whole."""
    at_once: int | None
    """Texts that it computes at once; None where it does not tell."""
    grid: Grid
    options: BenchOptions
    tokens: float
    """Of one text, on average."""
    dims: int
    results: dict[Setting, Result] = field(default_factory=dict)
    confirmed: set[Setting] = field(default_factory=set)
    ended: Words = ""
    """Why the run ended before its end; empty where it did not."""
    interrupted: bool = False
    repeated: float = 0.0
    """How often each text of a file was sent; 0 for fresh ones, which are sent once."""
    took: float = 0.0
    """Seconds."""


Show = Callable[[Now], None]


class Lost(Exception):
    """The server gives no vectors any more."""

    def __init__(self, reason: Words) -> None:
        super().__init__(str(reason))
        self.reason = reason


def bench(
    target: Target, options: BenchOptions, own: Own | None, note: Callable[[Text], None], show: Show
) -> tuple[Bench, Replica]:
    """Measure a server within the time. What was measured is kept however the run ends, also where it is interrupted.

    Raises `GivenUp` where nobody answers, `WrongVectors` where its vectors are wrong before any load, and `BadInput`.
    The server's connections are the caller's to close.
    """
    began = time.monotonic()
    bulk = BulkOptions(seconds=options.seconds, patience=min(PATIENCE, options.budget), texts=MOST_TEXTS, requests=1)
    replica = replicas([target], bulk, note)[0]
    try:
        run = _Run(replica, options, own, began, show)
        run.measure()
    except BaseException:
        replica.server.close()
        raise
    return run.bench, replica


class _Run:
    """A run from where the server is proved."""

    def __init__(self, replica: Replica, options: BenchOptions, own: Own | None, began: float, show: Show) -> None:
        assert replica.control is not None, "it is proved"
        self._replica, self._options, self._own, self._began, self._show = replica, options, own, began, show
        rng = random.Random()
        self._source: Source = own if own is not None else self._fresh(rng)
        at_once = replica.server.at_once(0.0)
        tokens = self._tokens()
        self._load = Load(replica.ask, self._source, Proof(replica.control))
        self.bench = Bench(
            url=replica.url,
            model=replica.server.model_name(),
            page=replica.server.server_info() or {},
            at_once=at_once,
            grid=grid(options.batches, options.concurrencies, at_once, tokens),
            options=options,
            tokens=tokens,
            dims=len(replica.control),
        )

    def _fresh(self, rng: random.Random) -> Fresh:
        longest = self._replica.server.longest_text(None) or USUAL_LONGEST - 1
        if self._options.lengths.low > longest:
            raise BadInput(
                f"--lengths {self._options.lengths}",
                Text(f"this server takes {longest} tokens of a text", f"这个服务每条最多 {longest} token"),
                Text("give shorter ones", "改短一些"),
            )
        return Fresh(self._options.lengths, longest, self._scale(rng), rng)

    def _scale(self, rng: random.Random) -> Scale:
        """Tokens of a character and of a word, by the server's own count of a few texts."""
        counted = [self._count([text]) for some in samples(rng) for text in some]
        return scale_of(counted[:2], counted[2:])

    def _count(self, texts: Sequence[str]) -> int:
        outcome = self._replica.ask(texts)
        return outcome.matrix.tokens if outcome.matrix is not None else 0

    def _tokens(self) -> float:
        """Of one text on average, by the server's count of one request, else by an estimate."""
        some = self._source.take(min(MOST_TEXTS, self._replica.texts))
        counted = self._count(some)
        return (counted or sum(Estimated().counts(some))) / len(some)

    def _remaining(self) -> float:
        return max(0.0, self._began + self._options.budget - time.monotonic())

    def measure(self) -> None:
        """Measure until the time is over, the server is lost, or somebody interrupts."""
        bench = self.bench
        try:
            self._warm_up()
            if self._options.rates:
                self._open_loops()
            else:
                search = Search(
                    grid=bench.grid,
                    measure=self._closed,
                    remaining=self._remaining,
                    wanted=self._options.wanted,
                    results=bench.results,
                    confirmed=bench.confirmed,
                )
                search.run()
        except Lost as lost:
            bench.ended = lost.reason
        except KeyboardInterrupt:
            bench.interrupted = True
            bench.ended = Text("interrupted", "被中断")
        if self._own is not None:
            bench.repeated = self._own.times
        bench.tokens = _mean_tokens(bench.results) or bench.tokens
        bench.took = time.monotonic() - self._began

    def _warm_up(self) -> None:
        """Requests of one text, then one of each batch size, as long as they take a small part of the time."""
        ends = self._remaining() * (1 - WARM_UP)
        sent = 0
        while sent < LEAST_WARM or (self._remaining() > ends and sent < 100):
            self._replica.ask(self._source.take(1))
            sent += 1
            if self._remaining() < ends - 1:
                return
        for batch in self.bench.grid.batches:
            if self._remaining() < ends - WARM_UP * self._options.budget:
                return
            self._replica.ask(self._source.take(batch))

    def _closed(self, setting: Setting, seconds: float, most: float) -> Stretch:
        self._tell(setting)
        return self._checked(self._load.closed(setting, seconds, most))

    def _open_loops(self) -> None:
        """Each rate in turn, from low to high, until one cannot be kept up with."""
        bench, rates = self.bench, sorted(self._options.rates)
        for batch in self._options.batches or (1,):
            most = max(1, min(bench.grid.concurrencies[-1], bench.grid.in_flight // batch))
            for number, rate in enumerate(rates):
                setting = Setting(batch, most, rate)
                self._tell(setting)
                stretch = self._load.open(setting, max(0.5, self._remaining() / (len(rates) - number) - 1))
                result = bench.results[setting] = Result(setting, (self._checked(stretch),))
                if not result.is_usable or self._remaining() <= 0:
                    break

    def _tell(self, setting: Setting) -> None:
        budget = self._options.budget
        used = min(budget, time.monotonic() - self._began)
        self._show(Now(setting=setting, used=used, budget=budget, results=self.bench.results))

    def _checked(self, stretch: Stretch) -> Stretch:
        """The stretch, once the control text has its vector without load too. Raises `Lost` where it has none."""
        if stretch.errors:
            self._require_there()
        outcome = self._replica.ask([control.TEXT])
        if outcome.matrix is None:
            self._require_there()
            return stretch
        assert self._replica.control is not None
        cosine = control.cosine(outcome.matrix.rows[0], self._replica.control)
        if control.SAME.admits(cosine):
            return stretch
        wrong = {**stretch.wrong, "after": stretch.wrong.get("after", 0) + 1}
        return replace(stretch, wrong=wrong, cosine=min(stretch.cosine, cosine))

    def _require_there(self) -> None:
        """Raise `Lost` where the server answers no text within some seconds, or refuses for good."""
        ends = time.monotonic() + STILL_THERE
        while True:
            outcome = self._replica.ask([control.TEXT])
            if outcome.matrix is not None:
                return
            if outcome.kind == "barred" or time.monotonic() > ends:
                raise Lost(outcome.words)
            time.sleep(0.5)


def _mean_tokens(results: Mapping[Setting, Result]) -> float:
    """Tokens of one text, by the server's count of all that it answered; 0 where it does not tell."""
    stretches = [stretch for result in results.values() for stretch in result.stretches]
    texts = sum(stretch.texts for stretch in stretches)
    return sum(stretch.tokens for stretch in stretches) / texts if texts else 0.0
