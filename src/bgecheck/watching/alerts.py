"""When somebody is told: once when a cause begins, and once when it is over, not at every sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bgecheck.model import Severity, Text
from bgecheck.model.expected import AtLeast
from bgecheck.watching.failures import failure_words
from bgecheck.watching.history import Facts, is_wrong, newly_cached
from bgecheck.watching.rows import AREA
from bgecheck.watching.sample import Event, Sample

IN_A_ROW = AtLeast(2, "samples", "a single request may meet a restart, or a connection that the server just closed")
QUIET = AtLeast(4, "samples", "a minute at the usual interval")
JUDGED = ("watch.gpu-memory", "watch.host-memory", "watch.latency")
"""The rows that are judged over the whole time."""


class Alert(NamedTuple):
    """A cause that begins, or is over."""

    id: str
    """The row, or the log cause."""
    began: bool
    severity: Severity
    text: Text
    elapsed: float
    """Seconds since the watch began."""

    def event(self) -> Event:
        """The same as it stands in a sample."""
        return Event("alert" if self.began else "over", self.text, self.id, self.severity is Severity.ERROR)


@dataclass(slots=True)
class Hysteresis:
    """Opens after so many bad looks in a row, and closes after so many good ones."""

    opens: float
    closes: float
    is_open: bool = False
    _in_a_row: int = 0

    def step(self, bad: bool) -> bool | None:
        """True where it opens with this look, False where it closes, None where nothing changes."""
        self._in_a_row = self._in_a_row + 1 if bad is not self.is_open else 0
        if self._in_a_row < (self.closes if self.is_open else self.opens):
            return None
        self.is_open, self._in_a_row = bad, 0
        return bad


class Alerts:
    """The causes of one watch: each has at most one alert that is not over."""

    def __init__(self, encoder: bool | None = None) -> None:
        self.encoder = encoder
        self._states: dict[str, Hysteresis] = {}
        self._before: Sample | None = None

    def of_sample(self, sample: Sample) -> list[Alert]:
        """What begins or is over with a sample."""
        alerts = [alert for event in sample.events if (alert := _of_event(event, sample.elapsed))]
        if sample.asked:
            alerts += self._step("watch.errors", sample.failure is not None, _failed(sample), sample.elapsed)
        if sample.cosine is not None or sample.odd is not None:
            alerts += self._step("watch.vectors", is_wrong(sample), _other_vector(sample), sample.elapsed, 1)
        cached = newly_cached(self._before, sample)
        if cached is not None and self.encoder:
            words = Text(f"{cached} tokens were taken from the prefix cache", f"有 {cached} 个 token 命中前缀缓存")
            alerts += self._step("watch.cached-tokens", cached > 0, words, sample.elapsed, 1)
        self._before = sample
        return alerts

    def of_facts(self, facts: Facts) -> list[Alert]:
        """What begins or is over by the judgement of the whole time so far."""
        alerts: list[Alert] = []
        for check in AREA.checks:
            if check.id not in JUDGED:
                continue
            outcome = check.judge(facts)
            bad = outcome.holds is False
            words = check.advice_for(outcome).cause.filled(_plain(outcome.values)) if bad else check.title
            severity = check.severity_for(outcome)
            alerts += self._step(check.id, bad, words, facts.seconds, severity=severity)
        return alerts

    def _step(
        self,
        id_: str,
        bad: bool,
        words: Text,
        elapsed: float,
        opens: float = IN_A_ROW.value,
        severity: Severity = Severity.ERROR,
    ) -> list[Alert]:
        state = self._states.setdefault(id_, Hysteresis(opens, QUIET.value))
        changed = state.step(bad)
        return [] if changed is None else [Alert(id_, changed, severity, words, elapsed)]


def _plain(values: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _of_event(event: Event, elapsed: float) -> Alert | None:
    """What happens at one moment needs no hysteresis."""
    if event.kind == "cause":
        severity = Severity.ERROR if event.fatal else Severity.WARNING
        return Alert(f"logs.{event.id}", True, severity, event.text, elapsed)
    if event.kind == "gone":
        return Alert("watch.restarts", True, Severity.ERROR, event.text, elapsed)
    if event.kind == "restart":
        return Alert("watch.restarts", True, Severity.WARNING, event.text, elapsed)
    return None


def _failed(sample: Sample) -> Text:
    if sample.failure is None:
        return Text("requests are answered again", "请求恢复正常")
    why = failure_words(sample.failure)
    return Text(f"requests fail: {why.en}", f"请求失败：{why.zh}")


def _other_vector(sample: Sample) -> Text:
    if not is_wrong(sample):
        return Text("the vector is again what it was", "向量恢复为最初的值")
    if sample.odd is not None:
        return Text(f"the same text has another vector: {sample.odd}", f"同一文本的向量变了：{sample.odd}")
    cosine = f"{sample.cosine:.4f}"
    return Text(
        f"the same text has another vector: cosine {cosine} with the first",
        f"同一文本的向量变了：与最初的余弦为 {cosine}",
    )
