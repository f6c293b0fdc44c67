"""Many small cases in one test: all that fail are told at once, each by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Case = TypeVar("Case")


def failures(cases: Iterable[Case], check: Callable[[Case], None], name: Callable[[Case], object] = str) -> list[str]:
    """What is wrong in the cases for which `check` raises, with their names; there has to be a case."""
    checked = [(case, _error(case, check)) for case in cases]
    assert checked, "there is no case"
    return [f"{name(case)}: {type(error).__name__}: {error}" for case, error in checked if error is not None]


def _error(case: Case, check: Callable[[Case], None]) -> Exception | None:
    try:
        check(case)
    except Exception as error:
        return error
    return None
