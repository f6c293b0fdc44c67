"""One examination: every row of a plan judged for one target, as a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bgecheck.checks.answering import Engine
from bgecheck.checks.log_age import LogAge
from bgecheck.http.address import is_base_url
from bgecheck.model import Finding, Redactor, Report, Status, Target, Text, Unavailable, Words, clean
from bgecheck.model.deadline import Deadline
from bgecheck.run import engine
from bgecheck.run.context import Context
from bgecheck.run.plan import Plan

if TYPE_CHECKING:
    from bgecheck.engines.sglang.log.sessionlog import SessionLog
    from bgecheck.http.openai_client import OpenAIClient

_AFTER_SECONDS = 0.5
"""For a collector whose last request ended with the run, to tell what came before it."""


def examine(
    plan: Plan,
    target: Target,
    *,
    standby: OpenAIClient | Unavailable | None = None,
    clock: Deadline | None = None,
    log: SessionLog | None = None,
    on_finding: Callable[[Finding], None] = lambda finding: None,
) -> Report:
    """Run every row of the plan against one target; openai is called by the process that stands `standby`, if any.

    `clock` is the end of a run that looks at several; `standby` may say why openai is not called in it. `log` is
    the target's where it was read already, as of a pipe that was followed.
    """
    started, began = datetime.now().astimezone().isoformat(timespec="seconds"), time.monotonic()
    settings, deadline = plan.settings, clock or Deadline(plan.settings.deadline)
    context = Context(target, deadline, settings, openai=_openai(plan, standby), log=log)
    left = deadline.remaining()
    with closing(context):
        findings = engine.run(
            plan.areas,
            context,
            seconds=left + _AFTER_SECONDS if left else 0.0,
            values=_Placeholders(context),
            redactor=Redactor(target.secrets()),
            on_finding=on_finding,
        )
        server = context.asked_server()
        base_url = server.answering_url() if server else target.base_url
    redactor = Redactor(target.secrets())
    url = {"url": base_url} if target.url else {}
    return Report(
        command=plan.command,
        findings=with_ignored(findings, plan.ignored),
        target=redactor.value({**target.described(), **url, **_engine(findings)}),
        started_at=started,
        seconds=time.monotonic() - began,
        notes=(
            *plan.notes,
            *_notes(target, findings),
            *(redactor.value(list(_mended(target, base_url))) if server else ()),
        ),
        fail_on=plan.fail_on,
        nagios=plan.nagios,
    )


INTERRUPTED = Text("interrupted before it was looked at", "运行被中断，未检查")


def unfinished(plan: Plan, target: Target | None, findings: Mapping[str, Finding], bare: Report) -> Report:
    """The `bare` report of an interrupted run with the rows that were judged, and why the others were not."""
    rows = tuple(
        findings.get(check.id)
        or Finding(check=check, status=Status.SKIP, title=check.title, cause="", fix="", reason=INTERRUPTED)
        for area in plan.areas
        for check in area.checks
    )
    attributed = engine.attribute(rows)
    about = {} if target is None else Redactor(target.secrets()).value(target.described())
    return replace(
        bare,
        command=plan.command,
        findings=with_ignored(attributed, plan.ignored),
        target=about,
        fail_on=plan.fail_on,
        nagios=plan.nagios,
    )


def _engine(findings: Sequence[Finding]) -> dict[str, str]:
    """The engine that answered and its version, as far as a row has recognised them."""
    engine = next((f.data for f in findings if isinstance(f.data, Engine)), Engine(None, None))
    return {name: value for name, value in (("engine", engine.name), ("version", engine.version)) if value}


def _openai(plan: Plan, standby: OpenAIClient | Unavailable | None) -> OpenAIClient | Unavailable | None:
    """The process that makes this run's call: the one that stands by, or for a further run a new one."""
    if not plan.needs_openai():
        return None
    if isinstance(standby, Unavailable) or (standby is not None and not standby.asked):
        return standby
    from bgecheck.http.openai_client import OpenAIClient

    return OpenAIClient()


