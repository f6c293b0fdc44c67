"""The commands that look at one area and nothing else: `ports`, `gpu`, `probe`."""

from __future__ import annotations

from collections.abc import Callable

from bgecheck.cli.examine import deliver, examine, plan, target
from bgecheck.cli.options import RunOptions, TargetOptions, takes_options


def command_of(name: str, summary: str) -> Callable[..., None]:
    """The command that judges the rows of the area `name`."""

    @takes_options
    def command(target_options: TargetOptions, run_options: RunOptions) -> None:
        the_plan = plan(name, [name], run_options)
        deliver(the_plan, [examine(the_plan, target(target_options))], run_options)

    command.__doc__ = summary
    return command
