"""The nearest of several names, for an answer to one that does not exist."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from bgecheck.model import BadInput, Text


def nearest(given: str, names: Collection[str]) -> str | None:
    """The name that looks most like `given`, or None where none does."""
    return next(iter(get_close_matches(given, names, n=1)), None)


def one_of(option: str, given: str, names: Collection[str], listing: str | None = None) -> str:
    """`given`, where it is one of `names`. Raises `BadInput` with the nearest, and all of them or how to list them."""
    if given in names:
        return given
    near, choice = nearest(given, names), ", ".join(names)
    remedy = Text(f"choose: {choice}", f"可选：{choice}")
    if listing:
        remedy = Text(f"see {listing}", f"用 {listing} 查看全部")
    if near:
        remedy = Text(f"did you mean {near}? {remedy.en[0].upper()}{remedy.en[1:]}", f"是不是 {near}？{remedy.zh}")
    raise BadInput(f"{option} {given}".strip(), Text("no such choice", "没有这个取值"), remedy)
