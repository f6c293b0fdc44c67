"""The Typer application; its commands are in the modules beside this one, and `bgecheck.cli.main` runs it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.main import get_command
from typer.models import CommandInfo

from bgecheck import __version__
from bgecheck.cli.commands import COMMANDS
from bgecheck.cli.help import Command, Program, examples
from bgecheck.cli.language import both
from bgecheck.cli.options import Lang
from bgecheck.cli.stdout import to_stdout

app = typer.Typer(
    cls=Program,
    rich_markup_mode="rich",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=both(
        "Deployment diagnostics for embedding models served by sglang: is it up, are its vectors right, will it hold?",
        "检查用 sglang 部署的 embedding 模型：服务起来了吗，向量对不对，扛得住吗？",
    ),
    epilog=examples(
        ("bgecheck doctor", "everything about the server running here", "全面检查本机正在运行的服务"),
        ('bgecheck embed "今天天气怎么样？"', "are its vectors right", "向量对不对"),
        ("bgecheck logs sglang.log", "why did it not start", "为什么没起来"),
        ("bgecheck demo", "no server at hand", "手头没有服务时试用"),
    ),
)


def command(name: str, epilog: str) -> Callable[[Callable[..., None]], Any]:
    """Add a function to the application, as the command `name`."""
    summary = COMMANDS[name]
    return app.command(name, cls=Command, help=summary.line, epilog=epilog, rich_help_panel=summary.panel)


_registered = app.registered_commands
"""Of every module that was loaded."""


def program(names: Collection[str] = tuple(COMMANDS)) -> Any:
    """The program with these commands alone; the module of the same name adds each to the application."""
    for name in names:
        import_module(f"bgecheck.cli.{name}")
    return _built([command for command in _registered if command.name in names])


def contents() -> Any:
    """The program for its own page, which shows a line of each command: none of their modules is loaded."""
    return _built(
        [
            CommandInfo(name, cls=Command, callback=_nothing, help=summary.line, rich_help_panel=summary.panel)
            for name, summary in COMMANDS.items()
        ]
    )


def _built(commands: list[CommandInfo]) -> Any:
    app.registered_commands = commands
    built = get_command(app)
    app.registered_commands = _registered
    return built


def _nothing() -> None:
    """Stands for a command that is shown and not run."""


def _version(wanted: bool) -> None:
    if wanted:
        to_stdout(f"bgecheck {__version__}")
        raise typer.Exit


@app.callback()
def bgecheck(
    ctx: typer.Context,
    lang: Lang = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            metavar="",
            callback=_version,
            help=both("Show the version and exit.", "显示版本并退出"),
        ),
    ] = False,
) -> None:
    """Without a command: the help, and exit code 2."""
    if ctx.invoked_subcommand is None:
        if page := ctx.get_help():  # empty where Rich has printed it already
            to_stdout(page)
        raise typer.Exit(2)
