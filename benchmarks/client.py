"""Clients of many texts on a stub server: the one of `embed --input` against AsyncOpenAI, and others beside it.

usage: client.py [BATCHES]        exit status 1 when a bound is exceeded

The server is a process of its own that answers each request of 32 texts with the same 32 vectors of 1024 floats, as
base64 or as numbers. A client's figure is the time of the processor that it takes for a batch, from the texts to a
matrix of float32: on a busy machine the clock says more of its neighbours.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from measured import Budget, report

TEXTS, DIMS, SIDE_BY_SIDE = 32, 1024, 8
BATCH = ["今天天气怎么样，适合出门散步吗？我想去公园走走"] * TEXTS
PACKED, FLOATS = 4.0, 10.0
"""How many times as much AsyncOpenAI takes, at least."""

Form = Literal["base64", "float"]
Send = Callable[[str, int], None]
"""Sends so many batches to a base URL."""


async def _serve(form: Form) -> None:
    """Answer on a free port, which is printed, whatever is asked."""
    vectors = np.random.default_rng(1).normal(0, 1 / 32, (TEXTS, DIMS)).astype("<f4")
    items = [
        {
            "object": "embedding",
            "index": number,
            "embedding": base64.b64encode(vector).decode() if form == "base64" else vector.astype(float).tolist(),
        }
        for number, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 640, "total_tokens": 640}
    body = json.dumps({"object": "list", "data": items, "model": "stub", "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).lower()
                _, _, length = request.partition(b"content-length:")
                await reader.readexactly(int(length.split(b"\r\n")[0]) if length else 0)
                writer.write(head + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def stub(form: Form) -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    process = subprocess.Popen([sys.executable, __file__, "--serve", form], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.communicate()


def ours(url: str, batches: int) -> None:
    """As `embed --input` does: threads over one pool of httpcore, read into a matrix."""
    from bgecheck.http.client import Http
    from bgecheck.http.embeddings import request_body
    from bgecheck.http.matrix import matrix_of
    from bgecheck.http.reply import Reply

    http = Http()

    def one() -> None:
        body = request_body(BATCH, "stub", "base64")
        headers = {"Content-Type": "application/json"}
        reply = http.exchange("POST", f"{url}/embeddings", seconds=60, headers=headers, body=body)
        assert isinstance(reply, Reply)
        matrix = matrix_of(reply, TEXTS)
        assert matrix is not None
        assert matrix.rows.shape == (TEXTS, DIMS)

    _in_threads(one, batches)
    http.close()


def _in_threads(one: Callable[[], None], batches: int) -> None:
    def some() -> None:
        for _ in range(batches // SIDE_BY_SIDE):
            one()

    threads = [threading.Thread(target=some) for _ in range(SIDE_BY_SIDE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def openai(url: str, batches: int) -> None:
    """AsyncOpenAI as it comes, which asks for base64 and makes a list of Python floats of it."""
    from openai import AsyncOpenAI

    async def one(client: AsyncOpenAI) -> None:
        for _ in range(batches // SIDE_BY_SIDE):
            answer = await client.embeddings.create(model="stub", input=BATCH)
            assert np.array([item.embedding for item in answer.data], np.float32).shape == (TEXTS, DIMS)

    async def everyone() -> None:
        async with AsyncOpenAI(base_url=url, api_key="EMPTY") as client:
            await asyncio.gather(*(one(client) for _ in range(SIDE_BY_SIDE)))

    asyncio.run(everyone())


def httpx_async(url: str, batches: int) -> None:
    """An async client of httpx, with orjson."""
    import httpx

    async def everyone() -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:

            async def one() -> None:
                for _ in range(batches // SIDE_BY_SIDE):
                    _read((await client.post(f"{url}/embeddings", content=_body(), headers=_JSON)).content)

            await asyncio.gather(*(one() for _ in range(SIDE_BY_SIDE)))

    asyncio.run(everyone())


def aiohttp(url: str, batches: int) -> None:
    """An async client of aiohttp, with orjson."""
    import aiohttp as library

    async def everyone() -> None:
        async with library.ClientSession() as session:

            async def one() -> None:
                for _ in range(batches // SIDE_BY_SIDE):
                    async with session.post(f"{url}/embeddings", data=_body(), headers=_JSON) as reply:
                        _read(await reply.read())

            await asyncio.gather(*(one() for _ in range(SIDE_BY_SIDE)))

    asyncio.run(everyone())


_JSON = {"Content-Type": "application/json"}


def _body() -> bytes:
    import orjson

    return orjson.dumps({"model": "stub", "input": BATCH, "encoding_format": "base64"})


def _read(body: bytes) -> None:
    from bgecheck.http.matrix import matrix_of
    from bgecheck.http.reply import Reply

    assert matrix_of(Reply(200, {}, body, 0.0), TEXTS) is not None


CLIENTS: dict[str, Send] = {"openai": openai, "ours": ours, "httpx async": httpx_async, "aiohttp": aiohttp}


def figures(form: Form, batches: int) -> dict[str, float]:
    """Milliseconds of the processor for a batch, by client: the least of three turns, loading the library left out."""
    least: dict[str, float] = {}
    with stub(form) as url:
        for _ in range(3):
            for name, send in CLIENTS.items():
                try:
                    send(url, SIDE_BY_SIDE)
                except ImportError:  # aiohttp, which is measured where it is installed
                    continue
                began = time.process_time()
                send(url, batches)
                spent = (time.process_time() - began) / batches * 1000
                least[name] = min(spent, least.get(name, spent))
    return least


def budgets(batches: int) -> Iterator[Budget]:
    """How many times as much AsyncOpenAI takes as the bulk client, for both forms of an answer."""
    for form, bound, count in (("base64", PACKED, batches), ("float", FLOATS, max(SIDE_BY_SIDE, batches // 8))):
        least = figures(form, count)  # type: ignore[arg-type]  # mypy widens the form
        listed = ", ".join(f"{name} {spent:.2f}" for name, spent in least.items())
        ratio = least["openai"] / least["ours"]
        yield Budget(
            title=f"AsyncOpenAI / bulk client, {form}",
            figure=ratio,
            bound=bound,
            at_least=True,
            detail=f"ms/batch: {listed}",
        )


if __name__ == "__main__":
    words: list[Any] = sys.argv[1:]
    if words[:1] == ["--serve"]:
        asyncio.run(_serve(words[1]))
    else:
        how_many = int(words[0]) if words else 200
        sys.exit(report(lambda: budgets(how_many)))
