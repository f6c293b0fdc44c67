"""`bgecheck logs [FILE|-]`: what a log says on its own."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from bgecheck.cli.examine import deliver, examine, plan, target
from bgecheck.cli.options import RunOptions, TargetOptions, takes_options
from bgecheck.model import Target
from bgecheck.sources.logfile import usable


@takes_options
def command(
    target_options: TargetOptions,
    run_options: RunOptions,
    file: Annotated[str | None, Argument(metavar="[FILE|-]", help="The log; - for standard input.")] = None,
) -> None:
    """What happened in the newest session of a log, and what was its root cause."""
    the_plan = plan("logs", ["logs"], run_options)
    named = file or target_options.log
    looked_at = _only_log(named) if named else target(target_options)
    deliver(the_plan, [examine(the_plan, looked_at)], run_options)


def _only_log(path: str) -> Target:
    """A log that is judged by itself: no server is looked for."""
    usable(path)
    return Target(url="", host="", port=0, log=path)
