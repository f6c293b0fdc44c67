"""What sglang's page of metrics tells of load and cache; it is there with `--enable-metrics` only."""

from __future__ import annotations

import re
from typing import NamedTuple

PATH = "/metrics"

_NAMES = {
    b"sglang:num_running_reqs": "running",
    b"sglang:num_queue_reqs": "queued",
    b"sglang:cached_tokens_total": "cached",
    b"sglang:num_requests_total": "answered",
}
"""Names from 0.4.6 to 0.5.23; each has a line for each rank."""

_LINE = re.compile(rb"(sglang:\w+)(?:\{[^}\n]*\})? ([0-9.eE+-]+)")
_QUEUED = re.compile(rb"#queue-req: (\d{1,9})")


class Metrics(NamedTuple):
    """Requests that are computed and that wait now; tokens taken from the cache, and requests answered, so far."""

    running: int | None = None
    queued: int | None = None
    cached: int | None = None
    answered: int | None = None


def metrics(page: bytes) -> Metrics:
    """What a page tells, summed over its ranks; None for what is not on it.

    Cached tokens have a line only once there were some (metrics_collector.py, 0.5.23): beside requests none means 0.
    """
    sums: dict[str, float] = {}
    for line in page.splitlines():
        match = _LINE.match(line)
        name = _NAMES.get(match[1]) if match else None
        if match is None or name is None:
            continue
        try:
            sums[name] = sums.get(name, 0.0) + float(match[2])
        except ValueError:
            continue
    counts = {name: int(value) for name, value in sums.items() if 0 <= value < 2**60}
    return Metrics(**({"cached": 0} if "answered" in counts and "cached" not in sums else {}), **counts)


def queued(log: bytes) -> int | None:
    """The requests that waited at the last batch that lines of a log tell of; None where they tell of none."""
    at = log.rfind(b"#queue-req: ")
    match = _QUEUED.match(log, at) if at >= 0 else None
    return int(match[1]) if match else None
