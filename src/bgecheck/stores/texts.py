"""Which field of stored rows holds the texts that were embedded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

USUAL = (
    "page_content",  # LangChain and Dify on Qdrant and Milvus
    "text",  # LangChain on Milvus, LlamaIndex, Dify on pgvector
    "document",  # LangChain on pgvector, Chroma, fastembed
    "content",  # Haystack, Spring AI
    "content_with_weight",  # RAGFlow
    "chunk",
    "chunk_text",
    "_node_content",  # LlamaIndex: JSON, whose text is in it
    "documents",
    "paragraph",
    "body",
)
"""Names under which applications store them, the most telling first."""

_NODE = "_node_content"


def text_of(row: Mapping[str, Any], field: str) -> str | None:
    """The text of a row; `metadata.text` is a field within another. None where there is none."""
    value: Any = row
    for part in [field] if field in row else field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if field == _NODE and isinstance(value, str):
        try:
            node = json.loads(value)
        except (ValueError, RecursionError):
            return None
        value = node.get("text") if isinstance(node, Mapping) else None
    return value if isinstance(value, str) and value.strip() else None


def candidates(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The fields that hold strings in any row, in the order in which they first come."""
    names: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, str) and value.strip():
                names[str(name)] = None
            elif isinstance(value, Mapping):
                inner = [f"{name}.{key}" for key, one in value.items() if isinstance(one, str) and one.strip()]
                names |= dict.fromkeys(inner)
    return tuple(names)


def field_of(rows: Sequence[Mapping[str, Any]], wanted: str | None) -> str | None:
    """The field that was asked for, else one of a usual name, else the only one that holds strings with a blank or
    a Chinese character; None where that is not clear, and where `wanted` holds no text.
    """
    if wanted is not None:
        return wanted if any(text_of(row, wanted) for row in rows) else None
    usual = next((name for name in USUAL if any(text_of(row, name) for row in rows)), None)
    if usual is not None:
        return usual
    prose = [name for name in candidates(rows) if all(_is_prose(text_of(row, name)) for row in rows)]
    return prose[0] if len(prose) == 1 else None


def _is_prose(value: str | None) -> bool:
    """Whether a string is more than an id, a name or a path."""
    return (
        value is not None
        and len(value) >= 4
        and (" " in value.strip() or any("\u4e00" <= c <= "\u9fff" for c in value))
    )
