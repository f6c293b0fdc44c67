"""A day of `watch` on the healthy demo, sped up: what a sample costs, and what memory 5,760 of them take.

usage: watch.py [SAMPLES]        exit status 1 when a bound is exceeded

The samples come as fast as they can be taken, each a true one: process, two requests, metrics and log. The server's own
time is not in the figures, which are those of this program's process alone.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from measured import Budget, report

from bgecheck.demo.stage import stage

A_DAY, EVERY = 5760, 15.0
MEMORY, SHARE = 60.0, 1.0
"""MiB, and percent of a core."""


def watch_a_day(url: str, log: str, pid: int, samples: int) -> None:
    """In a process of its own: take the samples, and print CPU seconds per sample and peak memory in MiB."""
    from bgecheck.engines.sglang.discovery import resolve
    from bgecheck.watching.clocks import Clock, Moment
    from bgecheck.watching.notifying import Notifier
    from bgecheck.watching.running import Watch
    from bgecheck.watching.sampler import Sampler
    from bgecheck.watching.saved import Lines

    class Stepped(Clock):
        """Stands still while a sample is taken, and then goes on to the next at once."""

        passed = 0.0

        def now(self) -> Moment:
            return Moment(self.passed, None, 1.8e9 + self.passed)

        def sleep(self, seconds: float) -> None:
            self.passed += seconds

    clock = Stepped()
    sampler = Sampler(resolve(url=url, log=log, pid=pid), every=EVERY, timeout=10.0, most_failed=0.01, clock=clock)
    watch = Watch(sampler, Notifier((), None, {}, print), lines=Lines(os.devnull))
    watch.take(sampler.sample())
    began, cpu = time.monotonic(), time.process_time()
    watch.run(clock, EVERY, (samples - 1) * EVERY)
    taken, seconds = watch.history.tally.samples - 1, time.process_time() - cpu
    watch.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(json.dumps([seconds / taken, peak, taken, time.monotonic() - began]))


def budgets(samples: int) -> Iterator[Budget]:
    """Memory and share of a core of a watch at the usual interval."""
    with stage(None) as staged:
        line = [sys.executable, __file__, "--of", staged.url, str(staged.log), str(staged.pid), str(samples)]
        printed = subprocess.run(line, stdout=subprocess.PIPE, check=True, text=True).stdout
    each, peak, taken, seconds = json.loads(printed.splitlines()[-1])
    detail = f"{taken} samples in {seconds:.0f} s"
    yield Budget(title="watch, memory", figure=peak, bound=MEMORY, unit="MiB", detail=detail)
    share = 100 * each / EVERY
    yield Budget(
        title="watch, share of a core", figure=share, bound=SHARE, unit="%", detail=f"{each * 1000:.1f} ms a sample"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--of"]:
        watch_a_day(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        wanted = int(sys.argv[1]) if len(sys.argv) > 1 else A_DAY
        sys.exit(report(lambda: budgets(wanted)))
