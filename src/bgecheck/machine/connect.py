"""Opens a connection to a host: its addresses from the resolver, then one after another, all within a limit."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bgecheck.model import clean


class Address(NamedTuple):
    """What a socket connects to: its family and socket address, which holds the zone of a link-local address."""

    family: int
    socket_address: tuple[Any, ...]

    @property
    def host(self) -> str:
        """The address as text, with its zone."""
        return str(self.socket_address[0])


class NoInterface(OSError):
    """A zone (`%eth0`) that is no network interface of this machine."""


def without_zone(host: str) -> str:
    """A host without the zone of a link-local address: what a Host header and a certificate may hold (RFC 6874)."""
    return host.partition("%")[0]


def is_address(host: str) -> bool:
    """Whether a host is an IP address, with or without a zone, and not a name."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, without_zone(host))
    except (OSError, ValueError):
        return False
    return True


def resolve(host: str, port: int, seconds: float) -> list[Address]:
    """The addresses of `host` in the order in which clients try them, within `seconds`.

    Raises OSError: `NoInterface` for a zone that is none, `TimeoutError` where the resolver was not done in time.
    """
    if is_address(host):
        return _literal(host, port)
    answers: queue.Queue[list[Address] | OSError] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(_looked_up(host, port))
        except OSError as error:
            answers.put(error)
        except ValueError as error:  # no name of a host: an empty label, or one that is too long
            answers.put(OSError(f"not a host name: {error}"))

    # The system resolver knows no time-out, so it is waited for from outside.
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"the resolver did not answer within {seconds:.1f} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _literal(host: str, port: int) -> list[Address]:
    """An address as it stands, for which no resolver is asked."""
    try:
        return _looked_up(host, port, socket.AI_NUMERICHOST)
    except OSError as error:
        zone = clean(host.partition("%")[2], 40)
        raise NoInterface(f"this machine has no network interface {zone}") from error


def _looked_up(host: str, port: int, flags: int = 0) -> list[Address]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [Address(family, address) for family, _, _, _, address in infos]


def connect(addresses: Sequence[Address], remaining: Callable[[], float]) -> socket.socket:
    """A socket connected to the first of `addresses` that takes it, before no seconds are `remaining`.

    Raises the OSError of the last one.
    """
    failure = OSError("the host has no address")
    for number, address in enumerate(addresses):
        # An address that nobody answers at must not take the time of those behind it.
        seconds = remaining() / (len(addresses) - number)
        try:
            return _connected(address, seconds)
        except OSError as error:
            failure = error
    raise failure


def _connected(address: Address, seconds: float) -> socket.socket:
    opened = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        opened.settimeout(seconds)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.connect(address.socket_address)
    except BaseException:
        opened.close()
        raise
    return opened
