"""What a launch file gives a server beside its command: ports, memory, cards, and who asks it at which port."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bgecheck.model import Text

SHM_BY_DEFAULT = 64 * 2**20
"""Bytes of /dev/shm in a container for which nothing else is said (Docker, containerd)."""


class Published(NamedTuple):
    """A port of this machine that leads to one of a container."""

    inside: int
    outside: int | None = None
    """None where any free one is taken."""
    address: str = ""
    """The address of this machine on which it is open; empty for all of them."""


class Asked(NamedTuple):
    """A port at which something in the file asks the server."""

    by: Text
    port: int
    kills: bool = False
    """Whether the server is ended when it does not answer there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotted:
    """What a file gives a server; None stands for what it does not say."""

    published: tuple[Published, ...] | None = None
    """The ports that are open on this machine; None where that is no matter of the file, as in a pod."""
    asked: tuple[Asked, ...] = ()
    memory: int | None = None
    """The most main memory that it may take, in bytes."""
    shm: int | None = None
    """Bytes of /dev/shm."""
    files: int | None = None
    """Files that it may have open."""
    cards: bool | None = None
    """Whether it is given GPUs."""
    mounted: tuple[str, ...] | None = None
    """The paths in the container at which volumes stand."""
    profiles: frozenset[str] = frozenset()
    """The profiles of a compose file in which it runs; in none of them it always does."""
    low_ports: bool = False
    """Whether it may bind ports that else only root may."""
    open_to_peers: bool = False
    """Whether another service of its network publishes a port, and may pass requests on."""


_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?(?:e\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


def bytes_of(text: str | None, *, kubernetes: bool = False) -> int | None:
    """A size as Docker and systemd write it (`512m`, `8g`: powers of 1024), or Kubernetes (`1Gi`, `1G`).

    None for no size, for none of these forms and for 0, which stands for no limit.
    """
    match = _SIZE.fullmatch((text or "").strip())
    if match is None:
        return None
    units: Mapping[str, int] = _DECIMAL if kubernetes and not match[3] else _BINARY
    return int(float(match[1]) * units.get(match[2].lower(), 1)) or None


_PORTS = re.compile(
    r"(?:(?P<address>\[[0-9a-fA-F:]+\]|\d+(?:\.\d+){3}):)?(?:(?P<outside>[\d-]*):)?(?P<inside>[\d-]+)(?:/(?P<kind>\w+))?"
)
_MOST = 100


def published(text: str) -> tuple[Published, ...]:
    """The ports of `-p` and of a short entry of compose: `8080:30000`, `127.0.0.1:8080:30000`, `3000-3002:3000-3002`.

    None at all for another form and for another protocol than TCP.
    """
    match = _PORTS.fullmatch(text.strip())
    if match is None or (match["kind"] or "tcp").lower() != "tcp":
        return ()
    inside, outside = _range(match["inside"]), _range(match["outside"] or "")
    address = (match["address"] or "").strip("[]")
    same = len(outside) == len(inside)
    return tuple(Published(port, outside[at] if same else None, address) for at, port in enumerate(inside))


def _range(text: str) -> list[int]:
    first, dash, last = text.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        return []
    return list(range(int(first), min(int(last or first), int(first) + _MOST) + 1))
