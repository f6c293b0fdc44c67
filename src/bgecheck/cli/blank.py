"""Refuses values that are there and empty, as an unset variable of a script leaves them."""

from __future__ import annotations

from typing import Any

from bgecheck.model import BadInput, Text

_MAY_BE_BLANK = frozenset({"api_key", "against_key"})
"""Options for which a blank value is a value: no key."""


def not_blank(option: str, given: str | None, meant: str | None = None) -> None:
    """Raise `BadInput` for a value of which nothing is left; `meant` is that part of it that has a meaning."""
    if given is not None and not (given if meant is None else meant).strip():
        raise BadInput(
            f"{option} {given!r}",
            Text("it is blank", "内容为空"),
            Text("give a value, or leave it out", "请填写，或去掉这一项"),
        )


def no_blank_options(ctx: Any, options: list[Any]) -> None:
    """Raise `BadInput` for an option that the command line gives a blank value; a blank variable counts as unset."""
    for option in options:
        name = option.opts[0]
        if not name.startswith("-") or option.name in _MAY_BE_BLANK or not is_typed(ctx, option.name):
            continue
        value = ctx.params.get(option.name)
        for item in value if isinstance(value, list | tuple) else [value]:
            not_blank("-o" if name == "--output" else name, item if isinstance(item, str) else None)


def is_typed(ctx: Any, name: str) -> bool:
    """Whether the command line gives an option, rather than a variable of the environment."""
    return source(ctx, name) == "COMMANDLINE"


SOURCES = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP", "DEFAULT")
"""Where the value of an option may come from, the strongest first; DEFAULT_MAP is the file."""


def source(ctx: Any, name: str) -> str:
    """Where the value of an option comes from, one of `SOURCES`."""
    origin = ctx.get_parameter_source(name)
    return SOURCES[-1] if origin is None or origin.name not in SOURCES else str(origin.name)
