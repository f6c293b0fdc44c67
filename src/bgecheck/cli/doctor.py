"""`bgecheck doctor`: every area of a running server, root cause first."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Annotated

from typer import Context

from bgecheck.cli.app import CHECK, command
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import deliver, examine, job, openai_standby
from bgecheck.cli.help import examples
from bgecheck.cli.options import (
    SERVER,
    ApiKey,
    ConfigFile,
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
    Named,
    Only,
    Output,
    Pid,
    Quick,
    RunOptions,
    Severities,
    Skip,
    Timeout,
    Urls,
    Verbose,
    Wait,
    given,
    option,
)
from bgecheck.cli.several import Examinee, others, reports_on, resolved
from bgecheck.cli.subjects import subjects
from bgecheck.model import Report
from bgecheck.run import catalog
from bgecheck.run.compared import compared
from bgecheck.run.readiness import Look, settled


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
    url: Urls = None,
    named: Named = None,
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
    wait: Wait = None,
    only: Only = None,
    skip: Skip = None,
    quick: Quick = False,
    full: Full = False,
    timeout: Timeout = "10s",
    deadline: Deadline = "60s",
    output: Output = None,
    verbose: Verbose = False,
    ignore: Ignore = None,
    severity: Severities = None,
    fail_on: FailOn = "error",
    exit_style: ExitStyle = "plain",
    config: ConfigFile = None,
    lang: Lang = None,
) -> None:
    """Find the running server, look at everything after launch, and say what is wrong and how to fix it."""
    run_options = given(RunOptions, ctx)
    chosen = subjects(ctx)
    patience = seconds("--wait", wait) if wait is not None else 0.0
    # Of several, or where one is waited for, the process of openai is started when its turn comes.
    alone = len(chosen) == 1 and not patience
    with openai_standby(run_options) if alone else nullcontext() as standby:
        the_job = job("doctor", catalog.AREAS, run_options)
        examinees = resolved(chosen, "doctor", catalog.AREAS)
        if every:
            examinees = others(examinees[0], chosen[0].options)

        def report(one: Examinee, look: Look) -> Report:
            return settled(one.plan, one.target, patience, one.again, look)

        if len(examinees) == 1:
            deliver(the_job, [report(examinees[0], partial(examine, standby=standby))])
        reports = reports_on(examinees, report, standby, waits=patience > 0)
    deliver(the_job, compared(reports))
