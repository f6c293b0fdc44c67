"""The door to files of texts and their vectors: JSONL, .npy and .safetensors, read within bounds, written whole."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from bgecheck.model import BadInput, Text, clean, reason_of
from bgecheck.model.state import ServerState

SCHEMA = 2
"""Of the files that are written: 2 has `server`, what the server was like; 1, which no file names, has not."""

MOST_TEXTS = 64
"""Texts of a file that are compared: the first ones. More would say little more, and cost the server more."""

MOST_CHARACTERS = 8000
"""Characters of all of them together, and so about as many tokens at most."""

_MOST_SETTINGS = 64

_LINE, _SIDECAR, _FILE = 2 * 2**20, 16 * 2**20, 2 * 2**30
"""Bytes of one JSON line, of a file of texts, and of a file that is mapped."""


class Recorded(NamedTuple):
    """Texts and their vectors, and what is known of where they come from."""

    texts: tuple[str, ...]
    vectors: tuple[tuple[float, ...], ...]
    model: str | None = None
    recipe: str | None = None
    """How the vectors were made of the model's states, `cls` for instance."""
    tool: str | None = None
    state: ServerState | None = None
    """What the server was like; None in a file of schema 1, or of another program."""
    path: str = ""

    def few(self) -> Recorded:
        """The first texts, as many as may be sent."""
        kept, characters = 0, 0
        for text in self.texts[:MOST_TEXTS]:
            characters += len(text)
            if characters > MOST_CHARACTERS and kept:
                break
            kept += 1
        return self._replace(texts=self.texts[:kept], vectors=self.vectors[:kept])


FORMATS = (".jsonl", ".npy", ".safetensors")


def checked(path: str) -> str:
    """A path whose ending names a format. Raises `BadInput` for any other."""
    if not path.endswith(FORMATS):
        listed = ", ".join(FORMATS)
        raise BadInput(
            path,
            Text("its extension is not a supported format of vectors", "后缀不是支持的向量格式"),
            Text(f"choose: {listed}", f"可选：{listed}"),
        )
    return path


def read_recorded(path: str) -> Recorded:
    """The texts and vectors of a file; of a long one only the first `MOST_TEXTS` are read.

    JSONL: an object a line with `text` and `vector` (or `embedding`). .npy: a matrix, with the texts beside it
    in a .json of the same name (a list, or an object with `texts`) or a .txt (one a line). .safetensors: one
    matrix, with the texts in its metadata (`texts`, a JSON list) or beside it. Raises `BadInput`.
    """
    checked(path)
    if not os.path.isfile(path):
        _refuse(path, Text("there is no such file", "没有这个文件"))
    if os.path.getsize(path) > _FILE:
        _refuse(path, Text("larger than 2 GiB", "超过 2 GiB"))
    read: Callable[[str], Recorded] = {".jsonl": _read_lines, ".npy": _read_npy}.get(
        os.path.splitext(path)[1], _read_safetensors
    )
    try:
        recorded = read(path)
    except OSError as error:
        why = reason_of(error)
        _refuse(path, Text(f"cannot be read: {why.en}", f"无法读取：{why.zh}"))
    return _consistent(recorded._replace(path=path), path)


def write_recorded(path: str, recorded: Recorded) -> None:
    """Write texts and vectors, replacing the file as a whole. Raises `BadInput` where it cannot be written."""
    checked(path)
    write = {".jsonl": _write_lines, ".npy": _write_npy}.get(os.path.splitext(path)[1], _write_safetensors)
    try:
        write(path, recorded)
    except OSError as error:
        why = reason_of(error)
        raise BadInput(
            path,
            Text(f"cannot be written: {why.en}", f"无法写入：{why.zh}"),
            Text("name a file in a folder that exists and is yours to write", "换成一个可写目录下的文件"),
        ) from error


def _refuse(path: str, reason: Text) -> NoReturn:
    raise BadInput(
        path,
        reason,
        Text(
            'one JSON object a line: {"text": "...", "vector": [...]}; or .npy and .safetensors with the texts beside',
            '每行一个 JSON 对象：{"text": "...", "vector": [...]}；或 .npy、.safetensors 加同名文本文件',
        ),
    )


def _consistent(recorded: Recorded, path: str) -> Recorded:
    texts, vectors = recorded.texts, recorded.vectors
    if not texts:
        _refuse(path, Text("holds no texts", "没有文本"))
    if len(texts) != len(vectors):
        counts = f"{len(texts)} / {len(vectors)}"
        _refuse(path, Text(f"texts and vectors differ in number: {counts}", f"文本与向量的数量不一致：{counts}"))
    if any(not isinstance(text, str) or not text.strip() for text in texts):
        _refuse(path, Text("one of its texts is blank or not a string", "有文本为空或不是字符串"))
    if len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
        _refuse(path, Text("its vectors differ in length", "各向量的长度不一致"))
    if not all(math.isfinite(x) for vector in vectors for x in vector):
        _refuse(path, Text("one of its vectors holds NaN or infinity", "有向量含 NaN 或无穷大"))
    return recorded


