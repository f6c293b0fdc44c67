"""What the rows that fail together point to, when nothing but the vectors is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from bgecheck.checks.embed import measures
from bgecheck.checks.embed.facts import EmbedFacts
from bgecheck.model import Evidence, Text, Unavailable


def _chunks_hold(facts: EmbedFacts) -> bool:
    if not (cosines := measures.in_chunks(facts)):
        raise Unavailable(Text("no chunk was overflowed", "没有超过分块的请求"), looked=False)
    return measures.SAME_IN_BATCH.admits(measures.lowest(cosines))


_HOLDS: dict[str, Callable[[EmbedFacts], bool]] = {
    "repeatable": lambda facts: measures.SAME_TEXT.admits(measures.repeated(facts)),
    "prefix-independent": lambda facts: measures.SAME_IN_BATCH.admits(measures.after_relative(facts)),
    "batch-equals-single": lambda facts: measures.SAME_IN_BATCH.admits(measures.in_batch(facts)),
    "order": lambda facts: (
        measures.shuffled(facts) is None and measures.SAME_IN_BATCH.admits(measures.in_reverse(facts))
    ),
    "long-batch": _chunks_hold,
    "concurrent": lambda facts: measures.SAME_IN_BATCH.admits(measures.at_once(facts)),
    "distinct": lambda facts: measures.COLLAPSED.admits(measures.closest(facts)),
    "semantic": lambda facts: measures.meaning(facts).kept,
    "golden": lambda facts: measures.GOLDEN_BAND.admits(abs(measures.published_pair(facts) - measures.GOLDEN_COSINE)),
}


class Fault(NamedTuple):
    """A fault, and the rows that were seen to fail under it."""

    name: str
    words: Text
    rows: frozenset[str]


_SHAKEN = frozenset({"repeatable", "prefix-independent", "batch-equals-single", "order", "concurrent"})

# Seen by `make real-vectors`, whose table is docs/vectors-seen.md.
FAULTS = (
    Fault(
        "prefix-cache",
        Text("prefix cache on a bidirectional encoder", "双向编码器开着前缀缓存"),
        _SHAKEN,
    ),
    Fault(
        "prefix-cache-and-chunks",
        Text("prefix cache and chunked prefill", "前缀缓存与分块 prefill 都开着"),
        _SHAKEN | {"long-batch"},
    ),
    Fault("chunked-prefill", Text("chunked prefill", "分块 prefill"), frozenset({"long-batch"})),
    Fault(
        "mixed-order",
        Text("answers in another order than the texts", "返回顺序与文本不一致"),
        frozenset({"order", "concurrent"}),
    ),
    Fault("mixed-requests", Text("requests that contaminate each other", "并发请求串数据"), frozenset({"concurrent"})),
    Fault(
        "tokenizer", Text("tokenizer files missing", "缺少分词器文件"), frozenset({"distinct", "semantic", "golden"})
    ),
    Fault(
        "other-vectors",
        Text("another pooling, attention or model", "池化方式、注意力或模型不对"),
        frozenset({"semantic", "golden"}),
    ),
)


class Suspect(NamedTuple):
    """A fault and how many of the rows, of those that fail or should, agree with it."""

    fault: Fault
    agree: int
    of: int


def failing(facts: EmbedFacts) -> dict[str, bool]:
    """For each row that compares vectors and could be judged, whether it fails."""
    judged = {name: _fails(holds, facts) for name, holds in _HOLDS.items()}
    return {name: fails for name, fails in judged.items() if fails is not None}


def _fails(holds: Callable[[EmbedFacts], bool], facts: EmbedFacts) -> bool | None:
    try:
        return not holds(facts)
    except Unavailable:
        return None


def ranked(fails: dict[str, bool]) -> list[Suspect]:
    """The faults that fit, the likeliest first: by the share of rows that fail, or would, in which both agree."""
    seen = {name for name, fail in fails.items() if fail}
    suspects: list[Suspect] = []
    told: set[frozenset[str]] = set()
    for fault in FAULTS:
        wanted = fault.rows.intersection(fails)
        if (both := seen & wanted) and wanted not in told:
            suspects.append(Suspect(fault, len(both), len(seen | wanted)))
        told.add(wanted)
    return sorted(suspects, key=lambda s: (-s.agree / s.of, -s.agree))


def suspicion(facts: EmbedFacts, row: str) -> tuple[Evidence, ...]:
    """The likeliest three, as evidence for `row`, which fails; told once, by the first row that does.

    Nothing where vectors are not numbers: every comparison fails then, and looks like anything.
    """
    if not all(map(math.isfinite, (x for vector in facts.vectors() for x in vector))):
        return ()
    fails = failing(facts)
    likely = [s for s in ranked(fails) if 3 * s.agree >= s.of][:3]
    if not likely or row != next(name for name, fail in fails.items() if fail):
        return ()
    en = "; ".join(f"{n}. {s.fault.words.en} ({s.agree}/{s.of} rows)" for n, s in enumerate(likely, 1))
    zh = "；".join(f"{n}. {s.fault.words.zh}（{s.agree}/{s.of} 项吻合）" for n, s in enumerate(likely, 1))
    return (Evidence(Text("which rows fail together looks like", "从同时不通过的检查项看，像是"), Text(en, zh)),)
