"""The JSON schema that every report keeps to, shipped as a file beside this module."""

import os


def text() -> str:
    """The schema (draft 2020-12) of a report and of several, as JSON."""
    with open(os.path.join(os.path.dirname(__file__), "report.schema.json"), encoding="utf-8") as file:
        return file.read()
