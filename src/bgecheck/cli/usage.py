"""What Typer finds wrong with a command line, as input, reason and remedy in both languages."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from bgecheck.cli.commands import COMMANDS
from bgecheck.cli.nearest import nearest
from bgecheck.model import BadInput, Text


def bad_input(error: Any, words: Sequence[str], program: Any) -> BadInput:
    """The refusal of a command line. `error` is Typer's, told by the name of its class and its public attributes."""
    called = next((word for word in words if word in program.commands), None)
    page = f"bgecheck {called} -h" if called else "bgecheck -h"
    see = Text(f"see {page}", f"用法见 {page}")
    message = str(error.format_message()).rstrip(".")
    match type(error).__name__:
        case "NoSuchOption" if _is_of_the_command(error.option_name, words):
            return BadInput(
                "--launch",
                Text("the command that starts the server does not stand behind --", "启动服务的命令前面缺少 --"),
                Text(
                    "put -- before the command: bgecheck doctor --launch -- COMMAND OPTIONS",
                    "在命令前加 --：bgecheck doctor --launch -- 命令 参数",
                ),
            )
        case "NoSuchOption":
            return _no_option(error.option_name, called, program, see)
        case "BadOptionUsage" if "requires" in message:
            return BadInput(error.option_name, Text("it needs a value", "缺少取值"), see)
        case "BadOptionUsage":
            return BadInput(error.option_name, Text("it takes no value", "这个选项不带取值"), see)
        case "MissingParameter":
            return BadInput(error.param.metavar or error.param.name, Text("it is missing", "缺少这个参数"), see)
        case "BadParameter" if getattr(error.param, "is_flag", False):
            variable = error.param.envvar
            given = f"{variable}={os.environ.get(variable, '')}"
            return BadInput(given, Text("neither yes nor no", "不是有效的开关值"), Text("write 1 or 0", "写 1 或 0"))
    if extra := re.fullmatch(r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)", message):
        return BadInput(extra[1], Text("one argument too many", "多余的参数"), see)
    return BadInput(called or "bgecheck", Text(message, message), see)


def _is_of_the_command(given: str, words: Sequence[str]) -> bool:
    """Whether an option is that of a command which is launched, as a bare word stands between it and `--launch`."""
    if "--launch" not in words or "--" in words:
        return False
    behind = words[words.index("--launch") + 1 :]
    at = next((number for number, word in enumerate(behind) if word.startswith(given)), 0)
    return at > 0 and not behind[0].startswith("-")


def _no_option(given: str, called: str | None, program: Any, see: Text) -> BadInput:
    """An option that the command does not have: it belongs to another one, is misplaced, or misspelt."""
    # `config` shows the settings of all commands.
    owners = [name for name in COMMANDS if name != "config" and given in _options(program.commands[name])]
    if called and given in _options(program):
        remedy = Text(f"write it before the command: bgecheck {given}", f"写到命令前面：bgecheck {given}")
    elif called and owners:
        remedy = Text(f"it belongs to {_listed(owners)}; {see.en}", f"它属于 {'、'.join(owners)}；{see.zh}")
    elif owners:
        line = f"bgecheck {owners[0]} {given}"
        remedy = Text(f"write it after a command: {line}", f"写到命令后面：{line}")
    else:
        return BadInput(given, Text("no such option", "没有这个选项"), _did_you_mean(given, called, program, see))
    place = f"bgecheck {called}" if called else "bgecheck"
    return BadInput(given, Text(f"{place} has no such option", f"{place} 没有这个选项"), remedy)


def _did_you_mean(given: str, called: str | None, program: Any, see: Text) -> Text:
    """The nearest option, best of the command itself, before the page to read."""
    own = _options(program.commands[called] if called else program)
    elsewhere = {option: name for name in reversed(COMMANDS) for option in _options(program.commands[name])}
    near = nearest(given, [*own, *elsewhere])
    if near is None:
        return see
    owner = "" if near in own else f"bgecheck {elsewhere[near]}"
    guess = Text(f"{near} of {owner}" if owner else near, f"{owner} 的 {near}" if owner else near)
    return Text(f"did you mean {guess.en}? {see.en.capitalize()}", f"是不是 {guess.zh}？{see.zh}")


def _options(command: Any) -> list[str]:
    return [name for option in command.params for name in option.opts if name.startswith("-")]


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
