"""The `ports` area: who listens on the service port, on which address, and is it the server that is meant."""

from bgecheck.checks.ports import listening, owner, address, workers, process, free  # isort: skip  # in the order of the rows
from bgecheck.checks.ports.facts import AREA

__all__ = ["AREA", "address", "free", "listening", "owner", "process", "workers"]
