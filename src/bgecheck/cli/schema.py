"""`bgecheck schema`: the JSON schema of a report."""

from __future__ import annotations

from bgecheck.cli.app import LEARN, command
from bgecheck.cli.help import examples
from bgecheck.cli.stdout import to_stdout


@command(
    "schema",
    LEARN,
    en="The JSON schema that every -o json report keeps to.",
    zh="-o json 报告的 JSON schema",
    epilog=examples(("bgecheck schema > report.schema.json", "to validate reports with", "用来校验报告")),
)
def schema() -> None:
    """Print the schema."""
    from bgecheck.schema import text

    to_stdout(text())
