"""`bgecheck probe`: the server over HTTP, as its clients use it."""

from __future__ import annotations

from typer import Context

from bgecheck.cli.app import command
from bgecheck.cli.examine import deliver, job
from bgecheck.cli.help import examples
from bgecheck.cli.options import (
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
    Named,
    Only,
    Output,
    Pid,
    Quick,
    RunOptions,
    Severities,
    Skip,
    Timeout,
    Urls,
    Verbose,
    given,
)
from bgecheck.cli.several import reports


@command(
    "probe",
    epilog=examples(
        ("bgecheck probe --url 127.0.0.1:30000", "a server that is named", "指定服务"),
        ("bgecheck probe --model bge-large-zh-v1.5", "and the model's name", "同时核对模型名"),
        ("bgecheck probe --full", "with a burst of requests", "加上并发请求"),
    ),
)
def probe(
    ctx: Context,
    url: Urls = None,
    named: Named = None,
    pid: Pid = None,
    log: Log = None,
    model: Model = None,
    api_key: ApiKey = None,
    expect_dim: ExpectDim = None,
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
    """Judge what one server answers."""
    run_options = given(RunOptions, ctx)
    the_job = job("probe", ["probe"], run_options)
    deliver(the_job, reports(ctx, "probe"))
