"""Puts what a run against the demo server prints into the pages about the formats, under the heading of each.

usage: python docs/formats.py [FORMAT ...]        `make formats` runs it for all, `make formats FORMAT=tap` for one
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
ROWS = "launch.readable,launch.prefix-cache,embed.answers,embed.repeatable"
RUN = ("demo", "--fault", "repeat-differs", "--only", ROWS)
MOST_LINES, MOST_COLUMNS = 26, 150
EXAMPLE = re.compile(r"^## (\w+)\n(?:(?!## ).*\n)*?`````text\n((?:.*\n)*?)`````", re.MULTILINE)
"""The name of a format, and what stands in the block below it."""


def printed(format_: str, language: str) -> str:
    """What a run prints in a format, as much as shows its shape."""
    words = [sys.executable, "-m", "bgecheck", *RUN, "--lang", language, "-o", format_]
    shown = subprocess.run(words, capture_output=True, check=False).stdout.decode()
    lines = [line if len(line) <= MOST_COLUMNS else f"{line[:MOST_COLUMNS]}…" for line in shown.splitlines()]
    return "".join(f"{line}\n" for line in lines[:MOST_LINES] + ["…"] * (len(lines) > MOST_LINES))


def main(wanted: list[str]) -> None:
    """Make the examples of the wanted formats anew, of all where none is named: every run has other ports and times."""
    for language, name in (("en", "formats.md"), ("zh", "formats.zh.md")):
        page = (FOLDER / name).read_text(encoding="utf-8")
        found = [match for match in EXAMPLE.finditer(page) if not wanted or match[1] in wanted]
        if missing := set(wanted) - {match[1] for match in found}:
            sys.exit(f"docs/{name}: no section `## NAME` with a block of `text` below it: {', '.join(sorted(missing))}")
        for match in reversed(found):
            page = page[: match.start(2)] + printed(match[1], language) + page[match.end(2) :]
        (FOLDER / name).write_text(page, encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main(sys.argv[1:])
