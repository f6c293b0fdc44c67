"""What the rows that fail together point to, when nothing but the vectors is known."""

from collections.abc import Callable
from typing import NamedTuple

from bgecheck.checks.embed import measures
from bgecheck.checks.embed.facts import EmbedFacts, more_of, wanted_dims
from bgecheck.checks.embed.texts import COUNTED
from bgecheck.http.embeddings import Embedded
from bgecheck.knowledge.vectors import is_finite
from bgecheck.model import Evidence, Text, Unavailable


def _chunks_hold(facts: EmbedFacts) -> bool:
    if not (cosines := measures.in_chunks(facts)):
        raise Unavailable(Text("no chunk was overflowed", "没有超过分块的请求"), looked=False)
    return measures.SAME_IN_BATCH.admits(measures.lowest(cosines))


def _counts_hold(facts: EmbedFacts) -> bool:
    counted = more_of(facts).counted
    if counted is None or not isinstance(counted, Embedded) or counted.tokens is None:
        raise Unavailable(Text("no tokens were counted", "没有 token 数"), looked=False)
    return counted.tokens == sum(tokens for _, tokens in COUNTED)


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
    "whole-text": lambda facts: measures.READ_ALIKE.admits(measures.ends_alike(facts)),
    "token-count": _counts_hold,
    "semantic": lambda facts: measures.meaning(facts).kept,
    "golden": lambda facts: measures.GOLDEN_BAND.admits(abs(measures.published_pair(facts) - measures.GOLDEN_COSINE)),
    "comes-back": lambda facts: not measures.comes_back(facts),
    "never-twice": lambda facts: not measures.never_twice(facts),
}
"""What is looked at: rows, and two signs in the answers to one text, which tell apart what shakes the same rows."""

_SIGNS = frozenset({"comes-back", "never-twice"})
"""What is no row, and without which the fault that it stands for is not suspected."""

_SOFT = frozenset({"semantic", "golden"})
"""What any wrong vector may fail, and another model fails by itself: it tells a fault only where nothing else does."""


class Fault(NamedTuple):
    """A fault, what was seen to fail under it each time, and what may fail besides."""

    name: str
    words: Text
    rows: frozenset[str]
    may: frozenset[str] = frozenset()


_SHAKEN = frozenset({"repeatable", "prefix-independent", "batch-equals-single", "order", "concurrent"})
_AFTER = _SOFT | {"token-count"}

# Seen by `make real-vectors`, whose table is docs/vectors-seen.md.
FAULTS = (
    Fault("prefix-cache", Text("prefix cache on a bidirectional encoder", "双向编码器开着前缀缓存"), _SHAKEN, _AFTER),
    Fault(
        "prefix-cache-and-chunks",
        Text("prefix cache and chunked prefill", "前缀缓存与分块预填充都开着"),
        _SHAKEN | {"long-batch"},
        _AFTER,
    ),
    Fault("chunked-prefill", Text("chunked prefill", "分块预填充"), frozenset({"long-batch"}), _SOFT),
    Fault(
        "replicas",
        Text("differing servers behind one address, answering in turn", "同一地址后面有多个不一致的副本轮流应答"),
        frozenset({"repeatable", "comes-back"}),
        _SHAKEN | _AFTER | {"long-batch", "whole-text"},
    ),
    Fault(
        "chance",
        Text("something random in each request (dropout left on)", "每次请求都有随机性（如 dropout 没关）"),
        _SHAKEN | {"never-twice"},
        _AFTER | {"long-batch"},
    ),
    Fault(
        "mixed-order",
        Text("answers in a different order from the texts", "返回顺序与文本不一致"),
        frozenset({"order"}),
        _AFTER | {"concurrent", "batch-equals-single", "long-batch"},
    ),
    Fault(
        "mixed-requests",
        Text("requests that contaminate each other", "并发请求串数据"),
        frozenset({"concurrent"}),
        _SOFT,
    ),
    Fault(
        "padding",
        Text("padding that counts: in attention, or in the mean", "padding 参与了注意力或均值"),
        frozenset({"batch-equals-single"}),
        _AFTER | {"order", "concurrent", "long-batch"},
    ),
    Fault(
        "tokenizer",
        Text("tokenizer files missing", "缺少分词器文件"),
        frozenset({"distinct"}),
        _AFTER | {"whole-text"},
    ),
    Fault(
        "cut",
        Text("texts truncated, or vectors cached by their beginning", "文本被截断，或按开头缓存向量"),
        frozenset({"whole-text"}),
        _SOFT,
    ),
    Fault(
        "text-added",
        Text("something put before each text, or another tokenizer", "每条文本前被加了内容，或分词器不对"),
        frozenset({"token-count"}),
        _SOFT,
    ),
    Fault(
        "other-model",
        Text("another model or attention", "模型或注意力不对"),
        _SOFT,
    ),
    Fault("pooling", Text("another pooling", "池化方式不对"), frozenset({"golden"})),
)


class Suspect(NamedTuple):
    """A fault, how many of its signs were seen, and out of how many: those, and all that speak against it."""

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
    """The faults that fit, the likeliest first.

    A sign that should be there and is not speaks against a fault, and so does one that it does not account for. Where
    a text's vectors contradict each other, what accounts only for a lack of meaning comes after what accounts for that.
    """
    failed = {name for name, fail in fails.items() if fail}
    suspects: list[Suspect] = []
    explained: set[frozenset[str]] = set()
    for fault in FAULTS:
        wanted = fault.rows.intersection(fails)
        if (wanted & _SIGNS) - failed:
            continue
        if (both := failed & wanted) and wanted not in explained:
            against = (wanted - failed) | (failed - fault.rows - fault.may)
            suspects.append(Suspect(fault, len(both), len(both | against)))
            explained.add(wanted)
    hard = failed - _SOFT

    def place(suspect: Suspect) -> tuple[bool, float, int]:
        return bool(hard) and not hard & suspect.fault.rows, -suspect.agree / suspect.of, -suspect.agree

    return sorted(suspects, key=place)


def suspicion(facts: EmbedFacts, row: str) -> tuple[Evidence, ...]:
    """The likeliest three, as evidence for `row`, which fails; told once, by the first row that does.

    Nothing where vectors are not numbers, or not as many as the model's: every comparison fails then, and looks like
    anything.
    """
    wanted = wanted_dims(facts)
    if any(wanted not in (None, len(vector)) for vector in facts.vectors()):
        return ()
    if not all(map(is_finite, facts.vectors())):
        return ()
    fails = failing(facts)
    likely = [s for s in ranked(fails) if 3 * s.agree >= s.of][:3]
    if not likely or row != next(name for name, fail in fails.items() if fail):
        return ()
    en = "; ".join(f"{n}. {s.fault.words.en} ({s.agree}/{s.of} signs)" for n, s in enumerate(likely, 1))
    zh = "；".join(f"{n}. {s.fault.words.zh}（{s.agree}/{s.of} 项吻合）" for n, s in enumerate(likely, 1))
    return (
        Evidence(
            Text("the rows that fail together look like", "从同时不通过的检查项看，像是"), Text(en, zh), background=True
        ),
    )
