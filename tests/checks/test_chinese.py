"""In Chinese sentences every value that is a word of ours is Chinese too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bgecheck.checks.logs import AREA
from bgecheck.checks.logs.area import HANGS, collect
from bgecheck.engines.sglang.log.explanation import LEVELS
from bgecheck.engines.sglang.log.marks import PHASE_WORDS, PHASES, STAGE_NAMES
from bgecheck.engines.sglang.log.provenance import in_chinese
from bgecheck.engines.sglang.log.rules import GUESSED, PATTERNS
from bgecheck.model import Target, Text
from bgecheck.model.deadline import Deadline
from bgecheck.run import catalog, engine
from bgecheck.run.context import Context
from cases import failures
from chinese import OURS, english_in, english_of
from logsamples import Snippet, judged, snippets, written

WORDS = frozenset(
    {
        "asked_by",
        "also",
        "changed",
        "changes",
        "elsewhere",
        "floor",
        "hangs",
        "instead",
        "mistakes",
        "phase",
        "places",
        "role",
        "shown",
        "since",
        "state",
        "unless",
        "until",
        "weights",
        "where",
    }
)
"""Placeholders that are filled with a word of ours, which has a half in each language."""

CHINESE = frozenset({"faults_zh", "instruction_zh", "kind_zh", "own_zh", "recipe_zh"})
"""Placeholders whose value is written in Chinese for the Chinese half of a text."""

AS_IT_STANDS = frozenset(
    """
    actual address age aim allowed answered architecture args_fraction args_model args_port asked available backend
    bad base_url belong beside bound build built_for bundle bundle_variable capability card characters chunk code
    collection command connections container cosine count covered create cuda days declared degrees detail device
    dims distance driver dropped dtype each empty engine error exception expected failed first first_port folder
    foreign formula found free front given gpu held hidden highest holders host hub image index inside keys left
    length lengths limit link location log longer longest lowest made margin matching message missing model
    model_weights most mounted moved ms name names needed norm one one_expected one_url openai option other
    other_expected other_free other_url outside own own_port owner owner_pid owners package page path pids place
    plain pool pooled pooling port positions process program python query_norm range ranks rate read_as reader real
    refused release releases right rival rows running script seconds seen sent served server_pid server_port share
    shared shortest signs source start_pid status step store stored taken tensor times tokens told total unit used
    value variable version visible wanted why worker workers wrong
    """.split()  # noqa: SIM905  # 100 names, which a list would spread over as many lines
)
"""Placeholders for numbers, names, paths, ids, options and foreign text, which keep their spelling."""


def _placeholders() -> dict[str, set[str]]:
    """Every placeholder of a Chinese template, with the rows that have it."""
    found: dict[str, set[str]] = {}
    for check in catalog.rows():
        texts = [check.title]
        for advice in (check.advice, *check.variants.values()):
            texts += [advice.cause, advice.fix]
        for text in texts:
            for name in re.findall(r"(?<!\{)\{(\w+)\}", text.zh):
                found.setdefault(name, set()).add(check.id)
    return found


def test_of_every_placeholder_it_is_known_what_it_stands_for() -> None:
    """A new one has to be put into one of the three lists: a word of ours may not stand in English."""
    found = _placeholders()
    assert len(found) > 50
    assert set(found) - WORDS - CHINESE - AS_IT_STANDS == set()
    assert (WORDS | CHINESE | AS_IT_STANDS) - set(found) == set()


def _is_chinese(text: str) -> bool:
    return re.search("[\u4e00-\u9fff]", text) is not None


def test_the_words_of_a_log_have_both_languages() -> None:
    assert set(PHASE_WORDS) == set(STAGE_NAMES) == set(HANGS) == set(PHASES)
    for texts in (PHASE_WORDS, STAGE_NAMES, HANGS):
        assert [text.zh for text in texts.values() if not _is_chinese(text.zh)] == []
    assert [PHASE_WORDS[phase].en for phase in PHASES] == list(PHASES)


@pytest.mark.parametrize("phase", dict.fromkeys(snippet.phase for snippet in snippets()))
def test_a_log_is_told_in_chinese(tmp_path: Path, phase: str) -> None:
    def check(snippet: Snippet) -> None:
        path = written(tmp_path / "sglang.log", snippet.log(snippet.releases[-1]) * 2)
        assert [line for finding in judged(path) for line in english_of(finding)] == []

    own = [snippet for snippet in snippets() if snippet.phase == phase]
    assert failures(own, check, lambda snippet: f"{snippet.label}: {snippet.decisive}") == []


@pytest.mark.parametrize("size", [120, 600, 1500, 4000, 9000])
def test_a_log_that_ends_early_is_told_in_chinese(tmp_path: Path, size: int) -> None:
    whole = snippets()[0].log("0.5.23")
    path = written(tmp_path / "sglang.log", whole[:size])
    assert [line for finding in judged(path) for line in english_of(finding)] == []


@pytest.mark.parametrize("name", ["phase", "hangs"])
def test_a_word_is_filled_in_as_a_text(tmp_path: Path, name: str) -> None:
    """What a judge hands over for such a placeholder has two halves; the JSON report has the English one."""
    path = written(tmp_path / "sglang.log", "server_args={'model_path': 'm'}\nLoad weight begin. avail mem=22 GB\n")
    facts = collect(Context(Target(url="", host="", port=0, log=str(path)), Deadline(30)))
    values = [
        engine.judge(check, facts).values[name]
        for check in AREA.checks
        if name in engine.judge(check, facts).values and name in str(check)
    ]
    assert len(values) > 0
    assert [value for value in values if not (isinstance(value, Text) and _is_chinese(value.zh))] == []


def test_where_a_line_was_seen_before_is_told_in_chinese() -> None:
    seen = {pattern.source for pattern in PATTERNS} - {GUESSED}
    assert len(seen) > 100
    assert {s: words for s in seen if (words := english_in(in_chinese(s).replace("sglang", "")))} == {}
    assert (
        in_chinese("0.4.6 to 0.5.23; a warning by default before 0.4.7") == "0.4.6 至 0.5.23（0.4.7 之前默认只是警告）"
    )
    assert in_chinese("transformers 4.4x to 5.x") == "transformers 4.4x 至 5.x"


def test_the_finder_finds() -> None:
    """It would see each word that it looks for, also beside Chinese, and what keeps its spelling it passes over."""
    assert [word for word in OURS if english_in(f"启动停在“{word}”阶段") != [word]] == []
    assert english_in("启动停在 load 阶段：OSError: no such file", ["OSError: no such file"]) == ["load"]
    assert english_in("见 logs.ready、--device 与 /srv/load，CUDA graph 捕获失败") == []
    assert {"low", "medium", "high"} == set(LEVELS)
