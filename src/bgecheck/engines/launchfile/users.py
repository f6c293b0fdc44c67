"""Which user a command is run as, by the program that stands before it: `sudo -u bge`, `su - bge -c`, `gosu bge`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

_OPTION = re.compile(r"(?:--(?:user|reuid|uid)=|-u)(\S+)")
_NAMING: Mapping[str, tuple[str, ...]] = {
    "sudo": ("-u", "--user"),
    "runuser": ("-u", "--user"),
    "setpriv": ("--reuid",),
    "chpst": ("-u",),
    "systemd-run": ("--uid",),
}
"""Options before the name of a user, by program."""
_FIRST_WORD = frozenset(("gosu", "su-exec"))
"""Programs whose first word is that name."""
_WITH_VALUE = frozenset(("-c", "--command", "-s", "--shell", "-g", "--group", "-G", "--supp-group", "-w"))
"""Options of `su` with a value."""
_ROOT = "root"


def user_in(words: Sequence[str]) -> str | None:
    """The user that a command names, `root` where its program takes that without one; None where none is named."""
    for at, word in enumerate(words):
        program, rest = os.path.basename(word), words[at + 1 :]
        if program in _NAMING:
            return _named(rest, _NAMING[program]) or (_ROOT if program == "sudo" else None)
        if program in _FIRST_WORD:
            return rest[0].partition(":")[0] if rest else None
        if program == "su":
            return _of_su(rest)
        if not word.startswith("-") and "=" not in word and program not in _BEFORE:
            return None
    return None


_BEFORE = frozenset(("exec", "nohup", "env", "nice", "time", "setsid", "command"))
"""Programs that may stand before one that changes the user."""


_PROGRAM = re.compile(r"python[\d.]*|sglang|(?:ba|z|da)?sh")
"""What such a program runs: options behind it are its own."""


def _named(words: Sequence[str], options: Sequence[str]) -> str | None:
    for at, word in enumerate(words):
        if _PROGRAM.fullmatch(os.path.basename(word)):
            return None
        if word in options:
            return words[at + 1] if at + 1 < len(words) else None
        if (match := _OPTION.fullmatch(word)) and word.startswith(tuple(options)):
            return match[1]
    return None


def _of_su(words: Sequence[str]) -> str:
    """The first word of `su` that is no option, and no value of one."""
    for at, word in enumerate(words):
        if not word.startswith("-") and (not at or words[at - 1] not in _WITH_VALUE):
            return word
    return _ROOT
