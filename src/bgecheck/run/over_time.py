"""The report on a watch: its rows judged by what was sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bgecheck.model import Redactor, Report, Words
from bgecheck.run import engine
from bgecheck.run.examination import with_ignored
from bgecheck.run.plan import Plan
from bgecheck.watching.history import Facts


def judged(
    plan: Plan,
    facts: Facts,
    *,
    target: Mapping[str, str],
    started_at: str,
    notes: tuple[Words, ...] = (),
    redactor: Redactor | None = None,
) -> Report:
    """The rows of the plan, judged by the facts of a watch. `target` is for the head of the report."""
    areas = [replace(area, collector=lambda context: facts) for area in plan.areas]
    hide = redactor or Redactor()
    values = {"url": target.get("url"), "log": target.get("log")}
    findings = engine.run(areas, None, values={k: v for k, v in values.items() if v}, redactor=hide)
    return Report(
        command=plan.command,
        findings=with_ignored(findings, plan.ignored),
        target=dict(target),
        started_at=started_at,
        seconds=facts.seconds,
        notes=(*plan.notes, *notes),
        fail_on=plan.fail_on,
        nagios=plan.nagios,
    )
