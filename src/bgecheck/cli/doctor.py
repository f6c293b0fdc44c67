"""`bgecheck doctor`: every area of a running server, root cause first."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

from typer import Option

from bgecheck import catalog
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import Plan, deliver, examine, openai_standby, plan, target
from bgecheck.cli.options import RunOptions, TargetOptions, takes_options
from bgecheck.model import BadInput, Report, Status, Target, Text

if TYPE_CHECKING:
    from bgecheck.http.openai_client import OpenAIClient

_POLL = 1.0
"""Seconds between two looks while waiting; a start takes tens of seconds."""


NOT_YET = frozenset({"logs.ready", "ports.listening", "probe.reachable", "probe.ready", "embed.answers"})
"""Rows that fail while a server is starting, and not for good."""


@takes_options
def command(
    target_options: TargetOptions,
    run_options: RunOptions,
    every: Annotated[bool, Option("--all", envvar="BGECHECK_ALL", help="Every sglang server found running.")] = False,
    wait: Annotated[
        str | None,
        Option("--wait", envvar="BGECHECK_WAIT", metavar="DUR", help="Wait until it is ready, or has failed for good."),
    ] = None,
) -> None:
    """Find the running server, look at everything after launch, and say what is wrong and how to fix it."""
    patience = seconds("--wait", wait) if wait else 0.0
    if every and (target_options.url or target_options.pid):
        raise BadInput(
            "--all", Text("it excludes --url and --pid", "不能与 --url、--pid 同时使用"), Text("give one", "只给一个")
        )
    # A server that is waited for may take minutes: its process of openai is started when it is there.
    with openai_standby(run_options) if not patience else nullcontext() as standby:
        the_plan = plan("doctor", catalog.AREAS, run_options)
        looked_at = target(target_options)
        targets = [looked_at, *_others(looked_at, target_options)] if every else [looked_at]
        reports = [_settled(the_plan, t, target_options, patience, standby) for t in targets]
    deliver(the_plan, reports, run_options)


def _others(looked_at: Target, options: TargetOptions) -> list[Target]:
    return [target(options._replace(pid=server.pid)) for server in looked_at.others]


def _settled(
    the_plan: Plan, looked_at: Target, options: TargetOptions, patience: float, standby: OpenAIClient | None
) -> Report:
    """The report once the server is ready or has failed for good, or when patience has run out."""
    ends = time.monotonic() + patience
    while patience and time.monotonic() < ends:
        # A log that was only lying in the folder may be an older start's: it must not end the waiting.
        told_by = looked_at._replace(log=None) if looked_at.origins.get("log") == "folder" else looked_at
        glance = examine(_glance(the_plan), told_by)
        if not _starting(glance):
            return examine(the_plan, looked_at)
        time.sleep(min(_POLL, max(0.0, ends - time.monotonic())))
        looked_at = target(options)
    report = examine(the_plan, looked_at, standby=standby)
    only_starting = {root.id for root in report.root_causes} <= NOT_YET
    return report._replace(starting=True) if patience and only_starting and _starting(report) else report


def _glance(the_plan: Plan) -> Plan:
    """Only what tells whether the server is ready: its log and one real embedding."""
    areas = catalog.select(catalog.areas(["logs", "probe"]), only=("logs.*", "probe.reachable", "probe.ready"))
    return the_plan._replace(command="glance", areas=tuple(areas), ignored={}, quick=True, full=False)


def _starting(report: Report) -> bool:
    """Whether waiting can still help: nothing is wrong for good, and log or server are not there yet.

    sglang answers real requests while its own warm-up still runs, which can end it: where there is a log,
    its ready line is waited for too.
    """
    found = {finding.id: finding for finding in report.findings}
    log = found.get("logs.ready")
    told = log.values.get("state") if log else None
    if told is not None:
        return bool(told == "starting")
    ready = found.get("probe.ready")
    if ready is not None and ready.status is Status.PASS:
        return False
    # Without a log only the server tells: refused or busy may become ready, an answer in another shape won't.
    return not any(f.problem and f.id.startswith("logs.") for f in report.findings) and not _answered(report)


def _answered(report: Report) -> bool:
    """Whether the server answered an embedding request with something that waiting does not change."""
    return any(
        f.id == "probe.ready" and f.problem and f.values.get("status") not in (None, 503) for f in report.findings
    )
