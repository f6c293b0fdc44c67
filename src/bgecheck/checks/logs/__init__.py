"""The `logs` area: what happened in the newest session of a log, and what was its root cause."""

from bgecheck.checks.logs import device, model_files, serving, words
from bgecheck.checks.logs.area import AREA

__all__ = ["AREA", "device", "model_files", "serving", "words"]
