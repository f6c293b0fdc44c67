"""What the rows that fail together point to, when nothing but the vectors is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bgecheck.checks.embed import measures
from bgecheck.checks.embed.facts import AREA, EmbedFacts, wanted_dims
from bgecheck.knowledge.vectors import is_finite
from bgecheck.model import Check, Evidence, Outcome, Text, Unavailable

ROWS = (
    *("repeatable", "prefix-independent", "batch-equals-single", "order", "long-batch", "concurrent"),
    *("distinct", "whole-text", "token-count", "semantic", "golden"),
)
"""The rows that compare vectors, in the order in which one of them shows what they point to together."""

_OTHER_CAUSES = frozenset({"none", "few", "index", "case"})
"""Variants of their outcomes that come from no comparison of vectors, or from one of another kind."""

_SIGNS: Mapping[str, Callable[[EmbedFacts], bool]] = {
    "comes-back": measures.comes_back,
    "never-twice": lambda facts: bool(measures.never_twice(facts)),
    "any-length": measures.one_for_all,
}
"""What is no row: in the answers to one text, without which the fault that it stands for is not suspected."""

_SOFT = frozenset({"semantic", "golden"})
"""What any wrong vector may fail, and another model fails by itself: it tells a fault only where nothing else does."""


def _never(facts: EmbedFacts) -> bool:
    return False


def _without_prefix_cache(facts: EmbedFacts) -> bool:
    """Whether no prefix is kept, or keeping it harms no model of this kind."""
    model = facts.own_model
    return facts.running.keeps_prefixes is False or (model is not None and not model.bidirectional)


class Fault(NamedTuple):
    """A fault, what was seen to fail under it each time, what may fail besides, and what excludes it."""

    name: str
    words: Text
    rows: frozenset[str]
    may: frozenset[str] = frozenset()
    excluded: Callable[[EmbedFacts], bool] = _never


_SHAKEN = frozenset({"repeatable", "prefix-independent", "batch-equals-single", "order", "concurrent"})
_AFTER = _SOFT | {"token-count"}

# Seen by `make real-vectors`, whose table is docs/vectors-seen.md.
FAULTS = (
    Fault(
        "prefix-cache",
        Text("prefix cache on a bidirectional encoder", "双向编码器开着前缀缓存"),
        _SHAKEN,
        _AFTER,
        _without_prefix_cache,
    ),
    Fault(
        "prefix-cache-and-chunks",
        Text("prefix cache and chunked prefill", "前缀缓存与分块预填充都开着"),
        _SHAKEN | {"long-batch"},
        _AFTER,
        _without_prefix_cache,
    ),
    Fault("chunked-prefill", Text("chunked prefill", "分块预填充"), frozenset({"long-batch"}), _SOFT),
    Fault(
        "replicas",
        Text("differing servers behind one address, answering in turn", "同一地址后面有多个不一致的副本轮流响应"),
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
        Text("padding that enters attention or the mean", "padding 参与了注意力或均值"),
        frozenset({"batch-equals-single"}),
        _AFTER | {"order", "concurrent", "long-batch"},
    ),
    Fault(
        "tokenizer",
        Text("tokenizer files missing", "缺少分词器文件"),
        frozenset({"distinct"}),
        _AFTER | {"whole-text"},
        excluded=lambda facts: bool(_is_there(measures.one_for_all, facts)),
    ),
    Fault(
        "one-vector",
        Text(
            "attention that sees no other token, weights that were not loaded, or one stored vector",
            "注意力看不到其他 token、权重没有加载，或总是返回同一条缓存的向量",
        ),
        frozenset({"distinct", "any-length"}),
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
        Text("text prepended to each input, or another tokenizer", "每条文本前被加了内容，或分词器不对"),
        frozenset({"token-count"}),
        _SOFT,
    ),
    Fault(
        "other-model",
        Text("another model, or another kind of attention", "模型不对，或注意力的计算方式不对"),
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
    """For each row that compares vectors and could be judged, whether it fails; and which signs are there."""
    rows = {check.id.partition(".")[2]: check for check in AREA.checks}
    outcomes = {name: outcome for name in ROWS if (outcome := _outcome(rows[name], facts))}
    fails = {n: not o.holds for n, o in outcomes.items() if o.holds is not None and o.advice not in _OTHER_CAUSES}
    return fails | {name: there for name, sign in _SIGNS.items() if (there := _is_there(sign, facts)) is not None}


def _outcome(check: Check, facts: EmbedFacts) -> Outcome | None:
    try:
        return check.judge(facts)
    except Exception:  # the row itself shows why
        return None


def _is_there(sign: Callable[[EmbedFacts], bool], facts: EmbedFacts) -> bool | None:
    try:
        return sign(facts)
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
        if (wanted & _SIGNS.keys()) - failed:
            continue
        if (both := failed & wanted) and wanted not in explained:
            against = (wanted - failed) | (failed - fault.rows - fault.may)
            suspects.append(Suspect(fault, len(both), len(both | against)))
            explained.add(wanted)
    hard = failed - _SOFT

    def place(suspect: Suspect) -> tuple[bool, float, int]:
        return bool(hard) and not hard & suspect.fault.rows, -suspect.agree / suspect.of, -suspect.agree

    return sorted(suspects, key=place)


def suspects(facts: EmbedFacts, fails: dict[str, bool]) -> list[Suspect]:
    """The faults that fit and that nothing else of the same run excludes, the likeliest first."""
    return [suspect for suspect in ranked(fails) if not suspect.fault.excluded(facts)]


@AREA.review
def suspicion(facts: EmbedFacts) -> dict[str, Evidence]:
    """The likeliest three, as evidence for the first row that fails.

    None where vectors are not numbers, or not as many as the model's: every comparison fails then, and looks like
    anything.
    """
    wanted = wanted_dims(facts)
    if any(wanted not in (None, len(vector)) for vector in facts.vectors()):
        return {}
    if not all(map(is_finite, facts.vectors())):
        return {}
    fails = failing(facts)
    likely = [s for s in suspects(facts, fails) if 3 * s.agree >= s.of][:3]
    first = next((name for name in ROWS if fails.get(name)), None)
    if not likely or first is None:
        return {}
    en = "; ".join(f"{n}. {s.fault.words.en} ({s.agree}/{s.of} signs)" for n, s in enumerate(likely, 1))
    zh = "；".join(f"{n}. {s.fault.words.zh}（{s.agree}/{s.of} 项吻合）" for n, s in enumerate(likely, 1))
    subject = Text("the rows that fail together look like", "按同时未通过的检查项推断")
    return {f"{AREA.name}.{first}": Evidence(subject, Text(en, zh), background=True)}
