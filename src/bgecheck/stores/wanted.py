"""What is read of a store, and how long it may take; as the process that reads it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bgecheck.model import Secret
from bgecheck.stores.address import Address

SAMPLE = 32
"""Rows that are read: of an index a tenth of which is of another model, 29 samples of 30 hold such a row."""

SLICES = 4
"""Places of the store at which they are read, from its first rows to its last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One reading. `folder` is an empty one, for the copy of a local store; `seconds` are those of one request."""

    address: Address
    seconds: float
    folder: str
    rows: int = SAMPLE


def packed(wanted: Wanted) -> dict[str, Any]:
    """As JSON has it, the key in the open: for the pipe to the process alone."""
    address = {**asdict(wanted.address), "key": wanted.address.key.reveal() if wanted.address.key else None}
    return {"address": address, "seconds": wanted.seconds, "folder": wanted.folder, "rows": wanted.rows}


def unpacked(payload: Mapping[str, Any]) -> Wanted:
    """What `packed` made."""
    address = dict(payload["address"])
    address["key"] = Secret(address["key"]) if address["key"] else None
    return Wanted(
        address=Address(**address), seconds=payload["seconds"], folder=payload["folder"], rows=payload["rows"]
    )


def offsets(count: int, rows: int) -> list[tuple[int, int]]:
    """Where to read how many of `count` rows, as (offset, limit), in order and without overlap."""
    if count <= rows:
        return [(0, count)] if count else []
    each = rows // SLICES
    starts = [round(n * (count - each) / (SLICES - 1)) for n in range(SLICES)]
    return [(start, each) for start in starts]
