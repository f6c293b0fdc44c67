"""What a row of the matrix is, and what judging it can answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from bgecheck.model.words import Severity, Text, Words

Judge = Callable[..., "Outcome"]
"""A pure function from an area's facts to an `Outcome`."""

Collector = Callable[[Any], Any]
"""A function from the run's context to an area's frozen facts; it does all the I/O of the area."""

LaterCollector = Callable[[Any, Any], Any]
"""A function from the run's context and an area's facts to the same facts, with what takes longer than all others."""

Reviewer = Callable[[Any], Mapping[str, "Evidence"]]
"""A pure function from an area's facts to what its failing rows point to together: evidence by the id of a row."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})

Moment = Literal["before", "after", "while"]
"""Before the launch (`preflight`), after it (`doctor` and its kind), or for a while (`watch`)."""

BEFORE: frozenset[Moment] = frozenset(("before",))
RUNNING: frozenset[Moment] = frozenset(("after",))
ANY_TIME = BEFORE | RUNNING
FOR_A_WHILE: frozenset[Moment] = frozenset(("while",))


class Evidence(NamedTuple):
    """One thing that was seen, beside what it should have been; numbers carry their units."""

    subject: Words
    observed: Words
    expected: Words | None = None
    background: bool = False
    """Whether it supports the judgement and is no symptom itself; screens show it with `-v`."""


class Outcome(NamedTuple):
    """What a judge found. Made by `holds`, `broken`, `not_yet`, `absent` and `unclear`."""

    holds: bool | None
    looked: bool = True
    evidence: tuple[Evidence, ...] = ()
    reason: Words | None = None
    advice: str | None = None
    values: Mapping[str, Any] = _NOTHING
    pending: bool = False
    """True where a row does not hold only because the server is still starting."""
    data: object = None
    """What another room reads of the row, as an object of the area's own; reports show `values`, never this."""


def holds(*evidence: Evidence, **values: Any) -> Outcome:
    """We looked, and it holds."""
    return Outcome(True, evidence=evidence, values=values)


def broken(*evidence: Evidence, advice: str | None = None, **values: Any) -> Outcome:
    """We looked, and it does not hold; `advice` picks one of the row's alternative causes."""
    return Outcome(False, evidence=evidence, advice=advice, values=values)


def not_yet(*evidence: Evidence, advice: str | None = None, **values: Any) -> Outcome:
    """It does not hold, only because the server is still starting; waiting may mend it."""
    return Outcome(False, evidence=evidence, advice=advice, values=values, pending=True)


def absent(reason: Words, **values: Any) -> Outcome:
    """We did not look, because there is nothing to look at or it was not asked for."""
    return Outcome(None, looked=False, reason=reason, values=values)


def unclear(reason: Words, *evidence: Evidence, **values: Any) -> Outcome:
    """We tried, and could not tell."""
    return Outcome(None, reason=reason, evidence=evidence, values=values)


class Advice(NamedTuple):
    """A cause and what mends it. In commands, `{name}` is filled in shell-quoted."""

    cause: Text
    fix: Text
    commands: tuple[str, ...] = ()
    severity: Severity | None = None
    """How much this cause matters, where it is not as much as the row."""
    explains: tuple[str, ...] | None = None
    """The rows that fail because of this cause, where they are others than the row names."""
    before: Text | None = None
    """What mends it before the launch, where a running server is mended by something else: nothing is restarted."""

    def before_launch(self) -> Advice:
        """The same as it is given before the launch."""
        return self if self.before is None else self._replace(fix=self.before)


