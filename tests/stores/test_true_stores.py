"""True stores, where their library is installed: a small collection is read; `make real-stores` has the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bgecheck.stores.address import parse
from bgecheck.stores.reading import read_store
from bgecheck.stores.stored import Stored, Unreadable

COUNT, DIMS, SECONDS = 40, 8, 55.0
VECTORS = [[1.0 + n, *[0.5] * (DIMS - 1)] for n in range(COUNT)]
TEXTS = [f"文本 {n}" for n in range(COUNT)]

Fill = Callable[[Path], str]


def chroma(folder: Path) -> str:
    chromadb: Any = pytest.importorskip("chromadb", reason="the extra chroma is not installed")
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(folder / "c"), settings=Settings(anonymized_telemetry=False))
    collection = client.create_collection("docs", embedding_function=None, metadata={"hnsw:space": "ip"})
    collection.add(ids=[f"id{n}" for n in range(COUNT)], embeddings=VECTORS, documents=TEXTS)
    return f"chroma:{folder}/c"


def qdrant(folder: Path) -> str:
    qdrant_client: Any = pytest.importorskip("qdrant_client", reason="the extra qdrant is not installed")
    models = qdrant_client.models
    client = qdrant_client.QdrantClient(path=str(folder / "q"))
    client.create_collection("docs", vectors_config=models.VectorParams(size=DIMS, distance=models.Distance.DOT))
    points = [models.PointStruct(id=n, vector=v, payload={"page_content": TEXTS[n]}) for n, v in enumerate(VECTORS)]
    client.upsert("docs", points)
    client.close()
    return f"qdrant:{folder}/q"


def milvus(folder: Path) -> str:
    pytest.importorskip("milvus_lite", reason="the extra milvus is not installed")
    pymilvus: Any = pytest.importorskip("pymilvus", reason="the extra milvus is not installed")
    from milvus_lite.server_manager import server_manager_instance

    client = pymilvus.MilvusClient(str(folder / "m.db"))
    client.create_collection("docs", dimension=DIMS, metric_type="IP")
    client.insert("docs", [{"id": n, "vector": v, "text": TEXTS[n]} for n, v in enumerate(VECTORS)])
    client.close()
    server_manager_instance.release_all()
    return f"milvus:{folder}/m.db"


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fill", [chroma, qdrant, milvus])
def test_the_only_collection_of_a_local_store_is_read_and_left_as_it_is(tmp_path: Path, fill: Fill) -> None:
    uri = fill(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    stored = read_store(parse(uri), SECONDS)
    assert isinstance(stored, Stored), stored
    assert (stored.collection, stored.count, stored.dims, stored.metric) == ("docs", COUNT, DIMS, "ip")
    assert stored.rows[0].text == "文本 0"
    assert stored.rows[0].vector == tuple(VECTORS[0])
    assert len(stored.rows) > 20
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    missing = read_store(parse(f"{uri}?collection=nope"), SECONDS)
    assert missing == Unreadable(kind="no-collection", detail="nope", names=("docs",))
