"""The options that commands share, declared once, and the decorator that gives them to a command."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

from typer import Option


class TargetOptions(NamedTuple):
    """Which server is meant. None is needed where the running server can be found."""

    url: Annotated[
        str | None,
        Option("--url", envvar="BGECHECK_URL", metavar="URL", help="Base URL, in any shape you have at hand."),
    ] = None
    model: Annotated[
        str | None, Option("--model", envvar="BGECHECK_MODEL", metavar="NAME", help="The model that should be served.")
    ] = None
    api_key: Annotated[
        str | None,
        Option("--api-key", envvar="BGECHECK_API_KEY", metavar="KEY", show_envvar=True, help="Used, never shown."),
    ] = None
    log: Annotated[str | None, Option("--log", envvar="BGECHECK_LOG", metavar="FILE", help="The server's log.")] = None
    pid: Annotated[int | None, Option("--pid", envvar="BGECHECK_PID", metavar="PID", help="The server's process.")] = (
        None
    )
    model_path: Annotated[
        str | None,
        Option("--model-path", envvar="BGECHECK_MODEL_PATH", metavar="DIR", help="The model's folder on this machine."),
    ] = None
    expect_dim: Annotated[
        int | None,
        Option("--expect-dim", envvar="BGECHECK_EXPECT_DIM", metavar="N", help="The dimension your index has."),
    ] = None


class RunOptions(NamedTuple):
    """How to look and how to speak."""

    output: Annotated[
        list[str] | None,
        Option(
            "--output", "-o", envvar="BGECHECK_OUTPUT", metavar="FORMAT[=FILE]", help="table or json; may be repeated."
        ),
    ] = None
    lang: Annotated[
        str | None, Option("--lang", envvar="BGECHECK_LANG", metavar="zh|en", help="Language of the report.")
    ] = None
    verbose: Annotated[
        bool, Option("--verbose", "-v", envvar="BGECHECK_VERBOSE", help="Show every row, clean ones too.")
    ] = False
    only: Annotated[
        list[str] | None,
        Option("--only", envvar="BGECHECK_ONLY", metavar="ID", help="Only these rows; ids or globs, commas too."),
    ] = None
    skip: Annotated[
        list[str] | None, Option("--skip", envvar="BGECHECK_SKIP", metavar="ID", help="All but these rows.")
    ] = None
    ignore: Annotated[
        list[str] | None,
        Option(
            "--ignore", envvar="BGECHECK_IGNORE", metavar="ID[:REASON]", help="Show these rows, but don't count them."
        ),
    ] = None
    fail_on: Annotated[
        str, Option("--fail-on", envvar="BGECHECK_FAIL_ON", metavar="error|warning", help="What makes the exit code 1.")
    ] = "error"
    timeout: Annotated[
        str, Option("--timeout", envvar="BGECHECK_TIMEOUT", metavar="DUR", help="Time limit of one request.")
    ] = "10s"
    deadline: Annotated[
        str, Option("--deadline", envvar="BGECHECK_DEADLINE", metavar="DUR", help="Time limit of the whole run.")
    ] = "60s"
    quick: Annotated[bool, Option("--quick", envvar="BGECHECK_QUICK", help="Only the cheap rows.")] = False
    full: Annotated[
        bool,
        Option("--full", envvar="BGECHECK_FULL", help="All rows, with a burst of 160 requests."),
    ] = False
    exit_style: Annotated[
        str,
        Option(
            "--exit-style",
            envvar="BGECHECK_EXIT_STYLE",
            metavar="plain|nagios",
            help="Exit codes: our own, or 0-3 as monitoring plugins use them.",
        ),
    ] = "plain"


def takes_options(function: Callable[..., None]) -> Callable[..., None]:
    """Let a command take options that belong together as one named tuple; Typer sees its fields as parameters."""
    hints = _hints(function)
    hints.pop("return", None)
    groups = {name: hint for name, hint in hints.items() if hasattr(hint, "_field_defaults")}
    seen: dict[str, inspect.Parameter] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in groups:
            seen |= _fields(groups[name])
        else:
            seen[name] = parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)

    @wraps(function)
    def call(**given: Any) -> None:
        built = {name: group(*map(given.pop, group._fields)) for name, group in groups.items()}
        function(**given, **built)

    call.__signature__ = inspect.Signature(list(seen.values()))  # type: ignore[attr-defined]  # read by Typer
    call.__annotations__ = {name: parameter.annotation for name, parameter in seen.items()}
    return call


def _fields(group: Any) -> dict[str, inspect.Parameter]:
    hints, defaults, keyword = _hints(group), group._field_defaults, inspect.Parameter.KEYWORD_ONLY
    return {
        name: inspect.Parameter(name, keyword, default=defaults[name], annotation=hints[name]) for name in group._fields
    }


def _hints(annotated: Any) -> dict[str, Any]:
    """Type hints with their `Annotated`, which Python 3.10 wraps into an Optional where the default is None."""
    return {name: _unwrapped(hint) for name, hint in get_type_hints(annotated, include_extras=True).items()}


def _unwrapped(hint: Any) -> Any:
    inner = [argument for argument in get_args(hint) if hasattr(argument, "__metadata__")]
    return inner[0] if inner and not hasattr(hint, "__metadata__") else hint
