"""The catalogue: the matrix as a whole keeps the rules that every row relies on."""

from __future__ import annotations

import fnmatch
import re
import string
import subprocess
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.model import Advice, BadInput, Check, Moment, Status, Text, Unavailable, fill_command
from bgecheck.run import catalog, engine
from cases import failures

ROWS = catalog.rows()
FIRST_CATALOGUE = {
    "ports": "readable listening owner address localhost orphans",
    "gpu": "visible driver memory others capability health",
    "probe": "reachable base-url engine api-key model-name ready rate-limit",
    "embed": "answers dimension finite normalized repeatable batch-equals-single",
    "launch": "readable pooling prefix-cache chunked-prefill",
    "logs": "readable ready port-in-use gpu-oom-weights encoder-vectors-wrong stalled-no-error wrong-engine",
}
"""Names that users and scripts rely on."""


def texts(check: Check) -> list[Text]:
    advices = (check.advice, *check.variants.values())
    return [check.title, *(t for a in advices for t in (a.cause, a.fix))]


def test_ids_are_unique_kebab_and_of_their_area() -> None:
    ids = [check.id for check in ROWS]
    assert len(ids) == len(set(ids))
    for check in ROWS:
        assert re.fullmatch(r"[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*", check.id)
        assert check.id.startswith(check.area + ".")


@pytest.mark.parametrize("area", FIRST_CATALOGUE)
def test_names_that_users_rely_on_are_there(area: str) -> None:
    names = {check.id for check in ROWS}
    assert {f"{area}.{name}" for name in FIRST_CATALOGUE[area].split()} <= names


def test_needs_and_explains_point_to_rows_that_are_or_are_announced() -> None:
    """Rows of the design that are not built yet may be named; a misspelt one may not."""
    announced = {"embed.reference", "embed.golden", "embed.semantic", "embed.prefix-independent", "embed.order"}
    announced |= {"embed.concurrent", "embed.long-batch", "embed.distinct"}
    ids = {check.id for check in ROWS} | announced
    for check in ROWS:
        assert set(check.needs) <= ids, check.id
        assert all(fnmatch.filter(ids, pattern) for pattern in check.may_explain), check.id


def test_rows_explain_each_other_without_a_circle() -> None:
    engine.require_no_circle(ROWS)


def row_id(check: Check) -> str:
    return str(check.id)


def test_every_text_is_in_both_languages_with_the_same_placeholders() -> None:
    assert failures(ROWS, has_both_languages, row_id) == []


def has_both_languages(check: Check) -> None:
    for text in texts(check):
        assert text.en
        assert re.search("[\u4e00-\u9fff]", text.zh) or text.en == text.zh, text.zh
        assert not re.search("[\u4e00-\u9fff]", text.en)
        names = [{name for _, name, _, _ in string.Formatter().parse(words) if name} for words in (text.en, text.zh)]
        assert {n.removesuffix("_en") for n in names[0]} == {n.removesuffix("_zh") for n in names[1]}


def test_titles_are_statements_and_messages_stay_calm() -> None:
    """A title reads with a tick and with a cross: no full stop, no exclamation, no question."""
    assert failures(ROWS, is_calm, row_id) == []


def is_calm(check: Check) -> None:
    for text in texts(check):
        assert "!" not in text.en
        assert "！" not in text.zh
    assert not check.title.en.endswith((".", "?"))
    assert not check.title.zh.endswith(("。", "？"))
    assert check.judge.__doc__


def test_a_glob_selects_and_an_unknown_id_is_refused_with_the_nearest() -> None:
    (area,) = catalog.select(catalog.areas(["launch"]), only=("launch.p*",))
    assert [c.id for c in area.checks] == ["launch.pooling", "launch.prefix-cache"]
    with pytest.raises(BadInput, match=r"launch\.prefix-cache"):
        catalog.select(catalog.areas(), only=("launch.prefix-cach",))
    with pytest.raises(BadInput):
        catalog.require("nonsense.*")


def fields(template: str) -> list[tuple[str, str | None, str | None]]:
    """Name, format and conversion of each placeholder."""
    return [(name, spec, how) for _, name, spec, how in string.Formatter().parse(template) if name is not None]


def test_placeholders_are_plain_names() -> None:
    """Filling one can then not fail, whatever its value is."""
    assert failures(ROWS, has_plain_placeholders, row_id) == []


def has_plain_placeholders(check: Check) -> None:
    commands = [c for a in (check.advice, *check.variants.values()) for c in a.commands]
    for template in (*commands, *(words for text in texts(check) for words in (text.en, text.zh))):
        for name, spec, how in fields(template):
            assert name.isidentifier(), template
            assert not spec, template
            assert how is None, template


def test_commands_are_what_a_shell_can_read() -> None:
    commands = [c for row in ROWS for a in (row.advice, *row.variants.values()) for c in a.commands]
    filled = [fill_command(c, {name: "it's" for name, _, _ in fields(c)}) for c in commands]
    assert None not in filled
    for command in dict.fromkeys(filled):
        ran = subprocess.run(["bash", "-n"], input=command, text=True, capture_output=True)
        assert ran.returncode == 0, (command, ran.stderr)


def test_a_brace_that_is_curls_own_is_no_placeholder() -> None:
    """One that is would be of no known value, and the command would be left out without a word."""
    commands = [c for row in ROWS for a in (row.advice, *row.variants.values()) for c in a.commands]
    assert not [c for c in commands if re.search(r"%\{(?!\{)", c.replace("{{", ""))]
    timed = next(fill_command(c, {"url": "http://u"}) for c in commands if "time_total" in c)
    assert timed is not None
    assert "-w '%{http_code} %{time_total}\\n'" in timed


