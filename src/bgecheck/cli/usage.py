"""What Typer finds wrong with a command line, as input, reason and remedy in both languages."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from bgecheck.cli.help import ORDER
from bgecheck.cli.nearest import nearest
from bgecheck.model import BadInput, Text


def bad_input(error: Any, words: Sequence[str], program: Any) -> BadInput:
    """The refusal of a command line. `error` is Typer's, told by the name of its class and its public attributes."""
    called = next((word for word in words if word in program.commands), None)
    page = f"bgecheck {called} -h" if called else "bgecheck -h"
    see = Text(f"see {page}", f"用法见 {page}")
    message = str(error.format_message()).rstrip(".")
    match type(error).__name__:
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


def _no_option(given: str, called: str | None, program: Any, see: Text) -> BadInput:
    """An option that the command does not have: it belongs to another one, is misplaced, or misspelt."""
    owners = [name for name in ORDER if given in _options(program.commands[name])]
    if called is None and owners:
        line = f"bgecheck {owners[0]} {given}"
        return BadInput(
            given,
            Text("bgecheck itself has no such option", "bgecheck 本身没有这个选项"),
            Text(f"write it after a command: {line}", f"写到命令后面：{line}"),
        )
    if called and (owners or given in _options(program)):
        home = Text(f"it belongs to {_listed(owners)}; ", f"它属于 {'、'.join(owners)}；")
        if not owners:
            home = Text(f"it stands alone: bgecheck {given}; ", f"它单独使用：bgecheck {given}；")
        return BadInput(
            given,
            Text(f"bgecheck {called} has no such option", f"bgecheck {called} 没有这个选项"),
            Text(f"{home.en}{see.en}", f"{home.zh}{see.zh}"),
        )
    return BadInput(given, Text("no such option", "没有这个选项"), _did_you_mean(given, called, program, see))


def _did_you_mean(given: str, called: str | None, program: Any, see: Text) -> Text:
    """The nearest option of the command, else of any, before the page to read."""
    own = _options(program.commands[called] if called else program)
    elsewhere = {option: name for name, command in program.commands.items() for option in _options(command)}
    if near := nearest(given, own):
        guess = Text(near, near)
    elif near := nearest(given, elsewhere):
        owner = f"bgecheck {elsewhere[near]}"
        guess = Text(f"{near} of {owner}", f"{owner} 的 {near}")
    else:
        return see
    return Text(f"did you mean {guess.en}? {see.en.capitalize()}", f"是不是 {guess.zh}？{see.zh}")


def _options(command: Any) -> list[str]:
    return [name for option in command.params for name in option.opts if name.startswith("-")]


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
