"""The `store` area: does a vector store fit the vectors of this server, and is its index of this model."""

from bgecheck.checks.store import readable, dimension, metric, vectors  # isort: skip  # in the order of the rows
from bgecheck.checks.store.facts import AREA

__all__ = ["AREA", "dimension", "metric", "readable", "vectors"]
