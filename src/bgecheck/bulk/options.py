"""What a run makes of each text, and how it asks for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

TooLong = Literal["refuse", "truncate", "average", "apart"]
"""What becomes of a text that is longer than the model reads: left to the server, cut, or embedded in pieces."""

MOST_TEXTS = 32
"""Texts of one request, unless more are asked for and the server says that it computes more at once."""

MOST_TOKENS = 8192
"""Tokens of one request, each text counted as long as the longest beside it: half of what sglang prefills at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOptions:
    """The options of a run. Those of `identity` decide what vectors come out; a run goes on only with the same."""

    prefix: str = ""
    """Put before each text, and before each piece of one."""
    too_long: TooLong = "refuse"
    size: int = 0
    """Tokens of a text or piece at most, special ones and the prefix included; 0 where nothing is cut."""
    overlap: int = 0
    """Tokens that a piece has in common with the one before it."""
    texts: int = MOST_TEXTS
    """Of one request, at most."""
    requests: int = 16
    """In flight to one server, at most."""
    seconds: float = 120.0
    """That one request may take."""
    patience: float = 300.0
    """Seconds without any vector after which a server is given up."""

    def identity(self) -> dict[str, Any]:
        """What has to be the same for a run to go on."""
        kept = ("prefix", "too_long", "size", "overlap", "texts")
        return {name: value for name, value in asdict(self).items() if name in kept}
