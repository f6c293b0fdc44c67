"""One text of a file, with the place where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bgecheck.model import Text

Problem = Literal["no-value", "not-a-string", "half-character"]
"""Why a record holds no text: nothing in the column; a number or a list; half of a surrogate pair in JSON."""

Unit = Literal["line", "row"]


@dataclass(frozen=True, slots=True)
class Record:
    """One text; where there is none, `text` is empty and `problem` says why."""

    number: int
    """From 0, over all records of the file: the row of its vector."""
    position: int
    """From 1: the line on which it begins, in a table without lines its row."""
    text: str
    problem: Problem | None = None
    unit: Unit = "line"

    @property
    def place(self) -> Text:
        """Where it stands, in words."""
        return Text(f"{self.unit} {self.position}", f"第 {self.position} 行")
