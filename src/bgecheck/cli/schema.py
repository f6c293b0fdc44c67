"""`bgecheck schema`: the JSON schema of a report."""

from __future__ import annotations

from bgecheck.cli.stdout import to_stdout


def command() -> None:
    """Print the JSON schema that every `-o json` report keeps to."""
    from bgecheck.schema import text

    to_stdout(text())
