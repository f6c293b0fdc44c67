"""What marks the row that holds a corrected launch command, for the screen that draws it below everything else."""

from __future__ import annotations

from typing import NamedTuple

from bgecheck.model import Text


class CorrectedLine(NamedTuple):
    """The command itself is in the row's commands, and what was changed in its evidence."""

    form: Text
    """What it is written in: `shell script`, `docker-compose`."""
