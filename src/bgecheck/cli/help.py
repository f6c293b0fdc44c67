"""Help as Typer draws it, in the user's language, with examples below it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import HAS_RICH, TyperCommand, TyperGroup

from bgecheck.cli.apart import reports_apart
from bgecheck.cli.blank import no_blank_options
from bgecheck.cli.commands import COMMANDS
from bgecheck.cli.completion import Installing
from bgecheck.cli.language import both, chinese
from bgecheck.cli.nearest import nearest
from bgecheck.cli.stdout import discard, require_stdout, unwritable
from bgecheck.model import BadInput, Language, Text

_LABELS = {
    "ARGUMENTS_PANEL_TITLE": Text("Arguments", "参数"),
    "OPTIONS_PANEL_TITLE": Text("Options", "选项"),
    "COMMANDS_PANEL_TITLE": Text("Commands", "命令"),
    "DEFAULT_STRING": Text("[default: {}]", "[默认：{}]"),
    "ENVVAR_STRING": Text("[env var: {}]", "[环境变量：{}]"),
    "REQUIRED_LONG_STRING": Text("[required]", "[必填]"),
}
"""What Typer itself writes into the help, by its name in `typer.rich_utils`."""

_COMMENT = "  # "
_USAGE, _EXAMPLES = Text("Usage: ", "用法："), Text("Examples:", "示例：")
_METAVARS = {"[OPTIONS]": "[选项]", "COMMAND [ARGS]...": "命令 [参数]..."}
_HELP = Text("Show this message and exit.", "显示帮助并退出")
_OWN_OPTIONS = {
    "install_completion": Text(
        "Install completion for the current shell (bash, zsh, fish, PowerShell).",
        "为当前 shell 安装补全（bash、zsh、fish、PowerShell）",
    ),
    "show_completion": Text(
        "Show completion for the current shell, to copy it or to install it by hand.",
        "打印当前 shell 的补全脚本，可自行安装",
    ),
}
"""The options that Typer adds to the program, by name."""


def examples(*lines: tuple[str, str, str]) -> str:
    """The end of a help page: each line a command, and what it does in English and Chinese."""
    return both(
        "\n".join(f"{command}{_COMMENT}{en}" for command, en, _ in lines),
        "\n".join(f"{command}{_COMMENT}{zh}" for command, _, zh in lines),
    )


class _Help:
    """What a command and the group of commands have in common."""

    language: Language = "en"
    epilog: str | None

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """The usage line with its label in the user's language."""
        pieces = self.collect_usage_pieces(ctx)  # type: ignore[attr-defined]  # of Typer's class beside this one
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=_USAGE.to(self.language))

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help, described in the user's language."""
        option = super().get_help_option(ctx)  # type: ignore[misc]  # of Typer's class beside this one
        if option is not None:
            option.help, option.metavar = _HELP.to(self.language), ""
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The page; ends the program in order where stdout is closed, full, or read no further."""
        require_stdout()
        try:
            self._draw(ctx, formatter)
        except (BrokenPipeError, SystemExit) as gone:  # Rich ends the program when the reader has gone
            discard(sys.stdout)
            raise typer.Exit from gone
        except OSError as error:
            discard(sys.stdout)
            raise unwritable(error) from error

    def _draw(self, ctx: Any, formatter: Any) -> None:
        if not HAS_RICH:  # switched off by TYPER_USE_RICH=0
            super().format_help(ctx, formatter)  # type: ignore[misc]
            return
        _set_up_rich(self.language)
        # Typer joins or wraps the lines of an epilog, and a command that is wrapped cannot be copied.
        epilog, self.epilog = self.epilog, None
        super().format_help(ctx, formatter)  # type: ignore[misc]
        self.epilog = epilog
        if epilog:
            _draw_examples(epilog, self.language)


def _set_up_rich(language: Language) -> None:
    """Give Typer's help its labels, and let Chinese, which has no blanks, wrap where Rich would cut it anywhere."""
    from rich.containers import Lines
    from rich.text import Text as Line
    from typer import rich_utils

    from bgecheck.render.prose import breaks

    class Wrapping(Line):
        def wrap(self, console: Any, width: int, **settings: Any) -> Lines:
            lines = Lines()
            for paragraph in self.split(allow_blank=True):
                lines.extend(paragraph.divide(breaks(paragraph.plain, width)))
            for line in lines:
                line.rstrip()
            return lines

    class Folding(rich_utils.OptionHighlighter):
        def __call__(self, text: str | Line) -> Line:
            line = super().__call__(text)
            return Wrapping(line.plain, line.style, overflow="fold", end=line.end, spans=line.spans)

    rich_utils.highlighter = Folding()
    for name, label in _LABELS.items():
        setattr(rich_utils, name, label.to(language))


