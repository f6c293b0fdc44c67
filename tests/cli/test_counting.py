"""What `--ignore` and `--severity` mean, and what they refuse."""

from __future__ import annotations

from datetime import date

import pytest

from bgecheck.cli.counting import Ignored, ignored, severity, split
from bgecheck.cli.examine import plan
from bgecheck.cli.options import RunOptions
from bgecheck.model import BadInput, Severity, broken
from bgecheck.run import catalog

TODAY = date(2026, 7, 1)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("gpu.others", Ignored("gpu.others", "")),
        ("gpu", Ignored("gpu.*", "")),
        ("gpu.*:shared machine", Ignored("gpu.*", "shared machine")),
        ("gpu.others@2026-12-31", Ignored("gpu.others", "", date(2026, 12, 31))),
        ("gpu.others:shared @2026-12-31", Ignored("gpu.others", "shared", date(2026, 12, 31))),
        ("gpu.others:see http://wiki:80/x", Ignored("gpu.others", "see http://wiki:80/x")),
        ("gpu.others:ask ops@corp.example.com", Ignored("gpu.others", "ask ops@corp.example.com")),
        ("gpu.others:a@b.com@2026-12-31", Ignored("gpu.others", "a@b.com", date(2026, 12, 31))),
        ("gpu.others: 与他人共用@2028-02-29", Ignored("gpu.others", "与他人共用", date(2028, 2, 29))),
    ],
)
def test_an_ignored_row_has_a_reason_and_a_last_day(given: str, meant: Ignored) -> None:
    assert ignored(given) == meant


@pytest.mark.parametrize(
    "given",
    ["gpu.others@2026-02-30", "gpu.others:x@2026-1-1", "gpu.others:x@soon", "gpu.others@", "gpu@20261231", "gpu@a.b"],
)
def test_a_date_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(BadInput, match="is no date"):
        ignored(given)


@pytest.mark.parametrize(("day", "counts"), [("2026-07-01", False), ("2026-06-30", True), ("2026-07-02", False)])
def test_after_its_last_day_it_counts_again_and_says_so(day: str, counts: bool) -> None:
    reasons, notes = split([f"gpu.others:shared@{day}", "embed.golden"], TODAY)
    assert reasons == ({} if counts else {"gpu.others": f"shared @{day}"}) | {"embed.golden": ""}
    assert len(notes) == counts
    if counts:
        assert "gpu.others (shared) ended on 2026-06-30" in notes[0].en
        assert "gpu.others（shared）已于 2026-06-30 到期" in notes[0].zh


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("gpu.othrs=error", "gpu.others"),
        ("gpu.others", "gpu.others=warning"),
        ("gpu.others=warn", "warning"),
        ("nope=error", "matrix"),
    ],
)
def test_a_severity_of_no_row_or_of_no_level_is_refused_with_the_nearest(given: str, near: str) -> None:
    with pytest.raises(BadInput) as refused:
        severity(given)
    assert near in refused.value.remedy.en
    assert near in refused.value.remedy.zh


def test_the_last_severity_counts_whatever_the_cause_and_others_keep_theirs() -> None:
    asked = [severity(one) for one in ("embed=warning", "embed.dimension=error", "probe.*=warning")]
    checks = {check.id: check for area in catalog.weighed(catalog.areas(), asked) for check in area.checks}
    before = {check.id: check for check in catalog.rows()}
    assert checks["embed.finite"].severity is Severity.WARNING
    assert checks["embed.dimension"].severity is Severity.ERROR
    assert checks["logs.ready"] == before["logs.ready"]
    for id_, check in checks.items():
        for advice in check.variants:
            if id_.startswith("probe."):
                assert check.severity_for(broken(advice=advice)) is Severity.WARNING, (id_, advice)


def test_a_plan_has_the_severities_and_the_notes() -> None:
    made = plan("gpu", ["gpu"], RunOptions(severity=["gpu=warning"], ignore=["gpu.health@2020-01-01"]))
    assert {check.severity for area in made.areas for check in area.checks} == {Severity.WARNING}
    assert made.ignored == {}
    assert len(made.notes) == 1
