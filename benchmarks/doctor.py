"""`doctor` on the healthy demo as a ratio to the guide's shell script on the same server, interleaved medians.

usage: doctor.py [ROUNDS]        exit status 1 when the bound is exceeded
"""

from __future__ import annotations

import sys
import time
import urllib.request
from pathlib import Path

from rounds import medians

from bgecheck.demo.stage import stage

BOUND = 4.0


def served(url: str) -> float:
    """Seconds that the server itself takes for doctor's requests: four pages and six embeddings, asked in turn."""
    began = time.perf_counter()
    for path in ("/v1/models", "/model_info", "/server_info", "/v1/models"):
        urllib.request.urlopen(url + path).read()
    for _ in range(6):
        body = '{"input": ["天气今明山水花草书店车站老师"]}'.encode()
        request = urllib.request.Request(url + "/v1/embeddings", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request).read()
    return time.perf_counter() - began


def main() -> int:
    """Print both medians, the server's share and the ratio."""
    script = str(Path(__file__).with_name("guide.sh"))
    with stage(None) as staged:
        port = staged.url.rsplit(":", 1)[1]
        commands = {
            "guide": ["bash", script, port, str(staged.log)],
            "doctor": [sys.executable, "-m", "bgecheck", "doctor", "--pid", str(staged.pid)],
        }
        taken = medians(commands, int(sys.argv[1]) if len(sys.argv) > 1 else 15)
        server = min(served(staged.url) for _ in range(5))
    ratio = (taken["doctor"] - server) / taken["guide"]
    print(f"guide's script  {taken['guide'] * 1000:6.1f} ms")
    print(f"bgecheck doctor {taken['doctor'] * 1000:6.1f} ms, of which the server {server * 1000:.1f} ms")
    print(f"ratio           {ratio:6.2f}      at most {BOUND}")
    return 1 if ratio > BOUND else 0


if __name__ == "__main__":
    sys.exit(main())
