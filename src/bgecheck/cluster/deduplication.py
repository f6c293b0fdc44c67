"""De-duplicates on a cluster of Ray: blocks are held side by side against what was kept before, and decided in turn.

While a block is decided, the next ones are held against all that is kept so far; so the order of the texts decides as
on one machine, and nearly all of the work runs wherever there is a core. What the tasks return can be computed again
from the vectors and from records that the driver has, so a worker or a node that dies loses nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bgecheck.cluster.required import require_columns, required
from bgecheck.cluster.sources import BLOCK, DatasetSource, FileSource, Source
from bgecheck.dedup import indexed as approximate
from bgecheck.dedup.blockwise import Given, Held, Kept, decided, held
from bgecheck.dedup.cosine import Indexes
from bgecheck.dedup.deduplicated import Decide
from bgecheck.dedup.greedy import APART, DROPPED, KEPT, RECORD, Records
from bgecheck.dedup.indexed import Indexed, Search
from bgecheck.model import BadInput, Text, Unavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUP = 16
"""Blocks of kept texts that one task takes: 256 MB of 1024 dims in float32."""

GROUP_OF_INDEX = 256
"""Of one index: a million texts, 9 GB of 1024 dims. A search pays only where the products would take far longer."""

AHEAD = 8
"""Blocks that are held against what is kept before their turn comes: they give the cluster its work."""

PATIENCE = 3600.0
"""Seconds in which a block has to be decided once its turn has come."""

OUTCOMES: Mapping[int, str] = {KEPT: "kept", DROPPED: "dropped", APART: "apart"}
"""The words of the column `outcome`; a text whose vector has no direction is apart: kept, and compared with none."""


@dataclass(slots=True)
class _Ahead:
    """A block that is not decided yet."""

    start: int
    rows: Any
    """The reference of its vectors."""
    held: list[Any] = field(default_factory=list)
    """References of what came of it so far."""
    upto: int = 0
    """Blocks of kept texts that it was held against."""


def decisions(
    source: Source,
    threshold: float,
    *,
    decided: Records | None = None,
    search: Search | None = None,
    group: int | None = None,
    ahead: int = AHEAD,
    patience: float = PATIENCE,
) -> Iterator[Records]:
    """What becomes of the texts, a block after the other, after those of `decided`: as `dedup.greedy.decisions` has it.

    With `search` approximately: each `group` of kept blocks gets an index, which is asked in its place; what is no
    whole group yet is compared exactly. A group has `GROUP` blocks by default, with `search` `GROUP_OF_INDEX`. Raises
    `Unavailable` where a block is not decided within `patience` seconds, and `BadInput`.
    """
    if search is not None:
        approximate.required()
    done = np.empty(0, RECORD) if decided is None else decided
    size = group or (GROUP if search is None else GROUP_OF_INDEX)
    run = _Run(source, threshold, search, size, patience)
    run.take_up(done)
    bounds = deque(source.bounds(len(done)))
    pending: deque[_Ahead] = deque()
    while bounds or pending:
        while bounds and len(pending) < max(2, ahead):
            start, stop = bounds.popleft()
            pending.append(_Ahead(start, source.block(start, stop)))
        for block in pending:
            run.hold_against_groups(block)
        yield run.decide(pending.popleft(), pending[0] if pending else None)


class _Run:
    """The blocks of kept texts so far, and the tasks that blocks are held against them with."""

    def __init__(self, source: Source, threshold: float, search: Search | None, group: int, patience: float) -> None:
        ray = self._ray = required()
        self._source, self._threshold, self._search = source, threshold, search
        self._group, self._patience = group, patience
        self._kept: list[Any] = []
        self._indexes: dict[int, Any] = {}
        tasks = (_hold, _decide, _index, _search)
        self._hold, self._decide, self._index, self._searched = (
            ray.remote(task).options(max_retries=-1, num_cpus=1) for task in tasks
        )

    def take_up(self, done: Records) -> None:
        """Go on after texts that were decided before."""
        for start, stop in self._source.bounds(0, len(done)):
            self._keep(start, done[start:stop])

    def hold_against_groups(self, block: _Ahead) -> None:
        """Hold a block against the whole groups of kept blocks that there are by now."""
        while block.upto % self._group == 0 and block.upto + self._group <= len(self._kept):
            some = self._kept[block.upto : block.upto + self._group]
            if self._search is None:
                task = self._hold.remote(self._threshold, block.start, block.rows, *some)
            else:
                index = self._indexes.get(block.upto) or self._index.remote(self._search, *some)
                self._indexes[block.upto] = index
                task = self._searched.remote(self._threshold, block.start, block.rows, index, self._search)
            block.held.append(task)
            block.upto += self._group

    def decide(self, block: _Ahead, following: _Ahead | None) -> Records:
        """What becomes of a block; meanwhile the following one is held against all that was kept before."""
        self._hold_against_single(block, len(self._kept) - 1)
        task = self._decide.remote(
            *(self._threshold, block.start, len(block.held)), block.rows, *block.held, *self._kept[block.upto :]
        )
        if following is not None:
            self._hold_against_single(following, len(self._kept))
        try:
            records: Records = self._ray.get(task, timeout=self._patience)
        except self._ray.exceptions.GetTimeoutError:
            raise Unavailable(
                Text(
                    f"the cluster has not decided the texts from {block.start} on within {self._patience:.0f} s; "
                    "look whether it has free CPUs: ray status",
                    f"集群在 {self._patience:.0f} 秒内没有完成从第 {block.start} 条起的一块；"
                    "看看还有没有空闲 CPU：ray status",
                )
            ) from None
        self._keep(block.start, records)
        return records

    def _hold_against_single(self, block: _Ahead, upto: int) -> None:
        """Hold a block whose turn comes next against the kept blocks that are no whole group yet."""
        for kept in self._kept[block.upto : upto]:
            block.held.append(self._hold.remote(self._threshold, block.start, block.rows, kept))
        block.upto = max(block.upto, upto)

    def _keep(self, start: int, records: Records) -> None:
        """Have the kept vectors read anew: made of earlier results, a lost one would need all of those again."""
        places = np.flatnonzero(records["outcome"] == KEPT)
        if len(places):
            self._kept.append(self._source.kept(places + start))


def _hold(threshold: float, start: int, rows: Given, *kept: Kept) -> Held:
    return held(rows, start, kept, threshold)


def _decide(threshold: float, start: int, count: int, rows: Given, *parts: Any) -> Records:
    return decided(rows, start, parts[:count], parts[count:], threshold)


def _index(search: Search, *kept: Kept) -> Indexed:
    return approximate.indexed(kept, search)


def _search(threshold: float, start: int, rows: Given, against: Indexed, search: Search) -> Held:
    return approximate.searched(rows, start, against, threshold, search)


def on_cluster(path: str, search: Search | None = None, *, block: int = BLOCK) -> Decide:
    """For `dedup.deduplicated.deduplicated`: the cluster that Ray is connected to decides, reading vectors from `path`.

    `path` is a .npy that every node sees, and the one that the vectors given there are from.
    """
    return lambda vectors, threshold, done: decisions(
        FileSource(path, vectors.rows, block=block), threshold, decided=done, search=search
    )


def deduplicated(
    dataset: Any,
    threshold: float,
    *,
    vector: str = "vector",
    order: str = "number",
    search: Search | None = None,
    block: int = BLOCK,
) -> Any:
    """A dataset with the columns `outcome`, `representative` (by its number in `order`, else -1) and `similarity`.

    `order` holds different whole numbers, by which texts come before others; the vectors are sorted by it in the memory
    of the cluster. What to keep is that whose outcome is not "dropped". Raises `BadInput`, `Unavailable`.
    """
    ray = required()
    _require_threshold(threshold)
    require_columns(dataset, order=order, vector=vector)
    columns = dataset.select_columns([order, vector]).sort(order).materialize()
    count = columns.count()
    if not count:
        raise BadInput("dataset", Text("it has no rows", "没有数据"), Text("give one with vectors", "给出带向量的数据"))
    columns = columns.repartition(-(-count // block)).materialize()
    numbers = [np.asarray(ray.get(ref)) for ref in columns.to_numpy_refs(column=order)]
    _require_order(np.concatenate(numbers), order)
    matrix = ray.remote(_matrix).options(max_retries=-1, num_cpus=1)
    rows = [matrix.remote(ref, vector) for ref in columns.to_numpy_refs(column=vector)]
    source = DatasetSource(rows, [len(some) for some in numbers])
    records = np.concatenate(list(decisions(source, threshold, search=search)))
    about = (ray.put(np.concatenate(numbers)), ray.put(records), order)
    return dataset.map_batches(_marked, fn_args=about, batch_format="numpy")


def _require_threshold(threshold: float) -> None:
    if not -1 <= threshold <= 1:  # NaN too; beyond 1 nothing would be dropped, without a word
        raise BadInput(
            f"threshold={threshold}",
            Text("not a cosine similarity from -1 to 1", "不是 -1 到 1 之间的余弦相似度"),
            Text("write it as 0.9", "写成 0.9 这样"),
        )


def _require_order(numbers: Indexes, order: str) -> None:
    if numbers.dtype.kind not in "iu" or np.any(numbers[1:] == numbers[:-1]):
        raise BadInput(
            f"order={order!r}",
            Text("the column has no different whole number for each row", "这一列不是每行一个不同的整数"),
            Text("number the texts: the smaller number comes first", "给文本编号：号小的在前"),
        )


def _matrix(column: NDArray[Any], name: str) -> Given:
    if column.ndim == 2 and column.dtype.kind in "fiu":
        return column
    lengths = {len(row) for row in column if row is not None} if column.dtype == object else set()
    if len(lengths) != 1 or any(row is None for row in column):
        raise BadInput(
            f"vector={name!r}",
            Text("the column has no vector of one length in each row", "这一列不是每行一个同样长度的向量"),
            Text("give rows of NaN where there is none", "没有向量的行请填 NaN"),
        )
    return np.stack([np.asarray(row) for row in column])


def _marked(batch: dict[str, NDArray[Any]], numbers: Any, records: Any, order: str) -> dict[str, NDArray[Any]]:
    """A batch with what was decided of its texts."""
    ray = required()
    known, every = ray.get([numbers, records])
    mine = every[np.searchsorted(known, batch[order])]
    others = mine["other"]
    return {
        **batch,
        "outcome": np.array([OUTCOMES[int(outcome)] for outcome in mine["outcome"]], object),
        "representative": np.where(mine["outcome"] == DROPPED, known[np.maximum(others, 0)], -1),
        "similarity": mine["similarity"].astype(np.float64),
    }
