"""The door to Ray: its modules, or a line that says how to install it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bgecheck.model import BadInput, Text, clean


def required() -> Any:
    """The module ray, with ray.data. Raises `BadInput` where it is not installed."""
    try:
        import ray
        import ray.data
    except ImportError as missing:
        why = missing.name or "ray"
        raise BadInput(
            "bgecheck.cluster",
            Text(f"it needs Ray Data, and {why} is not installed", f"需要 Ray Data，但没有安装 {why}"),
            Text("install it: pip install 'bgecheck[ray]'", "安装：pip install 'bgecheck[ray]'"),
        ) from None
    return ray


def require_columns(dataset: Any, **wanted: str) -> None:
    """Raise `BadInput` where a dataset is known to lack a column; nothing is computed to find out."""
    schema = dataset.schema(fetch_if_missing=False)
    if schema is not None:
        require_among(list(schema.names), **wanted)


def require_among(columns: Sequence[str], **wanted: str) -> None:
    """Raise `BadInput` where one of the columns, by what it is for, is not there."""
    for use, name in wanted.items():
        if name not in columns:
            listed = clean(", ".join(columns), 400)
            raise BadInput(
                f"{use}={clean(name, 60)!r}",
                Text(f"there is no such column; there are: {listed}", f"没有这一列；现有：{listed}"),
                Text(f"name the right one: {use}=...", f"写上实际的列名：{use}=..."),
            )
