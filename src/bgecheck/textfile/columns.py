"""Chooses the column that holds the texts."""

from __future__ import annotations

from collections.abc import Sequence

from bgecheck.model import Text, clean
from bgecheck.textfile.refusal import refuse

USUAL = "text"
"""The column that is taken where none is named."""

_SHOWN = 20
"""Names of columns that a refusal lists."""


def chosen(name: str, columns: Sequence[str], wanted: str | None) -> str:
    """The column that was asked for, else `text`, else the only one. Raises `BadInput` where it is not there."""
    if wanted is None and len(columns) == 1:
        return columns[0]
    column = USUAL if wanted is None else wanted
    if columns.count(column) == 1:
        return column
    shown = clean(column, 60)
    if column in columns:
        reason = Text(
            f"it has {columns.count(column)} columns called {shown}", f"有 {columns.count(column)} 列都叫 {shown}"
        )
        refuse(name, reason, Text("give each its own name", "给每列起不同的名字"))
    refuse(
        name,
        Text(f"it has no column {shown}", f"没有列 {shown}"),
        Text(f"choose with --column: {listed(columns)}", f"用 --column 选择：{listed(columns)}")
        if columns
        else Text("its first row names the columns", "第一行应是列名"),
    )


def listed(columns: Sequence[str]) -> str:
    """The names of columns as a refusal lists them."""
    return clean(", ".join(map(str, columns[:_SHOWN])), 400) + (", ..." if len(columns) > _SHOWN else "")
