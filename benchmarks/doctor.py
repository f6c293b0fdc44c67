"""`doctor` on the healthy demo as a ratio to the guide's shell script on the same server, interleaved medians.

usage: doctor.py [ROUNDS]        exit status 1 when the bound is exceeded
"""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
from rounds import medians, program

from bgecheck.demo.stage import stage

BOUND = 4.0


def processor_seconds(pid: int) -> float:
    """Processor seconds that the server has taken so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def main() -> int:
    """Print both medians, the processor time that the server took for one doctor, and the ratio."""
    script = str(Path(__file__).with_name("guide.sh"))
    with stage(None) as staged:
        port = staged.url.rsplit(":", 1)[1]
        commands = {
            "guide": ["bash", script, port, str(staged.log)],
            "doctor": [*program(), "doctor", "--pid", str(staged.pid)],
        }
        rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 31
        assert staged.pid is not None
        before = processor_seconds(staged.pid)
        taken = medians(commands, rounds)
        server = (processor_seconds(staged.pid) - before) / (rounds + 1)
    ratio = (taken["doctor"] - server) / taken["guide"]
    print(f"guide's script  {taken['guide'] * 1000:6.1f} ms")
    print(f"bgecheck doctor {taken['doctor'] * 1000:6.1f} ms, of which the server {server * 1000:.1f} ms")
    print(f"ratio           {ratio:6.2f}      at most {BOUND}")
    return 1 if ratio > BOUND else 0


if __name__ == "__main__":
    sys.exit(main())
