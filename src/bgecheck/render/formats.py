"""The formats of `-o`: a new one is a module of this package with a `render`, and its name here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from bgecheck.model import Report
from bgecheck.render.screen import Screen

Render = Callable[[Sequence[Report], Screen], str]
"""Makes the whole text of a format."""

FORMATS = ("table", "json")
"""What `-o` takes; each is the module of that name."""


def renderer(name: str) -> Render:
    """The function that makes a format, one of `FORMATS`; its module is imported when it is asked for."""
    render: Render = import_module(f"bgecheck.render.{name}").render
    return render
