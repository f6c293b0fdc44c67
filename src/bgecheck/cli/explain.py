"""`bgecheck explain ID`: the page of one row."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from bgecheck import catalog
from bgecheck.cli.language import language
from bgecheck.cli.output import stdout_screen
from bgecheck.cli.stdout import to_stdout


def command(
    row: Annotated[str, Argument(metavar="ID", help="The id of a row, for example launch.prefix-cache.")],
    lang: Annotated[str | None, Option("--lang", envvar="BGECHECK_LANG", metavar="zh|en", help="Language.")] = None,
) -> None:
    """What a row checks, why it fails, what fixes it."""
    chosen = language(lang)
    catalog.known(row)
    from fnmatch import fnmatchcase

    from bgecheck.render.explain import explain

    checks = [check for check in catalog.rows() if fnmatchcase(check.id, row)]
    to_stdout(explain(checks, stdout_screen(chosen)))
