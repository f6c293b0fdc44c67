"""`bgecheck logs [FILE|-]`: what a log says on its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from typer import Argument

from bgecheck.cli.examine import deliver, examine, plan, target
from bgecheck.cli.options import RunOptions, TargetOptions, takes_options


@takes_options
def command(
    target_options: TargetOptions,
    run_options: RunOptions,
    file: Annotated[str | None, Argument(metavar="[FILE|-]", help="The log; - for standard input.")] = None,
) -> None:
    """What happened in the newest session of a log, and what was its root cause."""
    the_plan = plan("logs", ["logs"], run_options)
    looked_at = target(replace(target_options, log=file or target_options.log))
    deliver(the_plan, [examine(the_plan, looked_at)], run_options)
