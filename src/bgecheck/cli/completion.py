"""`--install-completion`: Typer puts the script in its place, this says where in the user's language."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import typer
from typer.completion import install  # type: ignore[attr-defined]  # it stands there for Typer itself

from bgecheck.cli.stdout import to_stdout
from bgecheck.model import BadInput, Language, Text


class Installing:
    """The callback of the option, in place of Typer's, whose words are English."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, ctx: Any, parameter: Any, value: Any) -> Any:
        """Install the script and end the program. Raises `BadInput` for a shell that Typer has no script for."""
        if not value or ctx.resilient_parsing:
            return value
        try:
            with redirect_stdout(StringIO()):
                shell, path = install(shell=value if isinstance(value, str) else None)
        except typer.Exit as unsupported:
            raise _NO_SCRIPT from unsupported
        words = Text(
            f"{shell} completion is installed in {path}; open a new terminal to use it",
            f"{shell} 补全已安装到 {path}，新开一个终端后生效",
        )
        to_stdout(words.to(self.language))
        raise typer.Exit


_NO_SCRIPT = BadInput(
    "--install-completion",
    Text("this shell has no completion script", "当前 shell 没有对应的补全脚本"),
    Text("run it in bash, zsh, fish or PowerShell", "请在 bash、zsh、fish 或 PowerShell 中执行"),
)
