"""`bgecheck matrix`: all rows, as a table or as the page of the documentation."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from bgecheck import catalog
from bgecheck.cli.language import language
from bgecheck.cli.output import stdout_screen
from bgecheck.cli.stdout import to_stdout


def command(
    lang: Annotated[str | None, Option("--lang", envvar="BGECHECK_LANG", metavar="zh|en", help="Language.")] = None,
    markdown: Annotated[bool, Option("--markdown", help="As the page of the documentation.")] = False,
) -> None:
    """All rows that bgecheck can judge: id, statement, likely cause, what to do."""
    chosen = language(lang)
    if markdown:
        from bgecheck.render.pages import markdown as page

        to_stdout(page(catalog.rows(), chosen))
    else:
        from bgecheck.render.explain import matrix

        to_stdout(matrix(catalog.rows(), stdout_screen(chosen)))
