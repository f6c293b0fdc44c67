"""Reads a launch command that is written one word to a line, as `kubectl describe pod` and manifests have it."""

from __future__ import annotations

import re

from bgecheck.engines.sglang.launchline import launching

_HEADER = re.compile(r"(?P<blanks> *)(?:- )?(?:[Cc]ommand|[Aa]rgs):\s*")
_WORD = re.compile(r"(?P<blanks> *)(?P<dash>- )?(?P<word>\S.*)")
_QUOTED = re.compile(r"(?P<mark>[\"'])(?P<word>.*)(?P=mark)")
_MOST = 200
"""Words of a command; what is longer is none."""


class WordLines:
    """The words of a block `Command:`, to which those of `Args:` below it belong."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._indent: int | None = None

    @property
    def open(self) -> bool:
        """Whether the next line may be a word."""
        return self._indent is not None

    def take(self, text: str) -> tuple[str, ...]:
        """Take a line; the launch command as far as it goes, where there is one by now."""
        if header := _HEADER.fullmatch(text):
            if self._indent is None or len(header["blanks"]) != self._indent:
                self._words = []
            self._indent = len(header["blanks"])
            return ()
        if self._indent is None:
            return ()
        word = _WORD.fullmatch(text)
        # In YAML the words stand behind dashes, which may be no further to the right than the header.
        inside = word is not None and len(word["blanks"]) >= self._indent + (word["dash"] is None)
        if word is None or not inside or len(self._words) == _MOST:
            self._words, self._indent = [], None
            return ()
        quoted = _QUOTED.fullmatch(word["word"].rstrip())
        self._words.append(quoted["word"] if quoted else word["word"].rstrip())
        return launching(self._words)
