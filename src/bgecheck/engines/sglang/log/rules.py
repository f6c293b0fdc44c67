"""What a log rule is: a literal that is cheap to look for, a pattern that decides, and the cause they stand for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bgecheck.engines.sglang.log.session import Session

Namer = Callable[["Session", str], str | None]
"""Names the cause where the line alone does not: by the phase and what stands above. None: no cause."""

SPECIFIC, PLAIN, GENERAL, LAST = 4, 3, 2, 1
"""How much a line says: a cause by its own name, an error, one that has several causes, and what only follows."""


GUESSED = "its words alone"
"""Stands for the releases of a pattern that was seen in none: it reads an error that no other knows."""


class Pattern(NamedTuple):
    """One way in which software writes that something is wrong.

    A line counts when it holds `needle` (letter for letter) and `regex`, where there is one, is found in it; it
    is compiled when first needed, which most are in no run. `sample` is such
    a line as software prints it, `near` one that looks alike and means something else, `source` the
    releases that write it, or the report of it.
    """

    needle: str
    regex: str | None
    sample: str
    near: str
    source: str
    weight: int
    name: str | Namer
    fatal: bool

    def matches(self, text: str) -> bool:
        """Whether this line is one."""
        return self.needle in text and (self.regex is None or re.search(self.regex, text) is not None)

    def cause(self, session: Session, text: str) -> str | None:
        """The name of the cause in this place of a session."""
        return self.name if isinstance(self.name, str) else self.name(session, text)


PATTERNS: list[Pattern] = []
"""Every pattern of every cause, filled as the modules of the causes are loaded."""


def pattern(
    needle: str,
    sample: str,
    *,
    near: str,
    regex: str | None = None,
    source: str = "",
    weight: int = PLAIN,
    fatal: bool = True,
    choose: Namer | None = None,
) -> Callable[[str], Pattern]:
    """Describe a pattern; the cause that it is listed under gives it its name, unless `choose` picks another by the place in the session.

    Without `regex` the needle decides alone.
    """
    return lambda name: Pattern(needle, regex, sample, near, source, weight, choose or name, fatal)
