"""`bgecheck schema`: the JSON schema of a report, or of `bgecheck.toml`."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from bgecheck.cli.app import command
from bgecheck.cli.help import examples
from bgecheck.cli.language import both
from bgecheck.cli.nearest import one_of
from bgecheck.cli.stdout import to_stdout


@command(
    "schema",
    epilog=examples(
        ("bgecheck schema > report.schema.json", "to validate reports with", "用来校验报告"),
        ("bgecheck schema config", "of bgecheck.toml", "bgecheck.toml 的 schema"),
    ),
)
def schema(
    of: Annotated[
        str,
        Argument(
            metavar="[report|config]",
            help=both("Of a report, or of bgecheck.toml.", "报告的 schema，或 bgecheck.toml 的 schema"),
        ),
    ] = "report",
) -> None:
    """Print the schema."""
    from bgecheck.schema import config_schema, text

    to_stdout(config_schema() if one_of("", of, ("report", "config")) == "config" else text())
