"""Launch options that let a server embed faster, each only where a measurement asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bgecheck.engines.base import Changes, Launch
from bgecheck.engines.sglang.options import changes_in_words
from bgecheck.engines.sglang.relaunch import launch_line, launch_of
from bgecheck.engines.sglang.running import reported_options
from bgecheck.model import Shell, Target, Text

MORE_GAIN = 0.05
"""Share by which the last doubling of the texts in flight must have paid for more to be worth a restart."""

CHUNK_LOSS = 0.05
"""Share by which requests longer than a chunk must be slower, for text, than shorter ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the measurements say of the server; rates in texts a second, None where it was not measured."""

    at_once: int | None
    """Texts that it computes at once, and that no more than were in flight."""
    at_limit: float | None
    """The rate with that many in flight."""
    at_half: float | None
    """With half as many."""
    tokens: float
    """Of one text."""
    whole: float | None
    """The best rate of requests that are shorter than a chunk of the prefill."""
    cut: float | None
    """Of longer ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A change of the launch, and the measurement that speaks for it."""

    changes: Changes
    reason: Text
    line: Shell | None
    """The whole launch line; None where it cannot be seen."""

    @property
    def words(self) -> Text:
        """What is changed, as what a restart is done with."""
        return changes_in_words(self.changes)


def chunk_of(page: Mapping[str, Any]) -> int | None:
    """Tokens after which a prefill is cut; None where it is not, or not told."""
    size = page.get("chunked_prefill_size")
    return size if type(size) is int and size > 0 else None


def tunings(target: Target, page: Mapping[str, Any], seen: Seen) -> list[Tuning]:
    """The changes that the measurements ask for."""
    wanted: list[tuple[Changes, Text]] = []
    if seen.at_once and seen.at_limit and seen.at_half and seen.at_limit > (1 + MORE_GAIN) * seen.at_half:
        gain = 100 * (seen.at_limit / seen.at_half - 1)
        reason = Text(
            f"with {seen.at_once} texts in flight, as many as it computes at once, it was {gain:.0f} % faster than "
            f"with half of them ({seen.at_limit:.0f} and {seen.at_half:.0f} texts/s): more at once may be faster still",
            f"在途 {seen.at_once} 条（它同时计算的上限）时比一半时快 {gain:.0f}%（{seen.at_limit:.0f} 和 "
            f"{seen.at_half:.0f} 条/秒）：放开上限可能更快",
        )
        wanted.append(({"max-running-requests": str(2 * seen.at_once)}, reason))
    chunk = chunk_of(page)
    if chunk and seen.whole and seen.cut and seen.cut < (1 - CHUNK_LOSS) * seen.whole:
        loss = 100 * (1 - seen.cut / seen.whole)
        reason = Text(
            f"requests of more than {chunk} tokens, which it computes in chunks, were {loss:.0f} % slower "
            f"({seen.cut:.0f} and {seen.whole:.0f} texts/s), and a text that is cut has a wrong vector",
            f"超过 {chunk} token 的请求会被分块计算，慢了 {loss:.0f}%（{seen.cut:.0f} 和 {seen.whole:.0f} 条/秒），"
            "而且被切断的文本向量是错的",
        )
        wanted.append(({"chunked-prefill-size": "-1"}, reason))
    launch = _launch(target, page)
    return [
        Tuning(changes=changes, reason=reason, line=None if launch is None else launch_line(launch, changes))
        for changes, reason in wanted
    ]


def _launch(target: Target, page: Mapping[str, Any]) -> Launch | None:
    if target.server:
        return launch_of(target.server)
    options = reported_options(page)
    return None if options is None else Launch(options=options)
