"""`bgecheck matrix`: all rows, as a table or as the page of the documentation."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from bgecheck import catalog
from bgecheck.cli.language import language
from bgecheck.cli.stdout import to_stdout


def command(
    lang: Annotated[str | None, Option("--lang", envvar="BGECHECK_LANG", metavar="zh|en", help="Language.")] = None,
    markdown: Annotated[bool, Option("--markdown", help="As the page of the documentation.")] = False,
) -> None:
    """All rows that bgecheck can judge: id, statement, likely cause, what to do."""
    from bgecheck.render import explain as pages

    chosen = language(lang)
    to_stdout((pages.markdown if markdown else pages.matrix)(catalog.rows(), chosen))
