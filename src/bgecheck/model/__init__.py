"""The words of the house: what a check is and what it can answer."""

from bgecheck.model.checks import (
    ANY_TIME,
    BEFORE,
    FOR_A_WHILE,
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
from bgecheck.model.oserrors import reason_of
from bgecheck.model.report import Finding, Report
from bgecheck.model.target import Secret, ServerProcess, Target
from bgecheck.model.words import (
    Language,
    Severity,
    Shell,
    Status,
    Text,
    Words,
    fill,
    fill_command,
    fill_commands,
    say,
)

__all__ = [
    "ANY_TIME",
    "BEFORE",
    "FOR_A_WHILE",
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
    "fill_commands",
    "holds",
    "not_yet",
    "reason_of",
    "say",
    "unclear",
]
