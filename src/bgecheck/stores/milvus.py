"""Reads a collection of Milvus: a copy of a file of Milvus Lite, or a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from bgecheck.stores.copying import copied
from bgecheck.stores.stored import LONGEST_TEXT, Metric, Row, Stored, StoreError
from bgecheck.stores.texts import candidates, field_of, text_of
from bgecheck.stores.wanted import Wanted, offsets

_METRICS: Mapping[str, Metric] = {"COSINE": "cosine", "IP": "ip", "L2": "l2"}
_DENSE = ("FLOAT_VECTOR", "FLOAT16_VECTOR", "BFLOAT16_VECTOR", "INT8_VECTOR")
_FARTHEST = 16_384
"""Offset and limit of a query together, at most."""


def read(wanted: Wanted) -> Stored:
    """The collection with a sample of its rows. Raises `StoreError`, and what pymilvus raises."""
    client = _client(wanted)
    name = _name(client, wanted)
    description = client.describe_collection(name)
    field = _vector_field(description["fields"], wanted.address.vector)
    _load(client, name) if wanted.address.path else _require_loaded(client, name)
    count = int(client.get_collection_stats(name).get("row_count") or 0)
    rows = _rows(client, name, count, wanted.rows)
    keyed = [(place, row, _vector(row.get(field["name"]))) for place, row in rows]
    held = [(place, row, vector) for place, row, vector in keyed if vector]
    if not held:
        raise StoreError("empty", f"{name}: {count}")
    primary = next((one["name"] for one in description["fields"] if one.get("is_primary")), "id")
    others = [{key: value for key, value in row.items() if key not in (primary, field["name"])} for _, row, _ in held]
    text_field = field_of(others, wanted.address.text)
    if wanted.address.text and text_field is None:
        raise StoreError("no-text-field", wanted.address.text, candidates(others))
    index = _index(client, name, field["name"])
    metric = str(index.get("metric_type") or "")
    return Stored(
        collection=name,
        rows=tuple(_row(place, row, vector, primary, text_field) for place, row, vector in held),
        library=f"pymilvus {version('pymilvus')}",
        count=count,
        dims=int(field["params"]["dim"]),
        metric=_METRICS.get(metric, "other") if metric else None,
        metric_source=f"metric_type = {metric}" if metric else "",
        squared=True,
        indexed=bool(index),
        number_type="" if _type(field) == "FLOAT_VECTOR" else _type(field),
        quantised=str(index.get("index_type")) if "SQ" in str(index.get("index_type")) else "",
        vector_field=field["name"],
        text_field=text_field,
        fields=candidates(others),
    )


def _client(wanted: Wanted) -> Any:
    from pymilvus import MilvusClient

    address = wanted.address
    key = address.key.reveal() if address.key else ""
    if address.path is None:
        host = f"[{address.host}]" if ":" in str(address.host) else address.host
        uri = f"{'https' if address.tls else 'http'}://{host}:{address.port}"
        return MilvusClient(uri, token=key, db_name=address.database or "", timeout=wanted.seconds)
    if not address.path.rstrip("/").endswith(".db"):
        raise StoreError("not-a-store", "*.db")
    return MilvusClient(copied(address.path, wanted.folder), db_name=address.database or "")


def _name(client: Any, wanted: Wanted) -> str:
    names = sorted(client.list_collections())
    name = wanted.address.collection
    if name is None and len(names) != 1:
        raise StoreError("several" if names else "empty", "", tuple(names))
    if name is not None and name not in names and not client.has_collection(name):
        raise StoreError("no-collection", name, tuple(names))
    return name or str(names[0])


def _type(field: Mapping[str, Any]) -> str:
    return str(getattr(field["type"], "name", field["type"]))


def _vector_field(fields: Sequence[Mapping[str, Any]], wanted: str | None) -> Mapping[str, Any]:
    dense = {str(field["name"]): field for field in fields if _type(field) in _DENSE}
    if wanted is not None:
        if wanted not in dense:
            raise StoreError("no-vectors", wanted, tuple(dense))
        return dense[wanted]
    if len(dense) != 1:
        raise StoreError("several-vectors" if dense else "no-vectors", "", tuple(dense))
    return next(iter(dense.values()))


def _load(client: Any, name: str) -> None:
    """Of a copy; a collection without an index of Milvus Lite is in memory already, and cannot be loaded."""
    if client.list_indexes(name):
        client.load_collection(name)


def _require_loaded(client: Any, name: str) -> None:
    """Raise `StoreError` where it is not in memory: loading it would change the server, so it is left to the user."""
    state = client.get_load_state(name).get("state")
    if getattr(state, "name", str(state)) == "NotLoad":
        raise StoreError("not-loaded", name)


def _rows(client: Any, name: str, count: int, most: int) -> list[tuple[int, Mapping[str, Any]]]:
    rows = []
    for offset, limit in offsets(min(count, _FARTHEST) or most, most):
        page = client.query(name, filter="", offset=offset, limit=limit, output_fields=["*"])
        rows += [(offset + number, row) for number, row in enumerate(page, 1)]
    return rows


def _vector(value: Any) -> tuple[float, ...] | None:
    """Of fp16 and bf16 a vector comes as bytes, or as an array of numpy."""
    if isinstance(value, bytes | bytearray) or (isinstance(value, list) and value and isinstance(value[0], bytes)):
        import numpy as np

        raw = value if isinstance(value, bytes | bytearray) else value[0]
        return tuple(np.frombuffer(raw, np.float16).astype(float).tolist())
    return tuple(map(float, value)) if value is not None and len(value) else None


def _row(place: int, row: Mapping[str, Any], vector: tuple[float, ...], primary: str, text_field: str | None) -> Row:
    text = text_of(row, text_field) if text_field else None
    key = str(row.get(primary, place))
    return Row(key=key, vector=vector, text=text[:LONGEST_TEXT] if text else None, place=place)


def _index(client: Any, name: str, field: str) -> Mapping[str, Any]:
    """The index of the vectors; empty without one."""
    for index in client.list_indexes(name, field_name=field) or client.list_indexes(name):
        described = client.describe_index(name, index) or {}
        if described.get("field_name", field) == field:
            index_of_field: Mapping[str, Any] = described
            return index_of_field
    return {}
