"""What is kept of a server beside its vectors, to tell later what an upgrade or another setting has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """A server at the time its vectors were recorded; None where it could not be seen."""

    version: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """What decides a vector, by the engine's own names, and `pooling`."""
    latency: float | None = None
    """Milliseconds that one short text takes, the median of some."""
    memory: int | None = None
    """MiB of main memory that the server's processes hold."""
    gpu_memory: int | None = None
    """MiB of GPU memory that they hold, by the driver."""
    date: str | None = None
    """When it was looked at, ISO 8601."""


def changes(before: ServerState, now: ServerState) -> Iterator[tuple[str, str, str]]:
    """What differs, as name, old and new value; what is known of one time only says nothing."""
    if before.version and now.version and before.version != now.version:
        yield "version", before.version, now.version
    for name, old in before.settings.items():
        new = now.settings.get(name)
        if new is not None and new != old:
            yield name, old, new
