"""How a run can end before its end: what was done so far is whole on disk in each case."""

from __future__ import annotations

from bgecheck.model import Text, Unavailable


class WrongVectors(Exception):
    """The vectors of a server are wrong; `since` is the first record, from 0, whose vector is in doubt."""

    def __init__(self, words: Text, since: int | None = None) -> None:
        super().__init__(words.en)
        self.words = words
        self.since = since


class GivenUp(Unavailable):
    """No server gives vectors any more."""
