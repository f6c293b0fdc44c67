"""The `launch` area: do the settings that the running server has give right vectors."""

from bgecheck.checks.launch import readable, flags, pooling, caching, attention, length  # isort: skip  # in the order of the rows
from bgecheck.checks.launch import memory, exposure, line  # isort: skip
from bgecheck.checks.launch.facts import AREA

__all__ = ["AREA", "attention", "caching", "exposure", "flags", "length", "line", "memory", "pooling", "readable"]
