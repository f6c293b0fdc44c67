"""Addresses of vector stores as users write them: understood, or refused in one line that shows no key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.model import BadInput
from bgecheck.stores import libraries
from bgecheck.stores.address import Address, parse

KEY = "s3cr3t-k3y-0f-the-st0re"


@pytest.mark.parametrize(
    ("uri", "host", "port", "collection", "shown"),
    [
        ("qdrant://h/docs", "h", 6333, "docs", "qdrant://h/docs"),
        ("qdrant://h:1/docs", "h", 1, "docs", "qdrant://h:1/docs"),
        ("QDRANT+https://h/docs", "h", 443, "docs", "qdrant+https://h/docs"),
        ("chroma://h", "h", 8000, None, "chroma://h"),
        ("chroma://h?collection=a", "h", 8000, "a", "chroma://h?collection=a"),
        ("milvus://h/%E6%96%87", "h", 19530, "文", "milvus://h/%E6%96%87"),
        ("milvus+https://h:443/d", "h", 443, "d", "milvus+https://h:443/d"),
        ("qdrant://[::1]:6333/d", "::1", 6333, "d", "qdrant://[::1]:6333/d"),
        (f"qdrant://{KEY}@h/d", "h", 6333, "d", "qdrant://h/d"),
        (f"qdrant://h/d?api_key={KEY}", "h", 6333, "d", "qdrant://h/d"),
        (f"milvus://root:{KEY}@h/d", "h", 19530, "d", "milvus://root@h/d"),
        (f"postgresql://u:{KEY}@h/db?table=t", "h", 5432, None, "postgresql://u@h/db?table=t"),
        ("postgresql+psycopg://u@h:6/db", "h", 6, None, "postgresql+psycopg://u@h:6/db"),
    ],
)
def test_servers(uri: str, host: str, port: int, collection: str | None, shown: str) -> None:
    address = parse(uri, environment={})
    assert (address.host, address.port, address.collection, address.shown) == (host, port, collection, shown)
    assert (address.key is not None) == (KEY in uri)
    assert KEY not in repr(address)
    assert KEY not in address.naming("x")


def test_of_postgres_table_column_and_socket_are_named() -> None:
    address = parse("postgres:///db?host=/run/pg&table=s.items&column=e&text=body&sslmode=require", environment={})
    assert (address.host, address.port, address.database, address.table) == ("/run/pg", None, "db", "s.items")
    assert (address.vector, address.text, dict(address.options)) == ("e", "body", {"sslmode": "require"})
    assert address.naming("t") == "postgresql:///db?table=t&host=/run/pg"


def test_a_password_is_a_secret_by_itself_too() -> None:
    address = parse(f"milvus://root:{KEY}@h/d", environment={})
    assert [secret.reveal() for secret in address.secrets] == [f"root:{KEY}", KEY]
    assert parse("qdrant://h/d", environment={}).secrets == ()


@pytest.mark.parametrize(
    ("store", "variable"),
    [
        ("qdrant", "QDRANT_API_KEY"),
        ("milvus", "MILVUS_TOKEN"),
        ("chroma", "CHROMA_TOKEN"),
        ("postgresql", "PGPASSWORD"),
    ],
)
def test_the_key_comes_from_the_environment_where_the_address_has_none(store: str, variable: str) -> None:
    address = parse(f"{store}://h/d", environment={variable: KEY})
    assert address.key is not None
    assert address.key.reveal() == KEY


@pytest.mark.parametrize(("store", "mark"), [("chroma", "chroma.sqlite3"), ("qdrant", "meta.json"), ("milvus", None)])
def test_a_folder_and_a_collection_behind_it(tmp_path: Path, store: str, mark: str | None) -> None:
    folder = tmp_path / "v.db"
    folder.mkdir()
    if mark:
        (folder / mark).touch()
    assert parse(f"{store}:{folder}").path == str(folder)
    for uri in (f"{store}:{folder}/docs", f"{store}://{folder}/docs", f"{store}:{folder}?collection=docs"):
        address = parse(uri)
        assert (address.path, address.collection) == (str(folder), "docs")
    assert parse(address.naming("docs")).collection == "docs"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "''"),
        (" qdrant://h/d", "blank"),
        ("ftp://h/d", "no vector store begins like this"),
        ("docs", "no vector store begins like this"),
        ("qdrant+ftp://h/d", "no vector store begins like this"),
        ("qdrant://h:port/d", "host or port"),
        ("qdrant://h:99999/d", "host or port"),
        ("qdrant://h/a/b", "more than a collection"),
        ("qdrant://h/a?color=red", "?color= means nothing here; known: collection, text, vector"),
        ("qdrant://h/a?text=", "?text= is blank"),
        ("qdrant:", "neither host nor path"),
        ("chroma:/no/such/folder", "no such folder or file"),
        (f"ftp://user:{KEY}@h/d", "ftp://user:***@h/d"),
        (f"qdrant://h/a/b?api_key={KEY}", "***"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line(uri: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(uri, environment={})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert caught.value.reason.zh != caught.value.reason.en


def test_a_folder_of_another_store_is_not_called_missing(tmp_path: Path) -> None:
    (tmp_path / "meta.json").touch()
    (tmp_path / "texts.txt").touch()
    for uri, words in (
        (f"chroma:{tmp_path}/docs", f"{tmp_path} is no store of Chroma: it has no chroma.sqlite3"),
        (f"milvus:{tmp_path}/texts.txt/docs", "texts.txt is no store of Milvus: its name does not end in .db"),
    ):
        with pytest.raises(BadInput) as caught:
            parse(uri, environment={})
        assert words in caught.value.reason.en
        assert "没有这个目录或文件，而" in caught.value.reason.zh
    assert parse(f"qdrant:{tmp_path}/docs", environment={}).collection == "docs"


@given(st.text(max_size=60), st.sampled_from(["", "qdrant:", "qdrant://", "chroma:/", "milvus://", "postgresql://"]))
def test_any_text_is_an_address_or_bad_input(text: str, begins: str) -> None:
    outcome: object
    try:
        outcome = parse(begins + text, environment={})
    except BadInput as refused:
        outcome = refused
    assert isinstance(outcome, Address) or (isinstance(outcome, BadInput) and len(outcome.given) < 300)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=12, max_size=30))
def test_no_key_is_ever_shown(key: str) -> None:
    for uri in (
        f"qdrant://{key}@h/d",
        f"milvus://root:{key}@h/a/b",
        f"nope://u:{key}@h/d",
        f"qdrant://h/d?api_key={key}",
    ):
        try:
            shown = repr(parse(uri, environment={}))
        except BadInput as refused:
            shown = str(refused)
        assert key not in shown


def test_a_missing_library_is_one_line_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"qdrant_client, which is not installed here; pip install 'bgecheck\[qdrant\]'"):
        libraries.require(parse("qdrant://h/d"))
