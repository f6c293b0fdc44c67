"""The launch options of sglang releases, as their own parsers have them (`real/option_table.py` writes the table)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

Version = tuple[int, ...]

RENAMED: Mapping[str, tuple[str, ...]] = {
    "cuda-graph-max-bs": ("cuda-graph-max-bs-decode",),
    "cuda-graph-bs": ("cuda-graph-bs-decode",),
    "tensor-parallel-size": ("tp-size",),
    "pipeline-parallel-size": ("pp-size",),
    "data-parallel-size": ("dp-size",),
    "expert-parallel-size": ("ep-size",),
}
"""Options whose name a later release changed, and the later name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One launch option of one release."""

    name: str
    aliases: tuple[str, ...] = ()
    switch: bool = False
    nargs: str | int | None = None
    choices: tuple[str, ...] = ()
    type: str | None = None
    """`int`, `float`, `size` (a number that may end with a unit: 8k, 8Ki) or `json`; None takes any text."""
    deprecated: str | None = None
    """What stands for it in later releases, `""` where nothing does; None where it is not deprecated."""
    retired: bool = False
    """Whether the parser ends the start where it is given."""

    def takes(self, value: str) -> bool:
        """Whether the parser accepts a value; of several, joined by blanks, each."""
        if self.retired:
            return False
        if self.switch or not value:
            return self.switch == (not value)
        values = value.split() if self.nargs in ("+", "*") else [value]
        return all(self._takes_one(one) for one in values)

    def _takes_one(self, value: str) -> bool:
        if self.choices and value not in self.choices:
            return False
        if self.type == "json":
            return is_json(value)
        pattern = _NUMBERS.get(self.type or "")
        return pattern is None or re.fullmatch(pattern, value.strip()) is not None


_DIGITS = r"\d+(?:_\d+)*"
_INT = rf"[-+]?{_DIGITS}"
_NUMBERS = {
    "int": _INT,
    "float": rf"[-+]?(?:(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][-+]?{_DIGITS})?|(?i:inf|nan|infinity))",
    "size": rf"{_INT}|\d+(?:\.\d+)?[kMGT]|\d+[KMGT]i",
}


def is_json(value: str) -> bool:
    """Whether the value of an option can be read as JSON, as sglang reads it."""
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The options of one release by every long name they have."""

    version: str
    options: Mapping[str, Option]

    def option(self, typed: str) -> Option | None:
        """The option that argparse takes a name for, which may be its unique beginning; None where it refuses it."""
        if typed in self.options:
            return self.options[typed]
        matching = self.beginning_with(typed)
        return self.options[matching[0]] if len({self.options[name].name for name in matching}) == 1 else None

    def beginning_with(self, typed: str) -> tuple[str, ...]:
        """The names that begin so."""
        return tuple(name for name in self.options if name.startswith(typed))

    def accepts(self, name: str, value: str) -> bool:
        """Whether the parser accepts an option with a value, `""` for a switch."""
        option = self.option(name)
        return option is not None and option.takes(value)


def numbers(version: str) -> Version:
    """A version to compare with: `0.5.3.post3` is (0, 5, 3, 3), and what cannot be read is ()."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)(?:\.?post(\d+))?", version)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


@cache
def releases() -> tuple[Release, ...]:
    """Every release whose options are known, the oldest first."""
    text = (files("bgecheck.engines.sglang") / "releases.json").read_text("utf-8")
    return tuple(Release(version=version, options=dict(_named(table))) for version, table in json.loads(text).items())


def _named(table: Mapping[str, dict[str, object]]) -> Iterator[tuple[str, Option]]:
    for name, described in table.items():
        lists = {key: tuple(map(str, described.get(key, ()))) for key in ("aliases", "choices")}  # type: ignore[call-overload]
        option = Option(name=name, **{**described, **lists})  # type: ignore[arg-type]
        for each in (name, *option.aliases):
            yield each, option


def newest() -> Release:
    """The newest release whose options are known."""
    return releases()[-1]


def release_of(version: str | None) -> Release:
    """The newest known release that is not newer than `version`; the newest of all where it is not known."""
    wanted = numbers(version or "")
    older = [release for release in releases() if numbers(release.version) <= wanted] if wanted else []
    return older[-1] if older else releases()[0] if wanted else newest()


def around(version: str | None) -> tuple[Release, ...]:
    """The releases whose options tell of a version: its own, else its neighbours; all where it is not known."""
    wanted = numbers(version or "")
    if not wanted:
        return releases()
    if same := [release for release in releases() if numbers(release.version) == wanted]:
        return tuple(same)
    older = [release for release in releases() if numbers(release.version) < wanted]
    newer = [release for release in releases() if numbers(release.version) > wanted]
    return (*older[-1:], *newer[:1])


def fitted(options: Mapping[str, str], release: Release) -> dict[str, str]:
    """Options as a release accepts them: renamed where it has another name for one, without those that it refuses."""
    fit = {}
    for name, value in options.items():
        kept = next((each for each in (name, *RENAMED.get(name, ())) if release.accepts(each, value)), None)
        if kept is not None:
            fit[kept] = value
    return fit
