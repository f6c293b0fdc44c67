"""Groups root causes that one command mends, so that the command is shown once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bgecheck.checks.corrected import CorrectedLine
from bgecheck.model import Evidence, Finding, Report, Severity, Status, Words


@dataclass(frozen=True, slots=True)
class Remedy:
    """Root causes with the same commands, the worst first."""

    roots: tuple[Finding, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the root causes."""
        return tuple(root.id for root in self.roots)

    @property
    def status(self) -> Status:
        """The worst status among the root causes."""
        return self.roots[0].status

    @property
    def severity(self) -> Severity:
        """The severity of the worst root cause."""
        return self.roots[0].severity

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that mend all of them."""
        return self.roots[0].commands

    @property
    def causes(self) -> tuple[Words, ...]:
        """What is the cause of each, once."""
        return tuple(dict.fromkeys(root.cause for root in self.roots))

    @property
    def fixes(self) -> tuple[Words, ...]:
        """What to do, once."""
        return tuple(dict.fromkeys(root.fix for root in self.roots))


def remedies(report: Report) -> list[Remedy]:
    """The root causes of a report in their order; those with the same commands, or the same change, stand together."""
    groups: dict[object, list[Finding]] = {}
    for root in report.root_causes:
        alike = root.fix if "launch" in report.target else root.id
        groups.setdefault(root.commands or alike, []).append(root)
    return [Remedy(tuple(roots)) for roots in groups.values()]


def symptom(root: Finding, report: Report, *, background: bool = False) -> list[Evidence]:
    """What was observed of a root cause; of a setting first what it does to the vectors, which users meet first."""
    own = [evidence for evidence in root.evidence if background or not evidence.background]
    proof = _proof(root, report) if root.check.area == "launch" else []
    return list(dict.fromkeys([*proof, *own]))


def _proof(root: Finding, report: Report) -> list[Evidence]:
    """What followed from a root cause in other areas, once for each: a wrong setting is proved by the vectors."""
    proof: dict[str, Evidence] = {}
    for finding in report.consequences(root.id):
        if finding.status is Status.FAIL and finding.evidence and finding.check.area not in (root.check.area, "logs"):
            proof.setdefault(finding.check.area, finding.evidence[0])
    return list(proof.values())


def consequences(roots: Sequence[Finding], report: Report) -> tuple[int, int]:
    """How many rows fail because of the root causes, and how many could not be judged because of them."""
    following = [f for root in roots for f in report.consequences(root.id) if not isinstance(f.data, CorrectedLine)]
    skipped = sum(finding.status is Status.SKIP for finding in following)
    return len(following) - skipped, skipped
