"""The words of the house: what a check is and what it can answer."""

from bgecheck.model.checks import (
    ANY_TIME,
    BEFORE,
    RUNNING,
    Advice,
    Area,
    Check,
    Evidence,
    Moment,
    Outcome,
    absent,
    broken,
    holds,
    not_yet,
    unclear,
)
from bgecheck.model.errors import BadInput, Unavailable
from bgecheck.model.hygiene import Redactor, clean
from bgecheck.model.report import Finding, Report
from bgecheck.model.target import Secret, ServerProcess, Target
from bgecheck.model.words import Language, Severity, Shell, Status, Text, Words, fill, fill_command, say

__all__ = [
    "ANY_TIME",
    "BEFORE",
    "RUNNING",
    "Advice",
    "Area",
    "BadInput",
    "Check",
    "Evidence",
    "Finding",
    "Language",
    "Moment",
    "Outcome",
    "Redactor",
    "Report",
    "Secret",
    "ServerProcess",
    "Severity",
    "Shell",
    "Status",
    "Target",
    "Text",
    "Unavailable",
    "Words",
    "absent",
    "broken",
    "clean",
    "fill",
    "fill_command",
    "holds",
    "not_yet",
    "say",
    "unclear",
]
