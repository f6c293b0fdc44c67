"""What the screen and the page of a de-duplication say in common."""

from __future__ import annotations

from collections.abc import Sequence

from bgecheck.dedup.outcome import Outcome
from bgecheck.dedup.writing import similarity
from bgecheck.model import Text, clean

TEXTS, KEPT, DROPPED = Text("texts", "文本"), Text("kept", "保留"), Text("dropped", "去除")
APART = Text("not compared", "无法比较")
BLANK = Text("blank", "空白")
UNRELATED = Text("random pairs", "随机文本对")
GROUPS = Text("Largest groups", "最大的几组")
CALLS = Text("Closest calls", "最接近阈值的文本对")
JUST_DROPPED, JUST_KEPT = Text("just dropped", "刚好去除"), Text("just kept", "刚好保留")
SIMILARITIES = Text(
    "Similarity of each text to the one it was dropped for, or to the nearest kept before",
    "每条文本与其代表（被去除的）或与之前最相近的保留文本（被保留的）的相似度",
)
RANDOM = Text(
    "Similarity of random pairs: texts that have nothing to do with each other", "随机文本对的相似度：彼此无关的文本"
)

GUIDES = 0.85
"""The guide's threshold, which is taken where none is given."""
_SHOWN = 200
"""Characters of a text on a screen or page."""
_TOO_MANY = 0.005
"""Share of random pairs above the threshold from which on it cannot tell duplicates from anything else."""
_FIRST = 3
"""Numbers that are listed of texts which could not be compared."""


def shown(text: str) -> str:
    """A text as one harmless line."""
    return clean(text.strip(), _SHOWN)


def number(value: float, outcome: Outcome) -> str:
    """A similarity with the digits that it takes to stand on its side of the threshold."""
    digits = f"{value:.4f}"
    return digits if round(value, 4) != round(outcome.threshold, 4) else similarity(value, outcome.threshold)


def facts(outcome: Outcome) -> list[tuple[Text, Text]]:
    """The figures of a run, each with its name."""
    kept, dropped = len(outcome.kept), len(outcome.dropped)
    total = len(outcome.texts) - len(outcome.blank)
    rows = [
        (
            KEPT,
            Text(f"{kept:,} of {total:,} ({kept / total:.1%})", f"{kept:,} / {total:,}（{kept / total:.1%}）"),
        ),
        (DROPPED, _dropped(dropped, outcome)),
    ]
    if outcome.blank:
        count = len(outcome.blank)
        rows.append(
            (BLANK, Text(f"{count:,}: left out, there is nothing to embed", f"{count:,} 条：没有内容可编码，不计入"))
        )
    if outcome.apart:
        rows.append((APART, _apart(outcome.apart)))
    if outcome.unrelated is not None:
        one = outcome.unrelated
        rows.append(
            (
                UNRELATED,
                Text(
                    f"median {one.median:.2f}, 1 in 100 above {one.high:.2f}; "
                    f"{one.above:.2%} exceed the threshold ({one.pairs:,} drawn)",
                    f"中位数 {one.median:.2f}，百分之一高于 {one.high:.2f}；"
                    f"{one.above:.2%} 超过阈值（抽取 {one.pairs:,} 对）",
                ),
            )
        )
    return rows


def _dropped(count: int, outcome: Outcome) -> Text:
    threshold = f"{outcome.threshold:g}"
    if not outcome.copies:
        return Text(f"{count:,}: similarity above {threshold}", f"{count:,} 条：相似度超过 {threshold}")
    copies = f"{outcome.copies:,}"
    return Text(
        f"{count:,}: similarity above {threshold}; {copies} stand letter by letter before",
        f"{count:,} 条：相似度超过 {threshold}；{copies} 条与前面的逐字相同",
    )


def _apart(numbers: Sequence[int]) -> Text:
    first = ", ".join(map(str, numbers[:_FIRST])) + (", ..." if len(numbers) > _FIRST else "")
    return Text(
        f"{len(numbers):,}: kept, but the vector is missing, zero, NaN or infinite (from 0: {first})",
        f"{len(numbers):,} 条：保留，但向量缺失、为零或含 NaN/无穷（从 0 数起：{first}）",
    )


def doubts(outcome: Outcome, *, calibrated: bool) -> list[Text]:
    """Why the threshold may not be the right one; `calibrated`: the user has chosen it, else the last ends
    before the command that finds one."""
    remarks = []
    one, threshold = outcome.unrelated, f"{outcome.threshold:g}"
    if one is not None and one.above >= _TOO_MANY:
        share = f"{one.above:.1%}"
        remarks.append(
            Text(
                f"{share} of random pairs exceed {threshold}: for this model unrelated texts count as duplicates. "
                "Raise the threshold",
                f"随机文本对里有 {share} 超过 {threshold}：对这个模型来说，无关的文本也会被当成重复。请调高阈值",
            )
        )
    if not calibrated:
        remarks.append(
            Text(
                f"{threshold} is the guide's figure and no constant: a threshold belongs to a model and to how texts "
                f"are encoded. Find yours:",
                f"{threshold} 只是教程里的数字，并不通用：阈值取决于模型和编码方式。校准阈值：",
            )
        )
    return remarks
