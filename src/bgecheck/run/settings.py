"""What a run looks at and how long it may take: options of the command over the environment over these defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bgecheck.model import Target
from bgecheck.run.machine import Machine

if TYPE_CHECKING:
    from bgecheck.engines.planned import Planned
    from bgecheck.reference.recorded import Recorded
    from bgecheck.stores.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a run, checked and in their units."""

    timeout: float = 10.0
    """Seconds that one request may take."""
    deadline: float = 60.0
    """Seconds that the whole run may take."""
    quick: bool = False
    """Only what costs next to nothing was asked for."""
    full: bool = False
    """What burdens a server, a burst of requests for instance, was asked for too."""
    texts: tuple[str, ...] = ()
    """Texts that the user asked to embed."""
    recorded: Recorded | None = None
    """Vectors recorded elsewhere, to compare with."""
    against: Target | None = None
    """Another server to compare with."""
    store: Address | None = None
    """A vector store whose index is to be compared."""
    proves: bool = False
    """A comparison with the model's own weights was asked for, though the run is quick."""
    since: datetime | timedelta | None = None
    """From when on a log is judged, by its own clock, or for how long up to now."""
    smoke: bool = False
    """Whether openai's call is the first of the `embed` area, with the user's texts; else it is a row of `probe`."""

    before_launch: bool = False
    """Whether nothing runs yet: the machine is judged, and `planned`, and no server is asked."""
    planned: Planned | None = None
    """What is to be launched, where that was given."""
    machine: Machine | None = None
    """What one run asks this machine once, whatever it looks at; None where each target is looked at by itself."""
    on_read: Callable[[str, int, int], None] = lambda name, done, size: None
    """Is called while a large file is read: its name, the bytes that are done, and all of them."""
    verify_hash: bool = False
    """Whether the weights are to be read whole, to compare their hash with that of the published ones."""

    @property
    def compares(self) -> bool:
        """Whether vectors are to be compared with a reference."""
        asked = self.recorded is not None or self.against is not None
        return asked or self.proves or self.smoke or not self.quick
