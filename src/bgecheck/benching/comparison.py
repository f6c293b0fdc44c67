"""Whether a server became faster or slower between two runs, setting by setting, with how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bgecheck.benching.measured import Setting
from bgecheck.benching.saved import Run, Saved
from bgecheck.benching.statistics import Interval, interval, overall, quantile, quantile_ratio, rate_ratio
from bgecheck.model import BadInput, Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdict = Literal["faster", "slower", "cannot tell"]

MARGIN = 0.03
"""Change below which two runs are not told apart, however narrow the interval: it knows only how much a run varies in
itself, and another run finds the machine another."""

OTHER_TEXTS = 0.1
"""Share by which the mean lengths of the texts may differ: with longer ones any server is slower."""

SEED = 20260
"""Of the resampling: two files give one answer."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One setting in both runs: the ratio new to old of its throughput, and of its latencies."""

    setting: Setting
    old: Saved
    new: Saved
    rate: Interval
    p50: Interval
    p99: Interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs, paired by setting."""

    old: Run
    new: Run
    pairs: tuple[Pair, ...]
    whole: Interval
    """Of all pairs: the ratio of the throughput, of an open loop that of the rate at which its median answers."""
    verdict: Verdict

    @property
    def is_open(self) -> bool:
        """Whether arrivals were given, so that latency alone tells how fast it is."""
        return bool(self.pairs[0].setting.rate)


def judged(ratio: Interval, margin: float = MARGIN) -> Verdict:
    """What an interval of a speed ratio says: only one that lies beyond the margin on one side says anything."""
    if ratio.low > 1 + margin:
        return "faster"
    return "slower" if ratio.high < 1 - margin else "cannot tell"


def compared(old: Run, new: Run) -> Comparison:
    """Two runs beside each other. Raises `BadInput` where they have no setting in common, or texts of other lengths."""
    import numpy as np

    common = sorted(old.settings.keys() & new.settings.keys())
    if not common:
        raise _apart(old, new, Text("they have no setting in common", "没有共同的设置"), _SAME_OPTIONS)
    if abs(old.tokens - new.tokens) > OTHER_TEXTS * max(old.tokens, new.tokens):
        en = f"texts of {old.tokens:g} and {new.tokens:g} tokens on average cannot be compared"
        raise _apart(old, new, Text(en, f"文本平均长度 {old.tokens:g} 和 {new.tokens:g} token，不能对比"), _LONGER)
    rng = np.random.default_rng(SEED)
    closed = [setting for setting in common if not setting.rate]
    chosen = closed or common
    pairs, resampled = [], []
    for setting in chosen:
        pair, ratios = _pair(setting, old.settings[setting], new.settings[setting], rng)
        pairs.append(pair)
        resampled.append(ratios)
    points = [pair.rate.ratio if closed else 1 / pair.p50.ratio for pair in pairs]
    whole = overall(points, resampled, rng)
    return Comparison(old, new, tuple(pairs), whole, judged(whole))


def _pair(setting: Setting, old: Saved, new: Saved, rng: np.random.Generator) -> tuple[Pair, NDArray[np.float64]]:
    """A pair, and the resampled ratios of its speed."""
    import numpy as np

    rates = rate_ratio(np.array(old.parts, np.float64), np.array(new.parts, np.float64), rng)
    median = quantile_ratio(old.latencies, new.latencies, 0.5, rng)
    pair = Pair(
        setting,
        old,
        new,
        interval(new.rate / old.rate, rates),
        interval(_ratio(old, new, 0.5), median),
        interval(_ratio(old, new, 0.99), quantile_ratio(old.latencies, new.latencies, 0.99, rng)),
    )
    return pair, 1 / median if setting.rate else rates


def _ratio(old: Saved, new: Saved, share: float) -> float:
    return quantile(new.latencies, share) / quantile(old.latencies, share)


_SAME_OPTIONS = Text(
    "measure both with the same --batch, --concurrency, --rate and --lengths",
    "两次用相同的 --batch、--concurrency、--rate、--lengths 测量",
)
_LONGER = Text(
    "measure both with the same --lengths, and longer (--budget): few texts differ in their average",
    "两次用相同的 --lengths，并加长 --budget：文本太少，平均长度会有偏差",
)


def _apart(old: Run, new: Run, why: Text, remedy: Text) -> BadInput:
    return BadInput(f"--compare {old.path} {new.path}", why, remedy)


def percent(ratio: float) -> str:
    """A ratio as a change: `+12.3 %`."""
    return f"{100 * (ratio - 1):+.1f} %"
