"""Collects facts side by side, judges them in dependency order, loses no row, never prints."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

from bgecheck.model import (
    Area,
    Check,
    Evidence,
    Finding,
    Outcome,
    Redactor,
    Status,
    Text,
    Unavailable,
    Words,
    absent,
    fill,
    fill_commands,
    unclear,
)
from bgecheck.model.deadline import ONE_WAIT, deadline_exceeded


class _Blocked(Exception):
    """Not looked at, because a row that is needed does not hold."""

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


def run(
    areas: Iterable[Area],
    context: Any,
    *,
    seconds: float = 60.0,
    values: Mapping[str, Any] | None = None,
    redactor: Redactor | None = None,
    on_finding: Callable[[Finding], None] = lambda finding: None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Finding, ...]:
    """Judge every row of `areas` and return one finding for each, in the order of the rows.

    `context` is handed to the collectors; `seconds` bounds the whole run; `values` fills the
    placeholders of texts and commands beside the values of the outcome; `redactor` is applied to
    every string that a judge returned. Raises `graphlib.CycleError` when rows need or explain each
    other in a circle.
    """
    return _Run(list(areas), context, seconds, values or {}, redactor or Redactor(), on_finding, clock).findings()


class _Collection(NamedTuple):
    """What one thread does for an area: its collector, or afterwards the one for its late rows."""

    area: Area
    later: bool

    @property
    def name(self) -> str:
        """Its node in the order of the run; neither areas nor rows have a blank in their names."""
        return f"{self.area.name} later" if self.later else self.area.name

    @property
    def needs(self) -> tuple[str, ...]:
        """The nodes that come before it."""
        return (self.area.name, *self.area.later_needs) if self.later else self.area.needs

    def collect(self, context: Any, facts: Any) -> Any:
        """The facts of the area; later the earlier `facts` with what is added to them."""
        if self.later:
            return self.area.later_collector(context, facts) if self.area.later_collector else facts
        return self.area.collector(context) if self.area.collector else None


def _collections(areas: Iterable[Area]) -> Iterator[_Collection]:
    for area in areas:
        yield _Collection(area, later=False)
        if any(check.late for check in area.checks):
            yield _Collection(area, later=True)


class _Run:
    def __init__(
        self,
        areas: list[Area],
        context: Any,
        seconds: float,
        values: Mapping[str, Any],
        redactor: Redactor,
        on_finding: Callable[[Finding], None],
        clock: Callable[[], float],
    ) -> None:
        self._areas = areas
        self._collections = {collection.name: collection for collection in _collections(areas)}
        self._checks = {check.id: check for area in areas for check in area.checks}
        self._context = context
        self._values = values
        self._redactor = redactor
        self._on_finding = on_finding
        self._clock = clock
        self._ends = clock() + seconds
        self._facts: dict[str, Any] = {}
        self._found: dict[str, Finding] = {}
        self._given: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._inbox: queue.Queue[tuple[str, Any]] = queue.Queue()

    def findings(self) -> tuple[Finding, ...]:
        require_no_circle(self._checks.values())
        sorter = TopologicalSorter(self._graph())
        sorter.prepare()
        while sorter.is_active():
            ready = sorter.get_ready()
            for node in ready:
                if node in self._checks:
                    self._judge(self._checks[node])
                    sorter.done(node)
                elif not self._start(self._collections[node]):
                    sorter.done(node)
            # Only when nothing is left to judge or start: a row may have opened another area.
            if not ready and self._due and (name := self._receive()):
                sorter.done(name)
        self._review()
        self._facts.clear()  # of hundreds of servers, megabytes each, that a circle of references may hold
        return attribute(tuple(self._found[id_] for id_ in self._checks))

    def _graph(self) -> dict[str, list[str]]:
        nodes = {*self._checks, *self._collections}
        graph = {name: [n for n in one.needs if n in nodes] for name, one in self._collections.items()}
        for id_, check in self._checks.items():
            graph[id_] = [self._collection(check).name, *(n for n in check.needs if n in self._checks)]
        return graph

    def _collection(self, check: Check) -> _Collection:
        """Whose facts judge a row."""
        return self._collections[f"{check.area} later" if check.late else check.area]

    def _start(self, collection: _Collection) -> bool:
        """Start a collector; False when its facts are settled at once."""
        name, area, now = collection.name, collection.area, self._clock()
        facts = self._facts.get(area.name)
        if isinstance(facts, BaseException):
            self._facts[name] = facts
        elif blocker := self._blocker(area.needs):
            self._facts[name] = _Blocked(blocker)
        elif now >= self._ends:
            self._facts[name] = deadline_exceeded()
        else:
            self._given[name] = max(0.0, min(area.seconds, self._ends - now))
            self._due[name] = now + self._given[name]
            # A daemon thread, not an executor: a hung driver must not keep the process alive.
            work = threading.Thread(target=self._collect, args=(collection, facts), name=f"collect-{name}", daemon=True)
            work.start()
            return True
        return False

    def _collect(self, collection: _Collection, facts: Any) -> None:
        try:
            value = collection.collect(self._context, facts)
        except BaseException as error:  # a library that calls sys.exit must not pass for a slow one
            value = error.with_traceback(None)  # whose frames would keep what the whole run has read
        self._inbox.put((collection.name, value))

    def _receive(self) -> str | None:
        """Wait for the next collector and store its facts; None where there is none yet, or it had been given up on."""
        name = min(self._due, key=self._due.__getitem__)
        wait = self._due[name] - self._clock()
        try:
            name, value = self._inbox.get(timeout=max(0.0, min(wait, ONE_WAIT)))
        except queue.Empty:
            if wait > ONE_WAIT:
                return None
            given = f"{round(self._given[name], 2):g}"
            value = Unavailable(Text(f"no answer within {given} s", f"{given} 秒内没有结果"), looked=True)
        if self._due.pop(name, None) is None:
            return None
        self._facts[name] = value
        return name

    def _review(self) -> None:
        """Add to rows that do not hold what they point to together."""
        for area in self._areas:
            bad = {check.id for check in area.checks if self._found[check.id].status.bad}
            if area.reviewer is None or not bad or isinstance(self._facts[area.name], BaseException):
                continue
            with suppress(Exception):  # each row stands by itself
                for id_, evidence in area.reviewer(self._facts[area.name]).items():
                    if id_ in bad:
                        finding = self._found[id_]
                        self._found[id_] = replace(finding, evidence=(*finding.evidence, self._redacted(evidence)))

    def _redacted(self, evidence: Evidence) -> Evidence:
        hide = self._hidden
        return evidence._replace(
            subject=hide(evidence.subject),
            observed=hide(evidence.observed),
            expected=None if evidence.expected is None else hide(evidence.expected),
        )

    def _blocker(self, needs: Sequence[str]) -> str | None:
        return next((n for n in needs if n in self._found and not self._found[n].status.opens), None)

    def _judge(self, check: Check) -> None:
        started = self._clock()
        facts = self._facts[self._collection(check).name]
        blocker = facts.by if isinstance(facts, _Blocked) else self._blocker(check.needs)
        outcome = _blocked(self._found[blocker]) if blocker else judge(check, facts)
        try:
            finding = self._finding(check, outcome, self._clock() - started)
        except Exception as bug:  # evidence or values that are none
            finding = self._finding(check, _crashed(bug), self._clock() - started)
        if blocker:
            finding = replace(finding, caused_by=blocker)
        self._found[check.id] = finding
        self._on_finding(finding)

    def _finding(self, check: Check, outcome: Outcome, seconds: float) -> Finding:
        values = self._redactor.value(dict(outcome.values))
        filled = {**self._values, **values}
        advice = check.advice_for(outcome)
        return Finding(
            check=check,
            status=_status(check, outcome),
            title=fill(check.title, filled),
            cause=fill(advice.cause, filled),
            fix=fill(advice.fix, filled),
            commands=tuple(line for c in advice.commands for line in fill_commands(c, filled)),
            evidence=tuple(map(self._redacted, outcome.evidence)),
            reason=None if outcome.reason is None else self._hidden(outcome.reason),
            values=_in_english(values),
            seconds=seconds,
            pending=outcome.pending,
            data=outcome.data,
            explains=check.explained_by_it(outcome),
        )

    def _hidden(self, words: Words) -> Words:
        hidden = self._redactor.value(words)
        if not isinstance(hidden, str | Text):
            raise TypeError(f"{type(words).__name__} in place of words")
        return hidden


def _in_english(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as scripts read them, which are never translated."""
    return {name: value.en if isinstance(value, Text) else value for name, value in values.items()}


