"""Looks at several servers side by side, in one process table and by one clock."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import typer

from bgecheck.cli.examine import examine, plan, target
from bgecheck.cli.options import RunOptions, TargetOptions
from bgecheck.cli.progress import progress
from bgecheck.cli.subjects import Subject, subjects
from bgecheck.cli.unfinished import running
from bgecheck.machine.sidebyside import wait_for
from bgecheck.model import Report, Secret, Target, Text, Unavailable
from bgecheck.model.deadline import Deadline
from bgecheck.run.compared import compared
from bgecheck.run.plan import Plan

if TYPE_CHECKING:
    from bgecheck.http.openai_client import OpenAIClient
    from bgecheck.run.readiness import Look

AT_ONCE = 16
"""Servers that are looked at at the same time: more would wait for the same interpreter, and their requests would time
out; fewer, and a dozen that do not answer would hold up the others."""
AT_ONCE_FULL = 4
"""The same where each is sent a burst of requests."""
WITH_OPENAI = 4
"""Servers for which the openai package is called: each takes a process of 90 MB, and 0.6 s of a core to start."""


_COLLECTED = 8
"""After so many reports their leavings are collected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examinee:
    """A server as it was found, what is judged of it, and how to find it again."""

    plan: Plan
    target: Target
    again: Callable[[], Target]


def resolved(chosen: Sequence[Subject], command: str, names: Sequence[str], *, awaited: bool = False) -> list[Examinee]:
    """Each server as it is found in one process table, the keys of all to be hidden in every report.

    Of servers that are `awaited` neither process nor log need be there yet. Raises `BadInput`.
    """
    first = target(chosen[0].options, awaited=awaited)
    targets = [first, *(target(one.options, table=first.processes, awaited=awaited) for one in chosen[1:])]
    plans = _plans(chosen, command, names)
    return with_keys_of_all(
        [
            Examinee(plan=one_plan, target=under_name(at, one.name), again=partial(_again, one, awaited))
            for one, at, one_plan in zip(chosen, targets, plans, strict=True)
        ]
    )


def _again(one: Subject, awaited: bool) -> Target:
    return under_name(target(one.options, awaited=awaited), one.name)


def under_name(at: Target, name: str | None) -> Target:
    """A server under the name that the file gives it; without one as it is."""
    return replace(at, name=name, origins={**at.origins, "url": "file"}) if name else at


def _plans(chosen: Sequence[Subject], command: str, names: Sequence[str]) -> list[Plan]:
    made: list[tuple[RunOptions, Plan]] = []
    for one in chosen:
        same = next((a_plan for options, a_plan in made if options == one.run), None)
        made.append((one.run, same or plan(command, names, one.run)))
    return [a_plan for _, a_plan in made]


def others(examinee: Examinee, options: TargetOptions, *, awaited: bool = False) -> list[Examinee]:
    """The other servers that were found running, each as if it had been chosen by its pid."""
    rest = [replace(options, pid=server.pid) for server in examinee.target.others]
    table = examinee.target.processes
    further = [
        Examinee(
            plan=examinee.plan,
            target=target(one, table=table, awaited=awaited),
            again=partial(target, one, awaited=awaited),
        )
        for one in rest
    ]
    return with_keys_of_all([examinee, *further])


def with_keys_of_all(examinees: Sequence[Examinee]) -> list[Examinee]:
    """The same servers, in the report on each of which the keys of all are hidden."""
    keys = tuple(Secret(key) for key in dict.fromkeys(key for one in examinees for key in one.target.secrets()))
    if len(examinees) == 1 or not keys:
        return list(examinees)
    return [
        replace(one, target=replace(one.target, other_keys=keys), again=partial(_with_keys, one.again, keys))
        for one in examinees
    ]


def _with_keys(again: Callable[[], Target], keys: tuple[Secret, ...]) -> Target:
    return replace(again(), other_keys=keys)


def reports(ctx: typer.Context, area: str) -> list[Report]:
    """The reports of a command that judges one area, on the server or servers that are meant. Raises `BadInput`."""
    examinees = resolved(subjects(ctx), area, [area])
    if len(examinees) == 1:
        return [examine(examinees[0].plan, examinees[0].target)]
    return compared(reports_on(examinees, lambda one, look: look(one.plan, one.target), None))


def reports_on(
    examinees: Sequence[Examinee],
    report: Callable[[Examinee, Look], Report],
    standby: OpenAIClient | None,
    *,
    waits: bool = False,
) -> list[Report]:
    """The report on each of several servers, made side by side; `report` makes one with the look that it is given.

    The clock of all starts now; where they are waited for, that of each when it is ready.
    """
    from bgecheck.run import examination

    clock = None if waits else Deadline(max(one.plan.settings.deadline for one in examinees))
    openai = standby if len(examinees) <= WITH_OPENAI else TOO_MANY
    rows = sum(len(area.checks) for one in examinees for area in one.plan.areas)
    with progress(rows if not waits else 0) as step:

        def made(number: int) -> Report:
            look = partial(
                examination.examine,
                standby=openai if number == 0 or isinstance(openai, Unavailable) else None,
                clock=clock,
                on_finding=step,
            )
            made_report = report(examinees[number], look)
            running.complete(made_report)
            if number % _COLLECTED == _COLLECTED - 1:
                gc.collect()  # what was read of a server takes megabytes, and Python is in no hurry to free it
            return made_report

        tasks = [partial(made, number) for number in range(len(examinees))]
        burdens = any(one.plan.settings.full for one in examinees)
        return in_turn(tasks, len(tasks) if waits else AT_ONCE_FULL if burdens else AT_ONCE)


TOO_MANY = Unavailable(
    Text(
        f"not called: a process of openai for each of more than {WITH_OPENAI} servers takes too much memory; "
        "to call it, look at one alone",
        f"没有调用：超过 {WITH_OPENAI} 个服务时，各起一个 openai 进程太占内存；要调用请单独检查一个服务",
    ),
    looked=False,
)

Made = TypeVar("Made")


def in_turn(tasks: Sequence[Callable[[], Made]], at_once: int) -> list[Made]:
    """What each task made, at most so many of them at the same time. Raises what a task raises."""
    made: dict[int, Made] = {}
    raised: list[BaseException] = []
    numbers, lock = iter(range(len(tasks))), threading.Lock()

    def work() -> None:
        while not raised:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                made[number] = tasks[number]()
            except BaseException as error:
                raised.append(error)

    # Daemons, so that Ctrl-C ends the run at once.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(at_once, len(tasks)))]
    for thread in threads:
        thread.start()
    wait_for(threads)
    if raised:
        raise raised[0]
    return [made[number] for number in range(len(tasks))]
