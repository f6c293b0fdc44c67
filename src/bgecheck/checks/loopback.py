"""Tells addresses that only the machine, or the container, itself reaches."""

_NAMES = ("localhost", "::1", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether only the machine, or the container, itself reaches an address."""
    return host in _NAMES or host.startswith("127.")
