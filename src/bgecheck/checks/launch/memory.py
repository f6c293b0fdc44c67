"""The row about the share of GPU memory that a planned server takes."""

from __future__ import annotations

import math

from bgecheck.checks.launch.facts import AREA, LaunchFacts
from bgecheck.engines.sglang.engine import changes_in_words
from bgecheck.engines.sglang.options import ENCODER_OPTIONS, MEMORY_SHARE, NO_CHUNKS
from bgecheck.engines.sglang.remedies import START_WITH_CHANGES
from bgecheck.model import BEFORE, Advice, Evidence, Outcome, Severity, Text, absent, broken, holds

SHARE = MEMORY_SHARE.removeprefix("--")
FOR_AN_ENCODER = ENCODER_OPTIONS[SHARE]
LARGE = 0.6
"""From this share on an encoder holds memory that it never uses: its cache keeps nothing."""
ROOM = 0.02
"""What a share has to be above the weights'."""
_GIB = 2**30


@AREA.check(
    "memory-fraction",
    title=Text("the memory share fits the model and the card", "显存比例适合模型和显卡"),
    cause=Text(
        f"{NO_CHUNKS} without {MEMORY_SHARE}: sglang computes a share below zero, and its start ends with code 137",
        f"有 {NO_CHUNKS} 而没有 {MEMORY_SHARE}：sglang 自动算出的比例是负数，启动时退出，退出码 137",
    ),
    fix=START_WITH_CHANGES,
    variants={
        "no-share": Advice(
            Text(
                "{share} is no share: it is a number between 0 and 1, 0.3 for 30 %",
                "{share} 不是比例：应是 0 到 1 之间的数，30% 写 0.3",
            ),
            START_WITH_CHANGES,
        ),
        "small": Advice(
            Text(
                "the weights take {weights} of the {free} that are free on {card}, and a share of {share} leaves no "
                'room for the cache: the start ends with "Not enough memory"',
                "{card} 空闲 {free}，权重就要 {weights}，比例 {share} 放不下缓存：启动会报 Not enough memory",
            ),
            START_WITH_CHANGES,
        ),
        "large": Advice(
            Text(
                "a share of {share} is reserved for a cache that an encoder never reads; other programs of this card "
                "go short",
                "比例 {share} 会为编码器用不上的缓存预留显存，同一张卡上的其他程序就不够用了",
            ),
            START_WITH_CHANGES,
            severity=Severity.WARNING,
        ),
    },
    moments=BEFORE,
    explains=("launch.line",),
)
def share_fits(facts: LaunchFacts) -> Outcome:
    """The share is of what is free before the weights are loaded (model_runner.py, 0.4.6 to 0.5.23)."""
    options = facts.flags or {}
    if facts.planned is None:
        return absent(Text("the server runs", "服务已在运行"))
    given = options.get(SHARE)
    if given is None:
        return _by_itself(facts)
    share = _number(given)
    if share is None:
        return absent(Text(f"the value {given} is not known here", f"不知道 {given} 的值"))
    evidence = Evidence(Text(f"{SHARE} in the command line", f"启动命令行的 {SHARE}"), given)
    mended = {"changes": changes_in_words({SHARE: FOR_AN_ENCODER}), "share": given}
    if not 0 < share < 1:
        return broken(evidence._replace(expected="0 < x < 1"), advice="no-share", **mended)
    if (least := least_share(facts)) is not None and share < least:
        values = _amounts(facts) | {"share": given, "changes": changes_in_words({SHARE: f"{least + ROOM:.2f}"})}
        return broken(evidence._replace(expected=f">= {least:.2f}"), advice="small", **values)
    if share >= LARGE and facts.bidirectional and facts.card is not None and _is_shared(facts):
        return broken(evidence._replace(expected=f"< {LARGE:g}"), advice="large", **mended)
    return holds(evidence)


def _by_itself(facts: LaunchFacts) -> Outcome:
    options = facts.flags or {}
    if options.get("chunked-prefill-size") == "-1":
        evidence = Evidence(SHARE, Text("not given", "没有给出"), FOR_AN_ENCODER)
        return broken(evidence, changes=changes_in_words({SHARE: FOR_AN_ENCODER}))
    return holds(
        Evidence(SHARE, Text("not given: sglang takes most of what is free", "没有给出：sglang 会占用大部分空闲显存"))
    )


def least_share(facts: LaunchFacts) -> float | None:
    """The smallest share with which the weights and a cache fit; None where card or weights are not known."""
    if facts.card is None or facts.weights is None or not facts.card.free:
        return None
    return math.ceil((_loaded(facts) / facts.card.free + ROOM) * 100) / 100


def _loaded(facts: LaunchFacts) -> int:
    """Bytes of the weights as they are computed with."""
    dtype = (facts.flags or {}).get("dtype", "auto")
    assert facts.weights is not None
    return facts.weights if dtype in ("float", "float32") else facts.weights // 2


def _amounts(facts: LaunchFacts) -> dict[str, str]:
    assert facts.card is not None
    weights, free = _loaded(facts) / _GIB, facts.card.free / _GIB
    return {"weights": f"{weights:.2f} GiB", "free": f"{free:.2f} GiB", "card": facts.card.name}


def _is_shared(facts: LaunchFacts) -> bool:
    """Whether something else holds memory of the card already."""
    return facts.card is not None and facts.card.total - facts.card.free > _GIB


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
