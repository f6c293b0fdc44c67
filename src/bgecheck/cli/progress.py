"""Tells a waiting person on stderr how far the run is; says nothing when nobody watches."""

from __future__ import annotations

import sys
from types import TracebackType

from bgecheck.model import Finding


class Progress:
    """A counter of judged rows that overwrites itself and vanishes at the end."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._judged = 0
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def step(self, finding: Finding) -> None:
        """One more row is judged."""
        self._judged += 1
        if self._shown:
            sys.stderr.write(f"\r\x1b[2K{self._judged}/{self._rows}  {finding.id}")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