def _placeholders(target: Target) -> dict[str, object]:
    values = {
        "url": target.url or None,
        "base_url": target.base_url if target.url else None,
        "host": target.host or None,
        "port": target.port or None,
        "address": target.address if target.host else None,
        "server_name": target.server_name or None,
        "model": target.model,
        "log": target.log,
        "pid": target.pid,
        "model_path": target.model_path,
    }
    return Redactor(target.secrets()).value({k: v for k, v in values.items() if v is not None})  # type: ignore[no-any-return]  # a mapping stays one


class _Placeholders(Mapping[str, object]):
    """What texts are filled with beside the values of a row; the base URL is the one that the run has found by then."""

    def __init__(self, context: Context) -> None:
        self._values = _placeholders(context.target)
        self._context = context

    def __getitem__(self, name: str) -> object:
        server = self._context.asked_server() if name == "base_url" else None
        if server is None or name not in self._values:
            return self._values[name]
        return Redactor(self._context.target.secrets()).value(server.asked_url())

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _mended(target: Target, base_url: str) -> tuple[Words, ...]:
    """That a client would not get anywhere with the URL as it was given."""
    given = target.given_url
    if given is None or base_url == target.url or is_base_url(given, base_url):
        return ()
    words = Text(
        "{option} {given} was taken as {base_url}: clients need exactly that as base_url",
        "{option} {given} 已按 {base_url} 处理：客户端的 base_url 要写成后者",
    )
    option = f"{target.name}: url =" if target.name else "--url"
    return (words.filled({"option": option, "given": clean(given.strip(), 200), "base_url": base_url}),)


def _notes(target: Target, findings: Sequence[Finding]) -> tuple[Words, ...]:
    notes: list[Words] = [*target.searched, *(f.data.note for f in findings if isinstance(f.data, LogAge))]
    if target.others:
        pids = ", ".join(f"{s.pid} (port {s.port})" for s in target.others)
        notes.append(
            Text(
                f"more sglang servers run here: pid {pids}; choose one with --pid or --url, or take all with --all",
                f"本机还有其他 sglang 服务：pid {pids}；用 --pid 或 --url 指定，或用 --all 全部检查",
            )
        )
    return tuple(notes)


def with_ignored(findings: tuple[Finding, ...], ignored: dict[str, str]) -> tuple[Finding, ...]:
    """The findings with those ignored that were asked to be, and what follows from these alone."""
    reasons = {f.id: why for f in findings if f.status.bad and (why := _reason(f.id, ignored)) is not None}
    if not reasons:
        return findings
    explainers = engine.explained_by(findings)
    following = _following(findings, reasons, explainers)
    marked = tuple(
        replace(
            f,
            ignored="" if f.id in following else reasons.get(f.id),
            caused_by=None if f.caused_by in reasons else f.caused_by,
        )
        for f in findings
    )
    attributed = engine.attribute(marked)
    return tuple(replace(f, caused_by=following[f.id]) if f.id in following else f for f in attributed)


def _following(
    findings: Sequence[Finding], reasons: Mapping[str, str], explainers: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """The ignored root cause by the id of each problem that no other problem explains."""
    following = {f.id: f.caused_by for f in findings if f.problem and f.caused_by in reasons and f.id not in reasons}
    open_problems = {f.id for f in findings if f.problem} - {*following, *reasons}
    while explained := {id_ for id_ in following if open_problems & {*explainers[id_]}}:
        open_problems |= explained
        following = {id_: root for id_, root in following.items() if id_ not in explained}
    return {id_: root for id_, root in following.items() if root is not None}


def _reason(id_: str, ignored: dict[str, str]) -> str | None:
    return next((why for pattern, why in ignored.items() if fnmatchcase(id_, pattern)), None)
