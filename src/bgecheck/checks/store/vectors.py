"""The row that embeds a sample of the stored texts anew: is the index of this model, as it is served now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bgecheck.checks.likeness import NEAR, SAME_INDEX, recipe_words
from bgecheck.checks.store.dimension import RE_EMBED
from bgecheck.checks.store.facts import AREA, StoreFacts, served_of, stored_of
from bgecheck.checks.store.measures import best, comparable, cosines, has_direction, own_is_nearest
from bgecheck.checks.store.readable import values_of
from bgecheck.checks.store.served import Remade, Served
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, absent, broken, holds, unclear
from bgecheck.model.expected import AtLeast
from bgecheck.stores.stored import Row, Stored

IN_ONE_SPACE = AtLeast(
    0.5,
    "",
    "share of texts whose own vector is the nearest of the sample: 1/32 by chance, 1 where texts were changed a little",
)
FEWEST = 4
"""Texts of which the nearest is looked for: of fewer it is the own one by chance."""

MOST_KEYS = 6

FOREIGN, NOTHING = "x", "0"
"""How a row is drawn whose vector is not of this server at all, and one whose vector has no direction."""

_NEW_COLLECTION = Text(
    "export the texts, embed them anew with this server, and write them into a new collection; do not mix the two",
    "导出文本，用这个服务重新编码，写入新的集合；不要与旧向量混放",
)


@AREA.check(
    "vectors",
    late=True,
    headline=True,
    title=Text("the stored vectors are those of this server", "库中的向量就是这个服务编码的"),
    cause=Text(
        "none of {count} stored texts gets its stored vector again (cosine {lowest} to {highest}), "
        "and the nearest text "
        "is their own for {own} of them only: the index is of another model",
        "{count} 条库中文本没有一条能重新得到库里的向量（余弦 {lowest} 到 {highest}），"
        "且只有 {own} 条的最近文本是它自己：索引是另一个模型建的",
    ),
    fix=_NEW_COLLECTION,
    commands=(RE_EMBED,),
    variants={
        "few": Advice(
            Text(
                "{matching} of {count} stored texts get their stored vector again (cosine {lowest} to {highest}): "
                "another model, another pooling, or the texts were changed after they were "
                "embedded; more texts would tell",
                "{count} 条库中文本有 {matching} 条能重新得到库里的向量（余弦 {lowest} 到 {highest}）："
                "模型或池化方式不同，或文本在编码后改过；文本太少，无法区分",
            ),
            _NEW_COLLECTION,
            (RE_EMBED,),
        ),
        "changed": Advice(
            Text(
                "no stored text gets its stored vector again (cosine {lowest} to {highest}), "
                "though the nearest text is "
                "its own for {own} of {count}: the texts were changed between embedding and storing (a title or "
                "metadata before them, as LlamaIndex does; cut; cleaned), or it is this model with another pooling or "
                "another version",
                "没有一条文本能重新得到库里的向量（余弦 {lowest} 到 {highest}），但 {count} 条中有 "
                "{own} 条的最近文本是它自己："
                "编码的文本与入库的不同（前面加了标题或元数据，如 LlamaIndex；截断过；清洗过），"
                "或是同一模型的其他池化方式、其他版本",
            ),
            Text(
                "embed one stored text exactly as the application did and compare; to tell the "
                "pooling, name the model's "
                "folder with --model-path. If it is not the text, embed everything anew",
                "按应用当时的拼接方式编码一条文本再比较；要判断池化方式，用 --model-path 指定模型目录。"
                "若不是文本的差异，就全部重新编码",
            ),
            (RE_EMBED,),
        ),
        "edited": Advice(
            Text(
                "{matching} of {count} stored texts get their stored vector again; of the others the nearest text is "
                "their own (lowest cosine {lowest}): the index is of this model, and these texts were changed, cut or "
                "joined with something else",
                "{count} 条库中文本有 {matching} 条能重新得到库里的向量，"
                "其余各条的最近文本也是它自己（最低余弦 {lowest}）："
                "索引是这个模型建的，但这些文本改过、截断过或拼接过别的内容",
            ),
            Text(
                "embed the rows that differ anew: {keys}",
                "把不一致的行重新编码（{keys}）",
            ),
            severity=Severity.WARNING,
        ),
        "mixed": Advice(
            Text(
                "a mixed index: {matching} of {count} stored texts get their stored vector again, "
                "and {foreign} have one "
                "that is not of this server at all (lowest cosine {lowest}); rows of two models cannot be compared",
                "混合索引：{count} 条库中文本有 {matching} 条能重新得到库里的向量，另有 {foreign} "
                "条完全不是这个服务的向量"
                "（最低余弦 {lowest}）；两个模型的向量无法相互比较",
            ),
            Text(
                "find out since when the other model wrote into it, and embed those rows anew; they are among: {keys}",
                "查明另一个模型从何时起写入，把那些行重新编码（其中有 {keys}）",
            ),
            (RE_EMBED,),
        ),
        "no-direction": Advice(
            Text(
                "{empty} of {count} stored vectors are zero, or hold NaN or infinity, so that no search finds these "
                "rows: most often their texts could not be embedded, and something was stored in place of the vector",
                "{count} 条库中向量有 {empty} 条为零，或含 NaN、无穷，这些行检索不到："
                "多半是当时编码失败，写入了占位的向量",
            ),
            Text(
                "embed these rows anew, and let the import stop where a text gets no vector: {keys}",
                "把这些行重新编码（{keys}），导入程序遇到没有向量的文本应报错",
            ),
            (RE_EMBED,),
        ),
        "near": Advice(
            Text(
                "all stored vectors are near to the server's but not the same (cosine {lowest} to "
                "{highest}): weights or "
                "vectors were quantised, or texts are cut or closed in another way",
                "库中向量与服务的接近但不相同（余弦 {lowest} 到 {highest}）：权重或向量做过量化，"
                "或文本截断、特殊 token 处理不同",
            ),
            Text(
                "compare dtype and quantisation with those of the time of the import; rankings near a threshold change",
                "核对导入时的 dtype 和量化方式；靠近阈值的结果会变化",
            ),
            severity=Severity.WARNING,
        ),
        "instruction": Advice(
            Text(
                "the stored vectors are those of the texts with {name}'s query instruction before them "
                "({matching} of {count} with it, {plain} without): documents were embedded as queries",
                "库中的向量对应加了 {name} 查询指令的文本（加指令后 {count} 条中 {matching} "
                "条一致，不加只有 {plain} 条）："
                "文档被当作查询来编码了",
            ),
            Text(
                "embed the documents anew without the instruction, into a new collection; only queries have it",
                "文档不加指令重新编码，写入新的集合；指令只加在查询上",
            ),
            ("bgecheck embed --url {base_url} --input texts.jsonl --to vectors.npy --as passage",),
        ),
        "no-instruction": Advice(
            Text(
                "the stored vectors are those of the bare texts, and {name} wants its own words before each document: "
                "searches find less than they could",
                "库中的向量对应不带前缀的文本，而 {name} 要求文档前加固定前缀：检索效果会变差",
            ),
            Text("embed the documents anew with that prefix", "加上前缀重新编码文档"),
            ("bgecheck embed --url {base_url} --input texts.jsonl --to vectors.npy --as passage",),
            severity=Severity.WARNING,
        ),
        "pooling": Advice(
            Text(
                "the stored vectors are {recipe_en} of the weights in {folder} (lowest cosine "
                "{made}), and the server's "
                "are not (cosine {lowest} to {highest}): the same model, pooled in another way",
                "库中的向量是 {folder} 权重下{recipe_zh}（最低余弦 {made}），而服务的不是（余弦 "
                "{lowest} 到 {highest}）："
                "同一模型，池化方式不同",
            ),
            Text(
                "find out which of the two is the model's own pooling with bgecheck embed --full; "
                "serve it so, and embed "
                "anew what was made the other way",
                "用 bgecheck embed --full 确认哪一种是模型应有的池化方式，按它部署，并把另一种的向量重新编码",
            ),
            ("bgecheck embed --full --url {base_url} --model-path {folder}", RE_EMBED),
        ),
    },
    needs=("store.readable", "embed.answers", "embed.finite", "embed.repeatable"),
)
def stored_vectors_are_the_servers(facts: StoreFacts) -> Outcome:
    """By the share of the sample that comes out the same, with and without the model's instructions."""
    stored, served = stored_of(facts), served_of(facts)
    if not comparable(stored, served.dims):
        lengths = f"{len(stored.rows[0].vector)} / {served.dims}"
        return absent(Text(f"vectors of different lengths: {lengths}", f"向量长度不同：{lengths}"))
    if not served.remade:
        return _nothing_to_compare(stored, served)
    nearest = best(served)
    values = _values(facts, served, nearest)
    evidence = _evidence(served, nearest, values)
    if values["matching"] == values["count"]:
        return _of_instruction(served, nearest, evidence, values)
    if (match := served.match) is not None and SAME_INDEX.admits(match.cosine):
        words = recipe_words(match.recipe)
        recipe = {"recipe_en": words.en, "recipe_zh": words.zh, "made": f"{match.cosine:.4f}", "folder": served.folder}
        return broken(*evidence, advice="pooling", **values, **recipe)
    return broken(*evidence, advice=_advice(served, nearest, values), **values)


