"""The command line: options become a target, a report becomes text, and only here the program exits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from bgecheck.model import BadInput, Unavailable

COMMANDS = {
    "doctor": "Everything after launch: finds the running server, looks at every area, root cause first.",
    "logs": "What happened in the newest session of a log, and what was its root cause.",
    "ports": "Who listens, on which address, and is it the server that is meant.",
    "gpu": "Driver, memory, who holds it, and whether this model fits.",
    "probe": "Does HTTP work as the clients need it: URL shape, key, model, a real embedding.",
    "embed": "Are the vectors right: a short proof for a text.",
    "snippet": "Client code for this endpoint, run before it is shown.",
    "demo": "An embedded server to try all of this on, and to show each fault.",
    "explain": "The page of one row: what it checks, why it fails, what fixes it.",
    "matrix": "All rows that bgecheck can judge.",
    "schema": "The JSON schema of a report.",
}
"""Every command with its short help; its function is `command` in the module of that name."""

AREAS = ("ports", "gpu", "probe")
"""The commands that only look at the area of their name; they share one function."""


def run(argv: Sequence[str] | None = None) -> None:
    """Run the program and exit."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        sys.exit(_application(words)(args=words, prog_name="bgecheck", standalone_mode=False))
    except Exception as error:
        # The model is loaded only by commands that need it; help and the schema do not.
        from bgecheck.model import BadInput, Unavailable

        if isinstance(error, Unavailable):
            _give_up(error, words)
        _refuse(error if isinstance(error, BadInput) else _misused(error, words), words)


def _misused(error: Exception, words: Sequence[str]) -> BadInput:
    """What Typer finds wrong with the command line, told as all other bad input is; any other error goes on."""
    from bgecheck.cli.usage import bad_input, is_usage_error

    if not is_usage_error(error):
        raise error
    if not words:
        print(error, file=sys.stderr)  # the help, which is what Typer answers to nothing at all
        sys.exit(2)
    return bad_input(error, _called(words), COMMANDS)


def _application(words: Sequence[str]) -> Callable[..., None]:
    """The Typer application with the function of the one command that is called; the others only have a name.

    Describing the options of every command would take longer than running most of them.
    """
    import typer

    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_group)
    called = _called(words)
    for name, text in COMMANDS.items():
        app.command(name, short_help=text)(_function(name, text) if name == called else _elsewhere)
    return app


def _called(words: Sequence[str]) -> str | None:
    """The name of the command that is called, or what stands in its place."""
    return next((word for word in words if not word.startswith("-")), None)


def _function(name: str, text: str) -> Callable[..., None]:
    if name in AREAS:
        from bgecheck.cli.area import command_of

        return command_of(name, text)
    found: Callable[..., None] = import_module(f"bgecheck.cli.{name}").command
    return found


def _group() -> None:
    """Deployment diagnostics for embedding models served by sglang: is it up, are its vectors right, will it hold?

    Start with: bgecheck doctor. Without a server at hand: bgecheck demo.
    """


def _elsewhere() -> None:
    """The name of a command that is not the one called."""


def _give_up(error: Unavailable, words: Sequence[str]) -> NoReturn:
    """Nothing could be looked at: one line, and the code of what could not be judged."""
    from bgecheck.cli.language import preferred
    from bgecheck.model import say

    print(f"bgecheck: {say(error.reason, preferred(words))}", file=sys.stderr)
    sys.exit(4)


def _refuse(bad: BadInput, words: Sequence[str]) -> None:
    from bgecheck.cli.language import preferred
    from bgecheck.model import Redactor, clean

    language = preferred(words)
    hide = Redactor().text
    given = hide(clean(bad.given, 200))
    stop = "。" if language == "zh" else "."
    line = f"bgecheck: {given}: {hide(clean(bad.reason.to(language)))}; {hide(clean(bad.remedy.to(language)))}"
    if language == "zh":
        line = f"bgecheck: {given}：{clean(bad.reason.to(language))}；{clean(bad.remedy.to(language))}"
    print(line.rstrip(stop), file=sys.stderr)
    sys.exit(2)
