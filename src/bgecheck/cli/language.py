"""Which of the two languages the user reads."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bgecheck.model import BadInput, Language, Text


def preferred(words: Sequence[str] = (), given: str | None = None) -> Language:
    """`--lang`, else BGECHECK_LANG, else the locale, else English; never raises, whatever was given."""
    asked = given or _option(words) or os.environ.get("BGECHECK_LANG")
    if asked in ("en", "zh"):
        return "zh" if asked == "zh" else "en"
    locale = next((os.environ[n] for n in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(n)), "")
    return "zh" if locale.lower().startswith("zh") else "en"


def language(given: str | None) -> Language:
    """The same, refusing an unknown `--lang`."""
    if given not in (None, "en", "zh"):
        raise BadInput(
            f"--lang {given}", Text("no such language", "没有这种语言"), Text("give zh or en", "可选 zh 或 en")
        )
    return preferred(given=given)


def _option(words: Sequence[str]) -> str | None:
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word == "--lang":
            return following
        if word.startswith("--lang="):
            return word.removeprefix("--lang=")
    return None
