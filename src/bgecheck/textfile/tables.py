"""Writes a row for each text with its vector: JSONL, and Parquet through pyarrow."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, Literal

from bgecheck.textfile import parquet

TableForm = Literal["jsonl", "parquet"]

_GROUP = 4096
"""Rows of one row group of Parquet, which are in memory at once: 16 MB of 1024 floats."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the number of its text in the input, from 0, the text, and its vector as little-endian float32."""

    number: int
    text: str
    vector: bytes | None
    """None where the text has none."""
    chunk: int | None = None
    """From 0, where the texts are kept in pieces."""


def write_jsonl(file: BinaryIO, rows: Iterable[Row]) -> None:
    """An object a line: `number`, `chunk` where there are any, `text`, `vector` (null where there is none).

    Each number is the shortest that reads back as the same float32.
    """
    import numpy as np
    import orjson

    for row in rows:
        line: dict[str, Any] = {"number": row.number}
        if row.chunk is not None:
            line["chunk"] = row.chunk
        line["text"] = row.text
        line["vector"] = None if row.vector is None else np.frombuffer(row.vector, "<f4")
        file.write(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE))


def write_parquet(file: BinaryIO, rows: Iterable[Row], about: Mapping[str, str], name: str) -> None:
    """Columns `number`, `chunk` (null where texts are whole), `text`, `vector` (a list of float32, or null)."""
    arrow, library = parquet.required(name)
    kinds = {"number": arrow.int64(), "chunk": arrow.int32(), "text": arrow.string()}
    kinds["vector"] = arrow.list_(arrow.float32())
    schema = arrow.schema(list(kinds.items()), metadata=dict(about))
    with library.ParquetWriter(file, schema) as writer:
        for group in _groups(rows):
            columns = [
                arrow.array([row.number for row in group], arrow.int64()),
                arrow.array([row.chunk for row in group], arrow.int32()),
                arrow.array([row.text for row in group], arrow.string()),
                _vectors(arrow, group),
            ]
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema))


def _vectors(arrow: Any, group: list[Row]) -> Any:
    """The vectors as one array, made of their bytes without a Python number for each component."""
    import numpy as np

    values = np.frombuffer(b"".join(row.vector or b"" for row in group), "<f4")
    ends = np.cumsum([0] + [len(row.vector or b"") // 4 for row in group], dtype=np.int32)
    missing = np.array([row.vector is None for row in group] + [False])
    offsets = arrow.array(ends, arrow.int32(), mask=missing)
    return arrow.ListArray.from_arrays(offsets, arrow.array(values, arrow.float32()))


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while group := list(islice(remaining, _GROUP)):
        yield group


def nothing(dims: int) -> bytes:
    """What stands in a matrix where a text has no vector: NaN in every component."""
    return struct.pack("<f", float("nan")) * dims
