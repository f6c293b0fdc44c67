"""`bgecheck ports`: the service port and who listens there."""

from __future__ import annotations

from typer import Context

from bgecheck.cli.app import command
from bgecheck.cli.examine import deliver, job
from bgecheck.cli.help import examples
from bgecheck.cli.options import (
    ConfigFile,
    Deadline,
    ExitStyle,
    FailOn,
    Ignore,
    Lang,
    Named,
    Only,
    Output,
    Pid,
    RunOptions,
    Severities,
    Skip,
    Urls,
    Verbose,
    given,
)
from bgecheck.cli.several import reports


@command(
    "ports",
    epilog=examples(
        ("bgecheck ports", "of the server running here", "本机服务的端口"),
        ("bgecheck ports --url 127.0.0.1:30000 -v", "a port that is named", "指定端口"),
    ),
)
def ports(
    ctx: Context,
    url: Urls = None,
    named: Named = None,
    pid: Pid = None,
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
    """Judge the port of one server."""
    run_options = given(RunOptions, ctx)
    the_job = job("ports", ["ports"], run_options)
    deliver(the_job, reports(ctx, "ports"))
