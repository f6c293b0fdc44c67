"""What the measurements say of the server's own settings."""

from __future__ import annotations

from bgecheck.benching.benching import Bench
from bgecheck.benching.measured import Result
from bgecheck.engines.sglang.tuning import Seen, Tuning, chunk_of, tunings
from bgecheck.model import Target


def server_tunings(bench: Bench, target: Target) -> list[Tuning]:
    """The changes of the server's launch for which the measurements speak."""
    usable = [one for one in bench.results.values() if one.is_usable and not one.client_is_limit]
    chunk = chunk_of(bench.page)
    limit = bench.at_once or 0
    return tunings(
        target,
        bench.page,
        Seen(
            at_once=bench.at_once,
            at_limit=_best([one for one in usable if limit / 2 < one.setting.in_flight <= limit]),
            at_half=_best([one for one in usable if limit / 4 < one.setting.in_flight <= limit / 2]),
            tokens=bench.tokens,
            whole=_best([one for one in usable if chunk and one.setting.batch * bench.tokens <= chunk]),
            cut=_best([one for one in usable if chunk and one.setting.batch * bench.tokens > chunk]),
        ),
    )


def _best(results: list[Result]) -> float | None:
    return max((one.rate for one in results), default=None)
