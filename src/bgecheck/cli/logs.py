"""`bgecheck logs [FILE|-]`: what a log says on its own."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Annotated

from typer import Argument, Context

from bgecheck.cli.app import CHECK, command
from bgecheck.cli.blank import not_blank
from bgecheck.cli.duration import moment, seconds
from bgecheck.cli.examine import deliver, examine, job, target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both
from bgecheck.cli.options import (
    Deadline,
    ExitStyle,
    FailOn,
    Ignore,
    Lang,
    Log,
    Only,
    Output,
    Pid,
    RunOptions,
    Skip,
    TargetOptions,
    Url,
    Verbose,
    given,
    option,
)
from bgecheck.cli.progress import status
from bgecheck.model import BadInput, Target, Text


@command(
    "logs",
    CHECK,
    en="What happened in the newest session of a log, and what was its root cause.",
    zh="日志里最近一次启动发生了什么，根因是什么",
    epilog=examples(
        ("bgecheck logs sglang.log", "the newest start in a log", "日志里最近一次启动"),
        ("bgecheck logs", "that of the running server", "本机服务的日志"),
        ("tail -n 5000 sglang.log | bgecheck logs -", "from a pipe", "从管道读取"),
        ("bgecheck logs sglang.log --since 2h", "only what came since", "只看最近两小时"),
        ("bgecheck logs sglang.log --follow --wait 5m", "until ready or failed", "跟踪到就绪或失败"),
    ),
)
def logs(
    ctx: Context,
    file: Annotated[
        str | None,
        Argument(metavar="FILE", help=both("The log; - for standard input.", "日志文件；- 表示标准输入")),
    ] = None,
    log: Log = None,
    url: Url = None,
    pid: Pid = None,
    follow: Annotated[
        bool,
        option(
            "--follow",
            "-f",
            en="Judge as lines come, until ready or failed.",
            zh="边写边看，直到就绪或失败",
        ),
    ] = False,
    wait: Annotated[
        str | None,
        option(
            "--wait",
            metavar="DUR",
            en="Follow for at most so long; else as long as --deadline.",
            zh="跟踪日志的最长时间，默认同 --deadline",
        ),
    ] = None,
    since: Annotated[
        str | None,
        option(
            "--since",
            metavar="WHEN",
            en="Judge what came since: 10m, 2h, 2026-11-02T22:10.",
            zh="只看此后的内容：10m、2h、2026-11-02T22:10",
        ),
    ] = None,
    only: Only = None,
    skip: Skip = None,
    deadline: Deadline = "60s",
    output: Output = None,
    verbose: Verbose = False,
    ignore: Ignore = None,
    fail_on: FailOn = "error",
    exit_style: ExitStyle = "plain",
    lang: Lang = None,
) -> None:
    """Judge a log that is named, or that of the server that is running."""
    run_options = given(RunOptions, ctx)
    if file is not None and log is not None and log != os.environ.get("BGECHECK_LOG"):
        raise BadInput(f"{file} --log {log}", Text("two logs", "给了两个日志"), Text("give one", "只给一个"))
    not_blank("FILE", file)
    not_blank("--log", log)
    the_job = job("logs", ["logs"], run_options).with_settings(
        since=moment("--since", since) if since is not None else None
    )
    path, starting = file if file is not None else log, False
    server = given(TargetOptions, ctx)
    if follow or wait is not None:
        patience = seconds("--wait", wait) if wait is not None else the_job.plan.settings.deadline
        path = path if path is not None else target(server).log
        starting = _follow(path, patience)
    looked_at = _only_log(path) if path is not None else target(server)
    deliver(the_job, [replace(examine(the_job.plan, looked_at), starting=starting)])


def _follow(path: str | None, patience: float) -> bool:
    """Follow a log; whether its server is still starting when patience ran out. Raises `BadInput`."""
    from bgecheck.logfile.lines import STDIN

    if path is None or path == STDIN:
        raise BadInput(
            "--follow -" if path else "--follow",
            Text("only a file that is named can be followed", "只能跟踪指定的文件"),
            Text("bgecheck logs --follow sglang.log", "bgecheck logs --follow sglang.log"),
        )
    from bgecheck.engines.sglang.log.following import until_decided

    with status(path) as show:
        return until_decided(path, patience, lambda phase: show(f"{path}: {phase}")) in ("starting", "stuck", "empty")


def _only_log(path: str) -> Target:
    """A log that is judged by itself: no server is looked for."""
    from bgecheck.logfile.lines import usable

    usable(path)
    return Target(url="", host="", port=0, log=path)
