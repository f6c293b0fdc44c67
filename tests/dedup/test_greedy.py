"""What is kept is what the guide's nested loop keeps, whatever the blocks, and however near a cosine is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bgecheck.dedup import greedy
from bgecheck.dedup.cosine import error_of_singles, exact_cosine, similarities
from bgecheck.dedup.greedy import APART, DROPPED, KEPT, RECORD, decisions
from bgecheck.dedup.vectors import vectors_of

Matrix = NDArray[np.floating]


def cosine(a: Matrix | Sequence[float], b: Matrix | Sequence[float]) -> float:
    """The cosine of the numbers as they stand, to 120 digits, then as a float64."""
    with localcontext() as context:
        context.prec = 120
        x, y = [Decimal(float(n)) for n in a], [Decimal(float(n)) for n in b]
        dot, squares = sum(p * q for p, q in zip(x, y, strict=True)), sum(p * p for p in x) * sum(q * q for q in y)
        return float(Decimal(dot) / Decimal(squares).sqrt())


def guide(rows: Matrix, threshold: float, similarity: object = cosine) -> tuple[list[int], dict[int, int]]:
    """The guide's loop: the kept texts, and for each dropped one the text at which it was dropped."""
    kept: list[int] = []
    dropped: dict[int, int] = {}
    for number, row in enumerate(rows):
        if not np.isfinite(row).all() or not row.any():
            continue
        for other in kept:
            if similarity(row, rows[other]) > threshold:  # type: ignore[operator]
                dropped[number] = other
                break
        else:
            kept.append(number)
    return kept, dropped


def ours(rows: Matrix, threshold: float, block: int = greedy.BLOCK) -> tuple[list[int], dict[int, int]]:
    records = np.concatenate(list(decisions(vectors_of(rows), threshold, block=block)))
    dropped = np.flatnonzero(records["outcome"] == DROPPED)
    return (
        np.flatnonzero(records["outcome"] == KEPT).tolist(),
        dict(zip(dropped.tolist(), records["other"][dropped].tolist(), strict=True)),
    )


small = st.integers(-3, 3)
numbers = st.one_of(small, small, st.floats(-1, 1, width=32), st.sampled_from([1e-30, 1e30, 2.0**-120]))


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    dims = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(numbers, min_size=dims, max_size=dims), min_size=1, max_size=14))
    repeated = draw(st.lists(st.integers(0, len(rows) - 1), max_size=4))
    return np.array(rows + [rows[number] for number in repeated], draw(st.sampled_from([np.float32, np.float64])))


@given(matrices(), st.data())
@settings(max_examples=60, deadline=None)
def test_the_same_texts_in_the_same_order_as_the_loop(rows: Matrix, data: st.DataObject) -> None:
    """The threshold is often a cosine of the rows, or the number next to it, where only exact arithmetic is right."""
    usable = [row for row in rows if np.isfinite(row).all() and row.any()]
    choices = [st.sampled_from([-1.0, 0.0, 0.5, 0.85, 1.0]), st.floats(-1, 1)]
    if usable:
        pairs = st.tuples(st.sampled_from(range(len(usable))), st.sampled_from(range(len(usable))))
        exact = pairs.map(lambda pair: cosine(usable[pair[0]], usable[pair[1]]))
        choices += [exact, exact.map(lambda t: max(-1.0, math.nextafter(t, -2))), exact.map(lambda t: round(t, 2))]
    threshold = data.draw(st.one_of(choices))
    block = data.draw(st.sampled_from([1, 2, 3, 5, 1024]))
    assert ours(rows, threshold, block) == guide(rows, threshold)