def judge(check: Check, facts: Any) -> Outcome:
    """The outcome of one row; facts that could not be had, and a bug in the judge, are outcomes too."""
    if isinstance(facts, Unavailable):
        return unclear(facts.reason) if facts.looked else absent(facts.reason)
    if isinstance(facts, BaseException):
        return _crashed(facts)
    try:
        outcome = check.judge(facts)
        check.advice_for(outcome)
        return outcome
    except Unavailable as error:
        return unclear(error.reason) if error.looked else absent(error.reason)
    except Exception as bug:
        return _crashed(bug)


def _crashed(bug: BaseException) -> Outcome:
    try:
        return unclear(f"{type(bug).__name__}: {bug}")
    except Exception:  # an error may fail to print itself
        return unclear(type(bug).__name__)


def _blocked(by: Finding) -> Outcome:
    if by.status is Status.FAIL:
        why = Text(f"needs {by.id}, which does not hold", f"依赖 {by.id}，该项未通过")
    else:
        why = Text(f"needs {by.id}, which was not judged", f"依赖 {by.id}，该项未能判断")
    return absent(why)


def _status(check: Check, outcome: Outcome) -> Status:
    if outcome.holds is None:
        return Status.ERROR if outcome.looked else Status.SKIP
    return Status.PASS if outcome.holds else check.severity_for(outcome).status


