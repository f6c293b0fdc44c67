"""The catalogue: the matrix as a whole keeps the rules that every row relies on."""

from __future__ import annotations

import re
import string

import pytest

from bgecheck import catalog, engine
from bgecheck.model import BadInput, Check, Text

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
        assert set(check.explains) <= ids, check.id


def test_rows_explain_each_other_without_a_circle() -> None:
    engine.explained_by(ROWS)


@pytest.mark.parametrize("check", ROWS, ids=lambda check: str(check.id))
def test_every_text_is_in_both_languages_with_the_same_placeholders(check: Check) -> None:
    for text in texts(check):
        assert text.en
        assert re.search("[\u4e00-\u9fff]", text.zh) or text.en == text.zh, text.zh
        assert not re.search("[\u4e00-\u9fff]", text.en)
        names = [{name for _, name, _, _ in string.Formatter().parse(words) if name} for words in (text.en, text.zh)]
        assert {n.removesuffix("_en") for n in names[0]} == {n.removesuffix("_zh") for n in names[1]}


@pytest.mark.parametrize("check", ROWS, ids=lambda check: str(check.id))
def test_titles_are_statements_and_messages_stay_calm(check: Check) -> None:
    """A title reads with a tick and with a cross: no full stop, no exclamation, no question."""
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
        catalog.known("nonsense.*")
