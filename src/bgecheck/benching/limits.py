"""Which settings a server may be loaded with: never more texts at a time than it computes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bgecheck.benching.measured import Setting
from bgecheck.bulk.options import MOST_TEXTS
from bgecheck.model import BadInput, Text

MOST_BATCH, MOST_CONCURRENCY = 128, 64

MOST_IN_FLIGHT = 512
"""Texts in flight to a server that does not tell how many it computes at once: as many as `embed --input` sends."""

MOST_TOKENS = 16384
"""Tokens of one request: what sglang prefills at once (`max_prefill_tokens`, server_args.py, 0.4.6 to 0.5.23)."""


def doubling(most: int) -> tuple[int, ...]:
    """The powers of two up to `most`, at least 1."""
    return tuple(2**power for power in range(max(1, most).bit_length()))


@dataclass(frozen=True, slots=True)
class Grid:
    """The settings that may be measured."""

    batches: tuple[int, ...]
    concurrencies: tuple[int, ...]
    in_flight: int
    """Texts at most."""

    def of_batch(self, batch: int) -> list[Setting]:
        """The settings of a batch size, from few to many in flight."""
        allowed = (Setting(batch, number) for number in self.concurrencies)
        return [setting for setting in allowed if setting.in_flight <= self.in_flight]

    def settings(self) -> list[Setting]:
        """All of them."""
        return [setting for batch in self.batches for setting in self.of_batch(batch)]

    def neighbours(self, setting: Setting) -> list[Setting]:
        """Those one step away: of the next batch size or concurrency, and of as many in flight in another shape."""
        rows, columns = self.batches, self.concurrencies
        row, column = rows.index(setting.batch), columns.index(setting.concurrency)
        steps = ((0, -1), (-1, 0), (0, 1), (1, 0), (1, -1), (-1, 1))
        near = [
            Setting(rows[row + down], columns[column + right])
            for down, right in steps
            if 0 <= row + down < len(rows) and 0 <= column + right < len(columns)
        ]
        return [one for one in near if one.in_flight <= self.in_flight]


def grid(batches: Sequence[int], concurrencies: Sequence[int], at_once: int | None, tokens: float) -> Grid:
    """The settings for a server that computes `at_once` texts (None: it does not tell), of texts of so many tokens.

    `batches` and `concurrencies` are those that were asked for, empty where all are meant. Raises `BadInput` where one
    of them is more than the server takes.
    """
    largest = min(MOST_BATCH, at_once or MOST_TEXTS)
    in_flight = at_once or MOST_IN_FLIGHT
    for batch in batches:
        if batch > largest:
            raise _too_many(batch, at_once)
    if batches and concurrencies and min(batches) * min(concurrencies) > in_flight:
        raise _too_many_in_flight(min(batches), min(concurrencies), in_flight)
    by_tokens = max(1, int(MOST_TOKENS / max(1.0, tokens)))
    return Grid(
        tuple(sorted(batches)) or doubling(min(largest, by_tokens)),
        tuple(sorted(concurrencies)) or doubling(MOST_CONCURRENCY),
        in_flight,
    )


def _too_many(batch: int, at_once: int | None) -> BadInput:
    limit = at_once if at_once is not None else "?"
    return BadInput(
        f"--batch {batch}",
        Text(
            f"a request of more texts than a server computes at once can stop it for good; max_running_requests of "
            f"this one: {limit}",
            f"一次请求的条数超过服务同时计算的条数时可能让它彻底卡死；这个服务的 max_running_requests：{limit}",
        ),
        Text(
            f"give at most {min(MOST_BATCH, at_once or MOST_TEXTS)}", f"最多 {min(MOST_BATCH, at_once or MOST_TEXTS)}"
        ),
    )


def _too_many_in_flight(batch: int, concurrency: int, most: int) -> BadInput:
    return BadInput(
        f"--batch {batch} --concurrency {concurrency}",
        Text(
            f"{batch * concurrency} texts would be in flight, and at most {most} may be",
            f"同时在途 {batch * concurrency} 条，而上限是 {most} 条",
        ),
        Text("give fewer of one of them", "减小其中一个"),
    )
