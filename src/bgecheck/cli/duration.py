"""Durations and moments as users write them: `500ms`, `3s`, `5m`; `2h`, `2026-11-02T22:10`."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timedelta

from bgecheck.model import BadInput, Text

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_ALL_UNITS = {**_UNITS, "d": 86400.0}
_MOMENT = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?"
LONGEST = 24 * 3600.0
"""Seconds; longer is more likely a slip of the hand than a wish."""


def seconds(option: str, given: str) -> float:
    """`given` in seconds. Raises `BadInput` naming the option."""
    value = _value(given, "ms|s|m|h")
    if not 0 < value <= LONGEST:
        raise BadInput(
            f"{option} {given if given.strip() else repr(given)}",
            Text("not a duration between 1ms and 24h", "不是 1ms 到 24h 之间的时长"),
            Text("write it as 500ms, 3s or 5m", "写成 500ms、3s 或 5m 这样"),
        )
    return value


def long_seconds(option: str, given: str, shortest: float, longest: float) -> float:
    """The same of what may take days, between two bounds."""
    value = _value(given, "ms|s|m|h|d")
    if not shortest <= value <= longest:
        least, most = _written(shortest), _written(longest)
        raise BadInput(
            f"{option} {given if given.strip() else repr(given)}",
            Text(f"not a duration between {least} and {most}", f"不是 {least} 到 {most} 之间的时长"),
            Text("write it as 15s, 30m, 8h or 7d", "写成 15s、30m、8h 或 7d 这样"),
        )
    return value


def _value(given: str, units: str) -> float:
    """Seconds; 0 for what is no duration in one of these units."""
    match = re.fullmatch(rf"\s*(\d{{1,9}}(?:\.\d{{1,9}})?)\s*({units})\s*", given, re.IGNORECASE)
    return float(match[1]) * _ALL_UNITS[match[2].lower()] if match else 0.0


def _written(value: float) -> str:
    unit = next(unit for unit in ("d", "h", "m", "s") if value % _ALL_UNITS[unit] == 0 or unit == "s")
    return f"{value / _ALL_UNITS[unit]:g}{unit}"


def moment(option: str, given: str) -> datetime | timedelta:
    """How long ago, or when by the clock of what is read. Raises `BadInput` naming the option."""
    if match := re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*(s|m|h|d)\s*", given, re.IGNORECASE):
        ago = timedelta(seconds=float(match[1]) * _ALL_UNITS[match[2].lower()])
        if timedelta() < ago <= timedelta(days=3650):
            return ago
    if re.fullmatch(_MOMENT, given.strip()):
        with suppress(ValueError):
            return datetime.fromisoformat(given.strip())
    raise BadInput(
        f"{option} {given if given.strip() else repr(given)}",
        Text("neither a duration nor a time", "既不是时长，也不是时间"),
        Text(
            "write it as 10m, 2h, 3d or 2026-11-02T22:10 (as the log writes its time)",
            "写成 10m、2h、3d，或 2026-11-02T22:10（按日志自己的时钟）",
        ),
    )
