"""The entry row: can the store be read, and is there something in it to compare."""

from __future__ import annotations

from typing import Any

from bgecheck.checks.store.facts import AREA, StoreFacts
from bgecheck.model import Advice, Evidence, Outcome, Text, broken, holds
from bgecheck.stores.address import NAMES
from bgecheck.stores.stored import Stored, Unreadable

_MOST_NAMES = 12

AGAIN = "bgecheck embed --url {base_url} --check-store {uri}"
"""Looks at the store once more."""

ONE_OF_THEM = "bgecheck embed --url {base_url} --check-store {uri_of_one}"


@AREA.check(
    "readable",
    headline=True,
    title=Text("the vector store can be read, and holds vectors", "向量库可以读取，且有向量"),
    cause=Text("{store} could not be read: {detail}", "{store} 读取失败：{detail}"),
    fix=Text(
        "read it with {store}'s own client from this machine first, then look again",
        "先在本机用 {store} 自己的客户端读一次，再重新检查",
    ),
    commands=(AGAIN,),
    variants={
        "unreachable": Advice(
            Text("nothing answers at {place}: {detail}", "{place} 没有应答：{detail}"),
            Text(
                "start {store}, or correct host and port; from a container use the name that it has in that network",
                "启动 {store}，或改正主机和端口；在容器里要用容器网络中的名称",
            ),
            (AGAIN,),
        ),
        "refused": Advice(
            Text(
                "{store} at {place} refuses the key or the password: {detail}", "{place} 的 {store} 拒绝访问：{detail}"
            ),
            Text(
                "export the key of {store} and ask again: CHROMA_TOKEN, MILVUS_TOKEN, QDRANT_API_KEY or PGPASSWORD",
                "先导出 {store} 的密钥再查：CHROMA_TOKEN、MILVUS_TOKEN、QDRANT_API_KEY 或 PGPASSWORD",
            ),
            (AGAIN,),
        ),
        "no-collection": Advice(
            Text("there is no {detail} in it; it has: {names}", "里面没有 {detail}；现有：{names}"),
            Text("name one of those", "从中指定一个"),
            (ONE_OF_THEM,),
        ),
        "several": Advice(
            Text("it has several collections, and none was named: {names}", "里面有多个集合，而没有指定：{names}"),
            Text("name the one that the application searches", "指定应用检索的那一个"),
            (ONE_OF_THEM,),
        ),
        "several-vectors": Advice(
            Text("it has several vectors for each row: {names}", "每行有多个向量字段：{names}"),
            Text(
                "name the one that the application searches: ?vector=NAME, of PostgreSQL ?column=NAME",
                "用 ?vector=名称 指定应用检索的那一个，PostgreSQL 用 ?column=名称",
            ),
        ),
        "no-vectors": Advice(
            Text(
                "it has no dense vectors there ({detail}); it has: {names}",
                "其中没有稠密向量（{detail}）；现有：{names}",
            ),
            Text(
                "name the collection, table or column that holds the embeddings",
                "指定存放 embedding 的集合、表或列",
            ),
        ),
        "no-text-field": Advice(
            Text(
                "no row has a text in {detail}; fields with texts: {names}",
                "没有一行的 {detail} 里有文本；含文本的字段：{names}",
            ),
            Text("name one of those with --text-field", "用 --text-field 指定其中一个"),
        ),
        "empty": Advice(
            Text("it holds no vectors ({detail})", "里面没有向量（{detail}）"),
            Text(
                "see whether the import has run, and into this collection", "确认导入是否运行过、写入的是不是这个集合"
            ),
        ),
        "locked": Advice(
            Text(
                "another program has it open or is writing it ({detail}); what is read meanwhile may be half a write",
                "另一个程序正打开或写入它（{detail}），此时读到的可能是写了一半的数据",
            ),
            Text(
                "name the server that has it open in place of the folder, or look again when the program has ended",
                "改为指定打开它的那个服务，或等程序结束后再查",
            ),
            (AGAIN,),
        ),
        "not-loaded": Advice(
            Text(
                "the collection {detail} is not loaded into memory, and Milvus answers no query about it",
                "集合 {detail} 没有加载到内存，Milvus 不会回答对它的查询",
            ),
            Text(
                "load it with the client: client.load_collection(NAME)", "用客户端加载：client.load_collection(集合名)"
            ),
            (AGAIN,),
        ),
        "too-large": Advice(
            Text(
                "a local store is copied before it is opened, and this one is too large for that: {detail}",
                "本地向量库要先复制再打开，这个太大：{detail}",
            ),
            Text(
                "start a server on the folder and name that one, of Chroma with chroma run",
                "在这个目录上启动服务端（Chroma 用 chroma run），再指定服务端",
            ),
        ),
        "not-a-store": Advice(
            Text(
                "{place} is no folder or file of {store}: {detail} is missing",
                "{place} 不是 {store} 的目录或文件：缺少 {detail}",
            ),
            Text("name the one that the client was given", "指定客户端打开的那一个"),
        ),
    },
)
def store_can_be_read(facts: StoreFacts) -> Outcome:
    """One collection, with vectors; texts are judged by the row that needs them."""
    if isinstance(facts.outcome, Unreadable):
        return _unreadable(facts, facts.outcome)
    stored = facts.outcome
    count = "" if stored.count is None else f"{stored.count} "
    texts = sum(row.text is not None for row in stored.rows)
    collection = f"{NAMES[facts.address.store]} {stored.collection}"
    field = stored.text_field or "-"
    return holds(
        Evidence(
            collection,
            Text(
                f"{count}rows; {len(stored.rows)} read, {texts} with a text (field {field})",
                f"{count}行；读取 {len(stored.rows)} 条，其中 {texts} 条有文本（字段 {field}）",
            ),
        ),
        Evidence(Text("read with", "读取方式"), stored.library, background=True),
        **values_of(facts),
    )


def _unreadable(facts: StoreFacts, outcome: Unreadable) -> Outcome:
    names = ", ".join(outcome.names[:_MOST_NAMES]) + ", ..." * (len(outcome.names) > _MOST_NAMES)
    values = {**values_of(facts), "detail": outcome.detail or "-", "names": names or "-"}
    if outcome.names:
        values["uri_of_one"] = facts.address.naming(outcome.names[0])
    words = outcome.detail if outcome.kind in ("failed", "unreachable", "refused") else names or outcome.detail
    evidence = Evidence(facts.address.shown, words or outcome.kind)
    return broken(evidence, advice=None if outcome.kind == "failed" else outcome.kind, **values)


def values_of(facts: StoreFacts) -> dict[str, Any]:
    """What every row of the area says of the store."""
    values: dict[str, Any] = {
        "store": NAMES[facts.address.store],
        "uri": facts.address.shown,
        "place": facts.address.place,
    }
    if isinstance(facts.outcome, Stored):
        values["collection"] = facts.outcome.collection
    return values
