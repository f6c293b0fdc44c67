"""Makes the output of a finished run from the files of its folder, and puts it in its place as a whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from bgecheck.bulk.store import HEAD_BYTES, Done, Place
from bgecheck.textfile.matrix import head
from bgecheck.textfile.record import Record
from bgecheck.textfile.tables import Row, write_jsonl, write_parquet


def finish(where: Place, identity: Mapping[str, Any], done: Done, records: Iterable[Record]) -> None:
    """Move the output and what belongs to it into place, then remove the folder; done again after a kill, the same.

    Raises `OSError` where the disk is full: the folder is still there then.
    """
    rows = where.folder / "rows"
    if rows.exists():
        if where.form in ("npy", "safetensors"):
            _write_head(rows, where, identity, done)
            _moved(rows, where.out)
        else:
            _write_table(rows, where, identity, done, records)
    apart = identity["options"]["too_long"] == "apart" and where.form in ("npy", "safetensors")
    for name, wanted, place in (
        ("rejected.jsonl", bool(done.rejected), where.rejected),
        ("pieces.jsonl", apart, where.pieces),
    ):
        path = where.folder / name
        if wanted and path.exists():
            _moved(path, place)
        elif not wanted and place.exists():
            place.unlink()  # of an earlier run, whose output is overwritten
    about = {key: value for key, value in identity.items() if key != "control"}
    summary = {"records": done.records, "rows": done.rows, "tokens": done.tokens, "rejected": done.rejected}
    summary["bytes"] = where.out.stat().st_size
    partial = where.folder / "run.json"
    partial.write_text(json.dumps({**about, **summary}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _moved(partial, where.run)
    shutil.rmtree(where.folder)


def finished(where: Place) -> Mapping[str, Any] | None:
    """What an output was made of, where it and its side file are there, and all of its bytes."""
    try:
        size = where.out.stat().st_size
        about = json.loads(where.run.read_bytes())
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and about.get("bytes") == size else None


def _write_head(rows: Path, where: Place, identity: Mapping[str, Any], done: Done) -> None:
    assert where.form in ("npy", "safetensors")
    with rows.open("r+b") as file:
        file.write(head(where.form, done.rows, identity["dims"], _about(identity)))
        os.fsync(file.fileno())


def _write_table(rows: Path, where: Place, identity: Mapping[str, Any], done: Done, records: Iterable[Record]) -> None:
    partial = where.folder / "output"
    with rows.open("rb") as vectors, partial.open("wb") as file:
        vectors.seek(HEAD_BYTES[where.form])
        table = _rows(vectors, identity, where.folder / "pieces.jsonl", records, done)
        if where.form == "jsonl":
            write_jsonl(file, table)
        else:
            write_parquet(file, table, _about(identity), str(where.out))
        file.flush()
        os.fsync(file.fileno())
    _moved(partial, where.out)


def _rows(
    vectors: BinaryIO, identity: Mapping[str, Any], pieces: Path, records: Iterable[Record], done: Done
) -> Iterator[Row]:
    size = 4 * identity["dims"]
    for number, chunk, text in _texts(identity, pieces, records):
        row = vectors.read(size)
        # A vector whose first component is NaN is never taken, so such a row stands for none.
        yield Row(number, text, None if _is_nan(row) else row, chunk)


def _texts(
    identity: Mapping[str, Any], pieces: Path, records: Iterable[Record]
) -> Iterator[tuple[int, int | None, str]]:
    if identity["options"]["too_long"] != "apart":
        for record in records:
            yield record.number, None, record.text
        return
    with pieces.open("rb") as file:
        for line in file:
            piece = orjson.loads(line)
            yield piece["number"], piece["chunk"], piece["text"]


def _is_nan(row: bytes) -> bool:
    import numpy as np

    return bool(np.isnan(np.frombuffer(row[:4], "<f4")[0]))


def _about(identity: Mapping[str, Any]) -> dict[str, str]:
    """What a file of vectors says of itself."""
    return {"model": identity["model"] or "", "tool": "bgecheck", "input_sha256": identity["input"]["sha256"]}


def _moved(partial: Path, place: Path) -> None:
    os.replace(partial, place)
    if os.name == "posix":  # the new name is on the disk only once its folder is
        folder = os.open(place.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