@pytest.mark.parametrize("block", [1, 7, 64, 1024])
@pytest.mark.parametrize(("dims", "threshold"), [(4, 0.85), (16, 0.5), (64, 0.2), (3, -0.5)])
def test_many_texts_as_with_plain_float64(
    dims: int, threshold: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With kept vectors in several parts; a cosine of numpy's is enough, as none is within 1e-12 of the threshold."""
    monkeypatch.setattr(greedy, "WIDE", 50)
    rows = np.random.default_rng(7).standard_normal((150, dims)).astype(np.float32)

    def plain(a: Matrix, b: Matrix) -> float:
        a, b = a.astype(np.float64), b.astype(np.float64)
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    assert ours(rows, threshold, block) == guide(rows, threshold, plain)


@pytest.mark.parametrize("dims", [2, 384, 1024])
def test_just_inside_and_just_outside(dims: int) -> None:
    """Cosines that float32 cannot tell from the threshold, on either side by 1e-9, 1e-12, and by one float64."""
    rng = np.random.default_rng(dims)
    first = np.zeros(dims)
    first[0] = 1.0
    aside = np.concatenate([[0.0], rng.standard_normal(dims - 1)])
    aside /= np.linalg.norm(aside)
    for cosine_wanted in (0.85, 0.9, -0.3):
        rows = np.stack([first, cosine_wanted * first + math.sqrt(1 - cosine_wanted**2) * aside])
        exact = cosine(rows[0], rows[1])
        assert abs(exact - cosine_wanted) < error_of_singles(dims)
        for below in (exact - 1e-9, exact - 1e-12, math.nextafter(exact, -2)):
            assert ours(rows, below) == ([0], {1: 0})
        for reached in (exact, math.nextafter(exact, 2), exact + 1e-12, exact + 1e-9):
            assert ours(rows, reached) == ([0, 1], {})


def test_a_similarity_that_equals_the_threshold_does_not_exceed_it() -> None:
    """24/25 is 0.96 for every user, though the float64 that is written 0.96 is a little less than that."""
    rows = np.array([[3.0, 4.0], [4.0, 3.0]])
    assert exact_cosine(*rows) == 0.96
    assert ours(rows, 0.96) == ([0, 1], {})
    assert ours(rows, 0.9599999999999999) == ([0], {1: 0})


def test_the_representative_is_the_first_kept_one_that_exceeds_not_the_nearest() -> None:
    rows = np.array([[1.0, 0.0], [0.8, 0.6], [0.95, 0.3122498999199199], [0.81, 0.5864298764558299]])
    assert ours(rows, 0.805, block=2) == ([0, 1], {2: 0, 3: 0})
    assert ours(rows, 0.805, block=4) == ([0, 1], {2: 0, 3: 0})


def test_equal_vectors_are_one_unless_nothing_can_exceed() -> None:
    rows = np.tile(np.random.default_rng(3).standard_normal(1024).astype(np.float32), (5, 1))
    assert ours(rows, 0.9999999999999999) == ([0], {1: 0, 2: 0, 3: 0, 4: 0})
    assert ours(rows, 1.0) == ([0, 1, 2, 3, 4], {})


@pytest.mark.parametrize("odd", [0.0, math.nan, math.inf, -math.inf])
def test_a_vector_without_direction_is_kept_apart(odd: float) -> None:
    """It drops none and is dropped for none, whatever the threshold."""
    rows = np.array([[1.0, 0.0], [odd, 0.0], [odd, 0.0], [1.0, 0.0]])
    for threshold in (-1.0, -0.5, 0.85):
        records = np.concatenate(list(decisions(vectors_of(rows), threshold)))
        assert records["outcome"].tolist() == [KEPT, APART, APART, DROPPED]
        assert records["other"].tolist() == [-1, -1, -1, 0]


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 7.0, 1e300])
def test_the_length_of_a_vector_does_not_count(scale: float) -> None:
    rows = np.random.default_rng(5).standard_normal((40, 6))
    assert ours(rows * scale, 0.4) == ours(rows, 0.4)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int8, np.dtype(">f4")])
def test_numbers_of_any_width(kind: object) -> None:
    rows = (np.random.default_rng(6).standard_normal((60, 4)) * 20).astype(kind)  # type: ignore[call-overload]
    assert ours(rows, 0.8, 16) == guide(rows.astype(np.float64), 0.8)


def test_going_on_is_the_same_as_not_stopping() -> None:
    rows = vectors_of(np.random.default_rng(8).standard_normal((100, 4)))
    whole = np.concatenate(list(decisions(rows, 0.7, block=16)))
    for done in (0, 16, 48, 100):
        rest = list(decisions(rows, 0.7, decided=whole[:done], block=16))
        assert np.concatenate([whole[:done], *rest]).tobytes() == whole.tobytes()


def test_the_nearest_kept_text_of_those_that_stay() -> None:
    rows = np.random.default_rng(9).standard_normal((50, 8))
    records = np.concatenate(list(decisions(vectors_of(rows), 0.9, block=16)))
    for number, record in enumerate(records):
        before = [k for k in range(number) if records["outcome"][k] == KEPT]
        if record["outcome"] == KEPT and before:
            nearest = max(before, key=lambda other: cosine(rows[number], rows[other]))
            assert record["other"] == nearest
            assert record["similarity"] == pytest.approx(cosine(rows[number], rows[nearest]), abs=1e-12)


def test_similarities_stand_on_the_side_that_was_decided() -> None:
    rows = np.random.default_rng(10).standard_normal((2, 1024)).astype(np.float32).astype(np.float64)
    exact = exact_cosine(*rows)
    assert exact == cosine(*rows)
    assert similarities(rows[:1], rows[1:], exact).tolist() == [exact]
    assert RECORD.itemsize == 17
