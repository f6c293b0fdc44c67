"""`bgecheck preflight`: the launch line, the model's files and this machine, before anything is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context

from bgecheck.cli.app import command
from bgecheck.cli.blank import not_blank
from bgecheck.cli.examine import PREFLIGHT, deliver, examine, is_model, job, target
from bgecheck.cli.help import examples
from bgecheck.cli.language import both
from bgecheck.cli.options import (
    LOOK,
    SERVER,
    ConfigFile,
    Deadline,
    ExitStyle,
    FailOn,
    Ignore,
    Lang,
    ModelPath,
    Only,
    Output,
    Pid,
    RunOptions,
    Severities,
    Skip,
    TargetOptions,
    Verbose,
    given,
    option,
)
from bgecheck.model import BadInput, Report, Target, Text
from bgecheck.run import catalog
from bgecheck.run.machine import Machine

if TYPE_CHECKING:
    from bgecheck.engines.planned import Planned


@command(
    PREFLIGHT,
    epilog=examples(
        ("bgecheck preflight -- sglang serve DIR", "a launch command", "检查一条启动命令"),
        ("bgecheck preflight --file compose.yml", "those in a file", "检查文件里的启动命令"),
        ("bgecheck preflight", "this machine alone", "只看本机"),
    ),
)
def preflight(
    ctx: Context,
    words: Annotated[
        list[str] | None,
        Argument(
            metavar="-- LAUNCH COMMAND",
            help=both("The command that will start the server.", "将要用来启动服务的命令"),
        ),
    ] = None,
    file: Annotated[
        str | None,
        option(
            "--file",
            metavar="FILE",
            rich_help_panel=SERVER,
            en="A file that holds it: shell script, compose, Kubernetes, systemd, Dockerfile, supervisord; - is stdin.",
            zh="含启动命令的文件：shell 脚本、compose、Kubernetes、systemd、Dockerfile、supervisord，- 表示标准输入",
        ),
    ] = None,
    pid: Pid = None,
    sglang_version: Annotated[
        str | None,
        option(
            "--sglang-version",
            metavar="X",
            rich_help_panel=SERVER,
            en="The release that will run; else the one that is installed.",
            zh="将要运行的 sglang 版本，默认取已安装的",
        ),
    ] = None,
    model_path: ModelPath = None,
    verify_hash: Annotated[
        bool,
        option(
            "--verify-hash",
            rich_help_panel=LOOK,
            en="Read the weights whole, and compare their sha256 with the published one.",
            zh="完整读取权重，与公布的 sha256 比对",
        ),
    ] = False,
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
    """Judge what is to be launched, and the machine that it is to run on. Nothing is asked, started or changed."""
    _one_source(words, file, pid)
    is_model("--model-path", model_path)
    the_job = job(PREFLIGHT, catalog.BEFORE_LAUNCH, given(RunOptions, ctx)).with_settings(
        verify_hash=verify_hash, machine=Machine()
    )
    launches: Sequence[Planned | None] = _launches(words, file, pid, sglang_version) or (None,)
    reports = [examine(the_job.with_settings(planned=one).plan, _target(one, model_path)) for one in launches]
    deliver(the_job, [_noted(report, one) for report, one in zip(reports, launches, strict=True)])


def _noted(report: Report, planned: Planned | None) -> Report:
    """The report with what of its file or command was not judged."""
    if planned is None:
        return report
    from bgecheck.engines.launchfile.unread import not_judged

    return replace(report, notes=(*report.notes, *not_judged(planned.written)))


def _where(planned: Planned) -> str:
    """Where the command stands, and the release that it is for."""
    release = f", sglang {planned.version}" if planned.version else ""
    name = f" ({planned.written.name})" if planned.written.name else ""
    return f"{planned.place}{name}{release}"


def _one_source(words: list[str] | None, file: str | None, pid: int | None) -> None:
    """Raise `BadInput` where more than one launch command is given."""
    sources = [name for name, value in (("-- COMMAND", words), ("--file", file), ("--pid", pid)) if value]
    not_blank("--file", file)
    if len(sources) > 1:
        raise BadInput(
            " ".join(sources),
            Text("they exclude each other", "不能同时使用"),
            Text("give one", "只给一个"),
        )


def _launches(words: list[str] | None, file: str | None, pid: int | None, version: str | None) -> Sequence[Planned]:
    """What is to be launched, by the source that was given; nothing without one. Raises `BadInput`."""
    from bgecheck.engines.sglang.installed import installed_in, with_version
    from bgecheck.engines.sglang.planned import all_as_typed, planned_in, planned_of

    installed = cache(installed_in)
    if words:
        return tuple(with_version(one, version, installed) for one in all_as_typed(words))
    if file is not None:
        return tuple(with_version(one, version, installed) for one in planned_in(file))
    if pid is not None:
        server = target(TargetOptions(pid=pid)).server
        assert server is not None, "a pid that is no server is bad input"
        return (with_version(planned_of(server), version),)
    return ()


def _target(planned: Planned | None, model_path: str | None) -> Target:
    """What the report is about: no server is asked."""
    if planned is None:
        return Target(url="", host="", port=0, model_path=model_path)
    from bgecheck.engines.sglang.planned import secrets

    return Target(
        url="",
        host=planned.host,
        port=planned.port,
        name=planned.written.name,
        model=planned.served_name,
        api_key=planned.api_key,
        other_keys=secrets(planned),
        launch=_where(planned),
        model_path=model_path or planned.model_path,
    )
