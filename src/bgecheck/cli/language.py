"""Which of the two languages the user reads, and help texts written in both."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TextIO

from bgecheck.model import BadInput, Language, Text

VARIABLE = "BGECHECK_LANG"

_CHINESE: dict[str, str] = {}


def both(en: str, zh: str) -> str:
    """The English half, as Typer takes it; the Chinese half is kept for `chinese`."""
    _CHINESE[en] = zh
    return en


def chinese(en: str) -> str:
    """The Chinese half of a text that was given to `both`; any other text as it stands."""
    return _CHINESE.get(en, en)


def normalised(given: str) -> Language | None:
    """The language of a code or locale: `zh`, `zh-CN`, `zh_CN.UTF-8` are Chinese. None where it is neither."""
    code = re.split(r"[-_.@]", given.strip().lower(), maxsplit=1)[0]
    return {"zh": "zh", "en": "en"}.get(code)  # type: ignore[return-value]  # mypy sees plain strings


def preferred(words: Sequence[str] = ()) -> Language:
    """The language of `--lang` in `words`, else of BGECHECK_LANG, else of the locale, else English; never raises."""
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    for given in (_option(words), os.environ.get(VARIABLE), locale):
        if given and (language := normalised(given)):
            return language
    return "en"


def language(given: str | None) -> Language:
    """The language that was asked for, else the preferred one. Raises `BadInput` for one that is neither."""
    if given is None:
        return preferred()
    chosen = normalised(given)
    if chosen is None:
        raise BadInput(
            f"--lang {given}",
            Text("no such language", "不支持这种语言"),
            Text("give zh or en", "可选 zh 或 en"),
        )
    return chosen


def shown_on(stream: TextIO | None, wanted: Language) -> Language:
    """`wanted`, or English where the encoding of the stream has no Chinese characters."""
    try:
        "中".encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return "en"
    return wanted


def _option(words: Sequence[str]) -> str | None:
    """The last `--lang` on a command line; what follows `--` is no option."""
    options = list(words[: words.index("--")] if "--" in words else words)
    given = None
    for word, following in zip(options, [*options[1:], ""], strict=False):
        if word == "--lang":
            given = following
        elif word.startswith("--lang="):
            given = word.removeprefix("--lang=")
    return given
