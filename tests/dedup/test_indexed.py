"""An index names candidates, and exact cosines judge them: what is dropped is dropped rightly, whatever is missed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bgecheck.dedup.blockwise import Kept, held
from bgecheck.dedup.greedy import DROPPED
from bgecheck.dedup.indexed import Indexed, Search, indexed, required, searched
from bgecheck.model import BadInput


def parts(rows: Any, ends: list[int]) -> list[Kept]:
    return [
        Kept(rows=rows[start:stop], indexes=np.arange(start, stop))
        for start, stop in zip([0, *ends[:-1]], ends, strict=True)
    ]


def block_and_kept() -> tuple[Any, list[Kept]]:
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((500, 16)).astype(np.float32)
    block = rows[rng.integers(400, size=100)] + 0.6 * rng.standard_normal((100, 16)).astype(np.float32)
    block[3], block[4] = 0, np.nan
    return block, parts(rows[:400], [100, 250, 400])


def test_with_a_wide_search_the_same_as_without_an_index() -> None:
    pytest.importorskip("faiss")
    block, kept = block_and_kept()
    search = Search(candidates=64, searching=512)
    ours, theirs = searched(block, 400, indexed(kept, search), 0.85, search), held(block, 400, kept, 0.85)
    assert 20 < (theirs.records["outcome"] == DROPPED).sum() < 90
    assert ours.records["outcome"].tolist() == theirs.records["outcome"].tolist()
    assert ours.records["other"].tolist() == theirs.records["other"].tolist()
    assert np.array_equal(ours.records["similarity"], theirs.records["similarity"], equal_nan=True)
    assert np.allclose(ours.highest[5:], theirs.highest[5:], atol=1e-5)


class Fixed:
    """In the place of faiss: an index that always names the same candidates."""

    METRIC_INNER_PRODUCT = 0

    def __init__(self, products: list[list[float]], places: list[list[int]]) -> None:
        self._answer = np.array(products, np.float32), np.array(places)
        self.hnsw = self

    def deserialize_index(self, _: Any) -> Fixed:
        return self

    def search(self, units: Any, candidates: int) -> Any:
        return self._answer


def judged(monkeypatch: pytest.MonkeyPatch, products: list[list[float]], places: list[list[int]], limit: float) -> Any:
    """What becomes of (1, 0) where the index names these of the kept texts 5, 6 and 7."""
    monkeypatch.setattr("bgecheck.dedup.indexed.required", lambda: Fixed(products, places))
    kept = Kept(rows=np.array([[0.8, 0.6], [0.6, 0.8], [0.96, 0.28]]), indexes=np.array([5, 6, 7]))
    against = Indexed(kept=[kept], index=np.empty(0, np.uint8))
    return searched(np.array([[1.0, 0.0]]), 8, against, limit, Search()).records[0]


def test_of_several_candidates_the_first_in_the_order_of_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    record = judged(monkeypatch, [[0.96, 0.8, 0.6]], [[2, 0, 1]], 0.7)
    assert (record["outcome"], record["other"]) == (DROPPED, 5)
    assert record["similarity"] == pytest.approx(0.8)


def test_a_product_that_exceeds_does_not_decide_where_the_cosine_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.8 does not exceed 0.8, whatever the index made of it."""
    record = judged(monkeypatch, [[0.80001, -1.0]], [[0, -1]], 0.8)
    assert (record["outcome"], record["other"]) == (0, 5)
    record = judged(monkeypatch, [[0.79999999, -1.0]], [[0, -1]], 0.7999999)
    assert (record["outcome"], record["other"]) == (DROPPED, 5)


def test_a_place_that_the_search_left_empty_is_no_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    record = judged(monkeypatch, [[-3e38, -3e38]], [[-1, -1]], 0.5)
    assert (record["outcome"], record["other"]) == (0, -1)
    assert np.isnan(record["similarity"])


def test_without_faiss_a_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(BadInput) as bad:
        required()
    assert "bgecheck[approximate]" in bad.value.remedy.en
