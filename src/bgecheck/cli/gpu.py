"""`bgecheck gpu`: the GPUs of this machine, and whether the model fits."""

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
    ModelPath,
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
    "gpu",
    epilog=examples(
        ("bgecheck gpu", "the GPUs of this machine", "本机的 GPU"),
        ("bgecheck gpu --model-path models/bge-large-zh-v1.5", "does this model fit", "放不放得下这个模型"),
    ),
)
def gpu(
    ctx: Context,
    url: Urls = None,
    named: Named = None,
    pid: Pid = None,
    model_path: ModelPath = None,
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
    """Judge the GPUs, and those of one server in particular."""
    run_options = given(RunOptions, ctx)
    the_job = job("gpu", ["gpu"], run_options)
    deliver(the_job, reports(ctx, "gpu"))
