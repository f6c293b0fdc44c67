"""Finds words of ours that stand in Chinese sentences in English: ids of phases and states, and English prose."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bgecheck.engines.sglang.log.explanation import LEVELS
from bgecheck.engines.sglang.log.marks import PHASES
from bgecheck.model import Finding, Status, Text, Words

STATES = ("ready", "starting", "stuck", "failed", "stopped", "empty", "foreign", "given", "up", "ended")
PROSE = (
    "the", "an", "to", "of", "and", "or", "is", "are", "was", "with", "by", "from", "than", "that", "which", "not",
    "no", "older", "newer", "through", "under", "after", "before", "behind", "its", "this", "for", "on", "later",
    "vaguer", "unknown", "none", "true", "false",
)  # fmt: skip
OURS = frozenset((*PHASES, *LEVELS, *STATES, *PROSE, *map(str, Status)))

NAMES = re.compile(
    r"\b(?:logs|ports|gpu|probe|launch|embed|torch)\.[a-z0-9-]+|--[\w-]+|[!-~]*[_/=][!-~]*|[\w.-]+\.(?:log|json|txt|py)\b|"
    r"CUDA graph|CUDA out of memory|Load weight end|Ignore import error|not divisible|object has no attribute|"
    r"object is not subscriptable|No embedding data received|list index out of range|"
    r"system not yet initialized|`[^`]*`|\bbase URL\b",
    re.ASCII,
)
"""What keeps its spelling in every language: ids of rows, options, identifiers, paths, quoted code and messages."""


def english_in(text: str, foreign: Iterable[str] = ()) -> list[str]:
    """The words of `OURS` in a Chinese sentence, once `foreign` text (a line of a log, a reply) is taken out."""
    for piece in sorted(foreign, key=len, reverse=True):
        text = text.replace(piece, " ")
    return [word for word in re.findall(r"[A-Za-z]+(?:-[A-Za-z]+)*", NAMES.sub(" ", text)) if word in OURS]


def english_of(finding: Finding) -> list[str]:
    """Every Chinese sentence of a row that holds such a word, with the words."""
    foreign = [value for value in finding.values.values() if isinstance(value, str) and " " in value]
    said: list[Words | None] = [finding.title, finding.reason]
    if finding.status.bad:
        said += [finding.cause, finding.fix]
    for evidence in finding.evidence:
        said += [evidence.subject, evidence.observed, evidence.expected]
    sentences = [words.zh for words in said if isinstance(words, Text)]
    return [f"{finding.id}: {words} in {text}" for text in sentences if (words := english_in(text, foreign))]
