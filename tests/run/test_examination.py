"""One examination: what a report shows of its target holds no key, and is the address that answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bgecheck.engines.sglang.discovery import resolve
from bgecheck.model import Report, Secret, Severity, Target, say
from bgecheck.run import catalog
from bgecheck.run.examination import examine
from bgecheck.run.plan import Plan
from bgecheck.run.settings import Settings
from fakes.answering import CARD, pages, same, serving

KEY = "sk-of-the-target-0123"


def examined(target: Target, area: str = "gpu") -> Report:
    """A run of one area, by default of one that asks no server."""
    areas = catalog.select(catalog.areas([area]), quick=True)
    plan = Plan(
        command=area,
        areas=tuple(areas),
        ignored={},
        fail_on=Severity.ERROR,
        nagios=False,
        settings=Settings(deadline=20.0, timeout=3.0, quick=True),
        calls_openai=False,
    )
    return examine(plan, target)


TARGET = Target(url="http://127.0.0.1:1", host="127.0.0.1", port=1, api_key=Secret(KEY))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", f"http://127.0.0.1:1/{KEY}"),
        ("model", f"m-{KEY}"),
        ("log", f"/var/log/{KEY}.log"),
        ("model_path", f"/models/{KEY}"),
        ("api_key", Secret(KEY)),
    ],
)
def test_the_target_of_a_report_shows_no_key(field: str, value: Any) -> None:
    report = examined(replace(TARGET, **{field: value}))
    assert KEY not in repr(report.target)
    assert "***" in report.target[field]


@pytest.mark.parametrize(
    ("shape", "prefix", "url", "mended"),
    [
        ("/v1", "/v1", "/v1", False),
        ("/v1/", "/v1", "/v1", False),
        ("", "/v1", "/v1", True),
        ("/v1/v1", "/v1", "/v1", True),
        ("/v1/models", "/v1", "/v1", True),
        ("/v1/embeddings", "/v1", "/v1", True),
        ("", "", "", False),
        ("/api/v1", "/api/v1", "/api/v1", False),
        ("/v1", "/elsewhere/v1", "", False),
    ],
)
def test_the_address_that_answers_is_shown_and_a_pasted_one_that_does_not_is_said(
    shape: str, prefix: str, url: str, mended: bool
) -> None:
    answers = {path.replace("/v1", prefix): page for path, page in pages().items()} | {f"{prefix}/models": (200, CARD)}
    with serving(answers, same, prefix=prefix) as root:
        report = examined(resolve(url=root + shape), "probe")
    assert report.target["url"] == root + url
    notes = [say(note, "en") for note in report.notes if "was taken as" in say(note, "en")]
    assert notes == (
        [f"--url {root}{shape} was taken as {root}/v1: clients need exactly that as base_url"] if mended else []
    )


def test_commands_go_where_the_routes_were_found() -> None:
    """Infinity has them at its root."""
    with serving({"/models": (200, CARD)}, same, prefix="") as root:
        report = examined(resolve(url=root, model="bge-m3"), "probe")
    row = next(finding for finding in report.findings if finding.id == "probe.model-name")
    assert row.commands == (f"curl -sS --noproxy '*' {root}/models",)
