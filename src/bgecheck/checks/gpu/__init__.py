"""The `gpu` area: does the driver show a GPU that this server can use, with memory that is its own."""

from bgecheck.checks.gpu import visible, driver, memory, share, others, capability, health  # isort: skip  # in the order of the rows
from bgecheck.checks.gpu.facts import AREA, ENOUGH, GIB, GpuFacts, memory_needed

__all__ = [
    "AREA",
    "ENOUGH",
    "GIB",
    "GpuFacts",
    "capability",
    "driver",
    "health",
    "memory",
    "memory_needed",
    "others",
    "share",
    "visible",
]
