"""Healthy embedding servers on many ports in one process; prints the ports, and ends when its stdin does.

usage: stub_servers.py SERVERS
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fakes.answering import pages, same, serving

if __name__ == "__main__":
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(pages(), same)) for _ in range(int(sys.argv[1]))]
        print(*urls, flush=True)
        sys.stdin.read()
