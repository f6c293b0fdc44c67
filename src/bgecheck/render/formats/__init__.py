"""The formats of `-o`: each module of this package is one, under its own name, with a `render`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pkgutil import iter_modules

from bgecheck.model import Report
from bgecheck.render.screen import Screen

Render = Callable[[Sequence[Report], Screen], str]
"""Makes the whole text of a format."""

USUAL = "table"
"""The format of stdout where no other takes it."""

FORMATS = tuple(sorted((module.name for module in iter_modules(__path__)), key=lambda name: (name != USUAL, name)))
"""What `-o` takes, the usual one first."""


def renderer(name: str) -> Render:
    """The function that makes a format, one of `FORMATS`; its module is imported when it is asked for."""
    render: Render = import_module(f"{__name__}.{name}").render
    return render
