"""The ports that a server opens beside that of HTTP, as far as its options fix them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bgecheck.engines.sglang.workers import ranks

_DELTA = 233
"""Where the ports of data-parallel attention begin, above the service port (ZMQ_TCP_PORT_DELTA, 0.4.10 to 0.5.23)."""
_DERIVED = 6
"""How many of them there are beside the first: tokenizer, detokenizer, calls, metrics, load, scheduler (PortArgs)."""
_LAST = 65535


class OwnPort(NamedTuple):
    """One port that only the processes of a server use, with what fixes it."""

    port: int
    option: str


def own_ports(options: Mapping[str, str], service: int) -> tuple[OwnPort, ...]:
    """The fixed ports of a server on this machine, the lowest first.

    Without options there are none: processes talk through files, and NCCL's port is taken among the free ones. The
    rendezvous is opened where it leads to, by the first node.
    """
    fixed = []
    if nccl := _port(options.get("nccl-port")):
        fixed.append(OwnPort(nccl, "--nccl-port"))
    meeting = options.get("dist-init-addr") or options.get("nccl-init-addr") or ""
    first = _port(meeting.rpartition(":")[2])
    if first and options.get("node-rank", "0") == "0":
        fixed.append(OwnPort(first, "--dist-init-addr"))
    if "enable-dp-attention" in options and not meeting:
        base = service + _DELTA if service + _DELTA <= _LAST else service - _DELTA
        fixed += [OwnPort(base + n, "--enable-dp-attention") for n in range(_DERIVED + 1) if base + n <= _LAST]
    return tuple(sorted(fixed))


def ranks_in_each_others_way(options: Mapping[str, str]) -> bool:
    """Whether data-parallel ranks of one launch would each open the same fixed port, as all but the first cannot."""
    replicas = options.get("dp-size") or options.get("dp", "1")
    several = replicas.isdigit() and int(replicas) > 1 and ranks(options) > 0
    return several and "enable-dp-attention" not in options and "nccl-port" in options


def _port(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and 0 < int(text) <= _LAST else None
