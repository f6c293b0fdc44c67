"""What the approximate de-duplication finds of what the exact one finds, and what it costs.

usage: approximate.py [TEXTS]                 (needs the extra `approximate`; 20000 take some minutes on two cores)

Vectors of 384 dims in groups around centres of their own. Blocks of 1,000, and an index for each 4,000 kept texts, so
that nearly all of the comparison goes through an index. For each threshold: recall, the share of the duplicates that is
found (dropped texts, of these and the kept ones that exceed the threshold with one kept before them); how many texts
are kept beside the exact rule, and on how many the two differ; what the comparison with earlier groups takes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgecheck.dedup.blockwise import Held, Kept, decided, held, kept_of
from bgecheck.dedup.cosine import directions
from bgecheck.dedup.greedy import DROPPED, Records
from bgecheck.dedup.indexed import Search, indexed, searched

DIMS, BLOCK, GROUP = 384, 1000, 4
THRESHOLDS = (0.8, 0.85, 0.92)
SEARCHES = (Search(candidates=4, searching=16), Search(), Search(searching=512))

Matrix = NDArray[np.float32]


@dataclass(slots=True)
class Spent:
    """Seconds in the comparison with earlier blocks, and in building indexes."""

    comparing: float = 0.0
    building: float = 0.0


def vectors(count: int) -> Matrix:
    """Groups of one to twenty near one another; the share of what is common differs by group, as do real texts."""
    rng = np.random.default_rng(12)
    common = rng.standard_normal(DIMS)
    rows = np.empty((count, DIMS), np.float32)
    at = 0
    while at < count:
        size = min(count - at, int(rng.geometric(0.35)), 20)
        centre = 0.7 * common + rng.standard_normal(DIMS)  # texts of one language and field are never orthogonal
        noise = rng.uniform(0.2, 0.7)
        rows[at : at + size] = centre + noise * rng.standard_normal((size, DIMS))
        at += size
    rng.shuffle(rows)
    return rows


def decide(rows: Matrix, threshold: float, search: Search | None, spent: Spent) -> Records:
    """The records of all rows, as a cluster comes to them; with `search` through an index for each group."""
    kept: list[Kept] = []
    indexes: list[Callable[[Matrix, int], Held]] = []
    records = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        while len(indexes) < len(kept) // GROUP:
            began = time.process_time()
            indexes.append(comparison(kept[len(indexes) * GROUP :][:GROUP], threshold, search))
            spent.building += time.process_time() - began
        began = time.process_time()
        earlier = [compare(block, start) for compare in indexes]
        spent.comparing += time.process_time() - began
        rest = kept[len(indexes) * GROUP :]
        earlier += [held(block, start, [one], threshold) for one in rest[:-1]]
        records.append(decided(block, start, earlier, rest[-1:], threshold))
        kept.append(kept_of(block, start, records[-1]))
    return np.concatenate(records)


def comparison(group: Sequence[Kept], threshold: float, search: Search | None) -> Callable[[Matrix, int], Held]:
    """How a block is compared with a group of kept ones."""
    if search is None:
        return lambda block, start: held(block, start, group, threshold)
    index = indexed(group, search)
    return lambda block, start: searched(block, start, index, threshold, search)


def missed(rows: Matrix, records: Records, threshold: float) -> int:
    """The kept texts that exceed the threshold with one that was kept before them: duplicates that were not found."""
    kept = np.flatnonzero(records["outcome"] != DROPPED)
    units = directions(rows[kept].astype(np.float64))[0].astype(np.float32)
    count = 0
    for start in range(0, len(units), 2000):
        products = units[start : start + 2000] @ units.T
        earlier = np.arange(len(units)) < np.arange(start, start + len(products))[:, None]
        count += int(((products > threshold) & earlier).any(axis=1).sum())
    return count


def main() -> int:
    """Print a row for each threshold and search."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rows = vectors(count)
    print("| threshold | efSearch | recall | kept (exact) | kept in one alone | CPU s, exact | CPU s | building |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for threshold in THRESHOLDS:
        spent = Spent()
        exact = decide(rows, threshold, None, spent)
        kept = exact["outcome"] != DROPPED
        for search in SEARCHES:
            ours = Spent()
            records = decide(rows, threshold, search, ours)
            dropped = int((records["outcome"] == DROPPED).sum())
            lost = missed(rows, records, threshold)
            differing = int(((records["outcome"] != DROPPED) != kept).sum())
            recall = dropped / (dropped + lost)
            print(
                f"| {threshold} | {search.searching} | {recall:.4f} ({lost} of {dropped + lost} missed) "
                f"| {int((records['outcome'] != DROPPED).sum())} ({int(kept.sum())}) | {differing} "
                f"| {spent.comparing:.1f} | {ours.comparing:.1f} | {ours.building:.1f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
