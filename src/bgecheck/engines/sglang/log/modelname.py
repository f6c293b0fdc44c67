"""Which model a line speaks of: a start that failed early has told no arguments."""

from __future__ import annotations

import re

_NAMED = re.compile(
    r"Error: (?P<subject>[^\s'\"`]+) (?:is not a local folder|does not appear to have a file|is not a valid (?:git|model) identifier)"
    r"|The model: (?P<modelscope>\S+) has no revision"
    r"|The repository for (?P<repository>[\w./-]+) contains custom code"
    r"|Loading (?P<loading>[\w./-]+) requires you to execute"
    r"|Unrecognized model in (?P<folder>\S+?)\.(?:\s|$)"
)
"""How transformers and modelscope name a model without quotes."""

_URL = re.compile(
    r"(?:https?://[\w.-]+(?::\d+)?/|url: /)(?:api/(?:v1/)?models/)?(?P<name>[\w.-]+/[\w.-]+)(?=/(?:resolve|revision|tree)/|/revisions\b|[\s?)'\"]|$)"
)
"""An address of the hub or of a mirror, which holds owner and name of a repository."""


def model_of(text: str) -> str | None:
    """The folder or the repository that a line complains of; None where it names none."""
    if match := _NAMED.search(text):
        return next((str(name) for name in match.groups() if name), None)
    paths: list[str] = re.findall(r"['\"`]([^'\"`\s]+)['\"`]", text)
    quoted = [path for path in paths if _is_model(path)]
    if quoted:
        return quoted[-1].removesuffix("/config.json")
    match = _URL.search(text)
    return match["name"] if match else None


def _is_model(path: str) -> bool:
    return ("/" in path or "\\" in path) and "://" not in path and "namespace/" not in path
