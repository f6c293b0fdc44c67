"""Which server answers, as the head of a report shows it: apart from the area that finds it out, which loads slowly."""

from __future__ import annotations

from typing import NamedTuple


class Engine(NamedTuple):
    """Which server answers, as far as it tells. `version` may be a range that its pages show, as `>= 0.5.6`."""

    name: str | None
    version: str | None
