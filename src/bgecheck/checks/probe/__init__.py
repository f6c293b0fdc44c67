"""The `probe` area: does HTTP work as a client of this server needs it."""

from bgecheck.checks.probe import access, serving, limits, clients  # isort: skip  # in the order of the rows
from bgecheck.checks.probe.facts import AREA

__all__ = ["AREA", "access", "clients", "limits", "serving"]
