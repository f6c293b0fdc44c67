"""`bgecheck explain ID`: the page of one check."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

from typer import Argument

from bgecheck.cli import complete
from bgecheck.cli.app import command
from bgecheck.cli.counting import pattern
from bgecheck.cli.help import examples
from bgecheck.cli.language import both, language
from bgecheck.cli.options import Lang
from bgecheck.cli.output import stdout_screen
from bgecheck.cli.stdout import to_stdout
from bgecheck.run import catalog


@command(
    "explain",
    epilog=examples(
        ("bgecheck explain launch.prefix-cache", "one check", "一项检查"),
        ("bgecheck explain ports", "all checks of an area", "一个领域的全部检查"),
    ),
)
def explain(
    row: Annotated[
        str,
        Argument(
            metavar="ID",
            autocompletion=complete.ids,
            help=both(
                "The id of a check, for example launch.prefix-cache; an area or a glob for several.",
                "检查项 ID，例如 launch.prefix-cache；也可以是领域名或通配符",
            ),
        ),
    ],
    lang: Lang = None,
) -> None:
    """Print the pages of the checks that are named."""
    from bgecheck.render.explain import explain as page

    chosen, wanted = language(lang), pattern(row)
    catalog.require(wanted)
    checks = [check for check in catalog.rows() if fnmatchcase(check.id, wanted)]
    to_stdout(page(checks, stdout_screen(chosen)))
