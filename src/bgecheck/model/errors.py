"""The two ways in which bgecheck itself cannot go on.

Exception
├── Unavailable   something could not be seen; becomes a row with its reason
└── BadInput      the user gave something unusable; becomes one line and exit code 2
"""

from __future__ import annotations

from bgecheck.model.words import Text, Words


class Unavailable(Exception):
    """Something to be looked at could not be seen.

    `looked` tells whether we tried and could not tell (the row becomes `error`) or there was nothing
    to look at (the row becomes `skip`). Reasons are lower-case fragments: they are printed after a title.
    """

    def __init__(self, reason: Words, *, looked: bool = True) -> None:
        super().__init__(reason if isinstance(reason, str) else reason.en)
        self.reason = reason
        self.looked = looked


class BadInput(Exception):
    """What the user gave cannot be used: names the input, the reason and the remedy."""

    def __init__(self, given: str, reason: Text, remedy: Text) -> None:
        super().__init__(f"{given}: {reason.en}; {remedy.en}")
        self.given = given
        self.reason = reason
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[BadInput], tuple[str, Text, Text]]:
        """As it was made: the usual way gives the line alone, and a worker's refusal would not reach the driver."""
        return type(self), (self.given, self.reason, self.remedy)
