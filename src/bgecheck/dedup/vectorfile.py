"""The door to files of vectors: .npy and .safetensors mapped into memory, .jsonl read line by line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from bgecheck.dedup.vectors import Vectors, vectors_of
from bgecheck.model import BadInput, Text, Unavailable, clean, reason_of
from bgecheck.reference.mapped import Tensor, mapped
from bgecheck.reference.weights import safetensors_of

FORMATS = (".npy", ".safetensors", ".jsonl")
_NAMES = ("vectors", "embeddings")
"""The tensor of a .safetensors that is taken, where there are several."""
_LINE = 16 * 2**20
"""Bytes of one JSON line."""
_WIDEST = 65536
"""Components of a vector; the widest embeddings have some 8000."""
_BLOCK = 2**20


def open_vectors(path: str, texts: Sequence[str]) -> Vectors:
    """The vectors of a file, one for each text in their order. Raises `BadInput`.

    .npy: a matrix. .safetensors: the tensor `vectors` or `embeddings`, or the only one. .jsonl: an object a line with
    `vector` or `embedding`, null where the text has none, and `text` where it shall be compared with the text.
    """
    ending = os.path.splitext(path)[1].lower()
    readers: dict[str, Callable[[str, Sequence[str]], Vectors]] = {
        ".npy": lambda path, _: _from_npy(path),
        ".safetensors": lambda path, _: _from_safetensors(path),
        ".jsonl": _from_lines,
    }
    if ending not in readers:
        listed = ", ".join(FORMATS)
        reason = Text("its extension is not a supported format of vectors", "后缀不是支持的向量格式")
        raise BadInput(f"--vectors {path}", reason, Text(f"choose: {listed}", f"可选：{listed}"))
    if not os.path.isfile(path):
        folder = os.path.isdir(path)
        _refuse(path, Text("is a folder", "是目录") if folder else Text("there is no such file", "没有这个文件"))
    try:
        vectors = readers[ending](path, texts)
    except OSError as error:
        why = reason_of(error)
        _refuse(path, Text(f"cannot be read: {why.en}", f"无法读取：{why.zh}"))
    if len(vectors) != len(texts):
        _refuse(
            path,
            Text(
                f"{len(vectors)} vectors, and {len(texts)} texts", f"有 {len(vectors)} 个向量，而文本有 {len(texts)} 条"
            ),
        )
    return vectors


def digest(path: str) -> str:
    """The SHA-256 of a file's bytes."""
    made = sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            made.update(block)
    return made.hexdigest()


def _refuse(path: str, reason: Text) -> NoReturn:
    raise BadInput(
        f"--vectors {path}",
        reason,
        Text(
            "give one vector for each text, in the order of the texts: a matrix, or a JSON object a line",
            "请按文本的顺序，每条文本给一个向量：矩阵，或每行一个 JSON 对象",
        ),
    )


def _from_npy(path: str) -> Vectors:
    try:
        matrix = np.lib.format.open_memmap(path, mode="r")  # which refuses pickled objects
    except (ValueError, EOFError, OverflowError, TypeError, SyntaxError) as error:
        why = clean(str(error), 80)
        _refuse(path, Text(f"not a .npy of numbers: {why}", "不是数值 .npy，或不完整"))
    return Vectors(tensor=Tensor(_matrix(matrix, path)), file=matrix)


def _from_safetensors(path: str) -> Vectors:
    try:
        raw = mapped(path)
        tensors = safetensors_of(raw, path)
    except Unavailable as damage:
        why = damage.reason
        _refuse(path, why if isinstance(why, Text) else Text(why, why))
    name = next((name for name in _NAMES if name in tensors), next(iter(tensors)) if len(tensors) == 1 else None)
    if name is None:
        _refuse(path, Text("holds no tensor called vectors or embeddings", "没有名为 vectors 或 embeddings 的张量"))
    tensor = tensors[name]
    _matrix(tensor.raw, path)
    return Vectors(tensor=tensor, file=raw)


def _matrix(array: NDArray[Any], path: str) -> NDArray[Any]:
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not 0 < array.shape[1] <= _WIDEST:
        shape = " x ".join(map(str, array.shape))
        _refuse(
            path,
            Text(
                f"its array ({shape}, {array.dtype}) is not a matrix with one vector per row",
                f"数组（{shape}，{array.dtype}）不是每行一个向量的矩阵",
            ),
        )
    return array


def _from_lines(path: str, texts: Sequence[str]) -> Vectors:
    rows = list(_rows(path, texts))
    dims = next((len(row) for row in rows if row is not None), 0)
    if not dims:
        _refuse(path, Text("holds no vector", "没有向量"))
    matrix = np.full((len(rows), dims), np.nan)
    for row, vector in zip(matrix, rows, strict=True):
        if vector is not None:
            row[:] = vector
    return vectors_of(matrix)


def _rows(path: str, texts: Sequence[str]) -> Iterator[NDArray[np.float64] | None]:
    """The vectors of the lines, all of one length; None where a line says that there is none."""
    import orjson

    dims, count = 0, 0
    with open(path, "rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LINE), b""), 1):
            if not line.strip():
                continue
            try:
                entry = orjson.loads(line)
            except ValueError:
                entry = None
            if not isinstance(entry, dict) or not ({"vector", "embedding"} & entry.keys()):
                _refuse(
                    path,
                    Text(f"line {number} is no JSON object with a vector", f"第 {number} 行不是带 vector 的 JSON 对象"),
                )
            _require_text(entry.get("text"), texts, count, path, number)
            vector = _vector(entry.get("vector", entry.get("embedding")), path, number)
            if vector is not None:
                dims = dims or len(vector)
                _require_dims(len(vector), dims, path, number)
            yield vector
            count += 1


def _require_text(text: object, texts: Sequence[str], count: int, path: str, number: int) -> None:
    if text is not None and count < len(texts) and text != texts[count]:
        _refuse(path, Text(f"line {number} is of another text", f"第 {number} 行对应的是另一条文本"))


def _require_dims(length: int, dims: int, path: str, number: int) -> None:
    if length != dims:
        _refuse(
            path,
            Text(
                f"line {number} has {length} components, those before it {dims}",
                f"第 {number} 行的向量是 {length} 维，前面的是 {dims} 维",
            ),
        )


def _vector(given: object, path: str, number: int) -> NDArray[np.float64] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not 0 < len(given) <= _WIDEST or not set(map(type, given)) <= {float, int}:
        _refuse(path, Text(f"line {number} holds no vector of numbers", f"第 {number} 行没有数值向量"))
    return np.array(given, np.float64)