def require_no_circle(checks: Iterable[Check]) -> None:
    """Raise `graphlib.CycleError` when rows explain each other in a circle, whichever of their causes it is."""
    TopologicalSorter(may_be_explained_by(checks)).prepare()


def may_be_explained_by(checks: Iterable[Check]) -> dict[str, tuple[str, ...]]:
    """For each row the rows that explain it by any of their causes."""
    return _explainers({check.id: check.may_explain for check in checks})


def explained_by(rows: Iterable[Check | Finding]) -> dict[str, tuple[str, ...]]:
    """For each row the rows that explain it; of findings those that do so by the cause that was found."""
    return _explainers({row.id: row.explains for row in rows})


def _explainers(explains: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The same table read from the other end: for each row those that explain it."""
    explainers: dict[str, list[str]] = {id_: [] for id_ in explains}
    for row, patterns in explains.items():
        for id_ in _matching(patterns, explainers):
            if id_ != row:
                explainers[id_].append(row)
    return {id_: tuple(above) for id_, above in explainers.items()}


def _matching(patterns: Iterable[str], ids: Iterable[str]) -> list[str]:
    """The ids that a list of ids and globs names, each once; most are ids, which need no search."""
    selectable = dict.fromkeys(ids)
    chosen: dict[str, None] = {}
    for pattern in patterns:
        if pattern in selectable:
            chosen[pattern] = None
        elif any(mark in pattern for mark in "*?["):
            chosen |= dict.fromkeys(id_ for id_ in selectable if fnmatchcase(id_, pattern))
    return list(chosen)


def attribute(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings with `caused_by` naming the root cause: the problem at the end of the chain.

    A row that was skipped because a needed row does not hold follows that row's chain.
    """
    by_id, explainers = {f.id: f for f in findings}, explained_by(findings)

    def root(id_: str) -> str:
        finding = by_id[id_]
        if finding.caused_by is not None and finding.caused_by in by_id:
            return root(finding.caused_by)
        above = [e for e in explainers[id_] if e in by_id and by_id[e].problem] if finding.problem else []
        above.sort(key=lambda e: by_id[e].status is not Status.FAIL)
        return root(above[0]) if above else id_

    def cause(finding: Finding) -> str | None:
        top = root(finding.id)
        return top if top != finding.id and by_id[top].problem else None

    return tuple(replace(f, caused_by=cause(f)) for f in findings)
