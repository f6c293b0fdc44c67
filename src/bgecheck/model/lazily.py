"""Regular expressions that are compiled when they are first used: a run uses few of those that it loads."""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` returns, at the price of a string; a wrong expression raises `re.error` at its first use."""
    return cast("re.Pattern[AnyStr]", _Later(text, flags))


class _Later:
    """Stands for a compiled pattern, whose methods it takes over one by one."""

    def __init__(self, text: Any, flags: int) -> None:
        self._told = text, flags

    def __getattr__(self, name: str) -> Any:
        # `re` keeps what it has compiled; the method found is kept here, so that this is asked once.
        found = getattr(re.compile(*self._told), name)
        setattr(self, name, found)
        return found
