"""Files of vectors that grow row by row, `.npy` and `.safetensors`: a head of fixed size, then float32 rows."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Literal

MatrixForm = Literal["npy", "safetensors"]

ROW_ITEM = 4
"""Bytes of a float32."""

HEAD = {"npy": 128, "safetensors": 1024}
"""Bytes before the first row, padded so that the number of rows can be written last."""


def head(form: MatrixForm, rows: int, dims: int, about: Mapping[str, str]) -> bytes:
    """The beginning of a file of `rows` little-endian float32 vectors of `dims` components.

    `.npy` is version 1.0 of numpy's format (numpy.lib.format); `.safetensors` holds one tensor, `vectors`, and `about`
    as its metadata.
    """
    return _npy(rows, dims) if form == "npy" else _safetensors(rows, dims, about)


def _npy(rows: int, dims: int) -> bytes:
    words = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dims}), }}".encode()
    magic = b"\x93NUMPY\x01\x00"
    size = HEAD["npy"] - len(magic) - 2
    return magic + struct.pack("<H", size) + words.ljust(size - 1) + b"\n"


def _safetensors(rows: int, dims: int, about: Mapping[str, str]) -> bytes:
    size = HEAD["safetensors"] - 8
    tensor = {"dtype": "F32", "shape": [rows, dims], "data_offsets": [0, rows * dims * ROW_ITEM]}
    words = json.dumps({"__metadata__": dict(about), "vectors": tensor}, separators=(",", ":")).encode()
    if len(words) > size:
        words = json.dumps({"vectors": tensor}, separators=(",", ":")).encode()
    return struct.pack("<Q", size) + words.ljust(size)
