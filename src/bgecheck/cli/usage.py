"""What Typer finds wrong with a command line, in one line of the user's language."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from bgecheck.model import BadInput, Text


def is_usage_error(error: Exception) -> bool:
    """Whether Typer raised it for the command line: its classes are private, what they offer is not."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def bad_input(error: Any, command: str | None, commands: Collection[str]) -> BadInput:
    """The same with input, reason and remedy; `command` is the one that was called, or stands in its place."""
    if command not in commands:
        choice = ", ".join(commands)
        if "such command" in str(error):
            return BadInput(
                str(command), Text("no such command", "没有这个命令"), Text(f"choose: {choice}", f"可选：{choice}")
            )
        command = None
    page = f"bgecheck {command} -h" if command else "bgecheck -h"
    given, reason = _told(error)
    near = ", ".join(getattr(error, "possibilities", None) or ())
    if near:
        return BadInput(given, reason, Text(f"did you mean {near}? See {page}", f"是不是 {near}？用法见 {page}"))
    return BadInput(given, reason, Text(f"see {page}", f"用法见 {page}"))


def _told(error: Any) -> tuple[str, Text]:
    kind, message = type(error).__name__, str(error.format_message()).rstrip(".")
    if kind == "NoSuchOption":
        return error.option_name, Text("no such option", "没有这个选项")
    if kind == "BadOptionUsage":
        needs = "requires" in message
        return error.option_name, (
            Text("it needs a value", "缺少取值") if needs else Text("it takes no value", "这个选项不带取值")
        )
    if kind == "MissingParameter":
        return error.param.metavar or error.param.human_readable_name, Text("it is missing", "缺少这个参数")
    if kind == "BadParameter" and error.param is not None:
        said = str(error.message).rstrip(".")
        whole = Text("not a whole number", "不是整数") if said.endswith("is not a valid int") else Text(said, said)
        value = re.match(r"'(.*)' is not", said)
        return f"{error.param.opts[-1]} {value[1] if value else ''}".rstrip(), whole
    if extra := re.fullmatch(r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)", message):
        return extra[1], Text("one argument too many", "多余的参数")
    return "bgecheck", Text(message, message)
