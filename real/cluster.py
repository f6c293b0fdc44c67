"""Proves `bgecheck.cluster` on a true local Ray cluster: two nodes, the demo server, workers and a node killed.

usage: cluster.py [TEXTS [VECTORS]]       (needs the extras `ray` and `approximate`; exit status 0 when all holds)

Embedding: what two workers give is, vector by vector and reason by reason, what `bgecheck embed --input` gives; the
same after a worker is killed with SIGKILL in the middle, and after a whole node is. The requests in flight never exceed
what the server takes. De-duplication: the records are those of one process, the same after a worker and a node are
killed. Approximate: it runs through indexes on the cluster, each text that it drops has its exact similarity above the
threshold to a text that is kept, it finds `RECALL` of the duplicates, and gives the same after a worker is killed. In
the end no process of the cluster is left.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "src")]

from localcluster import nodes  # noqa: E402

from bgecheck.cluster.deduplication import decisions, deduplicated  # noqa: E402
from bgecheck.cluster.embedding import embedded, targets_of  # noqa: E402
from bgecheck.cluster.gate import gate_of  # noqa: E402
from bgecheck.cluster.sources import FileSource  # noqa: E402
from bgecheck.dedup.greedy import DROPPED, KEPT, Records  # noqa: E402
from bgecheck.dedup.greedy import decisions as of_one_process  # noqa: E402
from bgecheck.dedup.indexed import Search  # noqa: E402
from bgecheck.dedup.vectors import vectors_of  # noqa: E402
from bgecheck.demo.stage import Staged, stage  # noqa: E402

THRESHOLD = 0.9
BLOCK, GROUP = 256, 3
RECALL = 0.99
DIMS = 256
LIMIT = 300.0
"""Seconds that anything may take."""


def texts(count: int) -> list[str]:
    """Different texts; of every thousand one is blank, and one longer than the model reads."""
    odd = {500: "   ", 700: "很长的文本" * 150}
    return [odd.get(number % 1000, f"{number} 号：怎么重置密码？" + "请问" * (number % 9)) for number in range(count)]


class Embeddings:
    """A dataset of the texts, and what one machine makes of them."""

    def __init__(self, staged: Staged, count: int, folder: Path) -> None:
        self.staged, self.texts = staged, texts(count)
        source, out = folder / "texts.txt", folder / "one.npy"
        source.write_text("".join(f"{text}\n" for text in self.texts), encoding="utf-8")
        line = [
            sys.executable,
            "-m",
            "bgecheck",
            "embed",
            "--url",
            staged.url,
            "--input",
            str(source),
            "--to",
            str(out),
        ]
        began = time.monotonic()
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=LIMIT)
        print(f"one machine ({time.monotonic() - began:.1f} s): {done.stdout.strip() or done.stderr}", flush=True)
        self.vectors = np.load(out)
        rejected = Path(f"{out}.rejected.jsonl").read_text(encoding="utf-8").splitlines()
        self.reasons = {line["number"]: line["reason"] for line in map(json.loads, rejected)}

    def dataset(self) -> Any:
        """The texts as a dataset of Ray, in twelve blocks."""
        import ray

        rows = [{"number": number, "text": text} for number, text in enumerate(self.texts)]
        return ray.data.from_items(rows, override_num_blocks=12)

    def hold(self, title: str, disturb: Callable[[], None] = lambda: None) -> bool:
        """Embed on the cluster while `disturb` does its work; whether what comes out is the same."""
        result: list[Any] = []
        began = time.monotonic()
        made = embedded(self.dataset(), targets_of([self.staged.url]), workers=2, batch=256)
        thread = threading.Thread(target=lambda: result.append(made.to_pandas()), daemon=True)
        thread.start()
        disturb()
        thread.join(LIMIT)
        if not result:
            print(f"{title}: no result", flush=True)
            return False
        rows = result[0].sort_values("number")
        vectors = np.stack(rows["vector"].to_list())
        reasons = {int(row.number): row.reason for row in rows.itertuples() if row.reason}
        numbers = rows["number"].tolist() == list(range(len(self.texts)))
        same = numbers and vectors.tobytes() == self.vectors.tobytes() and reasons == self.reasons
        slots = self.slots()
        print(
            f"{title}: {len(rows)} rows in {time.monotonic() - began:.1f} s, the same as one machine: {same}; "
            f"{len(reasons)} reasons; requests in flight at most {slots['peak']} of {slots['most']}",
            flush=True,
        )
        return same and 0 < slots["peak"] <= slots["most"]

    def slots(self) -> dict[str, int]:
        """What the server's slots were used for."""
        import ray

        counts: dict[str, int] = ray.get(gate_of(f"{self.staged.url}/v1").counts.remote(), timeout=60)
        return counts

    def requests(self) -> int:
        """How many requests were sent so far, by the server's slots; 0 from the start of their table on."""
        return self.slots()["given"]


