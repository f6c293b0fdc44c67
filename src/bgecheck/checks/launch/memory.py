"""The row about the share of GPU memory that a planned server takes."""

from __future__ import annotations

from typing import Any

from bgecheck.checks.launch.facts import AREA, SHARE, LaunchFacts
from bgecheck.engines.sglang.engine import changes_in_words
from bgecheck.engines.sglang.options import MEMORY_SHARE, NO_CHUNKS
from bgecheck.engines.sglang.remedies import START_WITH_CHANGES
from bgecheck.model import BEFORE, Advice, Evidence, Outcome, Text, absent, broken, holds


@AREA.check(
    "memory-fraction",
    title=Text("the memory share is given and is one", "给出的显存比例有效"),
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
    },
    moments=BEFORE,
    explains=("launch.line",),
)
def share_is_one(facts: LaunchFacts) -> Outcome:
    """What the line alone shows; what a share is on the card of this machine is for the `gpu` area to say."""
    if facts.planned is None:
        return absent(Text("the server runs", "服务已在运行"))
    options = facts.flags or {}
    given = options.get(SHARE)
    mended: dict[str, Any] = {"changes": changes_in_words({SHARE: facts.share}), "share": given or ""}
    if given is None:
        if options.get("chunked-prefill-size") == "-1":
            return broken(Evidence(SHARE, Text("not given", "没有给出"), facts.share), **mended)
        return holds(Evidence(SHARE, _BY_ITSELF))
    share = number(given)
    if share is None:
        return absent(Text(f"the value {given} is not known here", f"不知道 {given} 的值"))
    evidence = Evidence(Text(f"{SHARE} in the command line", f"启动命令行的 {SHARE}"), given)
    if not 0 < share < 1:
        return broken(evidence._replace(expected="0 < x < 1"), advice="no-share", **mended)
    return holds(evidence)


_BY_ITSELF = Text("not given: sglang takes most of what is free", "没有给出：sglang 会占用大部分空闲显存")


def number(text: str) -> float | None:
    """A share as typed; None where it is a word or a variable."""
    try:
        return float(text)
    except ValueError:
        return None
