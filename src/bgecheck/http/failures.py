"""Why a request has no response: the kinds of failure, and requests that were never sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bgecheck.model import Text, Words

Kind = Literal[
    "dns",  # the host name has no address
    "refused",  # nothing listens there
    "unreachable",  # no route to the host
    "connect-timeout",  # no answer to the connection attempt
    "tls",  # the connection stands, the encryption does not
    "unsendable",  # the request holds what HTTP cannot carry, a line break in the key for instance
    "timeout",  # connected and asked, but not one byte of a response in time
    "unfinished",  # the response began, and did not end in time
    "cut-off",  # the run ended before a fair wait was over: says nothing of the server
    "reset",  # the connection was cut
    "closed",  # the server hung up without a response
    "protocol",  # what came back is not HTTP
    "malformed",  # it began as HTTP, and broke its rules
    "too-large",  # more bytes than any right response has
]

TlsReason = Literal[
    "expired",
    "not-yet",
    "self-signed",
    "unknown-authority",
    "wrong-host",
    "plain",  # the port does not speak TLS
    "late",  # the handshake did not end
    "other",
]
"""What is wrong with an encryption that cannot be had."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no response. `seconds` is how long it took to know."""

    kind: Kind
    detail: Words
    seconds: float = 0.0
    tls: TlsReason | None = None
    """Why there is no encryption, when that is what failed."""
    cut: bool = False
    """Whether the connection ended within the response."""

    @property
    def late(self) -> bool:
        """Whether the connection stood and only the time was too short for a whole response."""
        return self.kind in ("timeout", "unfinished")


@dataclass(frozen=True, slots=True)
class NotSent:
    """A request that was never sent, and why: it says nothing of the server."""

    reason: Words
    spared: bool = False
    """Whether it would have harmed the server."""


class BadResponse(Exception):
    """A response that began and cannot be taken."""

    def __init__(self, kind: Kind, detail: Text) -> None:
        super().__init__(detail.en)
        self.kind: Kind = kind
        self.detail = detail
