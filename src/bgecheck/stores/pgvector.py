"""Reads a table of PostgreSQL with a column of pgvector, within a read-only transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from bgecheck.stores.stored import LONGEST_TEXT, Metric, Row, Stored, StoreError
from bgecheck.stores.texts import candidates, field_of, text_of
from bgecheck.stores.wanted import SLICES, Wanted

_CLASSES: tuple[tuple[str, Metric], ...] = (("_cosine_ops", "cosine"), ("_ip_ops", "ip"), ("_l2_ops", "l2"))
"""Ends of the operator classes, the one first by which vectors of any length are ranked rightly."""

_LANGCHAIN, _LANGCHAIN_NAMES = "langchain_pg_embedding", "langchain_pg_collection"

_COLUMNS = """
    SELECT n.nspname, c.relname, a.attname, t.typname, a.atttypmod, c.reltuples::bigint, c.relkind::text, c.oid::bigint
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE t.typname IN ('vector', 'halfvec') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND NOT a.attisdropped AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT c.relispartition
    ORDER BY n.nspname, c.relname, a.attnum LIMIT 200"""

_INDEXES = """
    SELECT i.relname, m.amname, o.opcname, x.indisvalid, pg_get_indexdef(x.indexrelid)
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam
    JOIN pg_opclass o ON o.oid = ANY(x.indclass)
    WHERE x.indrelid = %s AND m.amname IN ('hnsw', 'ivfflat') ORDER BY i.relname"""


class _Column(NamedTuple):
    schema: str
    table: str
    name: str
    type: str
    dims: int
    """-1 where it declares none."""
    estimate: int
    kind: str
    oid: int

    @property
    def shown(self) -> str:
        """The table as it is named in a query."""
        return self.table if self.schema == "public" else f"{self.schema}.{self.table}"


def read(wanted: Wanted) -> Stored:
    """The table with a sample of its rows. Raises `StoreError`, and what psycopg raises."""
    import psycopg

    with _connected(wanted) as connection, connection.cursor() as cursor:
        column = _column(cursor, wanted)
        collection = _collection(cursor, column, wanted)
        rows = _rows(cursor, column, collection, wanted.rows)
        if not rows:
            raise StoreError("empty", f"{column.shown}: 0")
        others = [other for _, other, _ in rows]
        text_field = field_of(others, wanted.address.text)
        if wanted.address.text and text_field is None:
            raise StoreError("no-text-field", wanted.address.text, candidates(others))
        metric, source = _metric(cursor, column)
        return Stored(
            collection=column.shown + (f" ({wanted.address.collection})" if collection else ""),
            rows=tuple(_row(key, other, vector, text_field) for key, other, vector in rows),
            library=f"psycopg {psycopg.__version__}",
            count=column.estimate if column.estimate >= 0 else _count(cursor, column),
            dims=column.dims if column.dims > 0 else None,
            metric=metric,
            metric_source=source,
            indexed=metric is not None,
            number_type="" if column.type == "vector" else column.type,
            vector_field=column.name,
            text_field=text_field,
            fields=candidates(others),
        )


def _connected(wanted: Wanted) -> Any:
    import psycopg

    address = wanted.address
    limit = int(wanted.seconds * 1000)  # ms
    given: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "dbname": address.database,
        "password": address.key.reveal() if address.key else None,
        "connect_timeout": max(2, int(wanted.seconds)),
        "application_name": "bgecheck",
        "options": f"-c default_transaction_read_only=on -c statement_timeout={limit} -c lock_timeout={limit}",
        **address.options,
    }
    connection = psycopg.connect(**{name: value for name, value in given.items() if value is not None})
    connection.read_only = True
    return connection


def _column(cursor: Any, wanted: Wanted) -> _Column:
    columns = [_Column(*row) for row in cursor.execute(_COLUMNS).fetchall()]
    address = wanted.address
    if not columns:
        raise StoreError("no-vectors", "vector, halfvec")
    table = address.table or (_LANGCHAIN if address.collection else None)
    names = tuple(dict.fromkeys(column.shown for column in columns))
    if table is not None:
        columns = [column for column in columns if table in (column.table, f"{column.schema}.{column.table}")]
        if not columns:
            raise StoreError("no-collection", table, names)
        names = tuple(dict.fromkeys(column.shown for column in columns))
    if len(names) > 1:
        raise StoreError("several", "", names)
    if address.vector is not None:
        inside = tuple(column.name for column in columns)
        columns = [column for column in columns if column.name == address.vector]
        if not columns:
            raise StoreError("no-vectors", address.vector, inside)
    if len(columns) > 1:
        raise StoreError("several-vectors", "", tuple(column.name for column in columns))
    return columns[0]


def _collection(cursor: Any, column: _Column, wanted: Wanted) -> Any:
    """The id of a collection of LangChain, whose table holds several; None for any other table."""
    from psycopg import sql

    if column.table != _LANGCHAIN:
        return None
    query = sql.SQL("SELECT name, uuid FROM {} ORDER BY name").format(sql.Identifier(column.schema, _LANGCHAIN_NAMES))
    collections = dict(cursor.execute(query).fetchall())
    name = wanted.address.collection
    if name is None and len(collections) > 1:
        raise StoreError("several", "collection", tuple(collections))
    if name is not None and name not in collections:
        raise StoreError("no-collection", name, tuple(collections))
    return collections[name] if name is not None else None


def _rows(
    cursor: Any, column: _Column, collection: Any, most: int
) -> list[tuple[str, dict[str, Any], tuple[float, ...]]]:
    """Key, other fields and vector of rows from a few places of the table; of a view the first."""
    from psycopg import sql

    table, vector = sql.Identifier(column.schema, column.table), sql.Identifier(column.name)
    chosen, values = sql.SQL("{} IS NOT NULL").format(vector), []
    if collection is not None:
        chosen, values = sql.SQL("{} AND collection_id = %s").format(chosen), [collection]
    query = sql.SQL("SELECT {}::text, to_jsonb(t) - {}::text FROM {} t WHERE {}").format(
        vector, sql.Literal(column.name), table, chosen
    )
    rows = cursor.execute(query + sql.SQL(" LIMIT {}").format(sql.Literal(most + 1)), values).fetchall()
    if len(rows) > most and column.kind == "r" and collection is None:
        rows = _spread(cursor, query, column, most) or rows
    made = [(_key(other, number), dict(other), _numbers(text)) for number, (text, other) in enumerate(rows[:most], 1)]
    return [(key, other, numbers) for key, other, numbers in made if numbers]


def _spread(cursor: Any, query: Any, column: _Column, most: int) -> list[Any]:
    """Rows from the beginning of a few of the table's blocks: no scan, however long the table is."""
    from psycopg import sql

    (blocks,) = cursor.execute(
        "SELECT pg_relation_size(%s::oid::regclass) / current_setting('block_size')::int", [column.oid]
    ).fetchone()
    rows: dict[str, Any] = {}
    for number in range(SLICES):
        block = round(number * max(0, blocks - 1) / SLICES)
        part = query + sql.SQL(" AND t.ctid >= {}::tid LIMIT {}").format(
            sql.Literal(f"({block},0)"), sql.Literal(most // SLICES)
        )
        rows |= {json.dumps(row[1], sort_keys=True, default=str): row for row in cursor.execute(part).fetchall()}
    # A table of a few blocks, whose vectors lie elsewhere (TOAST), has its rows in the first of them.
    return list(rows.values()) if len(rows) >= most else []


def _key(row: Mapping[str, Any], number: int) -> str:
    value = next(
        (row[name] for name in ("id", "uuid", "pk", "langchain_id", "node_id") if row.get(name) is not None), None
    )
    return str(number if value is None else value)


def _numbers(text: str | None) -> tuple[float, ...]:
    return tuple(map(float, json.loads(text))) if text else ()


def _metric(cursor: Any, column: _Column) -> tuple[Metric | None, str]:
    """What the indexes of the column rank by, the best for any length of vectors first; and their names."""
    indexes = [row for row in cursor.execute(_INDEXES, [column.oid]).fetchall() if column.name in row[4]]
    valid = [row for row in indexes if row[3]]
    source = "; ".join(f"{name} ({method}, {ops})" for name, method, ops, _, _ in valid)
    for end, metric in _CLASSES:
        if any(str(row[2]).endswith(end) for row in valid):
            return metric, source
    if indexes and not valid:
        return None, str(indexes[0][0])
    return ("other", source) if valid else (None, "")


def _count(cursor: Any, column: _Column) -> int | None:
    """The rows of a table that was never analysed, up to a bound."""
    from psycopg import sql

    query = sql.SQL("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT 100000) t")
    (count,) = cursor.execute(query.format(sql.Identifier(column.schema, column.table))).fetchone()
    return int(count)


def _row(key: str, other: Mapping[str, Any], vector: tuple[float, ...], text_field: str | None) -> Row:
    text = text_of(other, text_field) if text_field else None
    return Row(key=key, vector=vector, text=text[:LONGEST_TEXT] if text else None)
