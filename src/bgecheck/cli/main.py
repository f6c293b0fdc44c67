"""Runs the command line: the language first, then Typer, then one line for whatever cannot go on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.main import get_command

from bgecheck.cli import (  # noqa: F401  # each adds its command to the application
    demo,
    doctor,
    embed,
    explain,
    gpu,
    logs,
    matrix,
    ports,
    probe,
    schema,
    snippet,
)
from bgecheck.cli.app import app
from bgecheck.cli.help import localise
from bgecheck.cli.language import preferred, shown_on
from bgecheck.cli.stderr import refuse, to_stderr
from bgecheck.cli.stdout import discard, unwritable
from bgecheck.cli.usage import bad_input
from bgecheck.model import BadInput, Text, Unavailable

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What Typer raises for any wrong command line; only this child of it has a public name."""


def run(words: Sequence[str]) -> int:
    """Run a command line; the exit code."""
    language = preferred(words)
    program: Any = get_command(app)
    localise(program, shown_on(sys.stdout, language))
    try:
        code = program.main(args=list(words), prog_name="bgecheck", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except BadInput as bad:
        refuse(bad, language, words)
    except _UsageError as error:
        refuse(bad_input(error, words, program), language, words)
    except Unavailable as unavailable:
        to_stderr(unavailable.reason, language)
        return 4
    except OSError as error:
        option = next((word for word in words if word in ("--show-completion", "--install-completion")), None)
        if option is None:
            raise
        discard(sys.stdout)
        refuse(_not_installed(option, error) if error.filename else unwritable(error), language, words)
    return 2


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