def _draw_examples(epilog: str, language: Language) -> None:
    from rich.cells import cell_len
    from rich.console import Console
    from rich.text import Text as Line

    console = Console(highlight=False)
    console.print(Line(f" {_EXAMPLES.to(language)}", style="bold"))
    pairs = [line.split(_COMMENT) for line in epilog.splitlines()]
    width = max(cell_len(command) for command, _ in pairs)
    beside = all(3 + width + cell_len(_COMMENT + comment) <= console.width for _, comment in pairs)
    for command, comment in pairs:
        blanks = " " * (width - cell_len(command))
        if beside:
            line = Line.assemble("   ", (command, "cyan"), (f"{blanks}{_COMMENT}{comment}", "dim"))
        else:
            line = Line.assemble((f"   # {comment}\n", "dim"), "   ", (command, "cyan"))
        console.print(line, soft_wrap=True)


class Command(_Help, TyperCommand):
    """A command whose help is in the user's language, whose options have values, and whose reports cover no input."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is left of the words. Raises `BadInput` for an option that is given a blank value."""
        left: list[str] = super().parse_args(ctx, args)
        no_blank_options(ctx, self.params)
        reports_apart(ctx)
        return left


class Program(_Help, TyperGroup):
    """All commands, in a declared order; one that does not exist is answered with the nearest."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names in the order of the help."""
        return [name for name in COMMANDS if name in self.commands]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called. Raises `BadInput` for one that does not exist."""
        if not ctx.resilient_parsing and args[0] not in self.commands:
            raise _no_command(args[0], list(self.commands))
        return super().resolve_command(ctx, args)


def _no_command(given: str, names: Sequence[str]) -> BadInput:
    near, choice = nearest(given, names), ", ".join(COMMANDS)
    return BadInput(
        given,
        Text("no such command", "没有这个命令"),
        Text(f"did you mean {near}? See bgecheck -h", f"是不是 {near}？用法见 bgecheck -h")
        if near
        else Text(f"choose: {choice}", f"可选：{choice}"),
    )


def localise(command: Any, language: Language) -> None:
    """Turn the help of a command, and of those below it, into `language`; the tree was built in English."""
    command.language = language
    for option in command.params:
        _in_language(option, language)
    for below in getattr(command, "commands", {}).values():
        localise(below, language)
    if language == "zh":
        for name in ("help", "short_help", "epilog", "rich_help_panel"):
            setattr(command, name, chinese(getattr(command, name, None) or "") or None)
        for name in ("options_metavar", "subcommand_metavar"):
            if given := getattr(command, name, None):
                setattr(command, name, _METAVARS.get(given, given))


def _in_language(option: Any, language: Language) -> None:
    own = _OWN_OPTIONS.get(option.name)
    if own:
        option.help, option.metavar = own.to(language), ""
        if option.name == "install_completion":
            option.callback = Installing(language)
    elif language == "zh":
        option.help = chinese(option.help or "")
        option.rich_help_panel = chinese(option.rich_help_panel or "") or None
