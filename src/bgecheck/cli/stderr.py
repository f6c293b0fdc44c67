"""Lines on stderr: cleaned, without keys, in the user's language; a stderr that cannot be written is no error."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence

from bgecheck.cli.language import shown_on
from bgecheck.cli.stdout import discard
from bgecheck.model import BadInput, Language, Redactor, Words, clean, say

_KEY_OPTIONS = {"--api-key": "BGECHECK_API_KEY", "--against-key": "BGECHECK_AGAINST_KEY"}
_QUERY = re.compile(r"([?&][^\s=&#]*=)[^\s&#]+")
"""The value of a query parameter: whatever its name, it may be a key."""


def to_stderr(words: Words, language: Language, secrets: Iterable[str] = ()) -> None:
    """One line that begins with the name of the program."""
    _write(_harmless(say(words, shown_on(sys.stderr, language)), secrets))


def refuse(bad: BadInput, language: Language, words: Sequence[str]) -> None:
    """Input, reason and remedy of bad input, in one line."""
    _write(refusal(bad, shown_on(sys.stderr, language), words))


def refusal(bad: BadInput, language: Language, words: Sequence[str]) -> str:
    """The line with input, reason and remedy of bad input."""
    keys = _keys(words)
    colon, semicolon, stop = ("：", "；", "。") if language == "zh" else (": ", "; ", ".")
    given = _QUERY.sub(r"\1***", clean(_visible(_origin(bad.given, words)), 200))
    # One by one: beside a colon, the word that follows "--api-key" would pass for a key.
    parts = [_harmless(part, keys) for part in (given, bad.reason.to(language), bad.remedy.to(language))]
    return f"{parts[0]}{colon}{parts[1]}{semicolon}{parts[2]}".rstrip(stop)


def _visible(given: str) -> str:
    """A blank input, or the blank value of an option, in quotes."""
    option, _, value = given.partition(" ") if given.startswith("-") else ("", "", given)
    return given if value.strip() or (option and given == option) else f"{option} {value!r}".lstrip()


def _harmless(text: str, secrets: Iterable[str]) -> str:
    return Redactor(secrets).text(clean(text))


def _write(line: str) -> None:
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"bgecheck: {line}\n")
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


def _origin(given: str, words: Sequence[str]) -> str:
    """`--timeout soon` as `BGECHECK_TIMEOUT=soon`, where no such option was given but the variable is set."""
    option, _, value = given.partition(" ")
    variable = "BGECHECK_" + {"-o": "output"}.get(option, option).lstrip("-").replace("-", "_").upper()
    if not option.startswith("-") or any(word.partition("=")[0] in (option, "--output") for word in words):
        return given
    return f"{variable}={value}" if value and value in os.environ.get(variable, "") else given


def _keys(words: Sequence[str]) -> list[str]:
    """The keys of a command line and of the environment, wherever else they may have been pasted as well."""
    keys = [os.environ.get(variable, "") for variable in _KEY_OPTIONS.values()]
    for word, following in zip(words, [*words[1:], ""], strict=False):
        option, has_value, value = word.partition("=")
        if option in _KEY_OPTIONS:
            keys.append(value if has_value else following)
    return [key for key in keys if key]
