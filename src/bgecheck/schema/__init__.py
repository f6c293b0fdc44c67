"""The JSON schemas that every report and every `bgecheck.toml` keep to, shipped as files beside this module."""

import os


def text() -> str:
    """The schema (draft 2020-12) of a report and of several, as JSON."""
    return _file("report.schema.json")


def config_schema() -> str:
    """The schema (draft 2020-12) of `bgecheck.toml`, as JSON."""
    return _file("config.schema.json")


def _file(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()
