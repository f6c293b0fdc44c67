"""One request and its response on the wire: its deadline, how far it got, and what was received."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

QUIET_LIMIT = 64 * 1024
"""Bytes in a row that bring nothing of a body: headers, interim responses, chunk extensions and trailers."""

FIRST_BYTES = 80
"""Of a response, kept to say what answers where it is not HTTP."""

Phase = Literal["start", "resolve", "connect", "tls", "send", "receive"]


class NoTimeLeft(TimeoutError):
    """The time of an exchange was over before a step of it was begun: nobody was waited for."""


class Exchange:
    """The state of one request, which the network backend finds by `current()` and writes as it goes.

    httpx has a time-out for each operation; a server that sends one byte a second never exceeds it. Each
    operation is therefore given what is left of this one deadline.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.phase: Phase = "start"
        self.peer = ""
        """Host and port of the latest connection attempt, as in a URL."""
        self.connected = False
        """Whether a connection was opened for it, and not taken from those that were kept."""
        self._began = time.monotonic()
        self.begin_request()

    def begin_request(self) -> None:
        """Forget what an earlier connection brought: the request is about to be sent, or sent once more."""
        self.first = b""
        self.received = 0
        self.body = 0
        """Bytes of the body so far."""
        self.in_body = False
        """Whether the headers of the final response are complete."""
        self.ended = False
        """Whether the server has ended the connection."""
        self.quiet = 0
        """Bytes received since the last byte of a body."""
        self.send_error: OSError | None = None
        """What ended sending before all of the request was sent."""

    def remaining(self) -> float:
        """Seconds left. Raises `NoTimeLeft` when none are."""
        left = self._began + self.seconds - time.monotonic()
        if left <= 0:
            raise NoTimeLeft("deadline exceeded")
        return left

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def note(self, data: bytes) -> None:
        """Note bytes that were received; none at the end of the connection."""
        self.ended = not data
        self.first = self.first or data[:FIRST_BYTES]
        self.received += len(data)
        self.quiet += len(data)

    def note_body(self, size: int) -> None:
        """Note that `size` bytes of body were among what was received."""
        self.body += size
        self.quiet = 0

    @property
    def is_http(self) -> bool:
        """Whether what was received so far begins as an HTTP response does; true of nothing."""
        return b"HTTP".startswith(self.first[:4])


_current: ContextVar[Exchange] = ContextVar("exchange")


def current() -> Exchange:
    """The exchange that this thread is in. Raises `LookupError` outside one."""
    return _current.get()


@contextmanager
def exchange(seconds: float) -> Iterator[Exchange]:
    """An exchange of at most `seconds` for the calls below."""
    begun = Exchange(seconds)
    token = _current.set(begun)
    try:
        yield begun
    finally:
        _current.reset(token)
