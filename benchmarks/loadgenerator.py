"""What the load generator of `bench` costs: requests a second against a server that answers at once, and CPU of each.

usage: loadgenerator.py [SECONDS]        exit status 1 when a bound is exceeded

The server is a process of its own that sends one answer, made beforehand, to whatever comes. What is measured is then
the client: making texts, JSON, HTTP, reading base64, and the proof of each vector. Its peer is a loop of http.client on
one connection with the same bodies, which does nothing with the answers but parse their JSON.
"""

from __future__ import annotations

import base64
import http.client
import json
import random
import subprocess
import sys
import time

import numpy as np
from measured import Budget, report
from numpy.typing import NDArray

from bgecheck.benching.lengths import lengths
from bgecheck.benching.load import Load
from bgecheck.benching.measured import Setting, Stretch
from bgecheck.benching.proof import Proof
from bgecheck.benching.texts import Fresh, Scale
from bgecheck.bulk.pace import Pace
from bgecheck.bulk.replica import Replica
from bgecheck.engines.server import Server
from bgecheck.engines.sglang.pages import PAGES
from bgecheck.http.address import parse_url
from bgecheck.model import Target
from bgecheck.model.deadline import Deadline

DIMS = 1024
MOST_MS = 4.0
"""Of CPU for a request of one text, all that the client does included."""
MOST_US = 150.0
"""Of CPU for each further text of a request."""
PEER = 8.0
"""Times the CPU of the bare loop, for requests of one text."""

_SERVER = """
import socketserver, sys
body = sys.argv[1].encode()
class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    def handle(self):
        while line := self.rfile.readline():
            path, length = line.split()[1], 0
            while (head := self.rfile.readline().strip()):
                if head.lower().startswith(b"content-length:"):
                    length = int(head.split(b":")[1])
            count = self.rfile.read(length).partition(b"]")[0].count(b'","') + 1 if length else 0
            data = b",".join(b'{"embedding":"%s","index":%d}' % (body, n) for n in range(count))
            answer = b'{"data":[%s],"usage":{"prompt_tokens":64}}' % data if length else b'{"data":[{"id":"m"}]}'
            self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(answer), answer))
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def loaded(port: int, vector: NDArray[np.float32], batch: int, seconds: float) -> tuple[Stretch, float]:
    """A stretch of one client, and the CPU seconds of a request."""
    address = parse_url(f"http://127.0.0.1:{port}")
    server = Server(Target(url=address.url, host=address.host, port=port), Deadline(600), 10.0, PAGES)
    replica = Replica(server, Pace(1), 10.0, batch)
    source = Fresh(lengths("64"), 511, Scale(), random.Random(1))
    load = Load(replica.ask, source, Proof(vector))
    load.closed(Setting(batch, 1), 0.3, 0.3)
    used = time.process_time()
    stretch = load.closed(Setting(batch, 1), seconds, seconds)
    used = time.process_time() - used
    server.close()
    return stretch, used / stretch.requests


def bare(port: int, seconds: float) -> float:
    """The CPU seconds of a request of one text in a loop of http.client."""
    source = Fresh(lengths("64"), 511, Scale(), random.Random(1))
    connection = http.client.HTTPConnection("127.0.0.1", port)
    used, began, count = time.process_time(), time.monotonic(), 0
    while time.monotonic() - began < seconds:
        connection.request("POST", "/v1/embeddings", json.dumps({"input": source.take(1), "model": "m"}))
        json.loads(connection.getresponse().read())
        count += 1
    connection.close()
    return (time.process_time() - used) / count


def budgets(seconds: float) -> list[Budget]:
    """The figures with their bounds."""
    vector = np.ones(DIMS, np.float32) / np.float32(DIMS**0.5)
    packed = base64.b64encode(vector.tobytes()).decode()
    server = subprocess.Popen([sys.executable, "-c", _SERVER, packed], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        one, cost = loaded(port, vector, 1, seconds)
        many, cost_many = loaded(port, vector, 64, seconds)
        peer = bare(port, seconds)
    finally:
        server.terminate()
        server.wait()
    for stretch in (one, many):
        assert not stretch.wrong, stretch.wrong
        assert not stretch.errors, stretch.errors
    each = max(0.0, cost_many - cost) / 63
    return [
        Budget(
            title="request of one text",
            figure=cost * 1e3,
            bound=MOST_MS,
            unit="ms",
            detail=f"{one.texts / one.seconds:.0f}/s",
        ),
        Budget(
            title="each further text",
            figure=each * 1e6,
            bound=MOST_US,
            unit="us",
            detail=f"{many.texts / many.seconds:.0f} texts/s",
        ),
        Budget(
            title="request beside http.client", figure=cost / peer, bound=PEER, unit="x", detail=f"{peer * 1e3:.2f} ms"
        ),
    ]


if __name__ == "__main__":
    length = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    sys.exit(report(lambda: budgets(length)))
