"""One examination: what a report shows of its target holds no key, wherever the key stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bgecheck.model import Report, Secret, Severity, Target
from bgecheck.run import catalog
from bgecheck.run.examination import examine
from bgecheck.run.plan import Plan
from bgecheck.run.settings import Settings

KEY = "sk-of-the-target-0123"


def examined(target: Target) -> Report:
    """A run of an area that asks no server."""
    areas = catalog.areas(["gpu"])
    plan = Plan(
        command="gpu",
        areas=tuple(areas),
        ignored={},
        fail_on=Severity.ERROR,
        nagios=False,
        settings=Settings(deadline=5.0),
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
