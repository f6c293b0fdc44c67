"""The process in which a vector store's own library reads it; its starter is `reading`.

It takes one request as a line of JSON from standard input, the key in it, and prints one line of JSON. What a library
prints goes to standard error. It ends by itself when standard input is closed.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import socket
import sys
import threading
import warnings
from importlib import import_module
from typing import BinaryIO

from bgecheck.stores.stored import Stored, StoreError, Unreadable, encoded
from bgecheck.stores.wanted import Wanted, unpacked

GRACE_SECONDS = 2.0

_REFUSALS = (
    "unauthorized",
    "unauthenticated",
    "forbidden",
    "401",
    "403",
    "password",
    "auth check",
    "permission denied",
)
_UNREACHABLE = ("connection refused", "timed out", "timeout", "connecterror", "name or service", "unavailable")


def main() -> None:
    """Read one store, print what came of it, and end the process."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_until_closed, daemon=True).start()
    faulthandler.dump_traceback_later(request["ends"] + GRACE_SECONDS, exit=True)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    _print(results, read(unpacked(request)))
    os._exit(0)  # not sys.exit: threads of the libraries would hold it


def _until_closed() -> None:
    while sys.stdin.buffer.readline():
        pass
    os._exit(3)


def _print(results: BinaryIO, outcome: Stored | Unreadable) -> None:
    results.write(json.dumps(encoded(outcome)).encode() + b"\n")
    results.flush()


def read(wanted: Wanted) -> Stored | Unreadable:
    """What a store holds, or why it cannot be read. Never raises."""
    address = wanted.address
    try:
        if address.host and address.port and not address.host.startswith("/"):
            _reach(address.host, address.port, wanted.seconds)
        module = import_module(f"bgecheck.stores.{address.store}")
        stored: Stored = module.read(wanted)
        return stored
    except StoreError as error:
        return error.unreadable
    except BaseException as error:  # a library may end in whatever way: it is a reason
        return _reason(error)


def _reach(host: str, port: int, seconds: float) -> None:
    """Connect once, so that a library's own words about a closed port, often a page of them, are not needed."""
    try:
        socket.create_connection((host, port), seconds).close()
    except OSError as error:
        raise StoreError("unreachable", error.strerror or str(error) or type(error).__name__) from error


def _reason(error: BaseException) -> Unreadable:
    words = " ".join(str(error).split())
    shown = f"{type(error).__name__}: {words}".rstrip(": ")[:600]
    small = f"{type(error).__name__} {words}".lower()
    if any(mark in small for mark in _REFUSALS):
        return Unreadable(kind="refused", detail=shown)
    if any(mark in small for mark in _UNREACHABLE):
        return Unreadable(kind="unreachable", detail=shown)
    return Unreadable(kind="failed", detail=shown)