class Check(NamedTuple):
    """One row of the matrix."""

    id: str
    area: str
    title: Text
    advice: Advice
    variants: Mapping[str, Advice]
    severity: Severity
    needs: tuple[str, ...]
    explains: tuple[str, ...]
    costly: bool
    judge: Judge
    headline: bool = False
    """Whether what it observed stands for its area, as long as all rows of the area hold."""
    moments: frozenset[Moment] = RUNNING
    """When it can be judged: before the launch, of a running server, or both."""
    late: bool = False
    """Whether it is judged by what the area's later collector adds; the rows beside it do not wait for that."""

    def advice_for(self, outcome: Outcome) -> Advice:
        """The cause and fix that fit this outcome."""
        return self.advice if outcome.advice is None else self.variants[outcome.advice]

    def severity_for(self, outcome: Outcome) -> Severity:
        """How much this outcome matters where it does not hold."""
        return self.advice_for(outcome).severity or self.severity

    def explained_by_it(self, outcome: Outcome) -> tuple[str, ...]:
        """The rows (globs too) that fail because of this outcome where it does not hold."""
        explains = self.advice_for(outcome).explains
        return self.explains if explains is None else explains

    @property
    def may_explain(self) -> tuple[str, ...]:
        """The rows (globs too) that fail because of any of its causes."""
        others = (advice.explains or () for advice in self.variants.values())
        return tuple(dict.fromkeys((*self.explains, *(id_ for explains in others for id_ in explains))))


@dataclass
class Area:
    """A part of the deployment: one collector, and the rows that judge what it collected.

    The first row is the entry row: it answers whether the area could be looked at, and every other
    row of the area needs it.
    """

    name: str
    _: KW_ONLY
    seconds: float = 10.0
    """How long the collector may take."""
    needs: tuple[str, ...] = ()
    """Rows of other areas without which the collector is not even started."""
    collector: Collector | None = None
    later_collector: LaterCollector | None = None
    later_needs: tuple[str, ...] = ()
    """Areas that the later collector waits for, because it would disturb what they look at."""
    checks: list[Check] = field(default_factory=list)
    reviewer: Reviewer | None = None
    moments: frozenset[Moment] = RUNNING
    """When its rows can be judged that do not say it themselves."""

    def review(self, reviewer: Reviewer) -> Reviewer:
        """Register the function that says what rows which fail together point to: evidence by the id of its row."""
        self.reviewer = reviewer
        return reviewer

    def collect(self, collector: Collector) -> Collector:
        """Register the function that looks."""
        self.collector = collector
        return collector

    def collect_later(self, after: tuple[str, ...] = ()) -> Callable[[LaterCollector], LaterCollector]:
        """Register the function for what only the `late` rows need, which is looked at `after` those areas."""

        def register(collector: LaterCollector) -> LaterCollector:
            self.later_collector, self.later_needs = collector, after
            return collector

        return register

    @property
    def entry(self) -> str:
        """The id of the entry row."""
        return self.checks[0].id

    def check(
        self,
        name: str,
        *,
        title: Text,
        cause: Text,
        fix: Text,
        commands: tuple[str, ...] = (),
        variants: Mapping[str, Advice] = _NOTHING,
        severity: Severity = Severity.ERROR,
        needs: tuple[str, ...] = (),
        explains: tuple[str, ...] = (),
        costly: bool = False,
        headline: bool = False,
        late: bool = False,
        moments: frozenset[Moment] | None = None,
        before: Text | None = None,
    ) -> Callable[[Judge], Judge]:
        """Declare a row beside the function that judges it.

        `needs` names rows that must hold before this one is judged; `explains` names rows (globs too)
        that fail as a consequence when this one does; `costly` rows are left out by `--quick`. What a
        `headline` row observed stands for its area on a screen, as long as all rows of the area hold.
        A `late` row is judged by what the later collector adds. `moments` says whether it can be judged
        before the launch, of a running server, or both; `before` is what mends it before the launch,
        where that is not the same.
        """

        def register(judge: Judge) -> Judge:
            entry = (self.entry,) if self.checks else ()
            self.checks.append(
                Check(
                    id=f"{self.name}.{name}",
                    area=self.name,
                    title=title,
                    advice=Advice(cause, fix, commands, before=before),
                    variants=variants,
                    severity=severity,
                    needs=entry + tuple(n for n in needs if n not in entry),
                    explains=explains,
                    costly=costly,
                    headline=headline,
                    late=late,
                    moments=self.moments if moments is None else moments,
                    judge=judge,
                )
            )
            return judge

        return register
