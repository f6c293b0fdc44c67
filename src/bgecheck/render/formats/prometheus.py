"""The report as metrics for the textfile collector of Prometheus's node exporter, in English as names are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bgecheck.model import Report
from bgecheck.model.report import exit_code
from bgecheck.render.moments import moment
from bgecheck.render.rows import status, subjects
from bgecheck.render.screen import Screen

Sample = tuple[Mapping[str, str], float]
"""Labels and value."""


def render(reports: Sequence[Report], screen: Screen) -> str:
    """A row has one series, labelled with what became of it: one that was not judged is never taken for a pass."""
    targets = list(zip(subjects(reports), reports, strict=True))
    of_targets = [({"target": subject}, report) for subject, report in targets]
    checks = [({**labels, **row}, 1) for labels, report in of_targets for row in _rows(report)]
    counts = [({**labels, "status": name}, n) for labels, report in of_targets for name, n in report.counts().items()]
    verdicts = [({**labels, **_about(report)}, 1) for labels, report in of_targets]
    families: tuple[tuple[str, str, Sequence[Sample]], ...] = (
        ("exit_code", "Exit code of the newest run.", [({}, exit_code(reports))]),
        ("target_exit_code", "Exit code by target.", [(labels, r.exit_code) for labels, r in of_targets]),
        ("verdict_info", "Verdict by target: pass, warn, fail, starting or inconclusive.", verdicts),
        ("checks", "How many checks have each status.", counts),
        ("check_info", "What became of each check; a problem without caused_by is a root cause.", checks),
        ("run_duration_seconds", "How long the run took.", [(labels, r.seconds) for labels, r in of_targets]),
        ("run_timestamp_seconds", "When the run began.", [(labels, moment(r).timestamp()) for labels, r in of_targets]),
    )
    return "".join(line for name, words, samples in families for line in _family(name, words, samples))


def _rows(report: Report) -> Iterator[Mapping[str, str]]:
    for row in report.findings:
        about = {"area": row.check.area, "check": row.id, "status": status(row), "severity": str(row.severity)}
        yield {**about, "caused_by": row.caused_by or ""}


def _about(report: Report) -> Mapping[str, str]:
    about = {name: report.target.get(name, "") for name in ("model", "engine", "version")}
    return {"command": report.command, "verdict": report.verdict, **about}


def _family(name: str, words: str, samples: Sequence[Sample]) -> Iterator[str]:
    yield f"# HELP bgecheck_{name} {words}\n# TYPE bgecheck_{name} gauge\n"
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"bgecheck_{name}{f'{{{inner}}}' if inner else ''} {round(value, 3)}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