def kill_worker(cluster: Any, *names: str) -> str:
    """Kill one worker process whose title begins with one of these, the first of them first; its title and id."""
    for name in names:
        for process in workers(cluster):
            title = "".join(process.cmdline()[:1])
            if title.startswith(name):
                process.send_signal(signal.SIGKILL)
                return f"killed {title} ({process.pid})"
    raise SystemExit(f"no process {names} to kill")


def workers(cluster: Any) -> Iterator[psutil.Process]:
    """The worker processes of the cluster's nodes, the last node's first."""
    for node in reversed(list(cluster.list_all_nodes())):
        for info in node.all_processes["raylet"]:
            with suppress(psutil.NoSuchProcess):
                yield from psutil.Process(info.process.pid).children(recursive=True)


def kill_node(cluster: Any) -> str:
    """Kill the raylet of the last node and all its workers, as when a machine loses its power."""
    node = sorted(cluster.worker_nodes, key=lambda node: node.node_ip_address)[-1]
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    processes = [raylet, *raylet.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    return f"killed node {node.node_ip_address} with {len(processes)} processes"


def hold_embeddings(cluster: Any, count: int, folder: Path) -> Iterator[bool]:
    """The first part."""
    with stage(None) as staged:
        work = Embeddings(staged, count, folder)
        before = work.requests()
        yield work.hold("two workers")
        usual = work.requests() - before

        def after_a_third(kill: Callable[[], str]) -> None:
            begun, ends = work.requests(), time.monotonic() + LIMIT
            while abs(work.requests() - begun) < usual // 3 and time.monotonic() < ends:
                time.sleep(0.2)
            print(f"after {work.requests() - begun} of some {usual} requests: {kill()}", flush=True)

        yield work.hold("a worker killed", lambda: after_a_third(lambda: kill_worker(cluster, "ray::MapWorker")))
        yield work.hold("a node killed", lambda: after_a_third(lambda: kill_node(cluster)))


def rows_with_copies(count: int) -> Any:
    """Vectors of which a fifth lies near an earlier one, some are copies, and two have no direction."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((count, DIMS)).astype(np.float32)
    for number in rng.choice(np.arange(1, count), count // 5, replace=False):
        rows[number] = rows[rng.integers(number)] + rng.uniform(0.0, 0.7) * rows[number]
    rows[count // 2], rows[count // 3] = 0, np.nan
    return rows


def same_records(ours: Records, theirs: Records) -> bool:
    """The same texts, order, representatives and similarities; the nearest of a kept text within float32."""
    dropped = theirs["outcome"] == DROPPED
    return (
        len(ours) == len(theirs)
        and bool((ours["outcome"] == theirs["outcome"]).all())
        and ours[dropped].tobytes() == theirs[dropped].tobytes()
        and np.allclose(ours["similarity"], theirs["similarity"], atol=1e-6, equal_nan=True)
    )


def hold_deduplication(cluster: Any, count: int, folder: Path) -> Iterator[bool]:
    """The second part."""
    import ray

    rows, path = rows_with_copies(count), folder / "vectors.npy"
    np.save(path, rows)
    began = time.monotonic()
    whole = np.concatenate(list(of_one_process(vectors_of(rows), THRESHOLD)))
    print(f"one process: {count} vectors in {time.monotonic() - began:.1f} s, {tally(whole)}", flush=True)

    def run(title: str, kills: dict[int, Callable[[], str]]) -> bool:
        began, blocks = time.monotonic(), []
        for number, block in enumerate(
            decisions(FileSource(str(path), block=BLOCK), THRESHOLD, group=GROUP, patience=LIMIT)
        ):
            blocks.append(block)
            if number in kills:
                print(f"after block {number}: {kills[number]()}", flush=True)
        same = same_records(np.concatenate(blocks), whole)
        seconds = time.monotonic() - began
        print(f"{title}: {len(blocks)} blocks in {seconds:.1f} s, the same as one process: {same}", flush=True)
        return same

    middle = count // BLOCK // 2
    yield run("de-duplication", {})
    yield run(
        "de-duplication, a worker killed", {middle: lambda: kill_worker(cluster, "ray::_hold", "ray::_", "ray::IDLE")}
    )
    yield from hold_approximation(
        count, path, whole, lambda: kill_worker(cluster, "ray::_search", "ray::_", "ray::IDLE")
    )
    yield run("de-duplication, a node killed", {middle: lambda: kill_node(cluster)})
    numbers = np.random.default_rng(1).permutation(count)
    items = [{"number": int(number), "vector": rows[number]} for number in numbers]
    marked = deduplicated(ray.data.from_items(items, override_num_blocks=8), THRESHOLD, block=BLOCK).to_pandas()
    marked = marked.sort_values("number")
    outcomes = [{0: "kept", 1: "dropped", 2: "apart"}[int(outcome)] for outcome in whole["outcome"]]
    expected = np.where(whole["outcome"] == DROPPED, whole["other"], -1)
    same = marked["outcome"].tolist() == outcomes and marked["representative"].tolist() == expected.tolist()
    print(f"a shuffled dataset: the same as one process: {same}", flush=True)
    yield same


def hold_approximation(count: int, path: Path, whole: Records, kill: Callable[[], str]) -> Iterator[bool]:
    """The approximate mode beside the exact records, twice: the second time a worker is killed in the middle."""
    units = np.load(path)
    units /= np.maximum(1e-30, np.linalg.norm(units, axis=1, keepdims=True))
    kept, duplicates = whole["outcome"] == KEPT, int((whole["outcome"] == DROPPED).sum())
    first: Records | None = None
    for title, number in (("approximate", -1), ("approximate, a worker killed", count // BLOCK // 2)):
        began, blocks = time.monotonic(), []
        source = FileSource(str(path), block=BLOCK)
        for at, block in enumerate(decisions(source, THRESHOLD, search=Search(), group=GROUP, patience=LIMIT)):
            blocks.append(block)
            if at == number:
                print(f"after block {at}: {kill()}", flush=True)
        records = np.concatenate(blocks)
        dropped = np.flatnonzero(records["outcome"] == DROPPED)
        representatives = records["other"][dropped]
        cosines = np.einsum("ij,ij->i", units[dropped], units[representatives])
        verified = bool(
            (records["outcome"][representatives] == KEPT).all()
            and (representatives < dropped).all()
            and np.allclose(cosines, records["similarity"][dropped], atol=1e-5)
            and (cosines > THRESHOLD - 1e-6).all()
        )
        missed = int(((records["outcome"] == KEPT) & ~kept).sum())
        recall = 1 - missed / duplicates
        same = first is None or records.tobytes() == first.tobytes()
        first = records
        print(
            f"{title}: {time.monotonic() - began:.1f} s, recall {recall:.4f} ({missed} of {duplicates} missed), "
            f"each dropped one verified: {verified}, as the run before: {same}",
            flush=True,
        )
        yield verified and recall >= RECALL and same


def tally(records: Records) -> str:
    """How many are kept."""
    return f"{int((records['outcome'] != DROPPED).sum())} kept"


def left(session: str) -> list[str]:
    """The processes of a cluster that are still there."""
    ours = os.getpid()
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if process.pid != ours and session in line:
            found.append(line[:120])
    return found


def main() -> int:
    """All parts; 0 when they hold."""
    counts = [int(word) for word in sys.argv[1:]]
    embeddings, vectors = [*counts, *(3000, 6000)[len(counts) :]]
    held: list[bool] = []
    with tempfile.TemporaryDirectory() as name:
        for part, count in ((hold_embeddings, embeddings), (hold_deduplication, vectors)):
            if not count:
                continue
            began = time.monotonic()
            with nodes(2, 2) as cluster:
                session = cluster.head_node.get_session_dir_path()
                print(f"a cluster of two nodes and a head ({time.monotonic() - began:.1f} s)", flush=True)
                held += part(cluster, count, Path(name))
            time.sleep(2)
            rest = left(session)
            print(f"processes left of the cluster: {rest or 'none'}", flush=True)
            held.append(not rest)
    print("holds" if all(held) else "DOES NOT HOLD")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
