"""The threshold of labelled pairs, the intervals around it, and the pairs that are proposed for a label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bgecheck.dedup import calibration
from bgecheck.dedup.calibration import calibrated
from bgecheck.dedup.pairs import LabelledPair, read_pairs, write_pairs
from bgecheck.dedup.proposals import proposed
from bgecheck.dedup.vectors import vectors_of
from bgecheck.model import BadInput


def f1(values: list[float], same: list[bool], threshold: float) -> float:
    above = [label for value, label in zip(values, same, strict=True) if value > threshold]
    return 2 * sum(above) / (len(above) + sum(same))


labelled = st.lists(
    st.tuples(st.one_of(st.sampled_from([0.7, 0.8, 0.85, 0.9, 1.0]), st.floats(-1, 1)), st.booleans()),
    min_size=2,
    max_size=20,
).filter(lambda pairs: len({same for _, same in pairs}) == 2)


@given(labelled)
@example([(0.7, False), (-1.0, True)])
@settings(max_examples=60, deadline=None)
def test_no_threshold_has_a_higher_f1(pairs: list[tuple[float, bool]]) -> None:
    values, same = [value for value, _ in pairs], [label for _, label in pairs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "RESAMPLES", 3)
        best = calibrated(values, same, 0.85).best
    assert best.f1 == pytest.approx(f1(values, same, best.threshold))
    # As each threshold in a gap finds the same pairs, these are all that there are.
    assert best.f1 >= max(f1(values, same, threshold) for threshold in [-1.01, *values]) - 1e-12


def test_figures_by_hand() -> None:
    values = [0.95, 0.92, 0.90, 0.86, 0.84, 0.80, 0.70]
    same = [True, True, False, True, False, False, False]
    result = calibrated(values, same, 0.85)
    assert (result.best.threshold, result.best.precision, result.best.recall) == (0.85, 0.75, 1.0)
    assert (result.gap.low, result.gap.high) == (0.84, 0.86)
    assert result.current == result.best
    assert result.auc == pytest.approx(11 / 12)
    assert result.overlap == (1, 1)
    by_recall = {one.level: one.point.threshold for one in result.at_recall if one.point}
    assert by_recall == {0.9: 0.85, 0.95: 0.85, 0.99: 0.85}
    precise = result.at_precision[1].point
    assert precise is not None
    assert (precise.threshold, precise.recall) == (0.91, 2 / 3)


def test_at_the_guides_threshold_other_pairs_are_wrong() -> None:
    """As of a model whose unrelated texts have 0.87: everything exceeds 0.85."""
    result = calibrated([0.95, 0.93, 0.87, 0.88], [True, True, False, False], 0.85)
    assert (result.current.precision, result.current.recall) == (0.5, 1.0)
    assert (result.best.f1, result.overlap) == (1.0, (0, 0))
    assert 0.88 <= result.best.threshold < 0.93


def test_intervals_hold_the_figure_and_narrow_with_more_pairs() -> None:
    rng = np.random.default_rng(4)

    def of(count: int) -> calibration.Calibration:
        same = np.arange(count) % 2 == 0
        return calibrated(np.clip(np.where(same, 0.9, 0.82) + 0.04 * rng.standard_normal(count), -1, 1), same, 0.85)

    few, many = of(40), of(1000)
    for result in (few, many):
        assert result.f1.low <= result.best.f1 <= result.f1.high
        assert result.threshold.low <= result.best.threshold <= result.threshold.high
    assert many.f1.high - many.f1.low < (few.f1.high - few.f1.low) / 2
    assert many.best.threshold == pytest.approx(0.86, abs=0.02)
    assert of(1000).f1.low == pytest.approx(many.f1.low, abs=0.03)


def test_a_level_that_is_not_reached() -> None:
    result = calibrated([0.9, 0.8], [False, True], 0.85)
    assert [one.point for one in result.at_precision] == [None, None, None]
    assert result.at_precision[0].interval.high == 0.0


def pairs_file(path: Path, content: str, encoding: str = "utf-8") -> str:
    path.write_bytes(content.encode(encoding))
    return str(path)


def test_pairs_are_read_in_any_order_of_columns_and_with_chinese_labels(tmp_path: Path) -> None:
    content = 'label,note,text_b,text_a\n1,,"b, c",a\n否,x,d,"两\n行"\n,,f,e\nYes,,h,g\n\n'
    expected = [
        LabelledPair("a", "b, c", True),
        LabelledPair("两\n行", "d", False),
        LabelledPair("e", "f", None),
        LabelledPair("g", "h", True),
    ]
    for encoding in ("utf-8", "utf-8-sig", "gb18030"):
        assert read_pairs(pairs_file(tmp_path / "p.csv", content, encoding)) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b,label\nx,y,1\n", "has no column text_a; it has: a, b, label"),
        ("text_a,text_b,label\n", "there is no pair"),
        ("text_a,text_b,label\nx,y,maybe\n", "row 2 has the label 'maybe'"),
        ("text_a,text_b,label\nx,,1\n", "row 2 has a blank text"),
        ("text_a,text_b,label\nx,y\n", "row 2 has 2 columns"),
        ('text_a,text_b,label\n"x,y,1\n', "not a CSV file"),
    ],
)
def test_what_is_wrong_with_a_file_of_pairs(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_pairs(pairs_file(tmp_path / "p.csv", content))


def test_what_is_written_can_be_read_and_is_never_written_over(tmp_path: Path) -> None:
    path = str(tmp_path / "pairs.csv")
    pairs = [("怎么重置密码？", 'say "yes", twice'), ("两\n行", "x")]
    write_pairs(path, pairs)
    assert [(a, b) for a, b, _ in read_pairs(path)] == pairs
    with pytest.raises(FileExistsError):
        write_pairs(path, pairs)


def test_proposals_come_from_every_band_and_most_from_near_the_threshold() -> None:
    rng = np.random.default_rng(11)
    base = rng.standard_normal((300, 16))
    near = base + rng.uniform(0.1, 1.2, (300, 1)) * rng.standard_normal((300, 16))
    rows = np.vstack([base, near])
    pairs = proposed(vectors_of(rows), 0.85, 60)
    assert len(set(map(frozenset, pairs))) == len(pairs) == 60
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = np.array([unit[a] @ unit[b] for a, b in pairs])
    assert cosines.min() > 0.65 - 1e-6
    assert ((cosines > 0.81) & (cosines < 0.89)).sum() >= 20
    assert (cosines > 0.89).sum() >= 8
    assert (cosines < 0.78).sum() >= 8
    assert max(np.bincount(np.array(pairs).ravel())) <= 3
    assert proposed(vectors_of(rows), 0.85, 60) == pairs


def test_no_pair_is_proposed_of_texts_that_are_far_apart_or_without_direction() -> None:
    assert proposed(vectors_of(np.vstack([np.eye(4), np.zeros((3, 4)), np.full((2, 4), np.nan)])), 0.85) == []
