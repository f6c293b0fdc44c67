"""Every fault of the demo breaks exactly the rows it names, over true processes, files and sockets."""

from __future__ import annotations

import errno
import socket

import pytest

import warm
from bgecheck.demo.faults import FAULTS
from bgecheck.demo.stage import Staged, stage
from bgecheck.engines.sglang.discovery import resolve
from bgecheck.model import Finding, Language, say
from bgecheck.model.deadline import Deadline
from bgecheck.model.report import Report
from bgecheck.render.formats import table
from bgecheck.render.prose import columns
from bgecheck.render.remedies import symptom
from bgecheck.render.screen import Screen
from bgecheck.run import catalog, engine
from bgecheck.run.context import Context
from bgecheck.run.settings import Settings
from chinese import english_of
from everycase import EVERY


def examined(staged: Staged, timeout: float = 5, openai: bool = True) -> tuple[Finding, ...]:
    """The findings of doctor's areas for a scene; importing openai takes longer than all else."""
    target = resolve(url=staged.url, log=staged.log, api_key=staged.api_key, pid=staged.pid)
    context = Context(target, Deadline(30), Settings(timeout=timeout), openai=warm.client() if openai else None)
    try:
        return engine.run(catalog.at("after", catalog.areas()), context, seconds=30)
    finally:
        context.close()


def broken(findings: tuple[Finding, ...]) -> set[str]:
    """The rows that do not hold, but for workers left over: another test may have a true one at this moment."""
    return {finding.id for finding in findings if finding.status.bad} - {"ports.orphans"}


def test_the_healthy_demo_breaks_no_row() -> None:
    with stage(None) as staged:
        findings = examined(staged)
    assert broken(findings) == set()
    # No driver on a test machine is a reasoned skip; so are a chunk that is off, a dtype that nobody asked for,
    # and a meaning and a model's folder that the demo does not have.
    skipped = {f.id for f in findings if f.status.value in ("skip", "error") and f.check.area in ("launch", "embed")}
    assert skipped == {
        *("embed.long-batch", "embed.precision", "embed.semantic", "embed.golden", "embed.reference"),
        "embed.openai-client",  # of `bgecheck embed` alone
    }
    # What shows under requests is not excluded where nobody had asked the server anything when its log was read.
    reasons = {say(f.reason or "", "en") for f in findings if f.status.value != "pass" and f.check.area == "logs"}
    reasons -= {"the log holds no request since the server became ready"}
    assert reasons == {"not a log of sglang's router"}


ROOTS = {
    "gpu-oom": "logs.gpu-oom-weights",
    "model-path": "logs.model-path-not-found",
    "unknown-flag": "logs.bad-cli-arguments",
    "port-in-use": "logs.port-in-use",
    "stuck-loading": "logs.stalled-no-error",
    "refused": "ports.listening",
    "api-key": "probe.api-key",
    "wrong-path": "probe.base-url",
    "empty-response": "probe.ready",
    "rate-limited": "probe.rate-limit",
    "queue-full": "probe.ready",
    "dead-scheduler": "probe.ready",
    "repeat-differs": "launch.prefix-cache",
    "chunked-prefill": "launch.chunked-prefill",
    "unnormalised": "embed.normalized",
    "nan-as-null": "embed.finite",
    "wrong-dimension": "embed.dimension",
}
"""The one root cause under which whatever else fails is folded."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_breaks_exactly_its_rows(name: str) -> None:
    with stage(name) as staged:
        openai = EVERY or "probe.openai-client" in FAULTS[name].rows
        findings = examined(staged, timeout=1 if name == "dead-scheduler" else 5, openai=openai)
    assert broken(findings) == set(FAULTS[name].rows)
    assert not [f for f in findings if f.status.value == "error"]
    report = Report(command="doctor", findings=findings, target={}, started_at="", seconds=1.5)
    if name in ROOTS:
        assert [f.id for f in report.root_causes] == [ROOTS[name]]
    assert all(symptom(root, report) for root in report.root_causes), "a symptom is what was observed"
    for language in LANGUAGES:
        screen_is_readable(report, language)
    assert [line for finding in findings for line in english_of(finding)] == []


LANGUAGES: tuple[Language, ...] = ("en", "zh")


def screen_is_readable(report: Report, language: Language) -> None:
    """From the heading of the last root cause on it fits 24 lines of 80 columns; the last line names verdict and id."""
    lines = table.render([report], Screen(language=language, width=80)).splitlines()
    heading = "X ROOT CAUSE" if language == "en" else "X 根因"
    first = max(n for n, line in enumerate(lines) if line.startswith(heading))
    assert len(lines) - first <= 24
    assert all(columns(line) <= 80 for line in lines if not line.startswith("  "))
    verdict = "FAIL" if language == "en" else "未通过"
    last = next(line for line in reversed(lines) if not line.startswith(" "))  # a long one is folded, and indented
    assert last.startswith(f"{verdict} {report.root_causes[0].id}")


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if not fault.serves and not fault.port_taken])
def test_the_port_of_a_server_that_does_not_serve_stays_closed(name: str) -> None:
    """A neighbour that takes the freed port would be found listening there."""
    with stage(name) as staged:
        address = ("127.0.0.1", int(staged.url.split(":")[2].partition("/")[0]))
        with socket.socket() as neighbour, pytest.raises(OSError, match="in use"):
            neighbour.bind(address)
        with socket.socket() as client:
            assert client.connect_ex(address) == errno.ECONNREFUSED


def test_the_scene_leaves_nothing_behind() -> None:
    with stage("port-in-use") as staged:
        log = staged.log
    assert log is not None
    with pytest.raises(FileNotFoundError):
        open(log)  # noqa: SIM115  # it is the opening that fails
    findings = {f.id: f for f in examined(Staged(staged.url, None, None, None, None))}
    assert findings["ports.listening"].status.bad
