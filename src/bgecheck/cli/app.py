"""The Typer application; its commands are in the modules beside this one, and `bgecheck.cli.main` runs it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.main import get_command

from bgecheck import __version__
from bgecheck.cli.help import ORDER, Command, Program, examples
from bgecheck.cli.language import both
from bgecheck.cli.options import Lang
from bgecheck.cli.stdout import to_stdout

CHECK = both("Check a server", "检查服务")
USE = both("Use a server", "使用服务")
LEARN = both("Try and read", "试用与查阅")

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


def command(name: str, panel: str, en: str, zh: str, epilog: str) -> Callable[[Callable[..., None]], Any]:
    """Add a function to the application, as the command `name`."""
    return app.command(name, cls=Command, help=both(en, zh), epilog=epilog, rich_help_panel=panel)


_registered = app.registered_commands
"""Of every module that was loaded."""


def program(names: Collection[str] = ORDER) -> Any:
    """The program with these commands alone; the module of the same name adds each to the application."""
    for name in names:
        import_module(f"bgecheck.cli.{name}")
    app.registered_commands = [command for command in _registered if command.name in names]
    built = get_command(app)
    app.registered_commands = _registered
    return built


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