def _nothing_to_compare(stored: Stored, served: Served) -> Outcome:
    """Without texts nothing can be embedded anew, which is said and no pass."""
    if served.left_out:
        return unclear(
            Text(
                f"all {served.left_out} texts of the sample are longer than the model reads, or refused",
                f"样本中 {served.left_out} 条文本都超过模型的最大长度，或被拒绝",
            )
        )
    names = ", ".join(stored.fields[:8])
    if names:
        return unclear(
            Text(
                f"it is not clear which field holds the texts: {names}; name it with --text-field",
                f"不清楚哪个字段是文本：{names}；用 --text-field 指定",
            )
        )
    return unclear(
        Text(
            "the store holds no texts (FastGPT for instance keeps them in another database), so that none can be "
            "embedded anew",
            "库里没有文本（例如 FastGPT 把文本放在另一个数据库），无法重新编码比较",
        )
    )


def _values(facts: StoreFacts, served: Served, nearest: Remade) -> dict[str, Any]:
    of_rows = cosines(served, nearest)
    own = own_is_nearest(served, nearest) if not all(map(SAME_INDEX.admits, of_rows)) else (True,) * len(of_rows)
    differing = [row for row, value in zip(served.compared, of_rows, strict=True) if not SAME_INDEX.admits(value)]
    finite = [value for value in of_rows if math.isfinite(value)] or [math.nan]
    plain = cosines(served, served.remade[0])
    empty = [not has_direction(row) for row in served.compared]
    return {
        **values_of(facts),
        "name": served.model.name if served.model else "?",
        "count": len(of_rows),
        "matching": sum(map(SAME_INDEX.admits, of_rows)),
        "plain": sum(map(SAME_INDEX.admits, plain)),
        "own": sum(own),
        "empty": sum(empty),
        "foreign": _pattern(of_rows, own, empty).count(FOREIGN),
        "lowest": f"{min(finite):.4f}",
        "highest": f"{max(finite):.4f}",
        "keys": _keys(differing),
        "pattern": _pattern(of_rows, own, empty),
    }


