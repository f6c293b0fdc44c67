"""The blocks of a cluster are put together so that what comes out is what one process decides."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bgecheck.cluster import deduplication, sources
from bgecheck.cluster.deduplication import decisions, on_cluster
from bgecheck.cluster.required import required
from bgecheck.cluster.sources import DatasetSource, FileSource
from bgecheck.dedup.checkpoint import Checkpoint
from bgecheck.dedup.deduplicated import deduplicated
from bgecheck.dedup.greedy import DROPPED, Records
from bgecheck.dedup.greedy import decisions as of_one_process
from bgecheck.dedup.vectors import vectors_of
from bgecheck.model import BadInput, Unavailable


class Late(Exception):
    """In the place of Ray's own."""


class Task:
    """A function that runs at once, in place of a task of Ray."""

    def __init__(self, function: Callable[..., Any], done: list[str]) -> None:
        self._function, self._done = function, done

    def options(self, **_: Any) -> Task:
        return self

    def remote(self, *given: Any) -> Any:
        self._done.append(self._function.__name__)
        return self._function(*given)


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tasks that ran, each within the call."""
    done: list[str] = []
    ray = SimpleNamespace(
        remote=lambda function: Task(function, done),
        get=lambda given, timeout=None: given,
        exceptions=SimpleNamespace(GetTimeoutError=Late),
    )
    for module in (deduplication, sources):
        monkeypatch.setattr(module, "required", lambda: ray)
    return done


def rows(count: int, dims: int = 8) -> Any:
    made = np.random.default_rng(3).standard_normal((count, dims)).astype(np.float32)
    made[count // 2 :: 7] = made[: len(made[count // 2 :: 7])]
    made[10] = 0
    return made


def whole(matrix: Any, threshold: float) -> Records:
    return np.concatenate(list(of_one_process(vectors_of(matrix), threshold)))


def same(ours: Records, theirs: Records) -> None:
    assert ours["outcome"].tolist() == theirs["outcome"].tolist()
    dropped = theirs["outcome"] == DROPPED
    assert ours[dropped].tobytes() == theirs[dropped].tobytes()
    assert np.allclose(ours["similarity"], theirs["similarity"], atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("group", [1, 2, 3, 100])
@pytest.mark.parametrize("ahead", [1, 2, 5, 100])
@pytest.mark.parametrize("threshold", [0.5, 0.95])
def test_whatever_the_groups_and_the_blocks_ahead(
    group: int, ahead: int, threshold: float, tasks: list[str], tmp_path: Path
) -> None:
    matrix, path = rows(330), tmp_path / "vectors.npy"
    np.save(path, matrix)
    source = FileSource(str(path), block=16)
    same(np.concatenate(list(decisions(source, threshold, group=group, ahead=ahead))), whole(matrix, threshold))
    assert tasks.count("_decide") == 21


def test_a_group_is_one_task(tasks: list[str], tmp_path: Path) -> None:
    """21 blocks, each before its turn against whole groups of 4, the rest of at most 4 singly."""
    np.save(tmp_path / "vectors.npy", rows(330))
    list(decisions(FileSource(str(tmp_path / "vectors.npy"), block=16), 0.95, group=4, ahead=8))
    assert tasks.count("_hold") <= 21 * (21 / 8 + 4)


def test_blocks_that_keep_nothing(tasks: list[str]) -> None:
    matrix = np.tile(rows(16), (5, 1))
    matrix[48:64] = 0
    source = DatasetSource([matrix[at : at + 16] for at in range(0, 80, 16)], [16] * 5)
    same(np.concatenate(list(decisions(source, 0.9, group=2))), whole(matrix, 0.9))


def test_blocks_of_any_length(tasks: list[str]) -> None:
    matrix, counts = rows(100), [3, 0, 40, 0, 1, 56, 0]
    ends = np.cumsum([0, *counts])
    source = DatasetSource([matrix[start:stop] for start, stop in pairwise(ends)], counts)
    same(np.concatenate(list(decisions(source, 0.6, group=2))), whole(matrix, 0.6))


def test_going_on_with_what_was_decided(tasks: list[str], tmp_path: Path) -> None:
    matrix, path = rows(200), tmp_path / "vectors.npy"
    np.save(path, matrix)
    expected = whole(matrix, 0.6)
    for done in (0, 16, 70, 200):
        rest = list(decisions(FileSource(str(path), block=16), 0.6, decided=expected[:done], group=3))
        same(np.concatenate([expected[:done], *rest]), expected)


def test_a_dataset_goes_on_at_the_end_of_a_block_only(tasks: list[str]) -> None:
    source = DatasetSource([rows(32)[:16], rows(32)[16:]], [16, 16])
    with pytest.raises(BadInput):
        next(iter(decisions(source, 0.6, decided=whole(rows(32), 0.6)[:5])))


def test_texts_with_copies_and_blanks_as_on_one_machine(tasks: list[str], tmp_path: Path) -> None:
    matrix = rows(120)
    texts = [f"text {number}" for number in range(120)]
    texts[50], texts[60], texts[70] = texts[3], " ", texts[3]
    matrix[[50, 70]] = matrix[3]
    np.save(tmp_path / "vectors.npy", matrix)
    vectors = vectors_of(matrix)
    decide = on_cluster(str(tmp_path / "vectors.npy"), block=16)
    with Checkpoint(str(tmp_path / "checkpoint"), {"texts": "", "vectors": "", "threshold": "0.6"}) as checkpoint:
        ours = deduplicated(texts, vectors, 0.6, checkpoint=checkpoint, decide=decide)
    theirs = deduplicated(texts, vectors, 0.6)
    assert (ours.kept, ours.dropped, ours.blank) == (theirs.kept, theirs.dropped, theirs.blank)


def test_a_cluster_that_does_not_decide_is_one_line(
    tasks: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "vectors.npy", rows(32))

    def late(*_: Any, **__: Any) -> None:
        raise Late

    monkeypatch.setattr(vars(deduplication)["required"](), "get", late)
    with pytest.raises(Unavailable) as unavailable:
        list(decisions(FileSource(str(tmp_path / "vectors.npy")), 0.6, patience=5))
    assert "ray status" in str(unavailable.value.reason)


@pytest.mark.parametrize("threshold", [90, 1.5, float("nan")])
def test_a_threshold_that_is_no_cosine_is_refused(threshold: float, tasks: list[str]) -> None:
    with pytest.raises(BadInput, match=r"write it as 0\.9"):
        deduplication.deduplicated(None, threshold)


@pytest.mark.parametrize("numbers", [np.array([0, 1, 1]), np.array([0.0, 1.0])])
def test_an_order_that_is_none(numbers: Any) -> None:
    with pytest.raises(BadInput):
        deduplication._require_order(numbers, "number")


def test_lists_of_one_length_are_a_matrix_and_others_are_refused() -> None:
    lists = np.empty(2, object)
    lists[:] = [[1.0, 2.0], [3.0, 4.0]]
    assert deduplication._matrix(lists, "v").tolist() == [[1.0, 2.0], [3.0, 4.0]]
    for rest in ([1.0], None):
        lists[1] = rest
        with pytest.raises(BadInput):
            deduplication._matrix(lists, "v")


def test_without_ray_a_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(BadInput) as bad:
        required()
    assert "bgecheck[ray]" in bad.value.remedy.en
