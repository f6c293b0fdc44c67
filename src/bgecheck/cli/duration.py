"""Durations as users write them: `500ms`, `3s`, `5m`."""

from __future__ import annotations

import re

from bgecheck.model import BadInput, Text

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST = 24 * 3600.0
"""Seconds; longer is more likely a slip of the hand than a wish."""


def seconds(option: str, given: str) -> float:
    """`given` in seconds. Raises `BadInput` naming the option."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)\s*", given, re.IGNORECASE)
    value = float(match[1]) * _UNITS[match[2].lower()] if match else 0.0
    if not 0 < value <= LONGEST:
        raise BadInput(
            f"{option} {given}",
            Text("not a duration between 1ms and 24h", "不是 1ms 到 24h 之间的时长"),
            Text("write it as 500ms, 3s or 5m", "写成 500ms、3s 或 5m 这样"),
        )
    return value
