"""`bgecheck doctor`: every area of a running server, root cause first."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context

from bgecheck.cli.app import CHECK, command
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import Job, deliver, examine, job, openai_standby, target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both
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
from bgecheck.model import BadInput, Report, Target, Text
from bgecheck.run import catalog
from bgecheck.run.plan import Plan

if TYPE_CHECKING:
    from bgecheck.cli.launching import Launched

PATIENCE = "10m"
"""How long a server that is launched is waited for where --wait does not say it."""


@command(
    "doctor",
    CHECK,
    en="Everything after launch: finds the running server, checks every area, root cause first.",
    zh="启动后的全面检查：自动找到正在运行的服务，逐个领域检查，先给出根因",
    epilog=examples(
        ("bgecheck doctor", "the server running here", "检查本机正在运行的服务"),
        ("bgecheck doctor --url 127.0.0.1:30000", "one that is named", "指定服务"),
        ("bgecheck doctor --wait 5m -o json=report.json", "the gate of a deploy script", "部署脚本的门禁"),
        ("bgecheck doctor --launch -- python -m sglang.launch_server ...", "start it, and wait", "启动并等它就绪"),
        ("bgecheck doctor --only launch,embed -v", "two areas, every check", "只看两个领域，逐项列出"),
    ),
)
def doctor(
    ctx: Context,
    words: Annotated[
        list[str] | None,
        Argument(
            metavar="-- COMMAND",
            help=both("With --launch: what starts the server.", "与 --launch 一起用：启动服务的命令"),
        ),
    ] = None,
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
    launch: Annotated[
        bool,
        option(
            "--launch",
            en="Start the server by the COMMAND behind --, and wait for it (10m).",
            zh="用 -- 后面的命令启动服务，并等它就绪（默认 10m）",
        ),
    ] = False,
    stop_on_failure: Annotated[
        bool,
        option(
            "--stop-on-failure",
            en="With --launch: stop it again where it is not right.",
            zh="与 --launch 一起用：结果不对时停掉启动的服务",
        ),
    ] = False,
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
    _go_together(every, url, pid, launch, words, stop_on_failure)
    patience = seconds("--wait", wait) if wait is not None else seconds("--wait", PATIENCE) if launch else 0.0
    if patience:
        deliver(
            *_waited(target_options, run_options, patience, every, (words or []) if launch else None, stop_on_failure)
        )
    with openai_standby(run_options) as standby:
        the_job = job("doctor", catalog.AREAS, run_options)
        looked_at = target(target_options)
        targets = [looked_at, *_others(looked_at, target_options)] if every else [looked_at]
        reports = [examine(the_job.plan, looked_at, standby) for looked_at in targets]
    deliver(the_job, reports)


def _go_together(
    every: bool, url: str | None, pid: int | None, launch: bool, words: list[str] | None, stop_on_failure: bool
) -> None:
    """Raise `BadInput` for options that exclude each other, or of which one is for the other."""
    if every and (url or pid):
        raise BadInput(
            "--all", Text("it excludes --url and --pid", "不能与 --url、--pid 同时使用"), Text("give one", "只给一个")
        )
    if launch and (every or pid is not None):
        raise BadInput(
            "--launch",
            Text("it excludes --all and --pid", "不能与 --all、--pid 同时使用"),
            Text("give one", "只给一个"),
        )
    if words and not launch:
        raise BadInput(
            " ".join(words),
            Text("one argument too many", "多余的参数"),
            Text(
                "see bgecheck doctor -h; a server is started with --launch -- COMMAND",
                "用法见 bgecheck doctor -h；要启动服务，用 --launch -- 命令",
            ),
        )
    if stop_on_failure and not launch:
        raise BadInput(
            "--stop-on-failure",
            Text("nothing is launched that could be stopped", "没有启动任何服务，无从停止"),
            Text("give it with --launch", "与 --launch 一起使用"),
        )


def _waited(
    options: TargetOptions,
    run_options: RunOptions,
    patience: float,
    every: bool,
    words: list[str] | None,
    stops: bool,
) -> tuple[Job, list[Report]]:
    """The reports on what is waited for; what `words` start is waited for as well."""
    the_job = job("doctor", catalog.AREAS, run_options)
    if words is not None:
        return the_job, [_launched(the_job, options, patience, words, stops)]
    others = target(options, awaited=True).others if every else ()
    awaited = [options, *(replace(options, pid=server.pid) for server in others)]
    return the_job, [_settled(the_job, one, patience) for one in awaited]


def _launched(the_job: Job, options: TargetOptions, patience: float, words: list[str], stops: bool) -> Report:
    from bgecheck.cli.launching import checked, concluded, launched

    command = checked(words)
    target(replace(options, log=None))  # what is wrong with the options is told before anything is started
    with launched(command, options, the_job.language) as server:
        of_child = replace(options, pid=server.child.pid, log=server.child.log)
        return concluded(_settled(the_job, of_child, patience, server), server.child, stops)


def _settled(the_job: Job, options: TargetOptions, patience: float, server: Launched | None = None) -> Report:
    """The report on one server, once it is ready or lost; its requests are not shown as the server's output."""
    from bgecheck.cli.waiting import Waiting
    from bgecheck.run.readiness import settled

    with closing(Waiting(the_job.language, live=server is None)) as shown:

        def look(plan: Plan, looked_at: Target) -> Report:
            shown.close()
            if server is not None:
                server.hush()
            return examine(plan, looked_at)

        find = partial(target, options, awaited=True)
        child = server.child if server is not None else None
        return settled(the_job.plan, find, patience, look, child=child, on_progress=shown.tell)


def _others(looked_at: Target, options: TargetOptions) -> list[Target]:
    """The other servers; when the turn of one comes, the processes have to be looked at anew."""
    return [replace(target(replace(options, pid=server.pid)), processes=None) for server in looked_at.others]
