"""Runs the command line: the language first, then Typer, then one line for whatever cannot go on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import typer

from bgecheck.cli.app import contents, program
from bgecheck.cli.commands import COMMANDS
from bgecheck.cli.help import localise
from bgecheck.cli.language import preferred, shown_on
from bgecheck.cli.stderr import refusal, refuse, to_stderr
from bgecheck.cli.stdout import discard, to_stdout, unwritable
from bgecheck.cli.unfinished import FIRST_OF_SIGNALS, start_anew, write_unfinished
from bgecheck.cli.usage import bad_input
from bgecheck.model import BadInput, Language, Text, Unavailable, clean, reason_of, say
from bgecheck.model.report import INCONCLUSIVE, INTERRUPTED, NAGIOS, USAGE

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What Typer raises for any wrong command line; only this child of it has a public name."""


COMPLETION = "_BGECHECK_COMPLETE"
"""The variable by which a shell asks Typer to complete a line, which is not among the words then."""

LANGUAGES: tuple[Language, Language] = ("en", "zh")
"""In the order of a `Text`."""


def run(words: Sequence[str]) -> int:
    """Run a command line; the exit code."""
    start_anew()
    language = preferred(words)
    parser = _parser(words)
    localise(parser, shown_on(sys.stdout, language))
    try:
        code = parser.main(args=list(words), prog_name="bgecheck", standalone_mode=False)
        if code == INTERRUPTED:
            _interrupted(code, words, language)
        return code if isinstance(code, int) else 0
    except SystemExit as ending:  # by a signal
        if isinstance(ending.code, int) and ending.code >= FIRST_OF_SIGNALS:
            _interrupted(ending.code, words, language)
        raise
    except BadInput as bad:
        return _refused(bad, language, words)
    except _UsageError as error:
        return _refused(bad_input(error, words, program()), language, words)
    except Unavailable as unavailable:
        to_stderr(unavailable.reason, language)
        why = Text(*(clean(say(unavailable.reason, spoken)) for spoken in LANGUAGES))
        return _ended(INCONCLUSIVE, why, language, words)
    except OSError as error:
        option = next((word for word in words if word in ("--show-completion", "--install-completion")), None)
        if option is None:
            raise
        discard(sys.stdout)
        return _refused(_not_installed(option, error) if error.filename else unwritable(error), language, words)


def _parser(words: Sequence[str]) -> Any:
    """The program as far as a line needs it: one command, its own page, or all as completion and a misspelt name do."""
    if words and words[0] in COMMANDS:
        return program(words[:1])
    shows_page = not words or words[0] in ("-h", "--help")
    return contents() if shows_page and COMPLETION not in os.environ else program()


def _refused(bad: BadInput, language: Language, words: Sequence[str]) -> int:
    """The exit code for bad input, once it is said why."""
    refuse(bad, language, words)
    return _ended(USAGE, Text(*(refusal(bad, spoken, words) for spoken in LANGUAGES)), language, words)


def _ended(outcome: int, why: Text, language: Language, words: Sequence[str]) -> int:
    """The exit code of a run that looked at nothing, once the report that was asked for says why.

    A monitoring system, which takes 2 for CRITICAL, reads it on stdout.
    """
    plugin = _as_plugin(words)
    code = NAGIOS[outcome] if plugin else outcome
    if not write_unfinished(code, why, words, language) and plugin:
        from bgecheck.render.plugin import STATES, without_bars

        with suppress(BadInput):
            to_stdout(without_bars(f"{STATES[code]} - {why.to(shown_on(sys.stdout, language))}"))
    return code


def _interrupted(code: int, words: Sequence[str], language: Language) -> None:
    """Write what there is of a run that a signal has ended, where a report was asked for."""
    name = signal.Signals(code - 128).name
    write_unfinished(code, Text(f"interrupted by {name}", f"被 {name} 中断"), words, language)


def _as_plugin(words: Sequence[str]) -> bool:
    """Whether `--exit-style nagios` was asked for, though nothing else of the command line may be understood."""
    line = [*words, ""]
    given = [following for word, following in pairwise(line) if word == "--exit-style"]
    given += [word.partition("=")[2] for word in words if word.startswith("--exit-style=")]
    return (given or [os.environ.get("BGECHECK_EXIT_STYLE", "")])[-1] == "nagios"


def _not_installed(option: str, error: OSError) -> BadInput:
    """The refusal for a completion script that Typer could not write into the shell's files."""
    where, why = error.filename, reason_of(error)
    return BadInput(
        option,
        Text(f"{where} cannot be written ({why.en})", f"{where} 无法写入（{why.zh}）"),
        Text(
            "print the script with bgecheck --show-completion and install it by hand",
            "用 bgecheck --show-completion 打印脚本后自行安装",
        ),
    )
