"""The row about what the store ranks by, and whether the lengths of the vectors go with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bgecheck.checks.likeness import UNIT_NORM
from bgecheck.checks.store.facts import AREA, StoreFacts, served_of, stored_of
from bgecheck.checks.store.measures import sample_pair
from bgecheck.checks.store.readable import AGAIN, values_of
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, broken, holds
from bgecheck.stores.address import Address
from bgecheck.stores.stored import Stored

MANY_ROWS = 10_000
"""From which on a table without an index is slow: each search reads 40 MB of vectors of 1024 numbers."""

_MADE_ANEW = Text(
    "make a collection that ranks by cosine, and move the vectors there: {create}",
    "新建按余弦排序的集合并把向量迁过去：{create}",
)


@AREA.check(
    "metric",
    late=True,
    title=Text("the store ranks by cosine similarity", "库按余弦相似度排序"),
    cause=Text(
        "{collection} ranks by the inner product, and its vectors do not have length 1 ({shortest} to {longest}): "
        "longer vectors come first whatever they mean",
        "{collection} 按内积排序，而向量长度不是 1（{shortest} 到 {longest}）：长的向量无论含义都会排在前面",
    ),
    fix=Text(
        "normalise the vectors before they are written and searched, or rank by cosine: {create}",
        "写入和检索前先做归一化，或改用余弦：{create}",
    ),
    commands=(AGAIN,),
    variants={
        "query-length": Advice(
            Text(
                "{collection} ranks by the inner product; the stored vectors have length 1, the server's do not "
                "({query_norm}): the order is right, but no score is a cosine similarity, and thresholds do not fit",
                "{collection} 按内积排序；库中向量长度为 1，而服务的向量不是（{query_norm}）：顺序没问题，"
                "但得分不是余弦相似度，阈值不适用",
            ),
            Text(
                "normalise the query's vector before the search, or rank by cosine: {create}",
                "检索前把查询向量归一化，或改用余弦：{create}",
            ),
            severity=Severity.WARNING,
        ),
        "l2": Advice(
            Text(
                "{collection} ranks by L2 distance: of vectors of length 1 the order is the cosine's, but the numbers "
                "are not. Two of its texts with cosine {cosine} have the {kind} {distance}, and an application that "
                "reads 1 - d as similarity sees {read_as}; right is {formula}",
                "{collection} 按 L2 距离排序：向量长度为 1 时顺序与余弦相同，数值却不同。库中两条文本余弦 {cosine}，"
                "{kind_zh}是 {distance}，应用若把 1 - d 当作相似度会得到 {read_as}；正确的换算是 {formula}",
            ),
            _MADE_ANEW,
            severity=Severity.WARNING,
        ),
        "l2-default": Advice(
            Text(
                "{collection} ranks by squared L2 distance, which Chroma takes where no metric is chosen: of vectors "
                "of length 1 the order is the cosine's, but the numbers are not. Two of its texts with cosine {cosine} "
                "have the {kind} {distance}, and an application that reads 1 - d as similarity sees {read_as}; right "
                "is {formula}",
                "{collection} 按平方 L2 距离排序（建立时不指定度量，Chroma 就用它）："
                "向量长度为 1 时顺序与余弦相同，数值却不同。"
                "库中两条文本余弦 {cosine}，{kind_zh}是 {distance}，应用若把 1 - d 当作相似度会得到 {read_as}；"
                "正确的换算是 {formula}",
            ),
            _MADE_ANEW,
            severity=Severity.WARNING,
        ),
        "l2-length": Advice(
            Text(
                "{collection} ranks by L2 distance, and its vectors do not have length 1 "
                "({shortest} to {longest}): the "
                "order is not that of the cosine",
                "{collection} 按 L2 距离排序，而向量长度不是 1（{shortest} 到 {longest}）：顺序与余弦不同",
            ),
            Text(
                "normalise the vectors before they are written and searched, or rank by cosine: {create}",
                "写入和检索前先做归一化，或改用余弦：{create}",
            ),
        ),
        "other": Advice(
            Text(
                "{collection} ranks by {source}, for which embedding models are not trained",
                "{collection} 按 {source} 排序，embedding 模型并不是为它训练的",
            ),
            _MADE_ANEW,
        ),
        "no-index": Advice(
            Text(
                "{collection} has no usable index on its {rows} vectors{also}: every search reads all of them",
                "{collection} 的 {rows} 条向量没有可用的索引{also}：每次检索都要读完全部向量",
            ),
            Text("build one for cosine: {create}", "按余弦建索引：{create}"),
            severity=Severity.WARNING,
        ),
    },
    needs=("embed.answers",),
)
def store_ranks_by_cosine(facts: StoreFacts) -> Outcome:
    """Inner product and L2 rank as cosine only where all vectors have length 1; L2's numbers are none of cosine."""
    stored, served = stored_of(facts), served_of(facts)
    norms = [math.hypot(*row.vector) for row in stored.rows]
    values = _values(facts, stored, norms, served.norms)
    evidence = _evidence(stored, norms, served.norms)
    if stored.metric is None:
        return _unindexed(stored, values, evidence)
    if stored.metric == "cosine":
        return holds(*evidence, **values)
    if stored.metric == "other":
        return broken(*evidence, advice="other", **values)
    if not all(_is_unit(one) for one in norms):
        return broken(*evidence, advice="l2-length" if stored.metric == "l2" else None, **values)
    if stored.metric == "ip":
        right = all(_is_unit(one) for one in served.norms)
        return holds(*evidence, **values) if right else broken(*evidence, advice="query-length", **values)
    return _by_distance(stored, values, evidence)


