"""What the head of a report says of a log that was not just written."""

from typing import NamedTuple

from bgecheck.model import Text


class LogAge(NamedTuple):
    """How long ago a log was last written, in seconds, and how that is said."""

    seconds: float
    note: Text
