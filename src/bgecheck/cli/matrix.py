"""`bgecheck matrix`: all checks, as a table or as the page of the documentation."""

from __future__ import annotations

from typing import Annotated

from bgecheck.cli.app import command
from bgecheck.cli.help import examples
from bgecheck.cli.language import language
from bgecheck.cli.options import Lang, option
from bgecheck.cli.output import stdout_screen
from bgecheck.cli.stdout import to_stdout
from bgecheck.run import catalog


@command(
    "matrix",
    epilog=examples(
        ("bgecheck matrix", "all ids", "全部检查项 ID"),
        ("bgecheck matrix --markdown > matrix.md", "the whole page", "完整页面"),
        ("bgecheck matrix --graph > causes.md", "what follows from what", "因果关系图"),
    ),
)
def matrix(
    markdown: Annotated[
        bool,
        option(
            "--markdown",
            en="As a page of Markdown, with causes and fixes.",
            zh="输出 Markdown 页面，包括原因和解决方法",
        ),
    ] = False,
    graph: Annotated[
        bool,
        option(
            "--graph",
            en="As a page of Markdown that draws which check explains which.",
            zh="输出 Markdown 页面，画出哪项检查会导致哪项不通过",
        ),
    ] = False,
    lang: Lang = None,
) -> None:
    """Print every check."""
    chosen = language(lang)
    if graph:
        from bgecheck.render.causes import causes
        from bgecheck.run.engine import may_be_explained_by

        to_stdout(causes(may_be_explained_by(catalog.rows()), chosen))
    elif markdown:
        from bgecheck.render.pages import markdown as page

        to_stdout(page(catalog.rows(), chosen))
    else:
        from bgecheck.render.explain import matrix as table

        to_stdout(table(catalog.rows(), stdout_screen(chosen)))
