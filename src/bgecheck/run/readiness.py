"""Waits for a server: until it is ready, has failed for good, or patience has run out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from bgecheck.engines.sglang.log.diagnosis import Diagnosis
from bgecheck.http.embeddings import Refused
from bgecheck.model import Report, Status, Target
from bgecheck.run import catalog
from bgecheck.run.plan import Plan

POLL = 1.0
"""Seconds between two looks while waiting; a start takes tens of seconds."""

Look = Callable[[Plan, Target], Report]


def settled(plan: Plan, target: Target, patience: float, again: Callable[[], Target], look: Look) -> Report:
    """The report once the server is ready or has failed for good, or when `patience` (seconds) has run out.

    `again` finds the target anew, whose process and log may not have been there yet; `look` examines it.
    """
    began = time.monotonic()
    ends = began + patience
    while patience and time.monotonic() < ends:
        target = replace(target, processes=None)  # the last look comes later than the one that they were seen in
        # A log that was only lying in the folder may be an older start's: it must not end the waiting.
        without = replace(target, log=None) if target.origins.get("log") == "folder" else target
        if not _starting(look(_glance(plan), without)):
            break
        time.sleep(min(POLL, max(0.0, ends - time.monotonic())))
        target = again()
    report = look(plan, target)
    starting = patience > 0 and time.monotonic() >= ends and _starting(report)
    return replace(report, starting=starting, seconds=time.monotonic() - began)


def _glance(plan: Plan) -> Plan:
    """Only what tells whether the server is ready: its log and one real embedding."""
    areas = catalog.select(catalog.areas(["logs", "probe"]), only=("logs.*", "probe.reachable", "probe.ready"))
    glance = replace(plan, command="glance", areas=tuple(areas), ignored={})
    return glance.with_settings(quick=True, full=False)


def _starting(report: Report) -> bool:
    """Whether waiting can still help: nothing is wrong for good, and log or server are not there yet.

    sglang answers real requests while its own warm-up still runs, which can end it: where there is a log,
    its ready line is waited for too.
    """
    state = next((f.data.state for f in report.findings if isinstance(f.data, Diagnosis)), None)
    if state is not None:
        return state == "starting"
    rows = {finding.id: finding for finding in report.findings}
    ready = rows.get("probe.ready")
    if ready is not None and ready.status is Status.PASS:
        return False
    # Without a log only the server tells: refused or busy may become ready, an answer in another shape won't.
    return not any(f.problem and f.id.startswith("logs.") for f in report.findings) and not _answered(report)


def _answered(report: Report) -> bool:
    """Whether the server answered an embedding request with something that waiting does not change."""
    return any(f.problem and isinstance(f.data, Refused) for f in report.findings)
