"""`bgecheck logs [FILE...|-]`: what a log says on its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from typer import Argument, Context

from bgecheck.cli.app import command
from bgecheck.cli.blank import is_typed, not_blank
from bgecheck.cli.duration import moment, seconds
from bgecheck.cli.examine import Job, deliver, examine, job, target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both
from bgecheck.cli.options import (
    CONFIG,
    ConfigFile,
    Deadline,
    ExitStyle,
    FailOn,
    Ignore,
    Lang,
    Log,
    Named,
    Only,
    Output,
    Pid,
    RunOptions,
    Severities,
    Skip,
    TargetOptions,
    Url,
    Verbose,
    given,
    option,
)
from bgecheck.cli.progress import status
from bgecheck.cli.subjects import subject
from bgecheck.model import BadInput, Report, Target, Text


@command(
    "logs",
    epilog=examples(
        ("bgecheck logs sglang.log", "the newest start in a log", "日志里最近一次启动"),
        ("bgecheck logs", "that of the running server", "本机服务的日志"),
        ("tail -n 5000 sglang.log | bgecheck logs", "from a pipe", "从管道读取"),
        ("bgecheck logs *.log", "each log, rotated files as one", "逐个判断，轮转文件合为一份"),
        ("bgecheck logs sglang.log --since 2h", "only what came since", "只看最近两小时"),
        ("bgecheck logs sglang.log --follow --wait 5m", "until ready or failed", "跟踪到就绪或失败"),
    ),
)
def logs(
    ctx: Context,
    files: Annotated[
        list[str] | None,
        Argument(
            metavar="FILE",
            help=both(
                "The log; - for standard input. Of several each is judged; rotated files are one log.",
                "日志文件；- 表示标准输入。给多个时逐个判断，轮转文件算同一份",
            ),
        ),
    ] = None,
    log: Log = None,
    url: Url = None,
    named: Named = None,
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
    severity: Severities = None,
    fail_on: FailOn = "error",
    exit_style: ExitStyle = "plain",
    config: ConfigFile = None,
    lang: Lang = None,
) -> None:
    """Judge a log that is named, or that of the server that is running."""
    run_options = given(RunOptions, ctx)
    for file in files or ():
        not_blank("FILE", file)
    not_blank("--log", log)
    if files and is_typed(ctx, "log"):
        raise BadInput(f"{' '.join(files)} --log {log}", Text("two logs", "给了两个日志"), Text("give one", "只给一个"))
    the_job = job("logs", ["logs"], run_options).with_settings(
        since=moment("--since", since) if since is not None else None
    )
    paths, notes = _named(files or ([log] if log is not None else []), ctx)
    chosen = _logs(paths)
    server = TargetOptions() if chosen else _with_its_log(ctx, subject(ctx).options)
    if follow or wait is not None:
        patience = seconds("--wait", wait) if wait is not None else the_job.plan.settings.deadline
        deliver(the_job, [_followed(the_job, chosen, server, patience, notes)])
    if not chosen:
        deliver(the_job, [_noted(examine(the_job.plan, target(server, old_log=True)), notes)])
    looked_at = [_only_log(paths[0]) for paths in chosen]
    reports = zip(chosen, looked_at, strict=True)
    deliver(the_job, [_noted(examine(the_job.plan, one), (*notes, *_parts(paths))) for paths, one in reports])


def _with_its_log(ctx: Context, server: TargetOptions) -> TargetOptions:
    """The server with the log that the file gives it."""
    the_file = ctx.meta.get(CONFIG)
    if the_file is None or is_typed(ctx, "url") or is_typed(ctx, "pid"):
        return server
    return replace(server, log=server.log or the_file.defaults.get("log"))


Notes = tuple[Text, ...]


def _named(given: list[str], ctx: Context) -> tuple[list[str], Notes]:
    """What was given; where that is neither log nor server, standard input if a log comes through it.

    With it what is to be said where standard input might have held one.
    """
    from bgecheck.logfile.lines import STDIN
    from bgecheck.logfile.stdin import PATIENCE, arriving

    if given or any(is_typed(ctx, name) for name in ("url", "pid", "named")):
        return given, ()
    with status("stdin"):
        state = arriving()
    if state == "log":
        return [STDIN], ()
    if state == "empty":
        return [], (_EMPTY,)
    return [], ((_silent(PATIENCE),) if state == "silent" else ())


_EMPTY = Text(
    "standard input was empty; looked for the server of this machine instead",
    "标准输入是空的，改查本机的服务",
)


def _silent(seconds: float) -> Text:
    return Text(
        f"nothing came through standard input within {seconds:g} s; looked for the server of this machine instead. "
        "To wait longer: bgecheck logs -",
        f"标准输入 {seconds:g} 秒内没有内容，改查本机的服务；要继续等待请用 bgecheck logs -",
    )


def _logs(named: Sequence[str]) -> list[tuple[str, ...]]:
    """The logs that are meant, each the files that make it up, the newest first. Raises `BadInput`."""
    from bgecheck.logfile.lines import STDIN
    from bgecheck.logfile.reading import logs_of

    if STDIN in named:
        if len(named) > 1:
            raise BadInput(
                " ".join(named),
                Text("standard input is one log by itself", "标准输入单独算一份日志"),
                Text("give either - or files", "- 和文件只给一种"),
            )
        return [(STDIN,)]
    return logs_of([path for name in named for path in _matching(name)])


def _matching(name: str) -> list[str]:
    """The files of a pattern that no shell has expanded, as under cron; else the name itself. Raises `BadInput`."""
    from glob import glob, has_magic

    if os.path.lexists(name) or not has_magic(name):
        return [name]
    matches = sorted(path for path in glob(name, recursive=True) if os.path.isfile(path))
    if not matches:
        raise BadInput(
            name,
            Text("no file matches", "没有匹配的文件"),
            Text("name the file that the server's stdout goes to", "请给出服务 stdout 写入的文件"),
        )
    return matches


def _parts(paths: Sequence[str]) -> Notes:
    """What a log of several files is told with."""
    if len(paths) == 1:
        return ()
    older = ", ".join(map(os.path.basename, paths[1:]))
    return (Text(f"one log with its older files: {older}", f"与更早的轮转文件算同一份日志：{older}"),)


def _noted(report: Report, notes: Notes) -> Report:
    return replace(report, notes=(*notes, *report.notes))


def _followed(
    the_job: Job, chosen: Sequence[tuple[str, ...]], server: TargetOptions, patience: float, notes: Notes
) -> Report:
    """The report on a log once it says how its start ends, or when patience ran out. Raises `BadInput`."""
    from bgecheck.engines.sglang.log.following import stdin_until_decided, until_decided
    from bgecheck.logfile.lines import STDIN

    path = chosen[0][0] if chosen else target(server, old_log=True).log
    if path is None or len(chosen) > 1:
        raise _not_followed(chosen)
    if path != STDIN:
        with status(path) as show:
            state = until_decided(path, patience, lambda phase: show(f"{path}: {phase}"))
        report = examine(the_job.plan, _only_log(path) if chosen else target(server, old_log=True))
        return replace(_noted(report, notes), starting=state in _UNDECIDED)
    looked_at = _only_log(path)
    if the_job.plan.settings.since is not None or os.name == "nt":
        raise BadInput(
            "--follow -",
            Text(
                "standard input cannot be followed on Windows, nor from a moment on",
                "Windows 上不能跟踪标准输入；跟踪标准输入时不能用 --since",
            ),
            Text("leave out --since, or follow a file", "去掉 --since，或跟踪文件"),
        )
    with status("stdin") as show:
        state, log = stdin_until_decided(patience, lambda phase: show(f"stdin: {phase}"))
    return replace(examine(the_job.plan, looked_at, log=log), starting=state in _UNDECIDED)


_UNDECIDED = ("starting", "stuck", "empty")


def _not_followed(chosen: Sequence[tuple[str, ...]]) -> BadInput:
    why = (
        Text("one log is followed at a time", "一次只能跟踪一份日志")
        if chosen
        else Text("no log was named, and none was found", "没有指定日志，也没有找到")
    )
    return BadInput(" ".join(["--follow", *(paths[0] for paths in chosen)]), why, _FOLLOW)


_FOLLOW = Text("bgecheck logs --follow sglang.log", "bgecheck logs --follow sglang.log")


def _only_log(path: str) -> Target:
    """A log that is judged by itself: no server is looked for."""
    from bgecheck.logfile.lines import usable

    usable(path)
    return Target(url="", host="", port=0, log=path)