def _unfinished(stored: Stored) -> Text:
    """That there is an index, whose build did not end."""
    name = stored.metric_source
    return Text(f" ({name} was not built to its end)", f"（{name} 没有建完）") if name else Text("", "")


def _is_unit(norm: float) -> bool:
    return UNIT_NORM.admits(abs(norm - 1.0))


def _farthest(norms: Sequence[float]) -> float:
    """The one farthest from 1."""
    return max(norms, key=lambda norm: abs(norm - 1) if math.isfinite(norm) else math.inf, default=math.nan)


def _evidence(stored: Stored, norms: Sequence[float], served: Sequence[float]) -> list[Evidence]:
    source = stored.metric_source if stored.metric else Text("no index", "没有索引")
    evidence = [Evidence(Text("metric", "度量"), source, Text("cosine", "余弦"))]
    evidence.append(_norms(Text("norm of the stored vectors", "库中向量的范数"), norms))
    if served:
        evidence.append(_norms(Text("norm of the server's vectors", "服务向量的范数"), served))
    if stored.number_type:
        evidence.append(Evidence(Text("stored as", "存储类型"), stored.number_type, background=True))
    if stored.quantised:
        evidence.append(Evidence(Text("quantised index", "量化索引"), stored.quantised, background=True))
    return evidence


def _norms(subject: Text, norms: Sequence[float]) -> Evidence:
    """The shortest and the longest; no symptom where all are 1."""
    shortest, longest = f"{min(norms):.4g}", f"{max(norms):.4g}"
    shown = shortest if shortest == longest else Text(f"{shortest} to {longest}", f"{shortest} 到 {longest}")
    return Evidence(subject, shown, f"1 ± {UNIT_NORM.value:g}", background=all(map(_is_unit, norms)))


def _values(facts: StoreFacts, stored: Stored, norms: Sequence[float], served: Sequence[float]) -> dict[str, Any]:
    return {
        **values_of(facts),
        "metric": stored.metric,
        "source": stored.metric_source,
        "shortest": f"{min(norms):.4g}",
        "longest": f"{max(norms):.4g}",
        "query_norm": f"{_farthest(served):.4g}",
        "create": _creating(facts.address, stored),
        "rows": "?" if stored.count is None else stored.count,
        "also": _unfinished(stored),
    }


def _unindexed(stored: Stored, values: dict[str, Any], evidence: list[Evidence]) -> Outcome:
    """A small table is searched exactly without one; of Milvus a collection without an index cannot be searched."""
    is_small = stored.count is not None and stored.count < MANY_ROWS
    if is_small and not stored.metric_source and not stored.squared:
        words = Text(
            "exact search: the query's operator decides, <=> is cosine", "精确检索：由查询的运算符决定，<=> 是余弦"
        )
        return holds(Evidence(Text("no index", "没有索引"), words), *evidence[1:], **values)
    return broken(*evidence, advice="no-index", **values)


def _by_distance(stored: Stored, values: dict[str, Any], evidence: list[Evidence]) -> Outcome:
    pair = sample_pair(stored)
    if pair is None:
        values |= {"cosine": "?", "distance": "?", "read_as": "?"}
    else:
        distance = pair.distance**2 if stored.squared else pair.distance
        values |= {"cosine": f"{pair.cosine:.4f}", "distance": f"{distance:.4f}", "read_as": f"{1 - distance:.4f}"}
        subject = Text("two of its texts: cosine, and 1 - d", "库中两条文本：余弦，与 1 - d")
        evidence.append(Evidence(subject, f"{values['cosine']}, {values['read_as']}"))
    values["formula"] = "1 - d/2" if stored.squared else "1 - d*d/2"
    values["kind"] = "squared distance" if stored.squared else "distance"
    values["kind_zh"] = "平方距离" if stored.squared else "距离"
    return broken(*evidence, advice="l2-default" if stored.default else "l2", **values)


_INDEXED_DIMS = 2000
"""Components of a `vector` that pgvector builds an index of at most; of `halfvec` twice as many."""


def _creating(address: Address, stored: Stored) -> str:
    """What makes the store rank by cosine, in its own words."""
    dims, field, name = len(stored.rows[0].vector), stored.vector_field, stored.collection
    match address.store:
        case "chroma":
            return 'client.create_collection(NAME, configuration={"hnsw": {"space": "cosine"}})'
        case "qdrant":
            return f"client.create_collection(NAME, vectors_config=VectorParams(size={dims}, distance=Distance.COSINE))"
        case "milvus":
            return f'index_params.add_index("{field}", index_type="AUTOINDEX", metric_type="COSINE")'
        case _:
            if stored.number_type == "halfvec":
                return f"CREATE INDEX ON {name} USING hnsw ({field} halfvec_cosine_ops)"
            if dims > _INDEXED_DIMS:
                return f"CREATE INDEX ON {name} USING hnsw (({field}::halfvec({dims})) halfvec_cosine_ops)"
            return f"CREATE INDEX ON {name} USING hnsw ({field} vector_cosine_ops)"
