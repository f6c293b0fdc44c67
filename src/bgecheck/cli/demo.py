"""`bgecheck demo`: the embedded server, healthy or with a fault, and the doctor's answer to it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from typer import Context

from bgecheck.cli import complete
from bgecheck.cli.app import command
from bgecheck.cli.examine import deliver, examine, job, target
from bgecheck.cli.help import examples
from bgecheck.cli.language import language
from bgecheck.cli.nearest import one_of
from bgecheck.cli.options import (
    Deadline,
    ExitStyle,
    FailOn,
    Full,
    Ignore,
    Lang,
    Only,
    Output,
    Quick,
    RunOptions,
    Severities,
    Skip,
    TargetOptions,
    Timeout,
    Verbose,
    given,
    option,
)
from bgecheck.cli.output import stdout_screen
from bgecheck.cli.stderr import to_stderr
from bgecheck.cli.stdout import to_stdout
from bgecheck.model import BadInput, Language, Text
from bgecheck.run import catalog

if TYPE_CHECKING:
    from bgecheck.demo.stage import Staged


@command(
    "demo",
    epilog=examples(
        ("bgecheck demo", "doctor against a healthy server", "对正常的演示服务做全面检查"),
        ("bgecheck demo --fault repeat-differs", "200 OK, and wrong vectors", "返回 200，但向量是错的"),
        ("bgecheck demo --list", "all faults", "全部故障"),
    ),
)
def demo(
    ctx: Context,
    fault: Annotated[
        str | None,
        option(
            "--fault",
            metavar="NAME",
            autocompletion=complete.faults,
            en="Show this fault; --list names them.",
            zh="演示这个故障；用 --list 查看全部",
        ),
    ] = None,
    listed: Annotated[bool, option("--list", en="Name the faults and exit.", zh="列出全部故障并退出")] = False,
    serve: Annotated[
        bool, option("--serve", en="Keep the server running until Ctrl-C.", zh="让服务一直运行，按 Ctrl-C 停止")
    ] = False,
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
    lang: Lang = None,
) -> None:
    """Start the embedded server on a free port, run doctor against it, stop it."""
    from bgecheck.demo.faults import FAULTS

    run_options = given(RunOptions, ctx)
    chosen = language(lang)
    if listed and (serve or fault is not None):
        raise BadInput(
            "--list",
            Text("it excludes --fault and --serve", "不能与 --fault、--serve 同时使用"),
            Text("give one", "只给一个"),
        )
    if listed:
        from bgecheck.render.explain import listing

        faults = [(name, fault.text) for name, fault in FAULTS.items()]
        headings = Text("fault", "故障"), Text("what it shows", "现象")
        to_stdout(listing(faults, headings, stdout_screen(chosen)))
        return
    if fault is not None:
        one_of("--fault", fault, FAULTS, listing="bgecheck demo --list")
    if serve:
        _serve(fault, chosen)
    else:
        _show(fault, run_options)


def _show(fault: str | None, run_options: RunOptions) -> None:
    from bgecheck.demo.stage import stage

    the_job = job("doctor", catalog.AFTER_LAUNCH, run_options)
    with stage(fault) as staged:
        looked_at = target(TargetOptions(url=staged.url, log=staged.log, api_key=staged.api_key, pid=staged.pid))
        looked_at = replace(looked_at, given_url=None, origins={})  # nobody named it
        report = examine(the_job.plan, looked_at)
    note = Text(
        "this is bgecheck's embedded demo server: its vectors come from characters, not from a language model",
        "这是 bgecheck 自带的演示服务：向量由字符算出，不是语言模型",
    )
    deliver(the_job, [replace(report, notes=(note, _ends(fault), *report.notes))])


def _ends(fault: str | None) -> Text:
    """That the commands of the report, which name the server and its log, can be run only while it is kept."""
    line = f"bgecheck demo{f' --fault {fault}' if fault else ''} --serve"
    return Text(
        f"the demo's server and log end with this run; to try its commands, keep one running with {line}",
        f"演示服务和日志在本次运行结束时清理；要试这些命令，用 {line} 让服务一直运行",
    )


def _serve(fault: str | None, chosen: Language) -> None:
    from bgecheck.demo.stage import stage

    with stage(fault) as staged:
        to_stderr(_address(staged), chosen)
        line = _doctor(staged)
        to_stderr(Text(f"in another terminal: {line}", f"在另一个终端运行：{line}"), chosen)
        staged.wait()


def _address(staged: Staged) -> Text:
    if staged.log is None:
        return Text(f"no server at {staged.url}; Ctrl-C ends this", f"{staged.url} 上没有服务；按 Ctrl-C 结束")
    return Text(
        f"demo server (not a language model) at {staged.url}, log {staged.log}; Ctrl-C stops it",
        f"演示服务（不是语言模型）：{staged.url}，日志 {staged.log}；按 Ctrl-C 停止",
    )


def _doctor(staged: Staged) -> str:
    """What to run against the scene; without the key of the demo's client, which is a wrong one."""
    words = ["bgecheck", "doctor", "--url", staged.url]
    words += ["--log", staged.log] if staged.log else []
    return shlex.join(words)
