"""The `logs` area: what happened in the newest session of a log, and what was its root cause."""

from bgecheck.checks.logs.area import AREA

__all__ = ["AREA"]
