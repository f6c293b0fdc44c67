"""The launch lines of `tests/data/launch/lines.txt`, with what the parser of each release does with them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parent / "data/launch/lines.txt"
MODEL = "--model-path /m/bge-large-zh-v1.5"
RELEASES = ("0.4.10.post2", "0.5.3.post3", "0.5.8.post1", "0.5.9", "0.5.16", "0.5.23")


class Line(NamedTuple):
    kind: str
    refused_by: frozenset[str]
    options: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.options)


def lines() -> list[Line]:
    found = []
    for row in FILE.read_text("utf-8").splitlines():
        if row.strip() and not row.startswith("#"):
            kind, refused, options = (part.strip() for part in row.split("|", 2))
            by = {"all": RELEASES, "none": ()}.get(refused, tuple(refused.split()))
            found.append(Line(kind, frozenset(by), tuple(shlex.split(options.replace("$M", MODEL)))))
    return found
