"""Copies, blank texts, groups, close calls, and the file that lets a killed run go on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bgecheck.dedup.checkpoint import Checkpoint
from bgecheck.dedup.deduplicated import deduplicated
from bgecheck.dedup.greedy import APART, BLANK, DROPPED, KEPT, RECORD
from bgecheck.dedup.outcome import Group, Pair, firsts
from bgecheck.dedup.vectors import vectors_of
from bgecheck.dedup.writing import similarity
from bgecheck.model import BadInput

ROWS = np.array([[1.0, 0], [0, 1], [0.6, 0.8], [9, 9], [1, 0.1], [np.nan, 0], [0, 1]])
TEXTS = ["a", "b", "c", " ", "d", "e", "e"]
ORIGIN = {"texts": "t", "vectors": "v", "threshold": "0.85"}


def test_copies_and_blank_texts() -> None:
    """A copy goes with the first of its kind, whatever vector stands beside it."""
    outcome = deduplicated([*TEXTS, "a", "d", "b"], vectors_of(np.vstack([ROWS, ROWS[:3] * np.nan])), 0.9)
    expected = [KEPT, KEPT, KEPT, BLANK, DROPPED, APART, DROPPED, DROPPED, DROPPED, DROPPED]
    assert outcome.records["outcome"].tolist() == expected
    assert outcome.records["other"].tolist() == [-1, 0, 1, -1, 0, -1, 5, 0, 0, 1]
    assert outcome.records["similarity"][[6, 7, 9]].tolist() == [1.0, 1.0, 1.0]
    assert outcome.records["similarity"][8] == outcome.records["similarity"][4] < 1
    assert (outcome.kept, outcome.apart, outcome.blank, outcome.copies) == ([0, 1, 2, 5], [5], [3], 4)


def test_copies_stay_where_nothing_exceeds_the_threshold() -> None:
    outcome = deduplicated(["a", "b", "a"], vectors_of(np.eye(3)), 1.0)
    assert outcome.kept == [0, 1, 2]
    assert outcome.records["other"][2] == 0


def test_groups_have_the_kept_text_and_what_was_dropped_for_it_in_order() -> None:
    outcome = deduplicated(list("abcd"), vectors_of(np.array([[1.0, 0], [0, 1], [1, 0.1], [1, 0.2]])), 0.9)
    one, two = outcome.groups()
    assert (one.kept, [pair.text for pair in one.dropped]) == (0, [2, 3])
    assert two == Group(kept=1, dropped=())
    assert outcome.dropped[0] == Pair(text=2, other=0, similarity=outcome.records["similarity"][2])
    assert outcome.dropped[0].similarity == pytest.approx(1 / 1.01**0.5)


def test_the_closest_calls_are_those_near_the_threshold_nearest_first() -> None:
    angles = np.radians([0, 90, 24, 20, 66, 180])
    outcome = deduplicated(list("abcdef"), vectors_of(np.stack([np.cos(angles), np.sin(angles)], 1)), 0.92)
    dropped, kept = outcome.closest(5)
    assert [pair.text for pair in dropped] == [3]
    assert [(pair.text, pair.other) for pair in kept] == [(2, 0), (4, 1)]
    assert len(outcome.closest(1)[1]) == 1
    assert sum(outcome.histogram()[0]) == 1
    assert sum(outcome.histogram()[1]) == 4


def test_unrelated_texts_are_measured_where_there_are_enough() -> None:
    few = deduplicated([str(n) for n in range(49)], vectors_of(np.random.default_rng(1).standard_normal((49, 8))), 0.9)
    many = deduplicated([str(n) for n in range(80)], vectors_of(np.random.default_rng(1).standard_normal((80, 8))), 0.0)
    assert few.unrelated is None
    assert many.unrelated is not None
    assert many.unrelated.pairs == 80 * 79 // 2 == many.unrelated.histogram.sum()
    assert many.unrelated.above == pytest.approx(0.5, abs=0.06)
    assert many.unrelated.median == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.9123456789, "0.912346"),
        (0.85, "0.85"),
        (0.8500000001, "0.850000000100"),
        (0.8499999, "0.849999900"),
        (float(np.nextafter(0.85, 1)), repr(float(np.nextafter(0.85, 1)))),
    ],
)
def test_a_similarity_shows_its_side_of_the_threshold(value: float, shown: str) -> None:
    assert similarity(value, 0.85) == shown
    assert (float(shown) > 0.85) == (value > 0.85)


def test_the_first_of_each_text() -> None:
    numbers, place_of = firsts(["x", "", "y", "x", "\t"])
    assert numbers.tolist() == [0, 2]
    assert place_of.tolist() == [0, -1, 1, 0, -1]


def blocks() -> list[np.ndarray]:
    records = np.zeros(300, RECORD)
    records["other"] = np.arange(300)
    return [records[:100], records[100:250], records[250:]]


def test_a_checkpoint_that_was_cut_anywhere_gives_its_whole_blocks(tmp_path: Path) -> None:
    """As a run that is killed leaves it; then it goes on from there."""
    path = tmp_path / "kept.txt.checkpoint"
    with Checkpoint(str(path), ORIGIN) as whole:
        for block in blocks():
            whole.add(block)
    content = path.read_bytes()
    for size in (*range(len(content) - 60, len(content) + 1), *range(0, len(content), 397)):
        path.write_bytes(content[:size])
        with Checkpoint(str(path), ORIGIN) as again:
            done = again.decided()
            assert len(done) in (0, 100, 250, 300)
            assert done.tobytes() == np.concatenate(blocks())[: len(done)].tobytes()
            rest = {0: 0, 100: 1, 250: 2, 300: 3}[len(done)]
            for block in blocks()[rest:]:
                again.add(block)
        assert path.read_bytes() == content


def test_a_damaged_block_and_those_behind_it_are_decided_again(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with Checkpoint(str(path), ORIGIN) as whole:
        for block in blocks():
            whole.add(block)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with Checkpoint(str(path), ORIGIN) as again:
        assert len(again.decided()) == 100


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": "0.9"}, "begun with --threshold 0.85, not 0.9"),
        ({"texts": "others"}, "the texts have changed since"),
        ({"vectors": "others"}, "the vectors have changed since"),
    ],
)
def test_a_checkpoint_of_other_input_is_refused(tmp_path: Path, change: dict[str, str], words: str) -> None:
    path = tmp_path / "checkpoint"
    with Checkpoint(str(path), ORIGIN) as whole:
        whole.add(blocks()[0])
    with Checkpoint(str(path), {**ORIGIN, **change}) as other, pytest.raises(BadInput, match=words):
        other.decided()
    path.write_bytes(b"something else")
    with Checkpoint(str(path), ORIGIN) as other, pytest.raises(BadInput, match="no checkpoint"):
        other.decided()


def test_a_finished_run_leaves_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with Checkpoint(str(path), ORIGIN) as one:
        one.add(blocks()[0])
        one.remove()
    assert not path.exists()