def gateway_advice() -> list[Advice]:
    """The remedies that lead around what stands before the server."""
    every = [a for row in ROWS for a in (row.advice, *row.variants.values())]
    return [a for a in every if re.search("query the server behind it|which program listens", a.fix.en)]


def test_the_way_around_a_gateway_begins_with_who_listens_there() -> None:
    """The address that just failed is not the server's own: nobody is helped by the same request once more."""
    assert len(gateway_advice()) > 10
    for advice in gateway_advice():
        around = [c for c in advice.commands if c.startswith("bgecheck ports --url") or c == "bgecheck doctor"]
        assert around, advice.fix.en
    assert not [a.fix.en for a in gateway_advice() if "own port directly" in a.fix.en]


def test_every_other_row_needs_the_entry_row_of_its_area() -> None:
    for area in catalog.areas():
        assert area.entry not in area.checks[0].needs
        assert all(area.entry in check.needs for check in area.checks[1:])


def raising(looked: bool) -> Callable[[Any], Any]:
    def collect(context: Any) -> Any:
        raise Unavailable("not here", looked=looked)

    return collect


@pytest.mark.parametrize(("looked", "entry"), [(False, Status.SKIP), (True, Status.ERROR)])
def test_a_machine_on_which_nothing_can_be_seen_gets_every_row_with_a_reason(looked: bool, entry: Status) -> None:
    """Unknown is neither pass nor fail, in no area."""
    blind = [replace(area, collector=raising(looked)) for area in catalog.areas()]
    findings = engine.run(blind, None)
    assert [f.id for f in findings] == [row.id for row in ROWS]
    assert {f.status for f in findings if f.id in {a.entry for a in blind if not a.needs}} == {entry}
    assert {f.status for f in findings} <= {Status.SKIP, entry}
    assert all(f.reason is not None and f.caused_by is None for f in findings)


patterns = st.lists(st.sampled_from([*(row.id for row in ROWS), *(f"{name}.*" for name in catalog.AREAS)]), max_size=3)


@given(patterns, patterns, st.booleans())
def test_a_selection_keeps_exactly_what_was_asked_for_in_order(only: list[str], skip: list[str], quick: bool) -> None:
    def asked(check: Check) -> bool:
        taken = not only or any(fnmatchcase(check.id, pattern) for pattern in only)
        return taken and not any(fnmatchcase(check.id, p) for p in skip) and not (quick and check.costly)

    chosen = catalog.select(catalog.areas(), only=only, skip=skip, quick=quick)
    assert [c.id for area in chosen for c in area.checks] == [row.id for row in ROWS if asked(row)]
    assert all(area.checks for area in chosen)
    assert catalog.rows() == ROWS


@given(st.text(max_size=30))
def test_any_pattern_names_rows_or_is_refused(pattern: str) -> None:
    if any(fnmatchcase(row.id, pattern) for row in ROWS):
        catalog.require(pattern)
        return
    with pytest.raises(BadInput) as refusal:
        catalog.require(pattern)
    assert refusal.value.given == pattern


def test_areas_come_in_the_order_of_a_report_whatever_the_order_asked() -> None:
    assert [a.name for a in catalog.areas(["embed", "logs", "ports"])] == ["logs", "ports", "embed"]
    assert [catalog.area(name).name for name in catalog.AREAS] == list(catalog.AREAS)


def test_before_the_launch_the_remedies_restart_nothing_and_a_running_server_has_its_own() -> None:
    def pooling(moment: Moment) -> Check:
        (area,) = catalog.select(catalog.at(moment, catalog.areas(["launch"])), only=("launch.pooling",))
        return area.checks[0]

    row = next(check for check in ROWS if check.id == "launch.pooling")
    assert row.advice.before is not None
    assert pooling("before").advice.fix == row.advice.before
    assert pooling("before").variants["flag"].fix == row.variants["flag"].before
    assert pooling("after") == row


def test_what_is_costly_is_left_out_only_where_quick_was_asked_for() -> None:
    every = {check.id for area in catalog.select(catalog.areas()) for check in area.checks}
    quick = {check.id for area in catalog.select(catalog.areas(), quick=True) for check in area.checks}
    assert every == {check.id for check in catalog.rows()}
    assert every - quick == {check.id for check in catalog.rows() if check.costly} != set()


def test_what_costs_a_server_more_than_a_glance_is_left_out_where_quick_was_asked_for() -> None:
    costly = {
        *(f"embed.{row}" for row in ("concurrent", "long-batch", "order", "precision", "prefix-independent")),
        *(f"embed.{row}" for row in ("token-count", "whole-text")),
        *(f"probe.{row}" for row in ("base64", "batch-limit", "blank-input", "burst", "dimensions", "health-agrees")),
        *(f"probe.{row}" for row in ("openai-client", "request-forms", "token-ids", "token-limit")),
    }
    assert costly <= {check.id for check in catalog.rows() if check.costly}


def test_each_area_has_rows_whose_numbers_stand_for_it() -> None:
    headlines = {
        *("embed.repeatable", "embed.batch-equals-single", "embed.reference", "gpu.memory", "launch.pooling"),
        *("launch.prefix-cache", "launch.chunked-prefill", "logs.ready", "ports.address", "ports.listening"),
        *("ports.owner", "probe.ready", "store.readable"),
    }
    assert headlines <= {check.id for check in catalog.rows() if check.headline}
