"""`bgecheck doctor`: every area of a running server, root cause first."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Annotated

from typer import Context

from bgecheck.cli.app import CHECK, command
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import deliver, examine, job, openai_standby, target
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
from bgecheck.model import BadInput, Target, Text
from bgecheck.run import catalog
from bgecheck.run.readiness import settled


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
        the_job = job("doctor", catalog.AREAS, run_options)
        looked_at = target(target_options)
        targets = [looked_at, *_others(looked_at, target_options)] if every else [looked_at]
        again = partial(target, target_options)
        look = partial(examine, standby=standby)
        reports = [settled(the_job.plan, looked_at, patience, again, look) for looked_at in targets]
    deliver(the_job, reports)


def _others(looked_at: Target, options: TargetOptions) -> list[Target]:
    """The other servers; when the turn of one comes, the processes have to be looked at anew."""
    return [replace(target(replace(options, pid=server.pid)), processes=None) for server in looked_at.others]
