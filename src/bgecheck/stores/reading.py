"""Reads a vector store in a process of its own, within limits of time and memory, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import closing

from bgecheck.machine.bounded import Program
from bgecheck.model import Text, Unavailable, clean, reason_of
from bgecheck.stores.address import Address
from bgecheck.stores.stored import Stored, Unreadable, decoded
from bgecheck.stores.wanted import Wanted, packed

SECONDS = 60.0
"""For one reading at most: import of the library (1 to 3 s), copy of a local store, and some ten small queries."""

REQUEST_SECONDS = 10.0
"""For one request to a store, the connection too."""

OUTPUT_LIMIT = 64 * 2**20
"""Bytes that the process may print: 32 vectors of 1536 numbers with their texts take 2 MB."""

MEMORY_LIMIT = 6 * 2**30
"""Bytes that the process may hold: Qdrant's local mode loads a whole collection."""

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
    "from bgecheck.stores.child import main; main()"
)

_TELEMETRY = {"ANONYMIZED_TELEMETRY": "False", "CHROMA_TELEMETRY": "False"}
"""Nobody but the store is contacted."""


def read_store(address: Address, seconds: float) -> Stored | Unreadable:
    """One collection with a sample of its rows, or why there is none. Raises `Unavailable` where no process ran."""
    seconds = min(seconds, SECONDS)
    with tempfile.TemporaryDirectory(prefix="bgecheck-store-", ignore_cleanup_errors=True) as folder:
        wanted = Wanted(address=address, seconds=min(REQUEST_SECONDS, seconds), folder=folder)
        request = {**packed(wanted), "ends": seconds}
        try:
            command = [sys.executable, "-I", *(["-B"] if sys.dont_write_bytecode else []), "-c", _BOOT]
            program = Program(command, _environment(address), OUTPUT_LIMIT, MEMORY_LIMIT, reads=True)
        except OSError as error:
            why = reason_of(error)
            raise Unavailable(Text(f"no process can be started: {why.en}", f"无法启动进程：{why.zh}")) from error
        with closing(program):
            path = [os.path.abspath(entry) for entry in sys.path if entry]
            program.send(json.dumps(path).encode() + b"\n" + json.dumps(request).encode() + b"\n")
            try:
                done = program.wait(seconds)
            except subprocess.TimeoutExpired:
                return Unreadable(kind="unreachable", detail=f"> {seconds:.0f} s")
            return _outcome(program.printed, done)


def _environment(address: Address) -> dict[str, str]:
    """This one without what is ours, and without proxies where the store is on this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BGECHECK_")}
    if address.host in (None, "localhost", "::1") or str(address.host).startswith("127."):
        kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return {**kept, **_TELEMETRY}


def _outcome(printed: bytes, done: subprocess.CompletedProcess[bytes] | None) -> Stored | Unreadable:
    if done is None:
        return Unreadable(kind="too-large", detail=f"RAM > {MEMORY_LIMIT // 2**30} GiB")
    try:
        return decoded(json.loads(printed))
    except (ValueError, KeyError, TypeError, AttributeError):
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return Unreadable(kind="failed", detail=clean(f"exit {done.returncode}: {last}", 300))
