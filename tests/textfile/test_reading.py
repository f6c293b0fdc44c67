"""Texts come out of every form and encoding as they were put in; what is no file of texts is refused in one line."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.model import BadInput
from bgecheck.textfile.encoding import shown
from bgecheck.textfile.reading import Texts, open_texts
from bgecheck.textfile.record import Record

CHINESE = ["今天天气怎么样？", "如何重置密码", "“登录不上”是什么原因？", "软件打不开"]


def read(path: Path, column: str | None = None) -> list[Record]:
    with open_texts(str(path), column) as texts:
        records = list(texts)
        assert texts.count == len(records)
        assert [record.number for record in records] == list(range(len(records)))
        return records


def words(path: Path, column: str | None = None) -> list[str]:
    return [record.text for record in read(path, column)]


def refused(path: Path | str, column: str | None = None) -> BadInput:
    with pytest.raises(BadInput) as caught, open_texts(str(path), column) as texts:
        assert texts.count > 0
    assert caught.value.given
    return caught.value


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030", "gbk"])
def test_an_encoding_is_recognised_from_the_file(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("\n".join(CHINESE).encode(codec))
    assert words(path) == CHINESE
    with open_texts(str(path)) as texts:
        assert shown(texts.encoding or "") == {
            "utf-8": "UTF-8",
            "utf-8-sig": "UTF-8 (BOM)",
            "utf-16": "UTF-16",
            "utf-32": "UTF-32",
        }.get(codec, "GB18030/GBK")


def test_utf16_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(b"\xfe\xff" + "\r\n".join(CHINESE).encode("utf-16-be"))
    assert words(path) == CHINESE


def test_traditional_chinese_in_gbk_is_read(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("如何重設密碼\n今天天氣怎麼樣？\n".encode("gbk"))
    assert words(path) == ["如何重設密碼", "今天天氣怎麼樣？"]


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("big5", "如何重設密碼？我的帳號無法登入，請問該怎麼辦，謝謝你的幫忙"),
        ("shift_jis", "パスワードを忘れました。どうすればいいですか"),
        ("latin-1", "Wie geht es dir, Müller? Schöne Grüße aus Österreich für dich"),
    ],
)
def test_what_can_only_by_chance_be_read_as_gb18030_is_refused(codec: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(f"plain\n{text}\n".encode(codec))
    assert "line 2" in refused(path).reason.en


def test_two_encodings_are_named_by_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("a\n你好吗\n".encode() + "今天天气怎么样\n".encode("gbk"))
    bad = refused(path)
    assert "line 2 is UTF-8, line 3 (byte 13) is not" in bad.reason.en
    assert "第 2 行是 UTF-8" in bad.reason.zh
    path.write_bytes("今天天气怎么样\n".encode("gbk") + "a\n你好吗\n".encode())
    assert "line 3 is UTF-8, line 1 (byte 1) is not" in refused(path).reason.en


def test_a_utf16_file_with_a_broken_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("你好\n再见\n".encode("utf-16")[:-1])
    assert "UTF-16" in refused(path).reason.en


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"plain\n\x00\x01\x02", "zero byte at byte 7, line 2"),
        (b"\x1f\x8b\x08\x00rest", "packed with gzip"),
        (b"PK\x03\x04rest", "packed with zip"),
        (b"text\n\xff\xfe\xfd\n", "line 2 (byte 6) is neither"),
    ],
)
def test_what_holds_no_texts_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    assert reason in refused(path).reason.en


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.txt").reason.en
    assert "folder" in refused(tmp_path).reason.en


def test_lines_keep_their_numbers_and_lose_only_their_ends(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes("a\r\n\n b\u2028c \nd".encode())
    assert [(r.position, r.text) for r in read(path)] == [(1, "a"), (2, ""), (3, " b\u2028c "), (4, "d")]
    assert "no column title" in refused(path, "title").reason.en


def test_a_column_of_csv_is_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text('id,title,text\n1,T,"two\nlines, and ""quotes"""\n\n2,T,b\n3\n', encoding="utf-8")
    records = read(path)
    assert [(r.position, r.text, r.problem) for r in records] == [
        (2, 'two\nlines, and "quotes"', None),
        (5, "b", None),
        (6, "", "no-value"),
    ]
    assert words(path, "title") == ["T", "T", ""]
    bad = refused(path, "body")
    assert "no column body" in bad.reason.en
    assert "id, title, text" in bad.remedy.en
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    assert "no column text" in refused(path).reason.en
    path.write_text("问题\n怎么样\n", encoding="gbk")
    assert words(path) == ["怎么样"]


