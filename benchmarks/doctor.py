"""`doctor`, `doctor --quick` and `embed` on the healthy demo, against the guide's own template on the same server.

usage: doctor.py [ROUNDS]        exit status 1 when a bound is exceeded
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from measured import Budget, bgecheck, interleaved, ratio, report

from bgecheck.demo.stage import stage

TEMPLATE = Path(__file__).with_name("openai_template.py")
BOUNDS = {"doctor": 1.3, "doctor --quick": 0.5, "embed": 1.3}


def budgets(rounds: int) -> Iterator[Budget]:
    """The three ratios, from one run; what the demo server takes for its answers is in all of them."""
    with stage(None) as staged:
        server = ["--pid", str(staged.pid)]
        runs = interleaved(
            {
                "template": [sys.executable, str(TEMPLATE), f"{staged.url}/v1"],
                "doctor": [*bgecheck(), "doctor", *server],
                "doctor --quick": [*bgecheck(), "doctor", "--quick", *server],
                "embed": [*bgecheck(), "embed", "今天天气怎么样？", *server],
            },
            rounds,
        )
    for name, bound in BOUNDS.items():
        yield ratio(name, runs, name, "template", bound)


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    sys.exit(report(lambda: budgets(times)))
