"""Sizes, rates and durations as the rows of a watch write them."""

from __future__ import annotations

from bgecheck.model import Text

_MIB = 2**20


def size(count: float) -> str:
    """Bytes by powers of 1024, as GPUs and processes are measured."""
    if abs(count) >= 100 * 2**30:
        return f"{count / 2**30:.0f} GiB"
    return f"{count / 2**30:.2f} GiB" if abs(count) >= 2**30 else f"{count / _MIB:.1f} MiB"


def rate(slope: float) -> str:
    """Bytes per second, as growth by the hour."""
    return f"{size(slope * 3600)}/h"


def duration(seconds: float) -> Text:
    """A length of time in its two largest units."""
    if seconds < 60:
        return Text(f"{seconds:.0f} s", f"{seconds:.0f} 秒")
    minutes = round(seconds / 60)
    if minutes < 60:
        return Text(f"{minutes} min", f"{minutes} 分钟")
    if minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        more = Text(f" {rest} min", f" {rest} 分钟") if rest else Text("", "")
        return Text(f"{hours} h{more.en}", f"{hours} 小时{more.zh}")
    days = seconds / 86400
    return Text(f"{days:.0f} days", f"{days:.0f} 天") if days < 3650 else Text("more than 10 years", "10 年以上")


def clock_time(elapsed: float) -> str:
    """Seconds since the beginning as `1:02:03`."""
    whole = round(elapsed)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
