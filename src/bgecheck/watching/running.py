"""Runs a watch: a sample every so often, to whoever wants it, until its time is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from bgecheck.watching.alerts import Alert, Alerts
from bgecheck.watching.clocks import Clock
from bgecheck.watching.exporter import Exporter
from bgecheck.watching.history import Facts, History
from bgecheck.watching.notifying import Notifier
from bgecheck.watching.sample import Sample
from bgecheck.watching.sampler import Sampler
from bgecheck.watching.saved import Lines

JUDGE_EVERY = 60.0
"""Seconds between two judgements of the whole time, which cost some 50 ms."""


def samples(sampler: Sampler, clock: Clock, every: float, seconds: float | None) -> Iterator[Sample]:
    """A sample at once and then every so often, for `seconds` or without an end.

    One that takes longer than the interval leaves out those that were due meanwhile.
    """
    began = clock.now().running
    turn = 0
    while True:
        yield sampler.sample()
        passed = clock.now().running - began
        turn = max(turn + 1, int(passed / every) + (passed % every > 0))
        due = turn * every
        if seconds is not None and due > seconds:
            return
        clock.sleep(max(0.0, due - passed))


class Watch:
    """What becomes of each sample: it is kept, judged, written, shown and passed on."""

    def __init__(
        self,
        sampler: Sampler,
        notifier: Notifier,
        *,
        lines: Lines | None = None,
        exporter: Exporter | None = None,
        on_sample: Callable[[Sample, History], None] = lambda sample, history: None,
        on_alert: Callable[[Alert], None] = lambda alert: None,
    ) -> None:
        self._sampler, self._notifier = sampler, notifier
        self._lines, self._exporter = lines, exporter
        self._on_sample, self._on_alert = on_sample, on_alert
        self.history = History(sampler.watched())
        self._alerts = Alerts()
        self._judged = 0.0

    def run(self, clock: Clock, every: float, seconds: float | None) -> None:
        """Watch; a signal of the user ends it with its exception, after which `facts` has what there is."""
        for sample in samples(self._sampler, clock, every, seconds):
            self.take(sample)
            if self._lines is not None and self._lines.gone:
                return

    def take(self, sample: Sample) -> None:
        """Take one sample."""
        first = self.history.last is None
        self.history.watched = watched = self._sampler.watched()
        self._alerts.encoder = watched.encoder
        alerts = self._alerts.of_sample(sample)
        if sample.elapsed - self._judged >= JUDGE_EVERY:
            self._judged = sample.elapsed
            alerts += self._alerts.of_facts(self.history.facts())
        for alert in alerts:
            self._on_alert(alert)
            self._notifier.tell(alert)
        whole = replace(sample, events=(*sample.events, *(alert.event() for alert in alerts)))
        self.history.take(whole)
        if self._lines is not None:
            self._lines.write(whole, watched if first else None)
        if self._exporter is not None:
            self._exporter.show(whole, self.history)
        self._on_sample(whole, self.history)

    def facts(self) -> Facts:
        """What was seen so far."""
        return self.history.facts()

    def close(self) -> None:
        """Let go of what is open, once what waits was passed on."""
        self._sampler.close()
        self._notifier.close()
        if self._exporter is not None:
            self._exporter.close()
        if self._lines is not None:
            self._lines.close()
