"""Which library reads which store, and the command that installs it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from bgecheck.model import BadInput, Text
from bgecheck.stores.address import NAMES, Address, Store

MODULES: Mapping[Store, tuple[str, ...]] = {
    "chroma": ("chromadb",),
    "milvus": ("pymilvus",),
    "qdrant": ("qdrant_client",),
    "pgvector": ("psycopg",),
}
_LOCAL: Mapping[Store, tuple[str, ...]] = {"milvus": ("milvus_lite",)}
"""What a folder or file needs beside them."""


def require(address: Address) -> None:
    """Raise `BadInput` with the command that installs what is missing."""
    needed = (*MODULES[address.store], *(_LOCAL.get(address.store, ()) if address.path else ()))
    missing = next((name for name in needed if find_spec(name) is None), None)
    if missing is None:
        return
    store = NAMES[address.store]
    raise BadInput(
        f"--check-store {address.shown}",
        Text(
            f"{store} is read with the Python package {missing}, which is not installed here",
            f"读取 {store} 需要 Python 包 {missing}，本机没有安装",
        ),
        Text(
            f"pip install 'bgecheck[{address.store}]'",
            f"pip install 'bgecheck[{address.store}]'",
        ),
    )
