"""The process that reads a store, copies of local ones, the field of the texts; without any store's library."""

from __future__ import annotations

import fcntl
import json
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bgecheck.stores import copying
from bgecheck.stores.address import Address, parse
from bgecheck.stores.copying import copied
from bgecheck.stores.reading import read_store
from bgecheck.stores.stored import Row, Stored, StoreError, Unreadable, decoded, encoded
from bgecheck.stores.texts import candidates, field_of, text_of
from bgecheck.stores.wanted import SAMPLE, Wanted, offsets, packed, unpacked


def test_what_a_process_prints_is_read_back() -> None:
    rows = (Row(key="a", vector=(0.5, 1.0), text="文\n本", place=3), Row(key="b", vector=(1.0, float("inf"))))
    stored = Stored(collection="c", rows=rows, library="l 1", fields=("x",), count=2, metric="ip")
    assert decoded(json.loads(json.dumps(encoded(stored)))) == stored
    unreadable = Unreadable(kind="several", names=("a", "b"))
    assert decoded(json.loads(json.dumps(encoded(unreadable)))) == unreadable


def test_foreign_words_are_cleaned_and_texts_are_not() -> None:
    rows = (Row(key="\x1b[31mid", vector=(1.0,), text="a\x1b[31mb"),)
    read = decoded(json.loads(json.dumps(encoded(Stored(collection="\x1b]0;x\x07c", rows=rows, library="l")))))
    assert isinstance(read, Stored)
    assert (read.collection, read.rows[0].key, read.rows[0].text) == ("c", "id", "a\x1b[31mb")


def test_what_is_wanted_reaches_the_process_with_its_key() -> None:
    wanted = Wanted(address=parse("qdrant://key-key-key@h/d", environment={}), seconds=3.0, folder="/f")
    assert unpacked(json.loads(json.dumps(packed(wanted)))) == wanted


def test_nobody_there_is_told_within_its_time() -> None:
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        address = parse(f"qdrant://127.0.0.1:{kept.getsockname()[1]}/d", environment={})
        assert read_store(address, 30.0) == Unreadable(kind="unreachable", detail="Connection refused")


def test_a_process_that_is_not_done_in_time_is_ended() -> None:
    address = Address(store="qdrant", shown="qdrant://h/d", host="127.0.0.1", port=9)
    outcome = read_store(address, 0.01)
    assert outcome == Unreadable(kind="unreachable", detail="> 0 s")


@pytest.mark.parametrize(
    ("count", "places"),
    [(0, []), (1, [(0, 1)]), (SAMPLE, [(0, SAMPLE)]), (33, [(0, 8), (8, 8), (17, 8), (25, 8)]), (10**6, [(0, 8)])],
)
def test_a_sample_goes_from_the_first_to_the_last(count: int, places: list[tuple[int, int]]) -> None:
    chosen = offsets(count, SAMPLE)
    assert chosen[: len(places)] == places
    if count:
        assert chosen[-1][0] + chosen[-1][1] == count
        assert all(a + n <= b for (a, n), (b, _) in pairwise(chosen))


def test_a_copy_leaves_the_store_as_it_is(tmp_path: Path) -> None:
    store, into = tmp_path / "store", tmp_path / "into"
    (store / "inner").mkdir(parents=True)
    into.mkdir()
    (store / "inner" / "data").write_bytes(b"1")
    (store / "LOCK").touch()
    before = (store / "inner" / "data").stat()
    copy = Path(copied(str(store), str(into)))
    (copy / "inner" / "data").write_bytes(b"2")
    assert (store / "inner" / "data").read_bytes() == b"1"
    assert (store / "inner" / "data").stat().st_mtime_ns == before.st_mtime_ns
    assert not (copy / "LOCK").exists()


@pytest.mark.parametrize("name", [".lock", "LOCK"])
def test_a_store_that_is_open_elsewhere_is_not_copied(tmp_path: Path, name: str) -> None:
    lock = tmp_path / "store" / name
    lock.parent.mkdir()
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreError) as caught:
            copied(str(lock.parent), str(tmp_path))
    assert caught.value.unreadable == Unreadable(kind="locked", detail=name)


def test_a_transaction_that_is_under_way_is_waited_for(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "chroma.sqlite3-journal").write_bytes(b"")
    assert copied(str(store), str(_new(tmp_path, "a")))
    (store / "chroma.sqlite3-journal").write_bytes(b"1")
    with pytest.raises(StoreError, match="journal"):
        copied(str(store), str(_new(tmp_path, "b")))


def _new(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
def test_a_store_that_is_too_large_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, fits: bool
) -> None:
    monkeypatch.setattr(copying, "LARGEST", 1000)
    store = _new(tmp_path, "store")
    (store / "a").write_bytes(bytes(500))
    (store / "b").write_bytes(bytes(size - 500))
    if fits:
        assert copied(str(store), str(_new(tmp_path, "into")))
    else:
        with pytest.raises(StoreError) as caught:
            copied(str(store), str(_new(tmp_path, "into")))
        assert caught.value.unreadable.kind == "too-large"


NODE = json.dumps({"text": "节点里的文本"})
ROWS: list[tuple[dict[str, Any], str | None]] = [
    ({"page_content": "LangChain", "metadata": {"source": "a b"}}, "page_content"),
    ({"id_": "x y", "text": "Dify 的文本", "meta": {"doc": "d e"}}, "text"),
    ({"_node_content": NODE, "file name": "a b"}, "_node_content"),
    ({"content_with_weight": "RAGFlow"}, "content_with_weight"),
    ({"title": "a b c", "summary": "d e f"}, None),
    ({"question": "怎么重置密码", "doc_id": "a1b2"}, "question"),
    ({"metadata": {"passage": "内层的文本字段"}}, "metadata.passage"),
    ({"vector_id": 3}, None),
]


@pytest.mark.parametrize(("row", "field"), ROWS)
def test_the_field_of_the_texts(row: dict[str, Any], field: str | None) -> None:
    assert field_of([{}, row] if field in ("page_content", "text") else [row], None) == field


def test_a_field_that_was_named_is_taken_where_it_holds_texts() -> None:
    row = {"page_content": "a", "metadata": {"title": "b"}}
    assert field_of([row], "metadata.title") == "metadata.title"
    assert field_of([row], "nope") is None
    assert text_of({"_node_content": NODE}, "_node_content") == "节点里的文本"
    assert text_of({"_node_content": "no json"}, "_node_content") is None
    assert candidates([row, {"x": " "}]) == ("page_content", "metadata.title")
