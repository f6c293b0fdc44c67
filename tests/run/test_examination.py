"""One examination: what a report shows of its target holds no key, and is the address that answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bgecheck.engines.sglang.discovery import resolve
from bgecheck.model import Area, Report, Secret, Severity, Status, Target, Text, broken, holds, say
from bgecheck.run import catalog
from bgecheck.run.examination import examine
from bgecheck.run.plan import Plan
from bgecheck.run.settings import Settings
from fakes.answering import CARD, pages, same, serving

KEY = "sk-of-the-target-0123"


def examined(target: Target, areas: Sequence[Area] | str = "gpu", **ignored: str) -> Report:
    """A run of one area, by default of one that asks no server, with rows `area.row` ignored as `area_row`."""
    named = catalog.select(catalog.areas([areas]), quick=True) if isinstance(areas, str) else areas
    plan = Plan(
        command="gpu",
        areas=tuple(named),
        ignored={name.replace("_", "."): why for name, why in ignored.items()},
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


T = Text("words", "文字")


def rows(name: str, **explains: str | None) -> Area:
    """An area whose entry row holds; further rows fail, each with what it explains, or hold where that is None."""
    area = Area(name, collector=lambda context: None)
    area.check("entry", title=T, cause=T, fix=T)(lambda facts: holds())
    for row, ids in explains.items():
        judge = (lambda facts: broken()) if ids is not None else (lambda facts: holds())
        area.check(row, title=T, cause=T, fix=T, explains=tuple((ids or "").split()))(judge)
    return area


@pytest.mark.parametrize(
    ("area", "ignored", "roots", "following"),
    [
        (rows("x", a="x.b x.c", b="", c=""), {"x_a": "known"}, [], {"b": "x.a", "c": "x.a"}),
        # A chain is ignored from its beginning to its end, and not from its middle on.
        (rows("x", a="x.b", b="x.c", c=""), {"x_a": "known"}, [], {"b": "x.a", "c": "x.a"}),
        (rows("x", a="x.b", b="x.c", c=""), {"x_b": "known"}, ["x.a"], {}),
        # What another problem explains too stays one, and what follows from it.
        (rows("x", a="x.b x.d", b="x.c", c="", d="", e="x.b"), {"x_a": ""}, ["x.e"], {"d": "x.a"}),
        (rows("x", a="x.b", b="", e="x.b"), {"x_a": "", "x_e": ""}, [], {"b": "x.a"}),
        # Nothing is ignored beside it, and a row that holds ignores nothing.
        (rows("x", a="x.b", b="", z=""), {"x_a": "known"}, ["x.z"], {"b": "x.a"}),
        (rows("x", a=None, b="x.c", c=""), {"x_a": "known"}, ["x.b"], {}),
    ],
)  # fmt: skip
def test_what_an_ignored_problem_caused_is_no_root_cause(
    area: Area, ignored: dict[str, str], roots: list[str], following: dict[str, str]
) -> None:
    report = examined(TARGET, [area], **ignored)
    assert [root.id for root in report.root_causes] == roots
    found = {row.id: row for row in report.findings if row.ignored == "" and row.caused_by}
    assert {id_.partition(".")[2]: row.caused_by for id_, row in found.items()} == following
    assert report.exit_code == bool(roots)
    assert all(row.status is Status.FAIL for row in found.values())


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
