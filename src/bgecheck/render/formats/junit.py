"""The report as JUnit XML: a suite for each target, a test case for each row."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from bgecheck.model import Finding, Report, Status
from bgecheck.render.corrected import corrected_lines
from bgecheck.render.headline import headline_of
from bgecheck.render.rows import account, status, status_word, subjects
from bgecheck.render.screen import Screen
from bgecheck.render.verdict import verdict_word

_COUNTED = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error"}
_COUNTED |= {"skipped": "testcase/skipped"}
"""Where the tests of each attribute are; a time stamp has no zone in this format."""


def render(reports: Sequence[Report], screen: Screen) -> str:
    """A run that is not all right is red, though no row of it fails."""
    root = Element("testsuites", name="bgecheck")
    for subject, report in zip(subjects(reports), reports, strict=True):
        _add_suite(root, subject, report, screen)
    for name, place in _COUNTED.items():
        root.set(name, str(len(root.findall(f"testsuite/{place}"))))
    root.set("time", f"{sum(report.seconds for report in reports):.3f}")
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _add_suite(root: Element, subject: str, report: Report, screen: Screen) -> None:
    suite = SubElement(root, "testsuite", name=subject, timestamp=report.started_at[:19])
    suite.set("time", f"{report.seconds:.3f}")
    properties = SubElement(suite, "properties")
    about = {**report.target, "verdict": report.verdict, "exit_code": str(report.exit_code)}
    for name, value in about.items():
        SubElement(properties, "property", name=name, value=value)
    for row in report.findings:
        _add_case(suite, row, report, screen)
    if not report.is_shown_by_rows:
        case = SubElement(suite, "testcase", classname="bgecheck", name="verdict", time="0")
        SubElement(case, "error", type=report.verdict, message=_verdict(report, screen))
    for name, place in _COUNTED.items():
        suite.set(name, str(len(suite.findall(place))))
    beside = [*map(screen.say, report.notes), *corrected_lines(report, screen)]
    if beside:
        SubElement(suite, "system-out").text = "\n".join(beside)


def _add_case(suite: Element, row: Finding, report: Report, screen: Screen) -> None:
    case = SubElement(suite, "testcase", classname=f"bgecheck.{row.check.area}", name=row.id, time=f"{row.seconds:.3f}")
    text = "\n".join(account(row, report, screen))
    if row.ignored is None and row.status is Status.PASS:
        SubElement(case, "system-out").text = text
        return
    kind = "failure" if report.fails(row) else "error" if status(row) == "error" else "skipped"
    message = f"{status_word(row, screen)}{screen.colon}{account(row, report, screen)[0]}"
    SubElement(case, kind, type=status(row), message=message).text = text


def _verdict(report: Report, screen: Screen) -> str:
    return f"{verdict_word(report, screen)}{screen.colon}{headline_of(report, screen)}"
