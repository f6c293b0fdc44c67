"""`bgecheck doctor`: every area of a running server, root cause first."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from typer import Context

from bgecheck.cli.app import CHECK, command
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import Plan, deliver, examine, openai_standby, plan, target
from bgecheck.cli.help import examples
from bgecheck.cli.options import (
    SERVER,
    ApiKey,
    Deadline,
    ExitStyle,
    ExpectDim,
    FailOn,
    Full,
    Ignore,
    Lang,
    Log,
    Model,
    ModelPath,
    Only,
    Output,
    Pid,
    Quick,
    RunOptions,
    Skip,
    TargetOptions,
    Timeout,
    Url,
    Verbose,
    given,
    option,
)
from bgecheck.model import BadInput, Report, Status, Target, Text
from bgecheck.run import catalog

if TYPE_CHECKING:
    from bgecheck.http.openai_client import OpenAIClient

_POLL = 1.0
"""Seconds between two looks while waiting; a start takes tens of seconds."""


@command(
    "doctor",
    CHECK,
    en="Everything after launch: finds the running server, checks every area, root cause first.",
    zh="启动后的全面检查：自动找到正在运行的服务，逐个领域检查，先给出根因",
    epilog=examples(
        ("bgecheck doctor", "the server running here", "检查本机正在运行的服务"),
        ("bgecheck doctor --url 127.0.0.1:30000", "one that is named", "指定服务"),
        ("bgecheck doctor --wait 5m -o json=report.json", "the gate of a deploy script", "部署脚本的门禁"),
        ("bgecheck doctor --only launch,embed -v", "two areas, every check", "只看两个领域，逐项列出"),
    ),
)
def doctor(
    ctx: Context,
    url: Url = None,
    pid: Pid = None,
    every: Annotated[
        bool,
        option(
            "--all", rich_help_panel=SERVER, en="Every sglang server that is running here.", zh="本机所有 sglang 服务"
        ),
    ] = False,
    log: Log = None,
    model: Model = None,
    model_path: ModelPath = None,
    api_key: ApiKey = None,
    expect_dim: ExpectDim = None,
    wait: Annotated[
        str | None,
        option(
            "--wait",
            metavar="DUR",
            en="Wait until it is ready, or has failed for good: 30s, 5m.",
            zh="等到服务就绪，或确定失败为止：30s、5m",
        ),
    ] = None,
    only: Only = None,
    skip: Skip = None,
    quick: Quick = False,
    full: Full = False,
    timeout: Timeout = "10s",
    deadline: Deadline = "60s",
    output: Output = None,
    verbose: Verbose = False,
    ignore: Ignore = None,
    fail_on: FailOn = "error",
    exit_style: ExitStyle = "plain",
    lang: Lang = None,
) -> None:
    """Find the running server, look at everything after launch, and say what is wrong and how to fix it."""
    target_options = given(TargetOptions, ctx)
    run_options = given(RunOptions, ctx)
    patience = seconds("--wait", wait) if wait is not None else 0.0
    if every and (url or pid):
        raise BadInput(
            "--all", Text("it excludes --url and --pid", "不能与 --url、--pid 同时使用"), Text("give one", "只给一个")
        )
    # A server that is waited for may take minutes: its process of openai is started when it is there.
    with openai_standby(run_options) if not patience else nullcontext() as standby:
        the_plan = plan("doctor", catalog.AREAS, run_options)
        looked_at = target(target_options)
        targets = [looked_at, *_others(looked_at, target_options)] if every else [looked_at]
        reports = [_settled(the_plan, t, target_options, patience, standby) for t in targets]
    deliver(the_plan, reports)


def _others(looked_at: Target, options: TargetOptions) -> list[Target]:
    return [target(replace(options, pid=server.pid)) for server in looked_at.others]


def _settled(
    the_plan: Plan, looked_at: Target, options: TargetOptions, patience: float, standby: OpenAIClient | None
) -> Report:
    """The report once the server is ready or has failed for good, or when patience has run out."""
    began = time.monotonic()
    ends = began + patience
    while patience and time.monotonic() < ends:
        # A log that was only lying in the folder may be an older start's: it must not end the waiting.
        told_by = looked_at._replace(log=None) if looked_at.origins.get("log") == "folder" else looked_at
        glance = examine(_glance(the_plan), told_by)
        if not _starting(glance):
            break
        time.sleep(min(_POLL, max(0.0, ends - time.monotonic())))
        looked_at = target(options)
    report = examine(the_plan, looked_at, standby=standby)
    starting = patience > 0 and time.monotonic() >= ends and _starting(report)
    return report._replace(starting=starting, seconds=time.monotonic() - began)


def _glance(the_plan: Plan) -> Plan:
    """Only what tells whether the server is ready: its log and one real embedding."""
    areas = catalog.select(catalog.areas(["logs", "probe"]), only=("logs.*", "probe.reachable", "probe.ready"))
    glance = replace(the_plan, command="glance", areas=tuple(areas), ignored={})
    return glance.with_settings(quick=True, full=False)


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
    return any(f.id == "probe.ready" and f.problem and f.values.get("status") is not None for f in report.findings)