@pytest.mark.parametrize("delimiter", ["\t", ";", ","])
def test_the_delimiter_is_taken_from_the_first_line(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text(f"id{delimiter}text\n1{delimiter}你好\n", encoding="utf-8-sig")
    assert words(path) == ["你好"]


def test_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text('text\na\n"b\nc\n', encoding="utf-8")
    assert "begins on line 3 is not CSV" in refused(path).reason.en


@pytest.mark.parametrize(("content", "line"), [("text\n好\n今天,天气\n", 3), ("id;text\n1;a\n\n2;b;c\n", 4)])
def test_a_row_of_csv_with_more_cells_than_columns_is_refused_and_not_cut(
    content: str, line: int, tmp_path: Path
) -> None:
    path = tmp_path / "texts.csv"
    path.write_text(content, encoding="utf-8")
    bad = refused(path)
    assert f"line {line} has" in bad.reason.en
    assert f"第 {line} 行" in bad.reason.zh
    assert "quotes" in bad.remedy.en
    path.write_text("id,text\n1,a,\n2,b,,\n", encoding="utf-8")
    assert words(path) == ["a", "b"], "a comma at the end of each row cuts nothing"


def test_a_field_of_jsonl_is_chosen_and_what_is_no_string_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    lines = ['{"text": "a", "id": 1}', "", '{"text": null}', '{"id": NaN, "text": 3}', '{"text": "\\ud83d"}', "[]"]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert [(r.position, r.text, r.problem) for r in read(path)] == [
        (1, "a", None),
        (3, "", "no-value"),
        (4, "", "not-a-string"),
        (5, "", "half-character"),
        (6, "", "no-value"),
    ]
    assert "no column body" in refused(path, "body").reason.en
    path.write_text('{"q": "a", "n": 1}\n{"q": "b"}\n', encoding="utf-8")
    assert words(path) == ["a", "b"]
    path.write_text('"a"\n"b"\n', encoding="utf-8")
    assert words(path) == ["a", "b"]
    path.write_text('{"text": "a"}\n{"text": \n', encoding="utf-8")
    problem = refused(path)
    assert "line 2 is not JSON" in problem.reason.en
    assert f"sed -n 2p {path}" in problem.remedy.en
    path.write_text("3\n", encoding="utf-8")
    assert "line 1 is no JSON object" in refused(path).reason.en


def test_a_json_document_is_refused_with_the_command_that_turns_it_into_lines(tmp_path: Path) -> None:
    path = tmp_path / "texts.json"
    path.write_text("[]", encoding="utf-8")
    assert "jq -c" in refused(path).remedy.en


def test_the_form_of_a_file_without_an_ending_is_taken_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "texts"
    path.write_text('{"text": "a"}\n', encoding="utf-8-sig")
    assert words(path) == ["a"]
    path.write_text("a\nb\n", encoding="utf-8")
    assert words(path) == ["a", "b"]
    assert words(path, "a") == ["b"]


def test_standard_input_is_read_as_a_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("你好\n\n再见".encode("gbk"))))
    with open_texts("-") as texts:
        assert [record.text for record in texts] == ["你好", "", "再见"]
        assert texts.count == 3


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(b"abc")
    with open_texts(str(path)) as texts:
        assert texts.digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_column_of_parquet_is_read(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    library = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "texts.parquet"
    table = arrow.table({"id": [1, 2, 3], "text": ["你好", None, "b"]})
    library.write_table(table, path)
    assert [(r.position, r.text, r.problem) for r in read(path)] == [
        (1, "你好", None),
        (2, "", "no-value"),
        (3, "b", None),
    ]
    assert read(path)[0].place.en == "row 1"
    bad = refused(path, "id")
    assert "int64" in bad.reason.en
    assert bad.remedy.en.endswith("text")
    path.write_bytes(path.read_bytes()[:-20])
    assert "not a whole Parquet file" in refused(path).reason.en


@pytest.mark.parametrize("kind", ["null", "nested", "number"])
def test_parquet_without_a_column_of_strings_says_what_to_write(kind: str, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    library = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "texts.parquet"
    values = {"null": arrow.array([None], arrow.null()), "nested": arrow.array([{"a": "b"}]), "number": [1]}
    library.write_table(arrow.table({"text": values[kind]}), path)
    assert "write the texts as a column of strings" in refused(path).remedy.en
    assert "没有一列是字符串" in refused(path).remedy.zh


def test_every_kind_of_string_of_parquet_is_read(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    library = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "texts.parquet"
    for kind in (arrow.string(), arrow.large_string(), arrow.string_view()):
        library.write_table(arrow.table({"text": arrow.array(["你好", "你好"], kind)}), path)
        assert words(path) == ["你好", "你好"]
    library.write_table(arrow.table({"text": arrow.array(["你好", "b", "你好"]).dictionary_encode()}), path)
    assert words(path) == ["你好", "b", "你好"]


def test_parquet_without_pyarrow_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "texts.parquet"
    path.write_bytes(b"PAR1....PAR1")
    assert "pip install 'bgecheck[parquet]'" in refused(path).remedy.en


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(st.lists(TEXT, min_size=1, max_size=6), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_texts_go_through_csv_and_jsonl_unchanged(texts: list[str], codec: str) -> None:
    table = io.StringIO(newline="")
    writer = csv.writer(table, quoting=csv.QUOTE_ALL)
    writer.writerows([["text", "id"], *([text, "1"] for text in texts)])
    objects = "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    for form, content in (("csv", table.getvalue()), ("jsonl", objects)):
        file = io.BytesIO(content.encode(codec))
        made = Texts("-", form, "text", codec, file)  # type: ignore[arg-type]  # mypy widens the name of the form
        assert [record.text for record in made] == texts


def test_what_python_says_of_a_damaged_line_is_chinese_in_a_chinese_sentence(tmp_path: Path) -> None:
    for name, content, words in (
        ("a.jsonl", '{"text": "a"}\n{"text": b}\n', "第 2 行不是 JSON（第 10 个字符处）"),
        ("a.csv", 'text,b\n"open,2\n', "从第 2 行开始的一行不是合法的 CSV：引号没有闭合"),
    ):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        assert refused(path).reason.zh == words


def test_the_command_that_converts_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my texts.txt"
    path.write_bytes("hello\n世界\n".encode("utf-16-le"))
    remedy = refused(path).remedy
    for words in (remedy.en, remedy.zh):
        assert f"iconv -f UTF-16LE -t UTF-8 '{path}' > utf8.txt" in words
