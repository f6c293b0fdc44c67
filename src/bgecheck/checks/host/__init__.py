"""The `host` area: what the machine allows a server that runs on it, or is to start on it."""

from bgecheck.checks.host import readable, proxies, limits, room, surroundings  # isort: skip  # in the order of the rows
from bgecheck.checks.host.facts import AREA

__all__ = ["AREA", "limits", "proxies", "readable", "room", "surroundings"]
