"""Reads the vectors of a response into one matrix, without a Python number for each component where they are base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bgecheck.http.reply import Reply

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Matrix:
    """The vectors of a response, a float32 row for each text in the order of their `index` fields."""

    rows: NDArray[np.float32]
    tokens: int
    """`usage.prompt_tokens`, 0 where it is not told."""


def matrix_of(reply: Reply, count: int) -> Matrix | None:
    """The vectors for `count` texts, of one length; None where the response holds anything else.

    Floats and base64 are read whichever was asked for: sglang before 0.5.17 ignores `encoding_format`. JSON null, which
    sglang writes for NaN, is NaN.
    """
    payload = reply.json() if reply.status == 200 else None
    data = payload.get("data") if isinstance(payload, Mapping) else None
    if not isinstance(data, list) or len(data) != count or not all(isinstance(item, dict) for item in data):
        return None
    rows = _rows([item.get("embedding") for item in _in_order(data)])
    usage = payload.get("usage") if isinstance(payload, Mapping) else None
    tokens = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return None if rows is None else Matrix(rows, tokens if type(tokens) is int and tokens > 0 else 0)


def _in_order(data: list[Any]) -> list[Any]:
    """By `index` where the indexes are a permutation, else as they came."""
    indexes = [item.get("index") for item in data]
    if indexes == list(range(len(data))) or {*map(str, indexes)} != {*map(str, range(len(data)))}:
        return data
    return sorted(data, key=lambda item: int(item["index"]))


def _rows(vectors: list[Any]) -> NDArray[np.float32] | None:
    import numpy as np

    try:
        if all(isinstance(vector, str) for vector in vectors):
            parts = [base64.b64decode(vector) for vector in vectors]
            if len({*map(len, parts)}) != 1 or not parts[0] or len(parts[0]) % 4:
                return None
            return np.frombuffer(b"".join(parts), "<f4").reshape(len(parts), -1)
        if not all(isinstance(vector, list) and vector for vector in vectors):
            return None
        made = np.array(vectors, np.float32)  # None becomes NaN
    except (binascii.Error, ValueError, TypeError, OverflowError):  # a ragged matrix, a string or a list within
        return None
    return made if made.ndim == 2 else None
