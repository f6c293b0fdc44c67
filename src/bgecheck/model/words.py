"""The words that a finding is made of: texts in two languages, statuses, severities."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Literal

Language = Literal["en", "zh"]


class Text:
    """One sentence, written by hand in each language; `{name}` is filled from a row's values."""

    __slots__ = ("en", "zh")

    def __init__(self, en: str, zh: str) -> None:
        self.en = en
        self.zh = zh

    def filled(self, values: Mapping[str, Any]) -> Text:
        """The sentence with `{name}` replaced by the value of that name, a text by its half in that language."""
        return Text(self.en.format_map(_Known(values, "en")), self.zh.format_map(_Known(values, "zh")))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and (other.en, other.zh) == (self.en, self.zh)

    def __hash__(self) -> int:
        return hash((self.en, self.zh))

    def __repr__(self) -> str:
        return f"Text({self.en!r}, {self.zh!r})"

    def to(self, language: Language) -> str:
        """The sentence in `language`."""
        return self.zh if language == "zh" else self.en


Words = Text | str
"""What a row may say: a text of ours, or a string that has no language (a number, a foreign line)."""


def say(words: Words, language: Language) -> str:
    """`words` in `language`; a plain string is the same in both."""
    return words if isinstance(words, str) else words.to(language)


class _Known:
    """Values for a template in one language; an unknown name stays as it stands."""

    def __init__(self, values: Mapping[str, Any], language: Language) -> None:
        self._values = values
        self._language = language

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            return "{" + key + "}"
        value = self._values[key]
        return value.to(self._language) if isinstance(value, Text) else value


def fill(words: Words, values: Mapping[str, Any]) -> Words:
    """`words` with `{name}` replaced by the value of that name, in every language."""
    if isinstance(words, str) or not ("{" in words.en or "{" in words.zh):
        return words
    return words.filled(values)


class Shell(str):
    """A piece of a command line whose words are quoted already; commands take it as it stands."""

    __slots__ = ()

    @classmethod
    def join(cls, words: Iterable[str]) -> Shell:
        """The words as one line, each quoted where the shell needs it."""
        return cls(shlex.join(words))


def fill_command(command: str, values: Mapping[str, Any]) -> str | None:
    """A shell command with every value quoted, or None when a value it needs is not known.

    Values may have come from outside (a path in a log, a model name in a reply): quoting keeps a
    command that is pasted from running anything but itself.
    """
    try:
        return command.format_map(_Quoting(values))
    except KeyError:
        return None


def fill_commands(command: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The lines of a command: one, none when a value is not known, or all of a value that holds whole lines."""
    lines = values.get(command[1:-1]) if command.startswith("{") and command.endswith("}") else None
    if isinstance(lines, list | tuple):
        return tuple(str(line) for line in lines)
    line = fill_command(command, values)
    return (line,) if line else ()


class _Quoting(dict[str, Any]):
    """Values as words of a shell, quoted when a command asks for them: most commands ask for none."""

    def __getitem__(self, key: str) -> str:
        value = super().__getitem__(key)
        if value is None:
            raise KeyError(key)
        return _quoted(value)


def _quoted(value: Any) -> str:
    if isinstance(value, Text):
        value = value.en
    return str(value) if isinstance(value, Shell) else shlex.quote(str(value))


class Status(str, Enum):
    """What became of one row."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    ERROR = "error"

    def __str__(self) -> str:
        return self.value

    @property
    def opens(self) -> bool:
        """Whether a row that needs this one may be judged."""
        return self in (Status.PASS, Status.WARN)

    @property
    def bad(self) -> bool:
        """Whether we looked and it does not hold."""
        return self in (Status.WARN, Status.FAIL)


class Severity(str, Enum):
    """How much it matters when a row does not hold."""

    ERROR = "error"
    WARNING = "warning"

    def __str__(self) -> str:
        return self.value

    @property
    def status(self) -> Status:
        """The status of a row of this severity that does not hold."""
        return Status.FAIL if self is Severity.ERROR else Status.WARN
