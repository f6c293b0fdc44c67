"""Adds a report to the summary of a step of GitHub Actions."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bgecheck.cli.stderr import to_stderr
from bgecheck.model import Report, Text, reason_of
from bgecheck.render.screen import Screen

VARIABLE, MOST_BYTES = "GITHUB_STEP_SUMMARY", 2**20
"""The variable that names the file, which GitHub shows where it is no longer than this."""


def add_to_step_summary(reports: Sequence[Report], screen: Screen) -> None:
    """Add the reports in Markdown, as far as there is room; a file that cannot be written changes no verdict."""
    from bgecheck.render.formats.markdown import within

    path = os.environ.get(VARIABLE)
    if not path:
        return
    try:
        with open(path, "ab") as file:
            text = within(reports, screen, MOST_BYTES - file.tell() - 1)
            file.write(f"\n{text}".encode() if text else b"")
    except OSError as error:
        why = reason_of(error)
        words = Text(f"{VARIABLE}: cannot be written ({why.en})", f"{VARIABLE}：无法写入（{why.zh}）")
        to_stderr(words, screen.language)
