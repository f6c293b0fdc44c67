"""How the cost of embedding and exact de-duplication on Ray grows: texts, servers and workers, at three sizes each.

usage: cluster.py [embedding|deduplication]       (needs the extra `ray`; minutes on two cores)

Servers are stubs, processes of their own that take 4 ms for a text, one request after the other (250 texts/s), so that
the figures say what the cluster adds and not how fast this machine computes vectors. Rates are between the first and
the last request; the start of the workers stands beside them. De-duplication: 1024 dims, nodes of one CPU each.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

import numpy as np
from localcluster import nodes

from bgecheck.cluster.deduplication import decisions
from bgecheck.cluster.embedding import embedded, targets_of
from bgecheck.cluster.gate import gate_of
from bgecheck.cluster.sources import FileSource
from bgecheck.dedup.greedy import DROPPED
from bgecheck.dedup.greedy import decisions as of_one_process
from bgecheck.dedup.vectors import Vectors, vectors_of

DIMS, SECONDS_A_TEXT, AT_ONCE = 1024, 0.004, 64
TEXTS, SERVERS, WORKERS = (1000, 2000, 4000), (1, 2, 3), (1, 2, 3)
VECTORS, NODES = (4096, 8192, 16384), (1, 2, 3)
THRESHOLD, BLOCK, GROUP = 0.85, 1024, 4


async def serve() -> None:
    """Answer on a free port, which is printed: a vector for each text that follows from it, after its time."""
    lock, times = asyncio.Lock(), [0.0, 0.0]

    async def respond(path: str, body: bytes) -> object:
        if path == "/times":
            return times
        if path != "/v1/embeddings":
            return {"max_running_requests": AT_ONCE, "version": "stub", "data": [{"id": "stub", "object": "model"}]}
        texts = json.loads(body)["input"]
        async with lock:
            times[0] = times[0] or time.time()
            await asyncio.sleep(SECONDS_A_TEXT * len(texts))
            times[1] = time.time()
        items = [{"object": "embedding", "index": n, "embedding": packed(text)} for n, text in enumerate(texts)]
        return {"object": "list", "data": items, "model": "stub", "usage": {"prompt_tokens": 1, "total_tokens": 1}}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                _, _, length = head.lower().partition("content-length:")
                body = await reader.readexactly(int(length.split("\r\n")[0]) if length else 0)
                reply = json.dumps(await respond(head.split(" ")[1], body)).encode()
                lines = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(reply)}\r\n\r\n"
                writer.write(lines.encode() + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def packed(text: str) -> str:
    """A vector of length 1 that is the text's own, as base64."""
    vector = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIMS)
    return base64.b64encode((vector / np.linalg.norm(vector)).astype("<f4").tobytes()).decode()


@contextmanager
def stub() -> Iterator[str]:
    """A server as a process of its own; its URL."""
    process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


def embedding(texts: int, servers: int, workers: int) -> str:
    """One run; a row of the table."""
    import ray

    with ExitStack() as stack:
        urls = [stack.enter_context(stub()) for _ in range(servers)]
        rows = [{"number": number, "text": f"text {number}"} for number in range(texts)]
        dataset = ray.data.from_items(rows, override_num_blocks=max(8, texts // 500))
        began = time.time()
        made = embedded(dataset, targets_of(urls), workers=workers, batch=512, cpus=0.25).materialize()
        seconds = time.time() - began
        assert made.count() == texts
        times = [json.load(urlopen(f"{url}/times", timeout=10)) for url in urls]
        counts = [ray.get(gate_of(f"{url}/v1").counts.remote(), timeout=60) for url in urls]
    working = max(last for _, last in times) - min(first for first, _ in times)
    peaks = "+".join(str(count["peak"]) for count in counts)
    rate = texts / working
    return (
        f"| {texts} | {servers} | {workers} | {rate:.0f} | {rate / servers * SECONDS_A_TEXT:.2f} "
        f"| {peaks} of {counts[0]['most']} each | {seconds - working:.1f} |"
    )


def embeddings() -> None:
    """More texts; more servers with as many workers; more workers at one server."""
    print("| texts | servers | workers | texts/s | of the servers' rate | in flight, at most | start and end, s |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    series = [(texts, 1, 1) for texts in TEXTS]
    series += [(TEXTS[1], servers, servers) for servers in SERVERS[1:]]
    series += [(TEXTS[1], 1, workers) for workers in WORKERS[1:]]
    with nodes(2, 2):
        for one in series:
            print(embedding(*one), flush=True)


def vectors(count: int) -> Vectors:
    """Random ones, a tenth of them near copies of earlier ones."""
    rng = np.random.default_rng(count)
    rows = rng.standard_normal((count, DIMS), np.float32)
    for number in rng.choice(np.arange(1, count), count // 10, replace=False):
        rows[number] = rows[rng.integers(number)] + rng.uniform(0.2, 0.75) * rows[number]
    return vectors_of(rows)


def deduplications(folder: Path, sizes: Sequence[int] = VECTORS) -> None:
    """Each size in one process and on one, two and three nodes."""
    print("| vectors | one process, s | 1 node, s | 2 nodes | 3 nodes | the same |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    whole, alone, spent = {}, {}, {}
    for size in sizes:
        rows = vectors(size)
        np.save(folder / f"{size}.npy", rows.tensor.raw)
        began = time.monotonic()
        whole[size] = np.concatenate(list(of_one_process(rows, THRESHOLD)))
        alone[size] = time.monotonic() - began
    with nodes(1) as cluster:
        for count in NODES:
            if count > 1:
                cluster.add_node(num_cpus=1, node_ip_address=f"127.0.0.{count + 2}", object_store_memory=400 * 2**20)
            for size in sizes:
                source = FileSource(str(folder / f"{size}.npy"), block=BLOCK)
                began = time.monotonic()
                records = np.concatenate(list(decisions(source, THRESHOLD, group=GROUP)))
                dropped = records[records["outcome"] == DROPPED]
                same = dropped.tobytes() == whole[size][whole[size]["outcome"] == DROPPED].tobytes()
                spent[size, count] = (time.monotonic() - began, same)
    for size in sizes:
        figures = " | ".join(f"{spent[size, count][0]:.1f}" for count in NODES)
        same = all(spent[size, count][1] for count in NODES)
        print(f"| {size} | {alone[size]:.1f} | {figures} | {same} |", flush=True)


def main() -> None:
    """Both tables, or the one that is named."""
    named = sys.argv[1:] or ["embedding", "deduplication"]
    if named == ["--serve"]:
        asyncio.run(serve())
    if "embedding" in named:
        embeddings()
    if "deduplication" in named:
        with tempfile.TemporaryDirectory() as name:
            deduplications(Path(name))


if __name__ == "__main__":
    main()
