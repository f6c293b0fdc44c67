"""Whether the nearest texts stay the nearest, whatever a server has become."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.reference.neighbours import overlap


def vectors(seed: int, texts: int = 12, dims: int = 64) -> list[list[float]]:
    rows: list[list[float]] = np.random.default_rng(seed).standard_normal((texts, dims)).tolist()
    return rows


@given(st.integers(0, 1000), st.integers(1, 5), st.floats(0.1, 10))
def test_the_same_vectors_have_the_same_neighbours_whatever_their_length(seed: int, k: int, scale: float) -> None:
    before = vectors(seed)
    assert overlap(before, (np.array(before) * scale).tolist(), k) == 1.0


@given(st.integers(0, 1000))
def test_rounding_to_bf16_moves_no_neighbour(seed: int) -> None:
    before = np.array(vectors(seed), np.float32)
    rounded = (before.view(np.uint32) & 0xFFFF0000).view(np.float32)
    assert overlap(before.tolist(), rounded.tolist(), 3) == 1.0


def test_of_unrelated_vectors_only_what_chance_leaves_stays() -> None:
    """k of n - 1 others."""
    shares = [overlap(vectors(seed, texts=40), vectors(seed + 500, texts=40), 5) for seed in range(30)]
    assert sum(shares) / len(shares) == pytest.approx(5 / 39, abs=0.03)


def test_a_text_that_goes_elsewhere_counts_where_it_was_near() -> None:
    """Four pairs on axes of their own; the third text leaves its pair for the first one."""
    before = [[1.0, 0.0, 0.0, 0.0], [1.0, 0.1, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.1]]
    now = [*before[:2], [1.0, 0.05, 0.0, 0.0], before[3]]
    assert overlap(before, before, 1) == 1.0
    assert overlap(before, now, 1) == 0.25
