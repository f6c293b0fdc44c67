"""The `embed` area: are the vectors right, as far as a handful of harmless requests can show."""

from bgecheck.checks.embed import numbers, sameness, clients, meaning, reference  # isort: skip  # in the order of the rows
from bgecheck.checks.embed import pattern  # isort: skip  # reviews them
from bgecheck.checks.embed.facts import AREA

__all__ = ["AREA", "clients", "meaning", "numbers", "pattern", "reference", "sameness"]
