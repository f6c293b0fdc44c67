"""An embeddings server of a planted capacity, as a process: W workers, a time for each request and each text.

usage: planted.py WORKERS FIXED_MS TEXT_MS MOST_AT_ONCE [TROUBLE]      prints its URL, ends when its stdin does

TROUBLE: `dies=N` ends the process at the N-th request; `busy=N` answers 503 where more than N texts are in flight;
`wrong=N` gives another vector where more than N are; `stall=N` takes half a second for every N-th request.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.answering import Answer, embedded, pages, serving, vector

DIMS = 8


class Capacity:
    """What answers: a request waits for a worker, and keeps it for its time."""

    def __init__(self, workers: int, fixed: float, text: float, trouble: Mapping[str, int]) -> None:
        self._workers = threading.Semaphore(workers)
        self._fixed, self._text, self._trouble = fixed, text, trouble
        self._lock = threading.Lock()
        self._requests = self._in_flight = 0

    def __call__(self, body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        """The vectors of a request, or the trouble that is planted."""
        texts = body["input"]
        with self._lock:
            self._requests += 1
            self._in_flight += len(texts)
            number, in_flight = self._requests, self._in_flight
        try:
            return self._answer(texts, number, in_flight)
        finally:
            with self._lock:
                self._in_flight -= len(texts)

    def _answer(self, texts: list[str], number: int, in_flight: int) -> Answer:
        if number >= self._trouble.get("dies", 10**9):
            os._exit(1)
        if in_flight > self._trouble.get("busy", 10**9):
            return 503, {"object": "error", "message": "The request queue is full."}
        with self._workers:
            stalls = number % self._trouble.get("stall", 10**9) == 0
            time.sleep(0.5 if stalls else self._fixed + self._text * len(texts))
        rows = [vector(text, DIMS) for text in texts]
        if in_flight > self._trouble.get("wrong", 10**9):
            rows = [row[::-1] for row in rows]
        return 200, embedded(*rows, tokens=sum(len(text) + 2 for text in texts))


def main() -> None:
    """Serve until stdin ends."""
    workers, most = int(sys.argv[1]), int(sys.argv[4])
    trouble = {name: int(value) for name, _, value in (word.partition("=") for word in sys.argv[5:])}
    capacity = Capacity(workers, float(sys.argv[2]) / 1000, float(sys.argv[3]) / 1000, trouble)
    more = {"version": "0.5.23", "disable_radix_cache": True, "chunked_prefill_size": -1, "max_running_requests": most}
    with serving({**pages(), "/server_info": (200, more)}, capacity) as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
