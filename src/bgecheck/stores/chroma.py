"""Reads a collection of Chroma: a copy of a folder, or a server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bgecheck.stores.copying import copied
from bgecheck.stores.stored import LONGEST_TEXT, Metric, Row, Stored, StoreError
from bgecheck.stores.texts import candidates, text_of
from bgecheck.stores.wanted import Wanted, offsets

_METRICS: Mapping[str, Metric] = {"l2": "l2", "ip": "ip", "cosine": "cosine"}
_DOCUMENT = "document"


def read(wanted: Wanted) -> Stored:
    """The collection with a sample of its rows. Raises `StoreError`, and what chromadb raises."""
    import chromadb

    client = _client(wanted)
    collection = _collection(client, wanted)
    count = collection.count()
    rows = _rows(collection, count, wanted)
    if not rows:
        raise StoreError("empty", f"{collection.name}: {count}")
    space, chosen = _space(collection)
    return Stored(
        collection=collection.name,
        rows=tuple(rows),
        library=f"chromadb {chromadb.__version__}",
        count=count,
        dims=len(rows[0].vector),
        metric=_METRICS.get(space, "other"),
        metric_source=f"hnsw:space = {space}",
        squared=True,
        default=not chosen,
        text_field=wanted.address.text or (_DOCUMENT if any(row.text for row in rows) else None),
        fields=(),
    )


def _client(wanted: Wanted) -> Any:
    import chromadb
    from chromadb.config import Settings

    address = wanted.address
    settings = Settings(anonymized_telemetry=False)
    where = {name: value for name, value in (("tenant", address.tenant), ("database", address.database)) if value}
    if address.path is None:
        key = address.key.reveal() if address.key else None
        headers = {"Authorization": f"Bearer {key}", "x-chroma-token": key} if key else None
        host, port = address.host or "", address.port or 0
        return chromadb.HttpClient(host=host, port=port, ssl=address.tls, headers=headers, settings=settings, **where)
    if not os.path.isfile(os.path.join(address.path, "chroma.sqlite3")):
        raise StoreError("not-a-store", "chroma.sqlite3")
    return chromadb.PersistentClient(path=copied(address.path, wanted.folder), settings=settings, **where)


def _collection(client: Any, wanted: Wanted) -> Any:
    names = sorted(str(getattr(one, "name", one)) for one in client.list_collections(limit=100))
    name = wanted.address.collection
    if name is None and len(names) != 1:
        raise StoreError("several" if names else "empty", "", tuple(names))
    if name is not None and name not in names and len(names) < 100:
        raise StoreError("no-collection", name, tuple(names))
    # Without a function: the usual one would fetch a model from the internet.
    return client.get_collection(name or names[0], embedding_function=None)


def _rows(collection: Any, count: int, wanted: Wanted) -> list[Row]:
    rows: dict[str, Row] = {}
    for offset, limit in offsets(count, wanted.rows):
        page = collection.get(limit=limit, offset=offset, include=["embeddings", "documents", "metadatas"])
        vectors = page["embeddings"] if page["embeddings"] is not None else []
        for number, (key, vector) in enumerate(zip(page["ids"], vectors, strict=False)):
            text = _text(page, number, wanted.address.text)
            rows[key] = Row(
                key=key,
                vector=tuple(map(float, vector)),
                text=text[:LONGEST_TEXT] if text else None,
                place=offset + number + 1,
            )
    if wanted.address.text and not any(row.text for row in rows.values()):
        raise StoreError("no-text-field", wanted.address.text, _fields(collection))
    return list(rows.values())


def _text(page: Mapping[str, Any], number: int, field: str | None) -> str | None:
    """The document, or a field of the metadata where one was named."""
    metadata, document = (page["metadatas"] or [])[number] or {}, (page["documents"] or [])[number]
    return text_of({_DOCUMENT: document, "metadata": metadata, **metadata}, field or _DOCUMENT)


def _fields(collection: Any) -> tuple[str, ...]:
    page = collection.get(limit=8, include=["metadatas"])
    return (_DOCUMENT, *candidates([metadata or {} for metadata in page["metadatas"] or []]))


def _space(collection: Any) -> tuple[str, bool]:
    """What the collection ranks by, and whether it shows that somebody chose it: l2 is what Chroma takes by itself."""
    metadata, configuration = collection.metadata or {}, getattr(collection, "configuration_json", None) or {}
    index = configuration.get("hnsw") or configuration.get("spann") or {}
    space = metadata.get("hnsw:space") or index.get("space") or "l2"
    return str(space), "hnsw:space" in metadata or space != "l2"
