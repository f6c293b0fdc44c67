"""What a cause in a log is: its patterns, the phases in which it shows, and its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bgecheck.engines.base import Changes
from bgecheck.engines.sglang.log.rules import PATTERNS, Pattern
from bgecheck.engines.sglang.log.session import Hit, Session
from bgecheck.model import Advice, Severity, Text, Words

CONSEQUENCES = (
    *("logs.ready", "ports.process", "ports.listening", "ports.owner"),
    *("probe.reachable", "probe.ready", "probe.health-agrees", "embed.answers"),
)
"""The rows that fail because a start has failed or a server has died; of one whose port an older one answers too."""

OF_A_DEATH = (*CONSEQUENCES, "ports.workers")
"""The same of what ends a process of the server, whose pages another of its processes may still answer."""

WRONG_VECTORS = (
    "embed.distinct",
    "embed.semantic",
    "embed.golden",
    "embed.reference",
)
"""The rows that fail because a server computes with other weights than the model's."""

_NOTHING = Text("", "")
_NO_VARIANTS: Mapping[str, Advice] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a server did not start, died, or serves wrongly, as far as its log shows it."""

    name: str
    shows: tuple[str, ...]
    """The phases of a session in which its lines come: only a log that covers all of them can exclude it."""
    title: Text
    because: Text
    fix: Text
    commands: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR
    explains: tuple[str, ...] = OF_A_DEATH
    unknown: Callable[[Session], Text | None] = lambda session: None
    """A further reason for which a session cannot exclude it; None where it can."""
    variants: Mapping[str, Advice]
    """Other causes and remedies of the row, by name."""
    variant: Callable[[Session, Hit], str | None] = lambda session, hit: None
    """The variant that fits a line of a session; None where the row's own words do."""
    changes: Callable[[Session, Hit], Changes | None] = lambda session, hit: None
    """What is to be changed in the launch line of a session; None where nothing shows by how much, or none mends it."""
    otherwise: Text = _NOTHING
    """What `{changes}` is where nothing shows by how much: which way, and by how much at a time."""
    values: Callable[[Session, Hit], Mapping[str, Words]] = lambda session, hit: {}
    """What its texts tell of a line beside what all causes tell of a session."""


CAUSES: list[Cause] = []
"""Every cause in the order of the rows, filled as the modules of `causes` are loaded."""


def cause(
    name: str,
    patterns: Iterable[Callable[[str], Pattern]],
    *,
    shows: tuple[str, ...],
    title: Text,
    because: Text,
    fix: Text,
    commands: tuple[str, ...] = (),
    severity: Severity = Severity.ERROR,
    explains: tuple[str, ...] = OF_A_DEATH,
    unknown: Callable[[Session], Text | None] = lambda session: None,
    variants: Mapping[str, Advice] = _NO_VARIANTS,
    variant: Callable[[Session, Hit], str | None] = lambda session, hit: None,
    changes: Callable[[Session, Hit], Changes | None] = lambda session, hit: None,
    otherwise: Text = _NOTHING,
    values: Callable[[Session, Hit], Mapping[str, Words]] = lambda session, hit: {},
) -> None:
    """Declare a cause and its patterns; one that is judged by more than lines has no pattern."""
    PATTERNS.extend(described(name) for described in patterns)
    CAUSES.append(
        Cause(
            name=name,
            shows=shows,
            title=title,
            because=because,
            fix=fix,
            commands=commands,
            severity=severity,
            explains=explains,
            unknown=unknown,
            variants=variants,
            variant=variant,
            changes=changes,
            otherwise=otherwise,
            values=values,
        )
    )
