"""The `model` area: is the model's folder whole, of one model, and readable by the server."""

from bgecheck.checks.model import readable, config, weights, tokenizer, pooling, loadable  # isort: skip  # in the order of the rows
from bgecheck.checks.model.facts import AREA

__all__ = ["AREA", "config", "loadable", "pooling", "readable", "tokenizer", "weights"]
