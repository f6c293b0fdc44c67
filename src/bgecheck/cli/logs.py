"""`bgecheck logs [FILE|-]`: what a log says on its own."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

from bgecheck.cli.duration import moment, seconds
from bgecheck.cli.examine import deliver, examine, interactive, plan, target
from bgecheck.cli.options import RunOptions, TargetOptions, takes_options
from bgecheck.model import BadInput, Target, Text
from bgecheck.sources.logfile import STDIN, usable


@takes_options
def command(
    target_options: TargetOptions,
    run_options: RunOptions,
    file: Annotated[str | None, Argument(metavar="[FILE|-]", help="The log; - for standard input.")] = None,
    follow: Annotated[
        bool,
        Option("--follow", "-f", envvar="BGECHECK_FOLLOW", help="Judge as lines come, until ready or failed."),
    ] = False,
    wait: Annotated[
        str | None,
        Option("--wait", envvar="BGECHECK_WAIT", metavar="DUR", help="How long to follow; --deadline else."),
    ] = None,
    since: Annotated[
        str | None,
        Option(
            "--since", envvar="BGECHECK_SINCE", metavar="WHEN", help="Judge what came since: 10m, 2h, 2026-11-02T22:10."
        ),
    ] = None,
) -> None:
    """What happened in the newest session of a log, and what was its root cause."""
    the_plan = plan("logs", ["logs"], run_options)._replace(since=moment("--since", since) if since else None)
    named = file or target_options.log
    starting = False
    if follow or wait:
        patience = seconds("--wait", wait) if wait else the_plan.deadline
        named = named or target(target_options).log
        starting = _follow(named, patience)
    looked_at = _only_log(named) if named else target(target_options)
    deliver(the_plan, [examine(the_plan, looked_at, starting=starting)], run_options)


def _follow(path: str | None, patience: float) -> bool:
    """Follow a log; whether its server is still starting when patience ran out. Raises `BadInput`."""
    if path is None or path == STDIN:
        raise BadInput(
            "--follow -" if path else "--follow",
            Text("only a file that is named can be followed", "只能跟踪指定的文件"),
            Text("bgecheck logs --follow sglang.log", "bgecheck logs --follow sglang.log"),
        )
    from bgecheck.checks.logs.following import until_decided

    show = (lambda phase: print(f"{path}: {phase}", file=sys.stderr)) if interactive() else (lambda phase: None)
    return until_decided(path, patience, show) in ("starting", "stuck", "empty")


def _only_log(path: str) -> Target:
    """A log that is judged by itself: no server is looked for."""
    usable(path)
    return Target(url="", host="", port=0, log=path)
