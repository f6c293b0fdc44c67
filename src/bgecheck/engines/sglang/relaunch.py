"""The launch line of a running sglang server with what is wrong for an encoder put right."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bgecheck.engines.sglang.launchline import MANY
from bgecheck.engines.sglang.options import ENCODER_OPTIONS, PROGRAM, written
from bgecheck.model import Shell

_KEYS = ("api-key", "admin-api-key")


def launch_line(options: Mapping[str, str], changed: Mapping[str, str | None]) -> Shell:
    """The launch line put right for an encoder: a Shell line, its key replaced by a variable.

    `changed` holds further options to set, or with None to leave out.
    """
    return restart_line({}, _needed(options, changed))


def restart_line(options: Mapping[str, str], changed: Mapping[str, str | None]) -> Shell:
    """The launch line with `changed` alone put right: a Shell line, its key replaced by a variable.

    Built anew from option names and quoted values, so that nothing else of a foreign line survives.
    """
    words = [Shell(PROGRAM)]
    for name, value in {**options, **changed}.items():
        if value is None:
            continue
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            continue
        if name in _KEYS:
            words.append(Shell(f'--{name} "$API_KEY"'))
        else:
            values = value.split() if name in MANY else [value] if value else []
            words.append(Shell.join([f"--{name}", *values]))
    return Shell(" ".join(words))


def changes(options: Mapping[str, str], changed: Mapping[str, str | None]) -> str:
    """The options of `launch_line` that are new or have another value; all that an encoder needs where none has."""
    needed = _needed(options, changed)
    new = {name: value for name, value in needed.items() if options.get(name) != value} or ENCODER_OPTIONS
    return written(new)


def _needed(options: Mapping[str, str], changed: Mapping[str, str | None]) -> dict[str, str]:
    """The options of the corrected line by long name."""
    fixed = {name: value for name, value in ENCODER_OPTIONS.items() if name != "mem-fraction-static"}
    needed: dict[str, str | None] = {**options, **fixed, **changed}
    needed.setdefault("mem-fraction-static", ENCODER_OPTIONS["mem-fraction-static"])
    return {name: value for name, value in needed.items() if value is not None}
