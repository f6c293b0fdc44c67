"""Vectors that are written are read by the libraries that people use, number for number."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from bgecheck.textfile.matrix import head
from bgecheck.textfile.tables import Row, nothing, write_jsonl, write_parquet

MATRIX = np.array([[0.1, -2.5e-8, 3.0], [1 / 3, 0.0, -1.0]], "<f4")
ROWS = [Row(0, "你好", MATRIX[0].tobytes()), Row(1, "", None), Row(2, 'a"\n', MATRIX[1].tobytes())]


def test_a_head_and_rows_are_a_file_of_numpy() -> None:
    content = head("npy", 2, 3, {}) + MATRIX.tobytes()
    assert (np.load(io.BytesIO(content)) == MATRIX).all()


def test_a_head_and_rows_are_a_file_of_safetensors() -> None:
    content = head("safetensors", 2, 3, {"model": "bge"}) + MATRIX.tobytes()
    assert (load(content)["vectors"] == MATRIX).all()
    assert b'"model":"bge"' in content


@pytest.mark.parametrize("form", ["npy", "safetensors"])
def test_the_head_has_the_same_size_for_any_number_of_rows(form: str) -> None:
    sizes = {len(head(form, rows, 65536, {"model": "m" * 5000})) for rows in (0, 10**12)}  # type: ignore[arg-type]
    assert len(sizes) == 1


def test_jsonl_reads_back_as_the_same_float32() -> None:
    file = io.BytesIO()
    write_jsonl(file, ROWS)
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [(line["number"], line["text"]) for line in lines] == [(0, "你好"), (1, ""), (2, 'a"\n')]
    assert lines[1]["vector"] is None
    assert (np.array([lines[0]["vector"], lines[2]["vector"]], "<f4") == MATRIX).all()


def test_parquet_holds_the_same_rows(tmp_path: Path) -> None:
    library = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "vectors.parquet"
    with path.open("wb") as file:
        write_parquet(file, ROWS, {"model": "bge"}, str(path))
    table = library.read_table(path).to_pydict()
    assert table["number"] == [0, 1, 2]
    assert table["chunk"] == [None] * 3
    assert table["text"] == ["你好", "", 'a"\n']
    assert table["vector"][1] is None
    assert (np.array([table["vector"][0], table["vector"][2]], "<f4") == MATRIX).all()


def test_where_there_is_no_vector_a_matrix_has_nan() -> None:
    assert np.isnan(np.frombuffer(nothing(5), "<f4")).tolist() == [True] * 5
