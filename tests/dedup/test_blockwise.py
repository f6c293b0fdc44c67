"""A block that is held in parts, in whatever order the parts come from elsewhere, is decided as in one process."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgecheck.dedup.blockwise import Given, Held, Kept, decided, held, kept_of
from bgecheck.dedup.greedy import APART, DROPPED, KEPT, RECORD, Records, decisions
from bgecheck.dedup.vectors import vectors_of


def in_parts(rows: Given, threshold: float, bounds: Sequence[int], group: int, ahead: bool) -> Records:
    """The records where blocks end at `bounds`: groups of kept blocks, the rest singly, the last one while deciding.

    `ahead`: the last one was held against elsewhere too, as where the block before kept nothing.
    """
    records, kept = [np.empty(0, RECORD)], [Kept(rows=rows[:0], indexes=np.empty(0, np.int64))][:0]
    for start, stop in zip([0, *bounds], [*bounds, len(rows)], strict=True):
        block = rows[start:stop]
        upto = len(kept) if ahead else max(0, len(kept) - 1)
        whole = upto // group * group
        parts = [kept[at : at + group] for at in range(0, whole, group)] + [[one] for one in kept[whole:upto]]
        earlier: list[Held] = pickle.loads(pickle.dumps([held(block, start, part, threshold) for part in parts]))
        some = decided(block, start, earlier, kept[upto:], threshold)
        records.append(some)
        if (one := kept_of(block, start, some)).indexes.size:
            kept.append(one)
    return np.concatenate(records)


def same(ours: Records, theirs: Records) -> None:
    """The same to the bit, but for the nearest of a kept text: of two that float32 cannot tell apart either may be."""
    assert ours["outcome"].tolist() == theirs["outcome"].tolist()
    dropped = ours["outcome"] == DROPPED
    assert ours[dropped].tobytes() == theirs[dropped].tobytes()
    assert ((ours["other"] < 0) == (theirs["other"] < 0)).all()
    assert np.allclose(ours["similarity"], theirs["similarity"], atol=1e-6, equal_nan=True)


small = st.integers(-3, 3)
numbers = st.one_of(small, small, st.floats(-1, 1, width=32), st.sampled_from([0.0, math.nan, math.inf, 1e-30, 1e30]))


@st.composite
def matrices(draw: st.DrawFn) -> Given:
    dims = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(numbers, min_size=dims, max_size=dims), min_size=1, max_size=16))
    repeated = draw(st.lists(st.integers(0, len(rows) - 1), max_size=5))
    return np.array(rows + [rows[number] for number in repeated], draw(st.sampled_from([np.float32, np.float64])))


@given(matrices(), st.data())
@settings(max_examples=150, deadline=None)
def test_in_parts_as_in_one_process(rows: Given, data: st.DataObject) -> None:
    threshold = data.draw(st.one_of(st.sampled_from([-1.0, 0.0, 0.5, 0.6, 0.85, 1.0]), st.floats(-1, 1)))
    bounds = sorted(data.draw(st.sets(st.integers(1, len(rows)))) - {len(rows)})
    group, ahead = data.draw(st.integers(1, 3)), data.draw(st.booleans())
    whole = np.concatenate(list(decisions(vectors_of(rows), threshold)))
    same(in_parts(rows, threshold, bounds, group, ahead), whole)


@pytest.mark.parametrize("group", [1, 4])
@pytest.mark.parametrize(("dims", "threshold"), [(4, 0.85), (16, 0.5), (64, 0.2)])
def test_many_texts(dims: int, threshold: float, group: int) -> None:
    rows = np.random.default_rng(11).standard_normal((900, dims)).astype(np.float32)
    rows[700:800] = rows[:100]
    rows[5], rows[405] = 0, np.nan
    whole = np.concatenate(list(decisions(vectors_of(rows), threshold)))
    same(in_parts(rows, threshold, range(64, 900, 64), group, False), whole)
    assert set(whole["outcome"].tolist()) == {KEPT, DROPPED, APART}


def test_the_first_of_several_that_exceed_though_a_later_part_has_a_nearer_one() -> None:
    rows = np.array([[0.8, 0.6], [1.0, 0.0], [0.95, 0.3122498999199199]])
    records = in_parts(rows, 0.81, [1, 2], 1, True)
    assert records["outcome"].tolist() == [KEPT, KEPT, DROPPED]
    assert records["other"][2] == 0
    assert records["similarity"][2] == pytest.approx(0.9473, abs=1e-4)


def test_the_nearest_of_a_kept_one_comes_from_whichever_part_has_it() -> None:
    rows = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.1, 0.79], [0.1, 0.6, -0.79]])
    records = in_parts(rows, 0.9, [1, 2, 3], 1, True)
    assert records["other"].tolist() == [-1, 0, 0, 1]
