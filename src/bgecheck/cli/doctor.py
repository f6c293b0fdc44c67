"""`bgecheck doctor`: every area of a running server, root cause first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context

from bgecheck.cli.app import command
from bgecheck.cli.duration import seconds
from bgecheck.cli.examine import Job, deliver, examine, job, openai_standby, target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both
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
    TargetOptions,
    Timeout,
    Urls,
    Verbose,
    Wait,
    given,
    option,
)
from bgecheck.cli.several import Examinee, others, reports_on, resolved
from bgecheck.cli.subjects import Subject, subjects
from bgecheck.model import BadInput, Language, Report, Target, Text
from bgecheck.run import catalog
from bgecheck.run.compared import compared
from bgecheck.run.plan import Plan

if TYPE_CHECKING:
    from bgecheck.cli.launching import Launched
    from bgecheck.run.readiness import Look

PATIENCE = "10m"
"""How long a server that is launched is waited for where --wait does not say it."""


@command(
    "doctor",
    epilog=examples(
        ("bgecheck doctor", "the server running here", "检查本机正在运行的服务"),
        ("bgecheck doctor --url 127.0.0.1:30000", "one that is named", "指定服务"),
        ("bgecheck doctor --wait 5m -o json=report.json", "the gate of a deploy script", "部署脚本的门禁"),
        ("bgecheck doctor --launch -- ./serve.sh", "start it, and wait", "启动并等它就绪"),
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
    severity: Severities = None,
    fail_on: FailOn = "error",
    exit_style: ExitStyle = "plain",
    config: ConfigFile = None,
    lang: Lang = None,
) -> None:
    """Find the running server, look at everything after launch, and say what is wrong and how to fix it."""
    run_options = given(RunOptions, ctx)
    _go_together(ctx)
    patience = seconds("--wait", wait) if wait is not None else seconds("--wait", PATIENCE) if launch else 0.0
    chosen = subjects(ctx)
    if launch:
        deliver(*_launched(chosen, run_options, patience, words or [], stop_on_failure))
    # Of several, or where one is waited for, the process of openai is started when its turn comes.
    alone = len(chosen) == 1 and not patience
    with openai_standby(run_options) if alone else nullcontext() as standby:
        the_job = job("doctor", catalog.AFTER_LAUNCH, run_options)
        examinees = resolved(chosen, "doctor", catalog.AFTER_LAUNCH, awaited=patience > 0)
        if every:
            examinees = others(examinees[0], chosen[0].options, awaited=patience > 0)
        if len(examinees) == 1:
            deliver(the_job, [_report(the_job.language, examinees[0], patience, partial(examine, standby=standby))])
        one_of_several = partial(_report, the_job.language, patience=patience, live=False)
        reports = reports_on(examinees, lambda one, look: one_of_several(one, look=look), standby, waits=patience > 0)
    deliver(the_job, compared(reports))


def _go_together(ctx: Context) -> None:
    """Raise `BadInput` for options of `--launch` with others that exclude it, or without it."""
    launch, words = ctx.params["launch"], ctx.params["words"]
    if launch and any(ctx.params[name] for name in ("every", "pid", "named")):
        raise BadInput(
            "--launch",
            Text("it excludes --all, --pid and --target", "不能与 --all、--pid、--target 同时使用"),
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
    if ctx.params["stop_on_failure"] and not launch:
        raise BadInput(
            "--stop-on-failure",
            Text("nothing is launched that could be stopped", "没有启动任何服务，无从停止"),
            Text("give it with --launch", "与 --launch 一起使用"),
        )


def _launched(
    chosen: Sequence[Subject], run_options: RunOptions, patience: float, words: Sequence[str], stops: bool
) -> tuple[Job, list[Report]]:
    """The report on the server that `words` start."""
    from bgecheck.cli.launching import checked, concluded, launched

    command = checked(words)
    if len(chosen) > 1:
        raise BadInput(
            "--launch",
            Text("it starts one server, and several are meant", "它只启动一个服务，而这里指定了多个"),
            Text("name that one with --url", "用 --url 指定那一个"),
        )
    the_job, options = job("doctor", catalog.AFTER_LAUNCH, run_options), chosen[0].options
    target(replace(options, log=None))  # what is wrong with the options is told before anything is started
    with launched(command, options, the_job.language) as server:
        of_child = replace(chosen[0], options=replace(options, pid=server.child.pid, log=server.child.log))

        def look(plan: Plan, looked_at: Target) -> Report:
            server.hush()
            return examine(plan, looked_at)

        (one,) = resolved([of_child], "doctor", catalog.AFTER_LAUNCH, awaited=True)
        report = _report(the_job.language, one, patience, look, server=server)
        return the_job, [concluded(report, server, stops, _again(options, patience))]


def _again(options: TargetOptions, patience: float) -> tuple[str, ...]:
    """The beginning of the line that launches a server once more, and waits for it for twice as long."""
    url = ("--url", options.url) if options.url else ()
    log = ("--log", options.log) if options.log else ()
    return ("bgecheck", "doctor", "--wait", f"{2 * patience:g}s", *url, *log, "--launch", "--stop-on-failure", "--")


def _report(
    language: Language,
    one: Examinee,
    patience: float,
    look: Look,
    *,
    live: bool = True,
    server: Launched | None = None,
) -> Report:
    """The report on one server, where there is patience once it is ready or lost."""
    if not patience:
        return look(one.plan, one.target)
    from bgecheck.cli.waiting import Waiting
    from bgecheck.run.readiness import settled

    with closing(Waiting(language, live=live and server is None)) as shown:

        def shown_look(plan: Plan, looked_at: Target) -> Report:
            shown.close()
            return look(plan, looked_at)

        child = server.child if server is not None else None
        return settled(one.plan, one.again, patience, shown_look, child=child, on_progress=shown.tell)
