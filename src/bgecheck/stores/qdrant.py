"""Reads a collection of Qdrant: a copy of a folder of its local mode, or a server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from bgecheck.stores.copying import copied
from bgecheck.stores.stored import LONGEST_TEXT, Metric, Row, Stored, StoreError
from bgecheck.stores.texts import candidates, field_of, text_of
from bgecheck.stores.wanted import Wanted

_METRICS: Mapping[str, Metric] = {"Cosine": "cosine", "Dot": "ip", "Euclid": "l2"}


def read(wanted: Wanted) -> Stored:
    """The collection with a sample of its points. Raises `StoreError`, and what qdrant_client raises."""
    client = _client(wanted)
    name = _name(client, wanted)
    info = client.get_collection(name)
    field, parameters = _vector_field(info.config.params.vectors, wanted.address.vector)
    points = _points(client, name, info.points_count or 0, field, wanted)
    vectors = [(point, _vector(point, field)) for point in points]
    held = [(point, vector) for point, vector in vectors if vector]
    if not held:
        raise StoreError("empty", f"{name}: {info.points_count}")
    payloads = [point.payload or {} for point, _ in held]
    text_field = field_of(payloads, wanted.address.text)
    if wanted.address.text and text_field is None:
        raise StoreError("no-text-field", wanted.address.text, candidates(payloads))
    distance = str(getattr(parameters.distance, "value", parameters.distance))
    quantised = parameters.quantization_config or info.config.quantization_config
    return Stored(
        collection=name,
        rows=tuple(_row(point, vector, text_field) for point, vector in held),
        library=f"qdrant-client {version('qdrant-client')}",
        count=info.points_count,
        dims=parameters.size,
        metric=_METRICS.get(distance, "other"),
        metric_source=f"distance = {distance}",
        number_type=str(getattr(parameters.datatype, "value", parameters.datatype) or ""),
        quantised=next(iter(quantised.model_dump(exclude_none=True)), "") if quantised else "",
        vector_field=field,
        text_field=text_field,
        fields=candidates(payloads),
        units=distance == "Cosine",
    )


def _client(wanted: Wanted) -> Any:
    from qdrant_client import QdrantClient

    address = wanted.address
    if address.path is None:
        key = address.key.reveal() if address.key else None
        scheme = "https" if address.tls else "http"
        host = f"[{address.host}]" if ":" in str(address.host) else address.host
        # A wrong version is no reason to say anything: what is asked is as old as the API.
        return QdrantClient(
            url=f"{scheme}://{host}:{address.port}",
            api_key=key,
            timeout=int(wanted.seconds) or 1,
            check_compatibility=False,
        )
    if not os.path.isfile(os.path.join(address.path, "meta.json")):
        raise StoreError("not-a-store", "meta.json")
    return QdrantClient(path=copied(address.path, wanted.folder))


def _name(client: Any, wanted: Wanted) -> str:
    names = sorted(one.name for one in client.get_collections().collections)
    name = wanted.address.collection
    if name is None and len(names) != 1:
        raise StoreError("several" if names else "empty", "", tuple(names))
    if name is not None and name not in names and not client.collection_exists(name):  # it may be an alias
        raise StoreError("no-collection", name, tuple(names))
    return name or names[0]


def _vector_field(vectors: Any, wanted: str | None) -> tuple[str, Any]:
    """The name of the dense vectors, empty where they have none, and their parameters."""
    if vectors is None:
        raise StoreError("no-vectors", "sparse")
    if not isinstance(vectors, Mapping):
        if wanted:
            raise StoreError("no-vectors", wanted)
        return "", vectors
    dense = {name: one for name, one in vectors.items() if one.multivector_config is None}
    if wanted is not None:
        if wanted not in dense:
            raise StoreError("no-vectors", wanted, tuple(vectors))
        return wanted, dense[wanted]
    if len(dense) != 1:
        raise StoreError("several-vectors" if dense else "no-vectors", "", tuple(dense))
    return next(iter(dense.items()))


def _points(client: Any, name: str, count: int, field: str, wanted: Wanted) -> list[Any]:
    """The first points in the order of their ids, and others by chance, in the order of ids."""
    from qdrant_client import models

    first = wanted.rows if count <= wanted.rows else wanted.rows // 4
    points = client.scroll(name, limit=first, with_payload=True, with_vectors=[field] if field else True)[0]
    by_id = {point.id: point for point in points}
    if count > wanted.rows:
        by_chance = client.query_points(
            name,
            query=models.SampleQuery(sample=models.Sample.RANDOM),
            limit=wanted.rows - len(points),
            with_payload=True,
            with_vectors=[field] if field else True,
        ).points
        by_id |= {point.id: point for point in by_chance}
    return [by_id[key] for key in sorted(by_id, key=lambda key: (isinstance(key, str), key))]


def _vector(point: Any, field: str) -> tuple[float, ...] | None:
    vector = point.vector.get(field) if isinstance(point.vector, Mapping) else point.vector
    return (
        tuple(map(float, vector)) if isinstance(vector, list) and vector and not isinstance(vector[0], list) else None
    )


def _row(point: Any, vector: tuple[float, ...], field: str | None) -> Row:
    text = text_of(point.payload or {}, field) if field else None
    return Row(key=str(point.id), vector=vector, text=text[:LONGEST_TEXT] if text else None)
