"""`bgecheck demo`: the embedded server, healthy or with a fault, and the doctor's answer to it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer import Option

from bgecheck import catalog
from bgecheck.cli.examine import deliver, examine, plan, target
from bgecheck.cli.language import language
from bgecheck.cli.options import RunOptions, TargetOptions, takes_options
from bgecheck.cli.output import stdout_screen
from bgecheck.cli.stdout import to_stdout
from bgecheck.model import BadInput, Language, Text


@takes_options
def command(
    run_options: RunOptions,
    fault: Annotated[str | None, Option("--fault", metavar="NAME", help="Show this fault; --list names them.")] = None,
    listed: Annotated[bool, Option("--list", help="Name the faults and exit.")] = False,
    serve: Annotated[bool, Option("--serve", help="Keep the server running until Ctrl-C.")] = False,
) -> None:
    """Start the embedded server on a free port, run doctor against it, stop it. It is not a language model."""
    from bgecheck.demo.faults import FAULTS

    chosen = language(run_options.lang)
    if listed:
        from bgecheck.render.explain import listing

        faults = [(name, fault.text) for name, fault in FAULTS.items()]
        headings = Text("fault", "故障"), Text("what it shows", "现象")
        to_stdout(listing(faults, headings, stdout_screen(chosen)))
        return
    if fault is not None and fault not in FAULTS:
        raise BadInput(
            f"--fault {fault}",
            Text("no such fault", "没有这个故障"),
            Text("name one of: bgecheck demo --list", "用 bgecheck demo --list 查看全部"),
        )
    if serve:
        _serve(fault, chosen)
    else:
        _show(fault, run_options)


def _show(fault: str | None, run_options: RunOptions) -> None:
    from bgecheck.demo.stage import stage

    the_plan = plan("doctor", catalog.AREAS, run_options)
    with stage(fault) as staged:
        looked_at = target(TargetOptions(url=staged.url, log=staged.log, api_key=staged.api_key, pid=staged.pid))
        report = examine(the_plan, looked_at)
    note = Text(
        "this is bgecheck's embedded demo server: its vectors come from characters, not from a language model",
        "这是 bgecheck 自带的演示服务：向量由字符算出，不是语言模型",
    )
    deliver(the_plan, [report._replace(notes=(note, *report.notes))], run_options)


def _serve(fault: str | None, chosen: Language) -> None:
    import signal

    from bgecheck.demo.stage import stage

    # As Ctrl-C does, `kill` lets the scene be cleared away.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with stage(fault) as staged:
        said = Text(
            f"demo server (not a language model) at {staged.url}, log {staged.log}; Ctrl-C stops it",
            f"演示服务（不是语言模型）：{staged.url}，日志 {staged.log}；按 Ctrl-C 停止",
        )
        typer.echo(said.to(chosen), err=True)
        staged.wait()
