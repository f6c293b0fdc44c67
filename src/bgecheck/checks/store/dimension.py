"""The row about the length of the stored vectors beside that of the server's."""

from __future__ import annotations

from typing import Any

from bgecheck.checks.likeness import NEAR
from bgecheck.checks.store.facts import AREA, StoreFacts, served_of, stored_of
from bgecheck.checks.store.measures import best, cosines, fit, lengths, real_dims
from bgecheck.checks.store.readable import AGAIN, values_of
from bgecheck.checks.store.served import Served
from bgecheck.model import Advice, Evidence, Outcome, Severity, Text, broken, holds

RE_EMBED = "bgecheck embed --url {base_url} --input texts.jsonl --to vectors.npy"
"""Embeds the exported texts anew."""


@AREA.check(
    "dimension",
    late=True,
    title=Text("the store's vectors have the server's dimension", "库中向量的维度与服务一致"),
    cause=Text(
        "{collection} holds vectors of {stored} numbers, and the server answers {served}: the index is of another "
        "model, and every search with this server's vectors is refused",
        "{collection} 里的向量是 {stored} 维，而服务返回 {served} 维：索引是另一个模型建的，"
        "用这个服务的向量检索会被拒绝",
    ),
    fix=Text(
        "serve the model that the index was built with, or export the texts, embed them anew, and write them into a "
        "new collection of {served} dimensions",
        "改为部署建索引的那个模型；或导出文本重新编码，写入新建的 {served} 维集合",
    ),
    commands=(RE_EMBED,),
    variants={
        "padded": Advice(
            Text(
                "{collection} has {stored} dimensions, and of every stored vector the numbers behind the first {real} "
                "are 0: vectors of {served} were padded with zeros. Cosine and inner product stay the same, but a "
                "client that sends {served} numbers is refused",
                "{collection} 是 {stored} 维，而每条向量第 {real} 个之后的数全是 0：{served} 维的向量后面补了零。"
                "余弦和内积不受影响，但客户端直接发 {served} 维的向量会被拒绝",
            ),
            Text(
                "let every client that searches pad its vectors with zeros to {stored} as the one that wrote them did, "
                "or build a collection of {served} dimensions",
                "让每个检索客户端像写入时一样把向量补零到 {stored} 维，或新建 {served} 维的集合",
            ),
            severity=Severity.WARNING,
            explains=(),
        ),
        "short": Advice(
            Text(
                "{collection} has the server's {served} dimensions, but of every stored vector only the first {real} "
                "numbers are not 0: vectors of another model were padded with zeros",
                "{collection} 与服务同为 {served} 维，但每条向量只有前 {real} 个数不为 0：是另一个模型的向量补了零",
            ),
            Text(
                "embed the texts anew with this server, into a new collection",
                "用这个服务重新编码文本，写入新的集合",
            ),
            (RE_EMBED,),
        ),
        "cut": Advice(
            Text(
                "the stored vectors are the first {stored} of the server's {served} numbers (MRL): searches must be "
                "cut to {stored} in the same way, with the request's `dimensions` or by the client",
                "库中的向量是服务 {served} 维向量的前 {stored} 维（MRL）：检索时也要同样截到 {stored} 维"
                "（请求参数 dimensions，或由客户端截断）",
            ),
            Text(
                "let every client that searches ask for `dimensions`: {stored}",
                "让每个检索客户端的请求都带 dimensions: {stored}",
            ),
            severity=Severity.WARNING,
            explains=(),
        ),
        "cut-untrained": Advice(
            Text(
                "the stored vectors are the first {stored} of the server's {served} numbers, and {name} is not known "
                "to be trained for that (MRL): what is cut off was needed",
                "库中的向量是服务 {served} 维向量的前 {stored} 维，而 {name} "
                "没有为截断训练过（MRL）：截掉的部分是有用的",
            ),
            Text(
                "embed the texts anew with whole vectors, into a collection of {served} dimensions",
                "用完整向量重新编码，写入 {served} 维的集合",
            ),
            (RE_EMBED,),
            explains=(),
        ),
        "several": Advice(
            Text(
                "{collection} holds vectors of several lengths ({lengths}): it was written by several models, and a "
                "search that meets both fails",
                "{collection} 里的向量长度不一（{lengths}）：由多个模型写入，检索时会报错",
            ),
            Text(
                "declare the dimension of the column, and embed the rows of the other length anew",
                "给列声明维度，并把长度不同的行重新编码",
            ),
            (RE_EMBED, AGAIN),
        ),
    },
    needs=("embed.answers",),
    explains=("store.vectors",),
)
def dimension_is_the_servers(facts: StoreFacts) -> Outcome:
    """The declared length and that of the sample; zeros at the end; the first part of longer vectors."""
    stored, served = stored_of(facts), served_of(facts)
    held, real = lengths(stored), real_dims(stored)
    kind = fit(stored, served.dims)
    words = ", ".join(map(str, held))
    values: dict[str, Any] = {
        **values_of(facts),
        "stored": held[-1],
        "served": served.dims,
        "real": real,
        "lengths": words,
        "name": served.model.name if served.model else "?",
    }
    evidence = [
        Evidence(Text("dimension of the store, and of the server", "库的维度，服务的维度"), words, str(served.dims))
    ]
    if stored.dims is not None and stored.dims != held[-1]:
        evidence.append(Evidence(Text("declared", "声明的维度"), str(stored.dims)))
    if kind in ("padded", "short"):
        evidence.append(
            Evidence(Text("numbers that are 0 at the end of each", "每条末尾为 0 的个数"), str(held[-1] - real), "0")
        )
    if kind == "same":
        return holds(*evidence, **values)
    return broken(*evidence, advice=_advice(kind, served, held[0]), **values)


def _advice(kind: str, served: Served, dims: int) -> str | None:
    if kind != "cut":
        return None if kind == "other" else kind
    if not served.remade or not _is_cut(served):
        return None
    return "cut" if served.model and served.model.may_be_cut_to(dims) else "cut-untrained"


def _is_cut(served: Served) -> bool:
    """Whether most stored vectors are the first numbers of the server's."""
    values = cosines(served, best(served))
    return sum(map(NEAR.admits, values)) * 2 > len(values)