# JSONL


def _read_lines(path: str) -> Recorded:
    rows: list[tuple[str, tuple[float, ...]]] = []
    head: Mapping[str, Any] = {}
    with open(path, "rb") as file:
        number = 0
        while len(rows) < MOST_TEXTS and (line := file.readline(_LINE)):
            number += 1
            if line.strip():
                entry = _object(line, path, number)
                head = head or entry
                rows.append((entry["text"], _vector(entry, path, number)))
    return _headed(head, [text for text, _ in rows], [vector for _, vector in rows], path)


def _object(line: bytes, path: str, number: int) -> Mapping[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
        _refuse(
            path,
            Text(f"line {number} is not a JSON object with a text", f"第 {number} 行不是带 text 的 JSON 对象"),
        )
    return entry


def _vector(entry: Mapping[str, Any], path: str, number: int) -> tuple[float, ...]:
    vector = entry.get("vector", entry.get("embedding"))
    if not isinstance(vector, list) or not all(type(x) in (float, int) for x in vector):
        _refuse(path, Text(f"line {number} holds no vector of numbers", f"第 {number} 行没有数值向量"))
    try:
        return tuple(map(float, vector))
    except OverflowError:
        _refuse(path, Text(f"line {number} holds no vector of numbers", f"第 {number} 行没有数值向量"))


def _headed(head: Mapping[str, Any], texts: Sequence[Any], vectors: Sequence[Sequence[float]], path: str) -> Recorded:
    """What was read, with what the file says of where it comes from."""
    schema = _json(head.get("schema", 1))
    if isinstance(schema, int) and schema > SCHEMA:
        raise BadInput(
            path,
            Text(
                f"it has schema {schema}, and this bgecheck reads up to {SCHEMA}",
                f"文件的 schema 是 {schema}，当前 bgecheck 最多读到 {SCHEMA}",
            ),
            Text("read it with a newer bgecheck: pip install -U bgecheck", "升级后再读：pip install -U bgecheck"),
        )
    origin = {key: clean(head[key], 200) for key in ("model", "recipe", "tool") if isinstance(head.get(key), str)}
    return Recorded(tuple(texts), tuple(tuple(v) for v in vectors), state=_state(_json(head.get("server"))), **origin)


def _json(value: Any) -> Any:
    """A value of the head; in the metadata of .safetensors, which holds strings alone, it stands as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _state(server: Any) -> ServerState | None:
    """What the file says of the server, as far as it is what is written there."""
    if not isinstance(server, Mapping):
        return None
    settings = server.get("settings")
    pairs = list(settings.items())[:_MOST_SETTINGS] if isinstance(settings, Mapping) else []
    return ServerState(
        **{key: clean(server[key], 100) for key in ("version", "date") if isinstance(server.get(key), str)},
        settings={clean(str(name), 100): clean(value, 200) for name, value in pairs if isinstance(value, str)},
        latency=_number(server.get("latency_ms")),
        memory=_positive(server.get("memory_mib")),
        gpu_memory=_positive(server.get("gpu_memory_mib")),
    )


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and 0 < value < 1e9 else None


def _positive(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 10**9 else None


def _write_lines(path: str, recorded: Recorded) -> None:
    head = _metadata(recorded)  # in the first line alone
    with _Whole(path) as partial, open(partial, "w", encoding="utf-8") as file:
        for text, vector in zip(recorded.texts, recorded.vectors, strict=True):
            file.write(json.dumps({"text": text, "vector": list(vector), **head}, ensure_ascii=False) + "\n")
            head = {}


def _metadata(recorded: Recorded) -> dict[str, Any]:
    origin = {"model": recorded.model, "recipe": recorded.recipe, "tool": recorded.tool}
    head = {"schema": SCHEMA, **{key: value for key, value in origin.items() if value is not None}}
    return head if recorded.state is None else {**head, "server": _described(recorded.state)}


def _described(state: ServerState) -> dict[str, Any]:
    server = {
        "version": state.version,
        "date": state.date,
        "settings": dict(state.settings),
        "latency_ms": state.latency,
        "memory_mib": state.memory,
        "gpu_memory_mib": state.gpu_memory,
    }
    return {key: value for key, value in server.items() if value is not None}


# .npy


def _read_npy(path: str) -> Recorded:
    import numpy as np

    try:
        matrix = np.lib.format.open_memmap(path, mode="r")  # which refuses pickled objects
    except (ValueError, EOFError, OverflowError, TypeError, SyntaxError) as error:
        _refuse(path, Text(f"not a .npy of numbers: {str(error)[:80]}", "不是数值 .npy，或不完整"))
    texts, head = _beside(path)
    return _headed(head, texts[:MOST_TEXTS], _rows(matrix, len(texts), path), path)


def _rows(matrix: Any, texts: int, path: str) -> list[list[float]]:
    """The first rows of a matrix that has as many as there are texts."""
    import numpy as np

    if getattr(matrix, "ndim", 0) != 2 or matrix.dtype.kind not in "fiu" or not 0 < matrix.shape[1] <= 65536:
        _refuse(path, Text("its array is not a matrix with one vector per row", "数组不是每行一个向量的矩阵"))
    if len(matrix) != texts:
        counts = f"{texts} / {len(matrix)}"
        _refuse(path, Text(f"texts and vectors differ in number: {counts}", f"文本与向量的数量不一致：{counts}"))
    vectors: list[list[float]] = np.asarray(matrix[:MOST_TEXTS], np.float64).tolist()
    return vectors


def _beside(path: str) -> tuple[list[Any], Mapping[str, Any]]:
    """The texts in the .json or .txt of the same name."""
    stem = os.path.splitext(path)[0]
    for name in (f"{stem}.json", f"{stem}.txt"):
        if os.path.isfile(name):
            break
    else:
        _refuse(
            path, Text(f"no texts beside it: {stem}.json or {stem}.txt", f"旁边没有文本：{stem}.json 或 {stem}.txt")
        )
    with open(name, "rb") as file:
        content = file.read(_SIDECAR)
    if name.endswith(".txt"):
        return [line for line in content.decode("utf-8-sig", "replace").splitlines() if line.strip()], {}
    try:
        payload = json.loads(content)
    except (ValueError, RecursionError):
        _refuse(name, Text("not JSON", "不是合法的 JSON"))
    texts = payload.get("texts") if isinstance(payload, dict) else payload
    if not isinstance(texts, list):
        _refuse(name, Text("no list of texts", "里面没有文本列表"))
    return texts, payload if isinstance(payload, dict) else {}


def _write_npy(path: str, recorded: Recorded) -> None:
    import numpy as np

    sidecar = f"{os.path.splitext(path)[0]}.json"
    with _Whole(path) as partial, open(partial, "wb") as numbers:
        np.save(numbers, np.array(recorded.vectors, np.float32))
    with _Whole(sidecar) as partial, open(partial, "w", encoding="utf-8") as file:
        json.dump({**_metadata(recorded), "texts": list(recorded.texts)}, file, ensure_ascii=False, indent=1)


# .safetensors


def _read_safetensors(path: str) -> Recorded:
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names, head = list(file.keys()), file.metadata() or {}
            name = next((n for n in ("vectors", "embeddings") if n in names), names[0] if len(names) == 1 else None)
            matrix = file.get_tensor(name) if name else None
    except (safetensors.SafetensorError, TypeError, ValueError) as error:  # TypeError: bfloat16, which numpy lacks
        _refuse(path, Text(f"not a safetensors file: {str(error)[:80]}", "不是可读的 safetensors，或不完整"))
    if matrix is None:
        _refuse(path, Text("holds no tensor called vectors or embeddings", "没有名为 vectors 或 embeddings 的张量"))
    if "texts" not in head:
        texts, head = _beside(path)
        return _headed(head, texts[:MOST_TEXTS], _rows(matrix, len(texts), path), path)
    try:
        payload = json.loads(head["texts"])
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, list):
        _refuse(path, Text("its metadata holds no JSON list of texts", "元数据里的 texts 不是 JSON 列表"))
    return _headed(head, payload[:MOST_TEXTS], _rows(matrix, len(payload), path), path)


def _write_safetensors(path: str, recorded: Recorded) -> None:
    import numpy as np
    from safetensors.numpy import save

    texts = json.dumps(list(recorded.texts), ensure_ascii=False)
    matrix = np.array(recorded.vectors, np.float32)
    with _Whole(path) as partial, open(partial, "wb") as file:
        head = {k: v if isinstance(v, str) else json.dumps(v) for k, v in _metadata(recorded).items()}
        file.write(save({"vectors": matrix}, metadata={**head, "texts": texts}))


class _Whole:
    """A file that is there as a whole or not at all: written beside its place, then moved there."""

    def __init__(self, path: str) -> None:
        self._path, self._partial = path, f"{path}.{os.getpid()}.part"

    def __enter__(self) -> str:
        return self._partial

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            os.replace(self._partial, self._path)
        elif os.path.exists(self._partial):
            os.unlink(self._partial)
