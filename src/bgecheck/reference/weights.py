"""Reads the weights of a model folder: mapped from safetensors or a torch file, never executed, never all in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgecheck.machine.files import read_text
from bgecheck.model import Text, Unavailable
from bgecheck.reference.headers import plain
from bgecheck.reference.mapped import Floats, Tensor, broken, mapped, release
from bgecheck.reference.torchfile import tensors_of as torch_tensors

SAFETENSORS, TORCH = "model.safetensors", "pytorch_model.bin"
_INDEX_LIMIT = 16 * 2**20
_SHARDS = 512


class Weights:
    """The tensors of a model by name, whatever the prefix that its class wrote before them."""

    def __init__(self, tensors: Mapping[str, Tensor], path: str, files: Sequence[NDArray[np.uint8]] = ()) -> None:
        self.path = path
        self._files = files
        self._tensors = {plain(name): tensor for name, tensor in tensors.items()}

    def release(self) -> None:
        """Give back the memory of what was read so far: of a model only a layer at a time is held."""
        for raw in self._files:
            release(raw)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def get(self, name: str, *shape: int, rows: NDArray[np.int64] | None = None) -> Floats:
        """A tensor of that shape as float32. Raises `Unavailable` where it is missing or has another shape."""
        tensor = self._tensors.get(name)
        if tensor is None:
            raise Unavailable(Text(f"{self.path} holds no {name}", f"{self.path} 里没有 {name}"))
        dims = tuple(tensor.raw.shape)
        if dims != shape:
            raise Unavailable(
                Text(
                    f"{name} has the shape {dims}, and config.json says {shape}",
                    f"{name} 的形状是 {dims}，而 config.json 说是 {shape}",
                )
            )
        return tensor.floats(rows)


def open_weights(folder: str) -> Weights:
    """The weights that a loader would take: safetensors before torch's file, one file before shards.

    Raises `Unavailable` for a missing, foreign or damaged file. Files are mapped: of a model of 1.3 GB only the pages
    that are used come into memory, until `release`.
    """
    for name, tensors_of in ((SAFETENSORS, safetensors_of), (TORCH, torch_tensors)):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            raw = mapped(path)
            return Weights(tensors_of(raw, path), path, [raw])
        index = f"{path}.index.json"
        if os.path.isfile(index):
            shards = [os.path.join(folder, shard) for shard in _shards(index)]
            files = [mapped(shard) for shard in shards]
            parts = [tensors_of(raw, shard) for raw, shard in zip(files, shards, strict=True)]
            return Weights({name: tensor for part in parts for name, tensor in part.items()}, index, files)
    raise Unavailable(
        Text(
            f"{folder} holds neither {SAFETENSORS} nor {TORCH}",
            f"{folder} 里既没有 {SAFETENSORS} 也没有 {TORCH}",
        )
    )


def _shards(index: str) -> list[str]:
    """The files that an index names, all of them in its own folder."""
    try:
        payload = json.loads(read_text(index, _INDEX_LIMIT))
        names = sorted(set(payload["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        names = []
    strange = [n for n in names if not isinstance(n, str) or not n or os.path.basename(n) != n]
    if strange or not 0 < len(names) <= _SHARDS:
        raise Unavailable(Text(f"{index} names no shards", f"{index} 里没有可用的分片列表"))
    return names


_DTYPES: Mapping[str, Any] = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def safetensors_of(raw: NDArray[np.uint8], path: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file that hold floats.

    The library checks the file (its header, that offsets neither leave it nor overlap); the numbers are then
    read where they lie, for its numpy side knows no bfloat16 and copies what it returns.
    """
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy"):
            size = int.from_bytes(raw[:8].tobytes(), "little")
            header = json.loads(raw[8 : 8 + size].tobytes())
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        broken(path, str(error))
    body = raw[8 + size :]
    return {name: _at(body, entry) for name, entry in header.items() if entry.get("dtype") in _DTYPES}


def _at(body: NDArray[np.uint8], entry: Mapping[str, Any]) -> Tensor:
    begin, end = entry["data_offsets"]
    view = np.frombuffer(body, _DTYPES[entry["dtype"]], count=(end - begin) // _size(entry), offset=begin)
    return Tensor(view.reshape(entry["shape"]), entry["dtype"] == "BF16")


def _size(entry: Mapping[str, Any]) -> int:
    return int(np.dtype(_DTYPES[entry["dtype"]]).itemsize)