def _keys(rows: Sequence[Row]) -> Text:
    """The first ids of rows, with their places where these are known."""
    shown, more = rows[:MOST_KEYS], ", ..." * (len(rows) > MOST_KEYS)
    return Text(
        ", ".join(row.key + (f" (row {row.place})" if row.place else "") for row in shown) + more,
        ", ".join(row.key + (f" [第 {row.place} 行]" if row.place else "") for row in shown) + more,
    )


def _pattern(values: Sequence[float], own: Sequence[bool], empty: Sequence[bool]) -> str:
    """Row by row in the order of the store: the same, near to its own text, foreign, or without a direction."""
    signs = []
    for value, mine, nothing in zip(values, own, empty, strict=True):
        signs.append(NOTHING if nothing else "=" if SAME_INDEX.admits(value) else "~" if mine else FOREIGN)
    return "".join(signs)


def _evidence(served: Served, nearest: Remade, values: dict[str, Any]) -> list[Evidence]:
    count, how = values["count"], _with(nearest)
    subject = Text(
        f"{count} stored texts embedded again{how.en}: lowest cosine", f"{count} 条库中文本重新编码{how.zh}：最低余弦"
    )
    evidence = [Evidence(subject, values["lowest"], str(SAME_INDEX))]
    if values["matching"] < count:
        same = Text("the same, of all", "一致的条数")
        evidence.append(Evidence(same, f"{values['matching']} / {count}", f"{count} / {count}"))
        nothing = Text(", 0 zero, NaN or infinite", "，0 为零或含 NaN、无穷") if values["empty"] else Text("", "")
        order = Text(
            f"in the order of the store (= same, ~ its own text is nearest, x foreign{nothing.en})",
            f"按库中顺序（= 一致，~ 最近的是自己，x 无关{nothing.zh}）",
        )
        evidence.append(Evidence(order, values["pattern"]))
    if served.left_out:
        left_out = Text("texts left out, longer than the model reads or refused", "超过最大长度或被拒绝而未比较的文本")
        evidence.append(Evidence(left_out, str(served.left_out), background=True))
    return evidence


def _with(remade: Remade) -> Text:
    return {
        "none": Text("", ""),
        "query": Text(" with the query instruction", "（加查询指令）"),
        "passage": Text(" with the document prefix", "（加文档前缀）"),
    }[remade.instruction]


def _of_instruction(served: Served, nearest: Remade, evidence: list[Evidence], values: dict[str, Any]) -> Outcome:
    """All are the same: as documents are to be embedded, or with the words of the other side, or without any."""
    wants_prefix = served.model is not None and served.model.passage_prefix is not None
    if nearest.instruction == "query":
        bare = Text("without it, the same of all", "不加指令时一致的条数")
        evidence = [
            Evidence(bare, f"{values['plain']} / {values['count']}", f"{values['count']} / {values['count']}"),
            *evidence,
        ]
        return broken(*evidence, advice="instruction", **values)
    if nearest.instruction == "none" and wants_prefix:
        return broken(*evidence, advice="no-instruction", **values)
    return holds(*evidence, **values)


def _advice(served: Served, nearest: Remade, values: dict[str, Any]) -> str | None:
    """What the distribution over the sample shows; one text alone cannot tell a changed one from another model."""
    count, matching = values["count"], values["matching"]
    if all(map(NEAR.admits, cosines(served, nearest))):
        return "near"
    if values["empty"] and matching + values["empty"] == count:
        return "no-direction"
    if count < FEWEST:
        return "few"
    if matching:
        return "mixed" if values["foreign"] else "edited"
    return "changed" if IN_ONE_SPACE.admits(values["own"] / count) else None
