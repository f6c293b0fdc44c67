"""Proves `bench` on the true sglang: its advice beside an exhaustive sweep, three runs of three.

usage: bench.py [RUNS [SECONDS]]        (after setup.sh; exit status 0 when it holds)

Every setting of the grid is measured twice, in turn; then `bgecheck bench` runs by itself so many times. The setting
that it advises must be within 10 % of the fastest one of the sweep, by the sweep's own figures. The server takes 32
texts at once, so that the grid is small enough to be measured whole on a CPU.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from prove import RIGHT, free_port, launch_line, started

from bgecheck.benching.lengths import lengths
from bgecheck.benching.limits import grid
from bgecheck.benching.load import Load
from bgecheck.benching.measured import Result, Setting
from bgecheck.benching.proof import Proof
from bgecheck.benching.texts import Fresh, Scale
from bgecheck.bulk.options import BulkOptions
from bgecheck.bulk.start import replicas
from bgecheck.http.address import parse_url
from bgecheck.model import Target
from bulk import until_ready

AT_ONCE = 32
LENGTHS = "16-32"
WITHIN = 0.9
TURNS, SECONDS = 2, 2.0
"""Of each setting in the sweep."""


def swept(url: str) -> dict[Setting, float]:
    """Texts a second of every setting."""
    address = parse_url(url)
    target = Target(url=address.url, host=address.host, port=address.port)
    (replica,) = replicas([target], BulkOptions(seconds=30, patience=30, requests=1), lambda words: None)
    with closing(replica.server):
        assert replica.control is not None
        at_once = replica.server.at_once(5)
        source = Fresh(lengths(LENGTHS), 511, Scale(), random.Random())
        load = Load(replica.ask, source, Proof(replica.control))
        allowed = grid((), (), at_once, 32)
        results = {setting: Result(setting, ()) for setting in allowed.settings()}
        print(f"{len(results)} settings, at most {allowed.in_flight} texts in flight", flush=True)
        for turn in range(TURNS):
            some = list(results)
            random.Random(turn).shuffle(some)
            for setting in some:
                stretch = load.closed(setting, SECONDS, 4 * SECONDS)
                results[setting] = results[setting].with_stretch(stretch)
    for result in results.values():
        if result.wrong or result.errors:
            print(
                f"  {result.setting}: errors {result.errors}, wrong {result.wrong}, cosine {result.cosine:.5f}",
                flush=True,
            )
    return {setting: result.rate for setting, result in results.items()}


def advised(url: str, seconds: float) -> Setting:
    """What a run of the tool advises."""
    line = [sys.executable, "-m", "bgecheck", "bench", "--url", url, "--lengths", LENGTHS, "--budget", f"{seconds:g}s"]
    done = subprocess.run([*line, "-o", "json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"exit {done.returncode}: {done.stderr[-2000:]}")
    report = json.loads(done.stdout)
    return Setting(report["advised"]["batch"], report["advised"]["concurrency"])


def main() -> int:
    """The sweep and the runs; 0 when all of them hold."""
    words = [float(word) for word in sys.argv[1:]]
    runs, seconds = [*words, *(3.0, 60.0)[len(words) :]]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    line = launch_line(port, *RIGHT, "--max-running-requests", str(AT_ONCE))
    with tempfile.TemporaryDirectory() as folder, started(line, Path(folder, "sglang.log")) as process:
        until_ready(port, process)
        rates = swept(url)
        best = max(rates, key=lambda setting: rates[setting])
        for setting in sorted(rates, key=lambda one: -rates[one])[:5]:
            print(f"  batch {setting.batch} x {setting.concurrency}: {rates[setting]:.1f} texts/s", flush=True)
        shares = []
        for _ in range(int(runs)):
            chosen = advised(url, seconds)
            shares.append(rates[chosen] / rates[best])
            print(
                f"advised: batch {chosen.batch} x {chosen.concurrency}, {100 * shares[-1]:.0f} % of the best",
                flush=True,
            )
    holds = min(shares) >= WITHIN
    print("holds" if holds else "DOES NOT HOLD")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
