"""What was measured: a setting, one stretch of load on it, and all stretches of a setting together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bgecheck.benching.statistics import quantile

FEW_ERRORS = 0.01
"""Share of requests without vectors, above which a setting is not one to work with."""

CLIENT_BUSY = 0.85
"""Cores that this process uses, from which on it may be the limit: Python runs one thread at a time."""


class Setting(NamedTuple):
    """How requests are sent: texts of each, and how many are in flight, or how many begin in a second."""

    batch: int
    concurrency: int
    """Requests in flight; with a `rate` the most that may be."""
    rate: float = 0.0
    """Requests a second, at random moments (Poisson); 0 where each waits for the one before it."""

    @property
    def in_flight(self) -> int:
        """Texts that the server is at, at most."""
        return self.batch * self.concurrency


class Part(NamedTuple):
    """Consecutive answers of a stretch: what is resampled to see how sure a rate is."""

    texts: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Some seconds of load on one setting. Texts and tokens are those answered within `seconds`, after the warm-up."""

    texts: int = 0
    tokens: int = 0
    """As the server counted them; 0 where it does not tell."""
    seconds: float = 0.0
    parts: tuple[Part, ...] = ()
    latencies: tuple[float, ...] = ()
    """Seconds of each answered request; in an open loop from the moment at which it was due."""
    requests: int = 0
    """Sent, those without vectors too."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Requests without vectors by cause: the kinds of `bulk.replica.Outcome`."""
    wrong: Mapping[str, int] = field(default_factory=dict)
    """Answers whose vectors are wrong, by what is wrong with them."""
    cosine: float = 1.0
    """The lowest of the control text's vector under load, to its vector alone."""
    client: float = 0.0
    """Cores that this process used meanwhile."""
    unsent: int = 0
    """Requests of an open loop that were due and could not be sent any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """All stretches of one setting together."""

    setting: Setting
    stretches: tuple[Stretch, ...]

    def with_stretch(self, stretch: Stretch) -> Result:
        """The same with one stretch more."""
        return Result(self.setting, (*self.stretches, stretch))

    @property
    def seconds(self) -> float:
        """Counted."""
        return sum(stretch.seconds for stretch in self.stretches)

    @property
    def rate(self) -> float:
        """Texts a second; 0 where none was answered."""
        return sum(stretch.texts for stretch in self.stretches) / self.seconds if self.seconds > 0 else 0.0

    @property
    def tokens(self) -> float:
        """Tokens a second, as the server counts them; 0 where it does not tell."""
        return sum(stretch.tokens for stretch in self.stretches) / self.seconds if self.seconds > 0 else 0.0

    @property
    def latencies(self) -> list[float]:
        """Seconds of every answered request, ascending."""
        return sorted(latency for stretch in self.stretches for latency in stretch.latencies)

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the requests was answered; infinite where none was."""
        return quantile(self.latencies, share)

    @property
    def requests(self) -> int:
        """Sent."""
        return sum(stretch.requests for stretch in self.stretches)

    @property
    def errors(self) -> Mapping[str, int]:
        """Requests without vectors, by cause."""
        return _added([stretch.errors for stretch in self.stretches])

    @property
    def wrong(self) -> Mapping[str, int]:
        """Answers with wrong vectors, by what is wrong."""
        return _added([stretch.wrong for stretch in self.stretches])

    @property
    def cosine(self) -> float:
        """The lowest of the control text's vector under load."""
        return min((stretch.cosine for stretch in self.stretches), default=1.0)

    @property
    def client(self) -> float:
        """Cores that this process used, on average."""
        return sum(stretch.client for stretch in self.stretches) / max(1, len(self.stretches))

    @property
    def client_is_limit(self) -> bool:
        """Whether this process may be what was measured, and not the server."""
        return self.client >= CLIENT_BUSY

    @property
    def falls_behind(self) -> bool:
        """Whether requests of an open loop were due and could not be sent."""
        return any(stretch.unsent for stretch in self.stretches)

    @property
    def is_usable(self) -> bool:
        """Whether it answered, rightly, and nearly always."""
        failed = sum(self.errors.values())
        return self.rate > 0 and not self.wrong and not self.falls_behind and failed <= FEW_ERRORS * self.requests


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for some in counts:
        total.update(some)
    return dict(total)
