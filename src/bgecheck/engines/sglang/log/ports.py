"""Which of its ports a start could not have: that of the service, one of its own processes, or one of a container."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.log.session import Hit, Session

_PORT = re.compile(
    r"(?:', |port\S*:? (?:at )?|://\S+?:|\[::\]:|0\.0\.0\.0:|127\.0\.0\.1:)(\d{2,5})\b|^\S*ort (\d{2,5})\b",
    re.IGNORECASE,
)
_OWN = re.compile(r"nccl_port|dist_init|bootstrap_port|ZMQError|c10d|DistNetworkError|server socket has failed")
"""Who opens ports between the processes of one server."""


def port_of(text: str) -> str | None:
    """The port that a line about a lost port names."""
    match = _PORT.search(text)
    return next(filter(None, match.groups()), None) if match else None


def role(session: Session, hit: Hit) -> str | None:
    """What the port is for; None for the one that clients ask, which is bound last.

    `ranks`: a fixed port that every data-parallel rank of this launch opens; `rendezvous`: that of several nodes.
    """
    if "already allocated" in hit.text:
        return "container"
    port, service = port_of(hit.text), session.argument("port")
    if port == service is not None or "attempting to bind on address" in hit.text:
        return None
    fixed = {_fixed(session, "dist_init_addr"), _fixed(session, "nccl_port")} - {None}
    meant = port in fixed if port else bool(fixed) and session.phase in ("args", "device")
    if meant and _several(session):
        return "ranks"
    if port and port == _fixed(session, "dist_init_addr"):
        return "rendezvous"
    if port is None:
        return "unnamed" if _OWN.search(hit.text) else None
    return "internal" if service is not None or _OWN.search(hit.text) else None


def _fixed(session: Session, name: str) -> str | None:
    value = session.argument(name)
    return value.rpartition(":")[2] if value and value != "None" else None


def _several(session: Session) -> bool:
    """Whether this launch has data-parallel ranks that each open what is fixed; with DP attention they share it."""
    size = session.argument("dp_size") or "1"
    return size not in ("1", "None") and session.argument("enable_dp_attention") != "True"


def values(session: Session, hit: Hit) -> dict[str, str]:
    """The port, that of the service, and how many ranks there are."""
    launched = {"server_port": session.argument("port") or "30000", "ranks": session.argument("dp_size") or "1"}
    port = port_of(hit.text)
    if port is None and role(session, hit) == "ranks":
        port = _fixed(session, "dist_init_addr") or _fixed(session, "nccl_port")
    return {**launched, "args_port": port} if port else launched


def relaunch(session: Session, hit: Hit) -> dict[str, str | None] | None:
    """One server a node, each of its own, where ranks of one launch were in each other's way."""
    if role(session, hit) != "ranks":
        return None
    return dict.fromkeys(("dp-size", "dist-init-addr", "nccl-port", "nnodes", "node-rank"))
