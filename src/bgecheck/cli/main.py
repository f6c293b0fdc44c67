"""Runs the command line: the language first, then Typer, then one line for whatever cannot go on."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import typer

from bgecheck.cli.app import program
from bgecheck.cli.help import ORDER, localise
from bgecheck.cli.language import preferred, shown_on
from bgecheck.cli.stderr import refusal, refuse, to_stderr
from bgecheck.cli.stdout import discard, to_stdout, unwritable
from bgecheck.cli.usage import bad_input
from bgecheck.model import BadInput, Language, Text, Unavailable, clean, say
from bgecheck.model.report import INCONCLUSIVE, NAGIOS, USAGE

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What Typer raises for any wrong command line; only this child of it has a public name."""


def run(words: Sequence[str]) -> int:
    """Run a command line; the exit code."""
    language = preferred(words)
    parser = program(_needed(words))
    localise(parser, shown_on(sys.stdout, language))
    try:
        code = parser.main(args=list(words), prog_name="bgecheck", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except BadInput as bad:
        return _refused(bad, language, words)
    except _UsageError as error:
        return _refused(bad_input(error, words, program()), language, words)
    except Unavailable as unavailable:
        to_stderr(unavailable.reason, language)
        return _ended(INCONCLUSIVE, clean(say(unavailable.reason, shown_on(sys.stdout, language))), words)
    except OSError as error:
        option = next((word for word in words if word in ("--show-completion", "--install-completion")), None)
        if option is None:
            raise
        discard(sys.stdout)
        return _refused(_not_installed(option, error) if error.filename else unwritable(error), language, words)


def _needed(words: Sequence[str]) -> Sequence[str]:
    """The command that a line begins with; else all of them, as the help, completion and a misspelt name need them."""
    return words[:1] if words and words[0] in ORDER else ORDER


def _refused(bad: BadInput, language: Language, words: Sequence[str]) -> int:
    """The exit code for bad input, once it is said why."""
    refuse(bad, language, words)
    return _ended(USAGE, refusal(bad, shown_on(sys.stdout, language), words), words)


def _ended(code: int, why: str, words: Sequence[str]) -> int:
    """The exit code of a run without a report; a monitoring system, which takes 2 for CRITICAL, reads on stdout why."""
    if not _as_plugin(words):
        return code
    from bgecheck.render.plugin import STATES, without_bars

    with suppress(BadInput):
        to_stdout(without_bars(f"{STATES[NAGIOS[code]]} - {why}"))
    return NAGIOS[code]


def _as_plugin(words: Sequence[str]) -> bool:
    """Whether `--exit-style nagios` was asked for, though nothing else of the command line may be understood."""
    line = [*words, ""]
    given = [following for word, following in pairwise(line) if word == "--exit-style"]
    given += [word.partition("=")[2] for word in words if word.startswith("--exit-style=")]
    return (given or [os.environ.get("BGECHECK_EXIT_STYLE", "")])[-1] == "nagios"


def _not_installed(option: str, error: OSError) -> BadInput:
    """The refusal for a completion script that Typer could not write into the shell's files."""
    where, why = error.filename, error.strerror
    return BadInput(
        option,
        Text(f"{where} cannot be written ({why})", f"{where} 无法写入（{why}）"),
        Text(
            "print the script with bgecheck --show-completion and install it by hand",
            "用 bgecheck --show-completion 打印脚本后自行安装",
        ),
    )
