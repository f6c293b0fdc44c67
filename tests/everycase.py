"""Whether every case is asked for: by default the tests judge a part of what is repeated, to end within minutes."""

from __future__ import annotations

import os
from typing import TypeVar

from hypothesis import settings

EVERY = bool(os.environ.get("EVERY_CASE"))
"""Set by hand (`EVERY_CASE=1 make test`): every sample in every form, every misbehaving server for every command."""

Number = TypeVar("Number", int, float)


def at_most(every: Number, some: Number) -> Number:
    """How often something is done: `every` where all is asked for, else `some`."""
    return every if EVERY else some


settings.register_profile("some", max_examples=40, deadline=None)
settings.register_profile("every", max_examples=300, deadline=None)
settings.load_profile("every" if EVERY else "some")
