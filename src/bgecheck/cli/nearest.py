"""The nearest of several names, for an answer to one that does not exist."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from bgecheck.model import BadInput, Text

_ALIKE = 0.65
"""Of `difflib`, 1 for the same: "docter" has 0.83 with "doctor", "nope" has 0.6 with "ignore"."""


def nearest(given: str, names: Collection[str]) -> str | None:
    """The name that looks most like `given`, or None where none does; the dashes of options count for nothing."""
    wanted = given.lstrip("-")
    bare = {name.lstrip("-"): name for name in reversed(list(names))}
    # Of short words a few common letters are alike already: "foo" has 0.67 with "follow".
    near = [name for name in bare if name.startswith(wanted) or abs(len(name) - len(wanted)) <= len(wanted) // 2]
    return next((bare[match] for match in get_close_matches(wanted, near, n=1, cutoff=_ALIKE)), None)


def one_of(option: str, given: str, names: Collection[str], listing: str | None = None) -> str:
    """`given`, where it is one of `names`. Raises `BadInput` with the nearest, and all of them or how to list them."""
    if given in names:
        return given
    remedy = choice(given, names, listing)
    raise BadInput(f"{option} {given}".strip(), Text("no such choice", "没有这个取值"), remedy)


def choice(given: str, names: Collection[str], listing: str | None = None) -> Text:
    """What to write in place of a name that does not exist: the nearest, and all of them or how to list them."""
    near, listed = nearest(given, names), ", ".join(names)
    remedy = Text(f"choose: {listed}", f"可选：{listed}")
    if listing:
        remedy = Text(f"see {listing}", f"用 {listing} 查看全部")
    if near:
        remedy = Text(f"did you mean {near}? {remedy.en[0].upper()}{remedy.en[1:]}", f"是不是 {near}？{remedy.zh}")
    return remedy
