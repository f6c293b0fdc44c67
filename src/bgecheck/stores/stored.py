"""What a vector store was found to hold: one collection with a sample of its rows, or why it cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from bgecheck.model import clean

Metric = Literal["cosine", "ip", "l2", "other"]

Kind = Literal[
    "unreachable",  # nobody answers there, or not in time
    "refused",  # the key or the password
    "no-collection",  # none of that name; `names` has those that are there
    "several",  # none was named, and there are several
    "several-vectors",  # the collection has several vector fields, and none was named
    "no-vectors",  # it has no field of dense vectors, or none of that name
    "no-text-field",  # it has no field of that name
    "empty",  # no row with a vector
    "locked",  # a local store that another program holds or is writing
    "not-loaded",  # Milvus: a collection that is not in memory cannot be queried
    "too-large",  # a local store that is too large to be copied
    "not-a-store",  # the folder or file is none of this store's
    "failed",  # anything else
]

LONGEST_TEXT = 20_000
"""Characters of a stored text that are passed on; a longer one is longer than any embedding model reads."""

LARGEST_VECTOR = 65_536
"""Components of a vector at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stored vector. `key` is its id; `place` its number in the order of the store, counted from 1, if known."""

    key: str
    vector: tuple[float, ...]
    text: str | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One collection (a table of PostgreSQL) with a sample of its rows."""

    collection: str
    rows: tuple[Row, ...]
    library: str
    """The library that read it, with its version."""
    count: int | None = None
    """Rows in all; of a large table of PostgreSQL as its statistics have it."""
    dims: int | None = None
    """Components that the collection declares; None where it declares none."""
    metric: Metric | None = None
    """What its index ranks by; None where there is no index, or it does not tell."""
    metric_source: str = ""
    """Where that stands, `hnsw:space = l2` for instance, in the store's own words."""
    squared: bool = False
    """Whether its L2 distances are squared ones."""
    default: bool = False
    """Whether the metric is what the store takes where none is chosen, and nothing shows that it was."""
    indexed: bool = True
    """Whether an index was built that searches use."""
    number_type: str = ""
    """How numbers are stored where it is not fp32, `halfvec` for instance."""
    quantised: str = ""
    """The quantisation of its index; the vectors as they came are kept beside it."""
    vector_field: str = ""
    text_field: str | None = None
    """The field that the texts were read from; None where it is not clear which it is, or there is none."""
    fields: tuple[str, ...] = ()
    """The fields that may hold texts."""
    units: bool = False
    """Whether the store itself makes vectors unit vectors when they are written, as Qdrant does for cosine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Why a store shows no vectors. `detail` is the library's own reason; `names` are what there is to choose from."""

    kind: Kind
    detail: str = ""
    names: tuple[str, ...] = ()


class StoreError(Exception):
    """Ends the reading of a store with a reason."""

    def __init__(self, kind: Kind, detail: str = "", names: tuple[str, ...] = ()) -> None:
        super().__init__(detail or kind)
        self.unreadable = Unreadable(kind=kind, detail=detail[:1000], names=names)


def encoded(outcome: Stored | Unreadable) -> dict[str, Any]:
    """As JSON has it."""
    return {"stored" if isinstance(outcome, Stored) else "unreadable": asdict(outcome)}


def decoded(payload: Mapping[str, Any]) -> Stored | Unreadable:
    """What `encoded` made, with every string cleaned but texts, which are sent as they are.

    Raises `KeyError`, `TypeError` or `ValueError` for anything else.
    """
    if "unreadable" in payload:
        reason = payload["unreadable"]
        names = tuple(clean(str(name), 100) for name in reason["names"])
        return Unreadable(kind=reason["kind"], detail=clean(str(reason["detail"]), 300), names=names)
    given = dict(payload["stored"])
    given["rows"] = tuple(_row(row) for row in given["rows"])
    given["fields"] = tuple(clean(str(name), 100) for name in given["fields"])
    given = {name: clean(value, 200) if isinstance(value, str) else value for name, value in given.items()}
    return Stored(**{field.name: given[field.name] for field in fields(Stored)})


def _row(row: Mapping[str, Any]) -> Row:
    text, place = row["text"], row["place"]
    return Row(
        key=clean(str(row["key"]), 80),
        vector=tuple(map(float, row["vector"])),
        text=text if isinstance(text, str) else None,
        place=place if isinstance(place, int) else None,
    )
